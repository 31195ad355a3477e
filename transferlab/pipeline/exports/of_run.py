"""What a pipeline's ``export:`` asks for, written at the end of its run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transferlab.core.protocols import Backbone
from transferlab.errors import TransferlabError
from transferlab.export.exporter import EXPORTERS
from transferlab.pipeline.build import Parts, facts_of
from transferlab.pipeline.exports.models import select
from transferlab.pipeline.exports.writer import Writer
from transferlab.pipeline.result import FAILED, RESULT_FILE, write_result


def export_models(parts: Parts, backbone: Backbone, result: dict[str, Any], out: Path) -> None:
    """Write the stream's model, and the status of each format into the result.

    Args:
        parts: the experiment.
        backbone: as it is after the last step; not to be used afterwards.
        result: complete and on disk; its ``exports`` are replaced, and it is written again.
        out: the run's directory; models go to ``out/exports``.

    Raises:
        TransferlabError: a model could not be written, or the reloaded one answers differently.
            The result says which and why.
    """
    if not result["exports"]:
        return
    writer = Writer(
        config=parts.config,
        domains=parts.domains,
        result=result,
        weights=facts_of(parts.config, parts.domains).weights,
        base=out,
    )
    *_, model = select(result, step=len(parts.config.stream))
    order = sorted(result["exports"], key=lambda one: EXPORTERS.get(one["kind"]).consumes)
    try:
        for one in order:
            one |= _failed(one, "it did not come to its end")
            try:
                (record,) = writer.write([one["kind"]], model, backbone, [out / one["path"]])
            except TransferlabError as error:
                one |= _failed(one, str(error))
                raise
            one |= record
    finally:
        write_result(out, result)
        parts.tracker.log_json(RESULT_FILE, result)


def _failed(record: Mapping[str, Any], reason: str) -> dict[str, Any]:
    return {**record, "status": FAILED, "reason": reason}
