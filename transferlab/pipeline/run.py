"""The whole experiment on one screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transferlab.config.pipeline import PipelineConfig
from transferlab.core.events import Listener, Warned
from transferlab.evaluation.records import similarity_record
from transferlab.pipeline.arms import controls_of, run_arms
from transferlab.pipeline.build import build
from transferlab.pipeline.exports.of_run import export_models
from transferlab.pipeline.publication import publish, publish_inputs
from transferlab.pipeline.result import assemble, retire_result, write_result
from transferlab.pipeline.sample_validation import (
    check_answerable,
    limit_answers,
    validate_samples,
)
from transferlab.pipeline.sequential import run_stream
from transferlab.pipeline.stages import alone_in
from transferlab.pipeline.validation import notes
from transferlab.tracking.provenance import provenance


def run(
    config: PipelineConfig, out: Path, *, listener: Listener, domains: Sequence[Path] = ()
) -> dict[str, Any]:
    """Train on each domain in turn, score all of them after each one, and measure every arm.

    Args:
        config: a pipeline whose schema is sound.
        out: the run's directory; made when missing. A run that was killed goes on from it.
        listener: is told of every stage and training step.
        domains: folders of domains beside the usual search path.

    Returns:
        The content of ``out/result.json`` (docs/result-json.md).

    Raises:
        TransferlabError: with the sentence for the user and the exit code.
    """
    parts = build(config, out, listener=listener, domains=domains)
    with alone_in(out), parts.tracker.pipeline_run(config, out):
        retire_result(out)
        for sentence in (*notes(config, domains=domains), *parts.stages.reuse().sentences()):
            parts.listener(Warned(text=sentence))
        backbone = parts.backbone()
        check_answerable(backbone, parts.domains, split=config.evaluation.split)
        parts = limit_answers(validate_samples(parts, backbone), backbone)
        publish_inputs(parts, out)
        stream = run_stream(parts, backbone)
        arms = run_arms(parts, stream)
        result = assemble(parts, stream, arms, controls=controls_of(parts, stream, arms))
        result["similarity_adapted"] = similarity_record(stream.similarity_adapted)
        result["environment"] = provenance()
        # On disk before anything else can fail: the store may be away, a model may not load again.
        write_result(out, result)
        publish(parts, result)
        export_models(parts, stream.backbone, result, out)
    return result
