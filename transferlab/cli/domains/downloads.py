"""``transferlab domains fetch``: the archives of a domain, one after another, with a bar."""

from __future__ import annotations

from pathlib import Path

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)

from transferlab.cli.output.terminal import SafeConsole, make_safe
from transferlab.core.paths import user_domains_folder
from transferlab.domain.catalog import DomainEntry
from transferlab.domain.data_root import data_folder
from transferlab.domain.download.downloader import fetch
from transferlab.domain.rows.code_trust import trusted_folder
from transferlab.errors import InputError


def fetch_all(entry: DomainEntry, *, data_root: Path | None) -> dict[str, bool]:
    """Bring every archive that the domain names.

    Returns:
        By address: whether it was fetched now; what is there already is not.

    Raises:
        InputError: the domain names none, or would put files among the user's own domains.
        DataError, EnvironmentProblem: as ``fetch``.
    """
    if not entry.config.fetch:
        readme = entry.folder / "README.md"
        how = f"; {readme} says how to get its data" if readme.is_file() else ""
        raise InputError(f"domain '{entry.name}': names nothing to fetch{how}")
    root = data_folder(entry, data_root=data_root)
    _check_place(entry, root)
    done = {}
    # On standard error: standard output may be read as JSON.
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=SafeConsole(stderr=True)) as bars:
        for section in entry.config.fetch:
            bar = bars.add_task(make_safe(section.name), total=section.bytes)

            def report_progress(there: int, whole: int, bar: TaskID = bar) -> None:
                bars.update(bar, completed=there, total=whole)

            done[section.url] = fetch(section, root, progress=report_progress)
            bars.update(bar, completed=section.bytes)
    return done


def _check_place(entry: DomainEntry, root: Path) -> None:
    """Keep what was fetched out of the folders whose Python is the user's own."""
    resolved = root.resolve()
    for own in (user_domains_folder().resolve(), trusted_folder().resolve()):
        inside = resolved.is_relative_to(own) and not resolved.is_relative_to(entry.folder)
        if inside or own.is_relative_to(resolved):
            raise InputError(
                f"domain '{entry.name}': its data would be unpacked into {root}, among your own "
                f"domains ({own}); name another data_root"
            )
