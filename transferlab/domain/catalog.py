"""Which domains there are: folders that hold a domain.yaml, found on a search path."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from transferlab.config.domain import DomainConfig
from transferlab.config.yaml_sections import load_yaml, locate
from transferlab.core.paths import user_domains_folder
from transferlab.core.registry import did_you_mean
from transferlab.domain.base.source_kinds import SOURCES
from transferlab.errors import InputError, TransferlabWarning, UnknownName

DOMAIN_FILE = "domain.yaml"
ROWS_FILE = "domain.py"
SEARCH_VARIABLE = "TRANSFERLAB_DOMAINS"


@dataclass(frozen=True, kw_only=True)
class DomainEntry:
    """A domain that can be named in a pipeline; nothing of its data has been read."""

    config: DomainConfig
    folder: Path
    """Holds domain.yaml and, where rows need code, domain.py."""

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def file(self) -> Path:
        return self.folder / DOMAIN_FILE

    @property
    def rows_file(self) -> Path | None:
        """The domain's own code, if it has any."""
        path = self.folder / ROWS_FILE
        return path if path.is_file() else None


def find_domains(
    extra: Sequence[Path] = (), *, needed: Collection[str] = ()
) -> dict[str, DomainEntry]:
    """Every domain on the search path, by name, in alphabetical order.

    A domain.yaml that is broken is left out with a warning, as nobody may have asked for it; it is
    an error where the user named its folder, or where a needed domain is nowhere else.

    The search path is ``extra``, then $TRANSFERLAB_DOMAINS, then ./domains, then what was
    registered, then what transferlab ships. Each entry is a folder of domain folders, or one domain
    folder.

    Args:
        extra: as above.
        needed: names of the domains that are going to be used.

    Raises:
        InputError: a folder that the user named is missing, a domain.yaml that is asked for is
            broken, or two different domains have one name.
    """
    found: dict[str, DomainEntry] = {}
    broken: dict[Path, InputError] = {}
    visited: set[Path] = set()
    for folder in _domain_folders(extra):
        if folder.resolve() in visited:
            continue
        visited.add(folder.resolve())
        try:
            entry = read_entry(folder)
        except InputError as error:
            if folder in extra:
                raise
            broken[folder] = error
            continue
        other = found.setdefault(entry.name, entry)
        # An installed copy of a checkout's own domain is no second domain.
        if other is not entry and _content(other) != _content(entry):
            raise InputError(
                f"two domains are named '{entry.name}': {other.file} and {entry.file}; "
                "rename one of them"
            )
    _report_broken(broken, asked_for=set(needed) - set(found))
    return dict(sorted(found.items()))


def _report_broken(broken: Mapping[Path, InputError], *, asked_for: Collection[str]) -> None:
    if asked_for:
        own = [error for folder, error in broken.items() if folder.name in asked_for]
        if own:
            raise own[0]
        if broken:
            raise next(iter(broken.values()))
    for error in broken.values():
        first, *more = str(error).splitlines()
        others = f" ({len(more)} more)" if more else ""
        warnings.warn(f"left out: {first}{others}", TransferlabWarning, stacklevel=3)


def find_entry(given: str, extra: Sequence[Path] = ()) -> DomainEntry:
    """The domain that a user means: a folder with a domain.yaml, such a file, or a name.

    Raises:
        UnknownName: no domain on the search path has that name.
        InputError: a domain.yaml is broken, or there is no such path.
    """
    path = Path(given)
    folder = path.parent if path.name == DOMAIN_FILE else path
    if (folder / DOMAIN_FILE).is_file():
        return read_entry(folder)
    if len(path.parts) != 1 or path.suffix:
        raise InputError(f"{given}: there is no {DOMAIN_FILE}; `domains register` writes one")
    entries = find_domains(extra, needed=[given])
    if given not in entries:
        known = ", ".join(entries) or "none"
        raise UnknownName(
            f"there is no domain '{given}'.{did_you_mean(given, list(entries))} Known: {known}"
        )
    return entries[given]


def read_entry(folder: Path) -> DomainEntry:
    """The domain of one folder.

    Raises:
        InputError: its domain.yaml is broken.
    """
    file = folder / DOMAIN_FILE
    config = load_yaml(file, DomainConfig)
    try:
        SOURCES.check(config.source.kind)
    except InputError as error:
        raise InputError(locate(file, f"source.kind: {error}")) from None
    return DomainEntry(config=config, folder=folder.resolve())


def _domain_folders(extra: Sequence[Path]) -> Iterator[Path]:
    named = [(Path(path), "--domains") for path in extra]
    variable = os.environ.get(SEARCH_VARIABLE, "")
    named += [(Path(path), f"${SEARCH_VARIABLE}") for path in variable.split(os.pathsep) if path]
    for path, origin in named:
        if not path.is_dir():
            raise InputError(f"{origin}: there is no folder '{path}'")
        inside = list(_in_folder(path))
        if not inside:
            raise InputError(
                f"{origin}: '{path}' holds no domain; a domain is a folder with a {DOMAIN_FILE}"
            )
        yield from inside
    for path in (Path("domains"), user_domains_folder(), *shipped_folders()):
        yield from _in_folder(path)


def _in_folder(path: Path) -> Iterable[Path]:
    if (path / DOMAIN_FILE).is_file():
        return [path]
    return sorted(file.parent for file in path.glob(f"*/{DOMAIN_FILE}"))


def shipped_folders() -> list[Path]:
    """The domains in the wheel; in a source checkout, those beside the package."""
    package = Path(str(resources.files("transferlab")))
    folders = (package / "content" / "domains", package.parent / "domains")
    return [folder for folder in folders if folder.is_dir()][:1]


def _content(entry: DomainEntry) -> tuple[bytes, bytes]:
    code = entry.rows_file.read_bytes() if entry.rows_file else b""
    return entry.file.read_bytes(), code
