"""Generated domains: written once into a content-addressed cache, then read like any other."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import transferlab
from transferlab.domain.catalogue import DomainEntry
from transferlab.errors import EnvironmentProblem, InputError

CACHE_VARIABLE = "TRANSFERLAB_CACHE"


def generate(entry: DomainEntry, cache_root: Path | None = None) -> Path:
    """The folder of a generated domain; generated now unless the cache has it.

    The key covers everything that the content depends on, so a changed option or generator gives a
    new folder. It is written beside and renamed: an interrupted or a simultaneous process never
    leaves half a domain under the final name.

    Raises:
        InputError: the generator does not exist or does not have such options.
        EnvironmentProblem: the cache folder cannot be written.
    """
    # Imported here, because listing domains must not import what generators draw with.
    from transferlab.domain.synthetic import GENERATORS

    source = entry.config.source
    write = GENERATORS.get(str(source.generator))
    options = {"seed": 0, **source.options}
    try:
        inspect.signature(write).bind(Path(), **options)
    except TypeError as error:
        raise InputError(
            f"{entry.file}: source.options do not fit generator '{source.generator}': {error}"
        ) from None
    name = f"{entry.name}-{_key(entry, options)}"
    return write_once(name, lambda folder: write(folder, **options), cache_root)


def write_once(name: str, write: Callable[[Path], None], cache_root: Path | None) -> Path:
    """The folder ``name`` of the cache, for nobody but its owner; written now unless it is there.

    Raises:
        EnvironmentProblem: the cache folder cannot be written.
    """
    root = cache_root or default_cache()
    final = root / name
    if final.is_dir():
        return final
    try:
        root.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=root))
    except OSError as error:
        raise EnvironmentProblem(
            f"data cannot be kept in {root} ({error.strerror}); "
            f"name a writable folder in ${CACHE_VARIABLE}"
        ) from None
    try:
        write(beside)
        _rename(beside, final)
    finally:
        shutil.rmtree(beside, ignore_errors=True)  # nothing is left of it after a rename
    return final


def at_most(entry: DomainEntry, samples: int | None) -> DomainEntry:
    """The same domain, smaller: a generated one makes no more than ``samples``; others stay."""
    source = entry.config.source
    if samples is None or source.generator is None or source.options.get("samples", 0) <= samples:
        return entry
    smaller = source.model_copy(update={"options": {**source.options, "samples": samples}})
    return replace(entry, config=entry.config.model_copy(update={"source": smaller}))


def _rename(beside: Path, final: Path) -> None:
    try:
        beside.rename(final)
    except OSError:
        # Another process was quicker; what it wrote has the same key, so the same content.
        if not final.is_dir():
            raise


def default_cache() -> Path:
    """$TRANSFERLAB_CACHE, by default ~/.cache/transferlab."""
    variable = os.environ.get(CACHE_VARIABLE)
    return Path(variable) if variable else Path.home() / ".cache" / "transferlab"


def _key(entry: DomainEntry, options: dict[str, object]) -> str:
    from transferlab.domain import synthetic

    # The generators' source counts too: while they are being changed, the version stays the same.
    code = hashlib.sha256()
    for file in sorted(Path(synthetic.__file__).parent.glob("*.py")):
        code.update(file.read_bytes())
    parts = {
        "generator": entry.config.source.generator,
        "options": options,
        "domain_version": entry.config.version,
        "transferlab_version": transferlab.__version__,
        "code": code.hexdigest(),
    }
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
