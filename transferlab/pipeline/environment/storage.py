"""Where runs, caches, tracking and data packs lie: is there room, and may they be written?"""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from transferlab.config.pipeline import DataSection, TrackingSection
from transferlab.core.paths import default_cache
from transferlab.core.text.secrets import without_secrets
from transferlab.domain.catalog import DomainEntry, find_domains
from transferlab.domain.data_root import DATA_VARIABLE, data_folder
from transferlab.errors import DataError, EnvironmentProblem, InputError, TransferlabWarning
from transferlab.pipeline.environment.check import Check, Status, size
from transferlab.tracking.database import SQLITE
from transferlab.tracking.store import SERVERS, resolve, scheme_of

SMALLEST_RUN_DISK_BYTES = 100 * 2**20
"""Of disk: `transferlab run smoke` writes 44 MB into its folder and 2 MB for tracking."""
ANSWER_SECONDS = 3.0
DEFAULT_PORTS = {"http": 80, "https": 443}


def check_storage(
    *, out: Path, data_root: Path | None, tracking_uri: str | None, domains: Sequence[Path]
) -> Iterator[Check]:
    """Folders, the tracking store, and the domains' data.

    Args:
        out: the folder of runs.
        data_root: of the data packs; None takes $TRANSFERLAB_DATA.
        tracking_uri: a store; None takes the default of pipelines.
        domains: the user's own folders of domains.
    """
    yield judge_folder("runs", out, needed_bytes=SMALLEST_RUN_DISK_BYTES)
    yield check_cache()
    yield check_tracking(tracking_uri)
    yield check_data_root(data_root)
    yield check_domains(domains, data_root=data_root)


def judge_folder(name: str, folder: Path, *, needed_bytes: int, wanted_bytes: int = 0) -> Check:
    """Whether a folder is there or can be made, may be written, and has room.

    Args:
        name: of the check.
        folder: need not exist.
        needed_bytes: less is a problem.
        wanted_bytes: less is a note.
    """
    # Not Path.exists(), which raises where a folder above may not be looked into.
    above = (folder.absolute(), *folder.absolute().parents)
    at = next(one for one in above if os.path.exists(one))
    free = shutil.disk_usage(at).free
    found = f"{folder}: {size(free)} free"
    status: Status = "ok"
    advice = ""
    if not at.is_dir():
        status, found, advice = "problem", f"{folder}: {at} is a file", "move it away"
    elif not _may(at, os.W_OK | os.X_OK):
        status, found = "problem", f"{folder}: {at} may not be written"
        advice = "change its rights, or take another folder"
    elif free < needed_bytes:
        status, advice = "problem", f"make room: {size(needed_bytes)} are needed at least"
    elif free < wanted_bytes:
        status, advice = "note", f"up to {size(wanted_bytes)} are used"
    return Check(name=name, status=status, found=found, advice=advice, details={"free_bytes": free})


def _may(path: Path, mode: int) -> bool:
    """As the user for whom the process works, who need not be the one who started it."""
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def check_cache() -> Check:
    """The folder of what was decoded once."""
    try:
        folder = default_cache()
    except EnvironmentProblem as problem:
        return Check(name="cache", status="problem", found=str(problem), advice="name one there")
    wanted = round(DataSection().cache_gigabytes * 1e9)
    check = judge_folder("cache", folder, needed_bytes=SMALLEST_RUN_DISK_BYTES, wanted_bytes=wanted)
    if check.status != "note":
        return check
    advice = f"it grows to {size(wanted)}; set data.cache_gigabytes, or $TRANSFERLAB_CACHE"
    return Check(
        name=check.name, status="note", found=check.found, advice=advice, details=check.details
    )


def check_tracking(uri: str | None) -> Check:
    """Whether the store of runs can be written, or its server answers."""
    given = uri or TrackingSection().uri
    shown = without_secrets(given)
    try:
        resolved = resolve(given)
    except InputError as error:
        return Check(
            name="tracking",
            status="problem",
            found=str(error),
            advice="give another --tracking-uri",
        )
    if resolved.startswith(SQLITE):
        return _check_database(Path(resolved.removeprefix(SQLITE)))
    if scheme_of(resolved) not in SERVERS:
        return Check(
            name="tracking",
            status="note",
            found=f"{shown}: a database server, which was not asked",
            advice="a run opens it first of all, and says what is wrong",
        )
    return _check_server(resolved, shown)


def _check_database(path: Path) -> Check:
    if not os.path.exists(path):
        return judge_folder("tracking", path.parent, needed_bytes=SMALLEST_RUN_DISK_BYTES)
    if not _may(path, os.R_OK | os.W_OK):
        return Check(
            name="tracking",
            status="problem",
            found=f"{path} may not be written",
            advice="change its rights, or set tracking.uri",
        )
    try:
        # Read-only: a look must not make or repair anything.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            query = "SELECT name FROM sqlite_master WHERE type = 'table'"
            tables = {name for (name,) in database.execute(query)}
    except sqlite3.DatabaseError as error:
        return _not_a_store(path, str(error))
    if tables and "alembic_version" not in tables:
        return _not_a_store(path, "it holds other tables")
    return judge_folder("tracking", path.parent, needed_bytes=SMALLEST_RUN_DISK_BYTES)


def _not_a_store(path: Path, reason: str) -> Check:
    return Check(
        name="tracking",
        status="problem",
        found=f"{path} is no MLflow database ({reason})",
        advice="move it away, or set tracking.uri",
    )


def _check_server(uri: str, shown: str) -> Check:
    """Whether somebody listens; nothing is asked."""
    parts = urlsplit(uri)
    try:
        address = (parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme])
        with socket.create_connection(address, timeout=ANSWER_SECONDS):
            return Check(name="tracking", status="ok", found=f"{shown}: is there")
    except (OSError, ValueError) as error:
        return Check(
            name="tracking",
            status="problem",
            found=f"{shown}: does not answer ({error})",
            advice="start it (mlflow server), or set tracking.uri to a local store",
        )


def check_data_root(given: Path | None) -> Check:
    """The folder of the data packs."""
    variable = os.environ.get(DATA_VARIABLE)
    folder = given or (Path(variable) if variable else None)
    if folder is None:
        return Check(
            name="data root",
            status="note",
            found=f"{DATA_VARIABLE} is not set",
            advice="generated domains need none; for others export it as the folder of your data",
        )
    if not os.path.isdir(folder):
        return Check(
            name="data root",
            status="problem",
            found=f"{folder}: there is no such folder that may be looked into",
            advice=f"mount it, change its rights, or change {DATA_VARIABLE}",
        )
    if not _may(folder, os.R_OK | os.X_OK):
        return Check(
            name="data root",
            status="problem",
            found=f"{folder} may not be read",
            advice="change its rights",
        )
    free = shutil.disk_usage(folder).free
    return Check(
        name="data root",
        status="ok",
        found=f"{folder}: {size(free)} free",
        details={"free_bytes": free},
    )


def check_domains(folders: Sequence[Path], *, data_root: Path | None) -> Check:
    """Which domains have their data. Arguments as for ``check_storage``."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TransferlabWarning)
        try:
            entries = find_domains(folders)
        except InputError as error:
            return Check(
                name="domains", status="problem", found=str(error), advice="mend domain.yaml"
            )
    broken = [str(one.message) for one in caught if issubclass(one.category, TransferlabWarning)]
    states = {name: _data_state(entry, data_root) for name, entry in entries.items()}
    absent = [name for name, state in states.items() if state == "absent"]
    found = f"{len(entries) - len(absent)} of {len(entries)} can be used"
    advice = []
    if absent:
        found += f"; without data: {', '.join(absent)}"
        advice.append("`transferlab domains show NAME` says which folder its data belong into")
    if broken:
        found += f"; {'; '.join(broken)}"
        advice.append("mend domain.yaml")
    return Check(
        name="domains",
        status="note" if absent or broken else "ok",
        found=found,
        advice="; ".join(advice),
        details={"domains": states, "broken": broken},
    )


def _data_state(entry: DomainEntry, data_root: Path | None) -> str:
    """``generated``, ``present``, ``absent``, or ``hub`` for what is downloaded when it is used."""
    source = entry.config.source
    if source.kind == "generated":
        return "generated"
    if source.hub is not None:
        return "hub"
    try:
        folder = data_folder(entry, data_root=data_root)
    except (DataError, InputError):
        return "absent"
    readable = os.path.isdir(folder) and _may(folder, os.R_OK | os.X_OK)
    return "present" if readable and any(folder.iterdir()) else "absent"
