"""Generated domains: written once into a content-addressed cache, then read like any other."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import transferlab
from transferlab.domain.base.cached_folder import write_once
from transferlab.domain.catalog import DomainEntry
from transferlab.domain.sources.table import TableSource
from transferlab.errors import InputError


class GeneratedSource(TableSource):
    """The table that a generated world has written."""

    name = "generated"

    @classmethod
    def read_options(cls, entry: DomainEntry) -> dict[str, object]:
        """Those that the generator's signature has.

        Raises:
            InputError: the generator does not exist or does not have such options.
        """
        options = {"seed": 0, **entry.config.source.options}
        try:
            inspect.signature(_generator(entry)).bind(Path(), **options)
        except TypeError as error:
            raise InputError(
                f"{entry.file}: source.options do not fit generator "
                f"'{entry.config.source.generator}': {error}"
            ) from None
        return options

    @classmethod
    def root(cls, entry: DomainEntry, *, data_root: Path | None, cache_root: Path | None) -> Path:
        """Its folder in the cache; generated now unless the cache has it."""
        return generate(entry, cache_root)


def generate(entry: DomainEntry, cache_root: Path | None = None) -> Path:
    """The folder of a generated domain; generated now unless the cache has it.

    The key covers everything that the content depends on, so a changed option or generator gives a
    new folder. It is written beside and renamed: an interrupted or a simultaneous process never
    leaves half a domain under the final name.

    Raises:
        InputError: the generator does not exist or does not have such options.
        EnvironmentProblem: the cache folder cannot be written.
    """
    write, options = _generator(entry), GeneratedSource.read_options(entry)
    name = f"{entry.name}-{_key(entry, options)}"
    return write_once(name, lambda folder: write(folder, **options), cache_root)


def at_most(entry: DomainEntry, samples: int | None) -> DomainEntry:
    """The same domain, smaller: a generated one makes no more than ``samples``; others stay."""
    source = entry.config.source
    if samples is None or source.generator is None or source.options.get("samples", 0) <= samples:
        return entry
    smaller = source.model_copy(update={"options": {**source.options, "samples": samples}})
    return replace(entry, config=entry.config.model_copy(update={"source": smaller}))


def _generator(entry: DomainEntry) -> Callable[..., None]:
    # Imported here, because listing domains must not import what generators draw with.
    from transferlab.worlds import GENERATORS

    generator: Callable[..., None] = GENERATORS.get(str(entry.config.source.generator))
    return generator


def _key(entry: DomainEntry, options: dict[str, object]) -> str:
    from transferlab import worlds

    # The generators' source counts too: while they are being changed, the version stays the same.
    code = hashlib.sha256()
    for file in sorted(Path(worlds.__file__).parent.rglob("*.py")):
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
