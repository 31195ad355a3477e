"""Datasets of the Hugging Face library: on disk as it saved them, or from its hub."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from transferlab.config.source import HubSection, SourceSection
from transferlab.core.files import advice, machine_error, why
from transferlab.core.lazy import require
from transferlab.core.paths import safe_join
from transferlab.domain.base.cached_folder import write_once
from transferlab.domain.base.private_folder import write_for_now
from transferlab.domain.base.rows import Row
from transferlab.domain.catalog import DomainEntry
from transferlab.domain.data_root import data_folder
from transferlab.domain.rows.source import Source, existing_folder
from transferlab.domain.sources.table import PART
from transferlab.domain.tables.parquet_images import MEDIA, flat
from transferlab.domain.tables.reader import stream_table
from transferlab.errors import DataError, EnvironmentProblem

_PURPOSE = "source.kind: huggingface"


class HuggingFaceSource(Source):
    """Rows of all splits; the column "part" names the split."""

    name = "huggingface"

    @classmethod
    def root(cls, entry: DomainEntry, *, data_root: Path | None, cache_root: Path | None) -> Path:
        """The folder into which the dataset was unpacked, now or earlier."""
        section = entry.config.source
        found = existing_folder if section.hub is None else data_folder
        return unpack_dataset(
            entry.name,
            section,
            found(entry, data_root=data_root),
            file=entry.file,
            cache_root=cache_root,
            private=entry.config.privacy.active,
        )

    def __iter__(self) -> Iterator[Row]:
        for table in sorted(self.context.root.glob("*.jsonl")):
            for row in stream_table(table):
                yield row | {PART: table.stem}


def unpack_dataset(
    name: str,
    source: SourceSection,
    data: Path,
    *,
    file: Path,
    cache_root: Path | None = None,
    private: bool = False,
) -> Path:
    """The folder of a dataset's rows, one .jsonl per split, and of its pictures as files.

    It is written once, row by row, and found again as long as the dataset stays the same. Rows of a
    private domain are written for this process alone, and so is what the library downloads.

    Args:
        name: of the domain.
        source: of kind huggingface.
        data: the domain's own folder, in which source.path lies.
        file: domain.yaml, for messages.
        cache_root: as for generated data.
        private: leave nothing of it behind.

    Raises:
        DataError: there is no such dataset, or it holds what is no picture.
        EnvironmentProblem: the hub cannot be reached, or the cache cannot be written.
        MissingExtra: the library is not installed.
    """
    datasets = require("datasets", extra="huggingface", purpose=_PURPOSE)
    if source.hub is None:
        try:
            splits = _saved(datasets, safe_join(data, source.path))
        except ValueError as error:
            raise DataError(f"{file}: source.path is {error}") from None
    else:
        downloads = None
        if private:
            named = json.dumps([source.hub.id, source.hub.subset, source.hub.revision])
            downloads = write_for_now(f"hub {named}", lambda folder: None, cache_root)
        splits = _from_hub(datasets, source.hub, downloads)
    key = hashlib.sha256(json.dumps(_identity(splits), sort_keys=True).encode()).hexdigest()[:16]
    written = write_for_now if private else write_once
    return written(f"{name}-{key}", lambda folder: _write(datasets, splits, folder), cache_root)


def _saved(datasets: Any, path: Path) -> Mapping[str, Any]:
    if not path.is_dir():
        raise DataError(f"{path}: there is no such folder; is source.path right?")
    try:
        found = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: is no dataset that `save_to_disk` wrote ({type(error).__name__}); of Parquet "
            "files make a table with `transferlab domains unpack`"
        ) from error
    return found if isinstance(found, Mapping) else {"all": found}


def _from_hub(datasets: Any, hub: HubSection, cache: Path | None) -> Mapping[str, Any]:
    cache_folder = None if cache is None else str(cache)
    try:
        return datasets.load_dataset(
            hub.id, hub.subset, revision=hub.revision, cache_dir=cache_folder
        )
    except datasets.exceptions.DatasetNotFoundError as error:
        raise DataError(
            f"source.hub: there is no dataset '{hub.id}' on the hub, or it is not open to you; "
            "`hf auth login` names you to it"
        ) from error
    except (ConnectionError, OSError) as error:
        number = machine_error(error)
        if number is not None:
            raise EnvironmentProblem(
                f"source.hub: '{hub.id}' cannot be kept on this machine ({why(number)}); "
                f"{advice(number)}, or name another folder in $HF_HOME"
            ) from error
        raise EnvironmentProblem(
            f"source.hub: the hub cannot be reached for '{hub.id}' ({type(error).__name__}); save "
            "the dataset elsewhere with `save_to_disk`, and name that folder as source.path"
        ) from error
    except ValueError as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"source.hub: '{hub.id}' cannot be used: {reason}") from error


def _identity(splits: Mapping[str, Any]) -> dict[str, Any]:
    """What is other for other content: the library's files by name, size and time of writing."""
    return {
        name: [
            (Path(file["filename"]).name, stat.st_size, stat.st_mtime_ns)
            for file in one.cache_files
            if (stat := Path(file["filename"]).stat())
        ]
        for name, one in splits.items()
    }


def _write(datasets: Any, splits: Mapping[str, Any], folder: Path) -> None:
    (folder / MEDIA).mkdir()
    for name, one in splits.items():
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as table:
            for number, row in enumerate(_undecoded(datasets, one), start=1):
                where = f"{name} row {number}"
                flat_row = {key: flat(value, folder, where=where) for key, value in row.items()}
                table.write(json.dumps(flat_row, ensure_ascii=False, default=str) + "\n")


def _undecoded(datasets: Any, rows: Any) -> Iterator[Mapping[str, Any]]:
    """Rows with pictures as the bytes that they are, and labels as words."""
    labels = {}
    for name, feature in rows.features.items():
        if isinstance(feature, datasets.Image):
            rows = rows.cast_column(name, datasets.Image(decode=False))
        elif isinstance(feature, datasets.ClassLabel):
            labels[name] = feature
        elif isinstance(feature, datasets.Audio | datasets.Video):
            raise DataError(
                f"column '{name}' holds sound or films, which are read from files only; remove it, "
                "or save them beside a table"
            )
    for row in rows:
        yield row | {
            name: feature.int2str(row[name]) if row[name] is not None and row[name] >= 0 else ""
            for name, feature in labels.items()
        }
