"""Where a domain's files are, and that no row can point outside that place."""

from __future__ import annotations

from pathlib import Path

from transferlab.domain.catalog import DomainEntry
from transferlab.domain.data_root import DATA_VARIABLE, data_folder, packs_root
from transferlab.domain.sources.generated import generate
from transferlab.errors import DataError


def domain_root(entry: DomainEntry, *, data_root: Path | None, cache_root: Path | None) -> Path:
    """The folder to which a domain's table and media paths are relative.

    A generated domain is generated if it is not in the cache yet. A table without ``data_root`` in
    its domain.yaml lies beside that file; one with it lies in that folder of the data packs, or, if
    the path is absolute, just there.

    Args:
        entry: the domain.
        data_root: folder of the data packs; None means $TRANSFERLAB_DATA.
        cache_root: folder of generated data; None means $TRANSFERLAB_CACHE, then ~/.cache.

    Raises:
        DataError: the data are not there; the message says where to put them.
    """
    if entry.config.source.kind == "generated":
        return generate(entry, cache_root)
    root = data_folder(entry, data_root=data_root)
    if entry.config.source.hub is not None:
        return _rows_root(entry, root, cache_root)
    if root.is_dir():
        return _rows_root(entry, root, cache_root)
    where = entry.config.data_root
    if Path(where).is_absolute():
        how = f"if the data have moved, correct data_root in {entry.file}"
        origin = "from its domain.yaml"
    else:
        _, origin = packs_root(entry, data_root)
        how = (
            f"put the folder '{where}' of the data packs there, or say where it is with "
            f"--set data_root=FOLDER or {DATA_VARIABLE}=FOLDER"
        )
    if entry.config.fetch:
        how += f"; `transferlab domains fetch {entry.name}` downloads it"
    missing = root if root.parent.is_dir() else root.parent
    raise DataError(f"domain '{entry.name}': there is no folder {missing} ({origin}); {how}")


def _rows_root(entry: DomainEntry, root: Path, cache_root: Path | None) -> Path:
    if entry.config.source.kind != "huggingface":
        return root
    # Imported here: it brings the library that the dataset is read with.
    from transferlab.domain.sources.huggingface import unpacked_dataset

    source = entry.config.source
    return unpacked_dataset(
        entry.name,
        source,
        root,
        file=entry.file,
        cache_root=cache_root,
        private=entry.config.privacy.asked,
    )
