"""A domain, opened: what is resolved once for it and used by everything after."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from transferlab.core.paths import data_path
from transferlab.domain.base.rows import WHERE, BadItem, BadRow
from transferlab.domain.base.source_kinds import SOURCES
from transferlab.domain.base.template import fill
from transferlab.domain.catalog import DomainEntry
from transferlab.domain.media.probe_cache import ProbeCache
from transferlab.domain.media.resolver import MediaResolver
from transferlab.domain.privacy.guard import Guard, guard_of
from transferlab.domain.rows.code_trust import check_named_code
from transferlab.domain.rows.source import Source, SourceContext
from transferlab.domain.samples.builder import SampleBuilder
from transferlab.errors import InputError


@dataclass(frozen=True, kw_only=True)
class DomainHandle:
    """Root, privacy guard, source and media of one domain; made by ``open_domain`` alone."""

    entry: DomainEntry
    root: Path
    """The folder to which its paths are relative."""
    guard: Guard
    source: Source
    resolver: MediaResolver
    """Of its media; knows the files that were looked at."""

    def builder(self, *, own_ids: bool = True) -> SampleBuilder:
        """Makes samples of its rows; ``own_ids`` as for ``SampleBuilder``."""
        return SampleBuilder(
            self.entry.config,
            file=self.entry.file,
            resolver=self.resolver,
            guard=self.guard,
            own_ids=own_ids,
        )

    def files_of(self, where: str) -> list[Path]:
        """The files behind what a message calls, for instance, "DICOM file 12 in the order of
        paths" or "reports.csv row 5": messages of a domain that asks for privacy name no file.

        Raises:
            InputError: nothing of the domain is called so.
            DataError: the source cannot be read.
        """
        listed = self.source.file_of(where)
        if listed is not None:
            return [listed]
        for row in self.source:
            if isinstance(row, BadItem) or not f"{where},".startswith(f"{row[WHERE]},"):
                continue
            media = self.entry.config.source.media.values()
            try:
                return [data_path(self.root, fill(section.path, row)) for section in media]
            except (BadRow, ValueError):
                return []
        raise InputError(
            f"domain '{self.entry.name}' has nothing called '{where}'; copy it from the message"
        )


def open_domain(
    entry: DomainEntry,
    *,
    data_root: Path | None = None,
    cache_root: Path | None = None,
    probes: ProbeCache | None = None,
    hashed: bool = False,
) -> DomainHandle:
    """Find a domain's data and make what reads them; no row is read yet.

    Args:
        entry: from ``find_domains`` or ``read_entry``.
        data_root: folder of the data packs; None means $TRANSFERLAB_DATA.
        cache_root: folder of generated data; None means $TRANSFERLAB_CACHE, then ~/.cache.
        probes: keeps what is found out about files; None means the domain's own, in memory.
        hashed: note pictures' perceptual hashes, by which near-duplicates are found.

    Raises:
        InputError: domain.yaml does not fit its source.
        DataError: the data are not there (the message says where to put them), or domain.yaml names
            code that is not trusted.
        EnvironmentProblem: domain.yaml asks for privacy, and the key or a library is missing.
    """
    check_named_code(entry)
    kind: type[Source] = SOURCES.get(entry.config.source.kind)
    root = kind.root(entry, data_root=data_root, cache_root=cache_root)
    guard = guard_of(entry, root, data_root=data_root, file_columns=kind.file_columns)
    resolver = MediaResolver(
        root, hashed=hashed, privacy=entry.config.privacy, probes=probes, label=entry.name
    )
    source = kind(SourceContext(entry=entry, root=root, guard=guard))
    return DomainHandle(entry=entry, root=root, guard=guard, source=source, resolver=resolver)
