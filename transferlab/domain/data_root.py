"""The folder of the data packs, and where in it a domain's data belong."""

from __future__ import annotations

import os
from pathlib import Path

from transferlab.core.paths import safe_join
from transferlab.domain.catalog import DomainEntry
from transferlab.errors import DataError, InputError

DATA_VARIABLE = "TRANSFERLAB_DATA"


def data_folder(entry: DomainEntry, *, data_root: Path | None) -> Path:
    """Where the data of a domain that is not generated belong, whether they are there or not.

    Raises:
        InputError: domain.yaml's ``data_root`` leaves the data packs.
        DataError: nothing says where the data packs are.
    """
    where = entry.config.data_root
    if not where:
        return entry.folder
    if Path(where).is_absolute():
        return Path(where)
    packs, _ = packs_root(entry, data_root)
    try:
        return safe_join(packs, where)
    except ValueError:
        raise InputError(
            f"{entry.file}: data_root: '{where}' leaves the data packs; name a folder inside them"
        ) from None


def packs_root(entry: DomainEntry, given: Path | None) -> tuple[Path, str]:
    """The folder of the data packs, and what named it.

    Raises:
        DataError: nothing does.
    """
    if given is not None:
        return given, "from data_root"
    variable = os.environ.get(DATA_VARIABLE)
    if variable:
        return Path(variable), f"from ${DATA_VARIABLE}"
    raise DataError(
        f"domain '{entry.name}': nothing says where its data are: put the folder "
        f"'{entry.config.data_root}' into a folder of yours, and name that one with "
        f"--set data_root=FOLDER or {DATA_VARIABLE}=FOLDER"
    )
