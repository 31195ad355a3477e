"""Every check of the environment, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from transferlab.pipeline.environment.check import Check
from transferlab.pipeline.environment.libraries import check_libraries


def examine(
    *, out: Path, data_root: Path | None, tracking_uri: str | None, domains: Sequence[Path]
) -> list[Check]:
    """Look at the environment; nothing is written, made or downloaded.

    Args:
        out: the folder of runs.
        data_root: of the data packs; None takes $TRANSFERLAB_DATA.
        tracking_uri: a store; None takes the default of pipelines. A server that is named is the
            only thing that is asked over a network.
        domains: the user's own folders of domains.
    """

    def machine() -> Iterable[Check]:
        from transferlab.pipeline.environment.machine import check_machine

        return check_machine()

    def storage() -> Iterable[Check]:
        from transferlab.pipeline.environment.storage import check_storage

        return check_storage(
            out=out, data_root=data_root, tracking_uri=tracking_uri, domains=domains
        )

    groups = {"libraries": check_libraries, "machine": machine, "storage": storage}
    return [check for name, look in groups.items() for check in _all_of(name, look)]


def _all_of(name: str, look: Callable[[], Iterable[Check]]) -> list[Check]:
    """A group's checks: a library that is missing is what a user is to be told, not a fault."""
    try:
        return list(look())
    except ModuleNotFoundError as error:
        return [
            Check(
                name=name,
                status="problem",
                found=f"not looked at: {error.name} is missing",
                advice="pip install what is missing of the libraries first",
            )
        ]
