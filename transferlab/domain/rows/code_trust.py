"""Whose Python runs: that of domains that ship, of the user's own, and what the user has trusted.

A ``domain.py`` may have come with data. It is trusted by the digest of its bytes, which is kept in
the user's own folder, outside any data; changed code needs a new word. A domain.yaml may name code
by its dotted path; that name is trusted.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from transferlab.core.paths import user_domains_folder
from transferlab.domain.catalog import ROWS_FILE, DomainEntry, shipped_folders
from transferlab.errors import DataError, EnvironmentProblem, InputError


def trusted_folder() -> Path:
    """Where the user's word is kept: $TRANSFERLAB_HOME/trusted, a file per digest."""
    return user_domains_folder().parent / "trusted"


def read_trusted_code(entry: DomainEntry) -> bytes:
    """The bytes of a domain's own code, which may be run.

    Raises:
        DataError: the user has not said that it may.
    """
    file = _file(entry)
    code = file.read_bytes()
    digest = code_digest(code)
    if _is_own(entry) or digest in _shipped() or (trusted_folder() / digest).is_file():
        return code
    raise DataError(
        f"{file}: is Python code beside data, and is not run before you have trusted it (SHA-256 "
        f"{digest[:12]}...); read it, then: transferlab domains trust {entry.name}"
    )


def check_named_code(entry: DomainEntry) -> None:
    """Refuse code that domain.yaml names by a dotted path, before it is imported.

    Raises:
        DataError: the user has not said that it may run.
    """
    for name, digest in _named_code(entry).items():
        if not _is_own(entry) and not (trusted_folder() / digest).is_file():
            raise DataError(
                f"{entry.file}: names the Python code '{name}', which is not imported before you "
                f"have trusted it; look at it, then: transferlab domains trust {entry.name}"
            )


def trust(entry: DomainEntry) -> dict[str, str]:
    """Keep the user's word that a domain's code, as it is now, may run.

    Returns:
        By what is trusted, its file or the dotted path that names it: the SHA-256, in hex.

    Raises:
        InputError: the domain has no code.
        EnvironmentProblem: the word cannot be kept.
    """
    code, folder = _code_of(entry), trusted_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, digest in code.items():
            (folder / digest).write_text(f"{name}\n", "utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"{folder}: cannot be written ({error.strerror})") from None
    return code


def withdraw_trust(entry: DomainEntry) -> dict[str, str]:
    """Take the user's word back; as ``trust``."""
    code, folder = _code_of(entry), trusted_folder()
    try:
        for digest in code.values():
            (folder / digest).unlink(missing_ok=True)
    except OSError as error:
        raise EnvironmentProblem(f"{folder}: cannot be changed ({error.strerror})") from None
    return code


def _code_of(entry: DomainEntry) -> dict[str, str]:
    code = _named_code(entry)
    if entry.rows_file is not None:
        code[str(entry.rows_file)] = code_digest(entry.rows_file.read_bytes())
    if not code:
        raise InputError(
            f"domain '{entry.name}': has no {ROWS_FILE} and names no code; there is nothing to "
            "trust"
        )
    return code


def _named_code(entry: DomainEntry) -> dict[str, str]:
    """Dotted paths in domain.yaml, each with the digest by which its trust is kept."""
    config = entry.config
    names = [config.source.kind, *(one for task in config.tasks.values() for one in task.metrics)]
    return {name: code_digest(f"named: {name}".encode()) for name in names if ":" in name}


def code_digest(code: bytes) -> str:
    """SHA-256, in hex."""
    return hashlib.sha256(code).hexdigest()


def _file(entry: DomainEntry) -> Path:
    if entry.rows_file is None:
        raise ValueError("a domain without code has none to read")
    return entry.rows_file


def _is_own(entry: DomainEntry) -> bool:
    """Whether the user alone can have put the code there: into the folder of registered domains,
    to which no command brings data, for data that lie elsewhere and were not fetched."""
    where = entry.config.data_root
    return (
        entry.folder.parent == user_domains_folder().resolve()
        and not entry.config.fetch
        and bool(where)
        and not (Path(where).is_absolute() and _overlap(Path(where).resolve(), entry.folder))
    )


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


@cache
def _shipped() -> frozenset[str]:
    """Digests of the code that comes with transferlab."""
    files = [file for folder in shipped_folders() for file in folder.glob(f"*/{ROWS_FILE}")]
    return frozenset(code_digest(file.read_bytes()) for file in files)
