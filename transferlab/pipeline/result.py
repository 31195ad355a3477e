"""What a run found, as the plain data of result.json (docs/result-json.md)."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transferlab.core.files import report_disk_errors, write_text
from transferlab.core.integrity import DamagedFile, check_seal, seal
from transferlab.core.records import SCORING_VERSION, DomainScore, StepReport
from transferlab.core.text.sanitizers import escape_json
from transferlab.errors import InputError
from transferlab.evaluation.answer import answer
from transferlab.evaluation.control import Controls
from transferlab.evaluation.leads import leads
from transferlab.evaluation.matrix import PRETRAINED, ScoreMatrix
from transferlab.evaluation.records import (
    arms_record,
    controls_record,
    gains_record,
    similarity_record,
    subgroups_record,
)
from transferlab.evaluation.scoring import evaluated_samples
from transferlab.evaluation.subgroups import score_subgroups
from transferlab.metrics.transfer import Gain, transfer_gain
from transferlab.pipeline.arms import ArmOutcome
from transferlab.pipeline.build import Parts
from transferlab.pipeline.sequential import StreamOutcome
from transferlab.tracking.tracker import loggable

SCHEMA_VERSION = 2
READ_VERSIONS = (1, 2)
"""Of version 1 are results whose ``summary`` has ``fwt``, without what it is over."""
RESULT_FILE = "result.json"
EXPORTS = "exports"
"""The folder of a run under which its exports lie."""
PENDING, DONE, FAILED = "pending", "done", "failed"
"""The status of an export."""
PREVIOUS_RESULT_FILE = "result.previous.json"

_ANEW = "run the pipeline again with this --out, which writes it again from its stages"

COMPARISONS = (
    ("single", "zero_shot"),
    ("single", "scratch"),
    ("sequential", "zero_shot"),
    ("sequential", "scratch"),
    ("sequential", "single"),
    ("sequential", "joint"),
)
"""Which arm is measured over which; those whose arms ran are reported."""


def assemble(
    parts: Parts,
    stream: StreamOutcome,
    arms: Mapping[str, ArmOutcome],
    controls: Mapping[str, Mapping[str, Controls]],
) -> dict[str, Any]:
    """The whole result, JSON-safe; ``exports`` are those asked for, none of them made yet."""
    config = parts.config
    matrix = _matrix(parts, stream)
    scores = _scores_by_arm(parts, stream, arms)
    confidence = config.evaluation.confidence
    result = {
        "schema_version": SCHEMA_VERSION,
        "pipeline": loggable(config),
        "seed": config.seed,
        "scoring": {
            "version": SCORING_VERSION,
            "likelihood": config.evaluation.likelihood,
            "max_new_tokens": dict(parts.new_token_limits),
        },
        "domains": _domains(parts),
        "scores": matrix.to_records(),
        "summary": matrix.summary(
            halvings=config.evaluation.bootstrap_samples,
            confidence=confidence,
            seed=config.seed,
            scratch=arms["scratch"].scores if "scratch" in arms else None,
        ),
        "steps": _steps(matrix, stream),
        "arms": arms_record(scores, confidence=confidence),
        "subgroups": _subgroups(parts, scores),
        "gains": gains_record(_gains(parts, scores, arms)),
        "controls": controls_record(controls),
        "similarity": similarity_record(stream.similarity),
        "data_quantity": {
            domain: {"train_samples": r.train_samples, "train_tokens": r.train_tokens}
            for domain, r in stream.reports.items()
        },
        "cost": _costs(stream, arms),
        "same_training": {arm: one.same_as for arm, one in arms.items() if one.same_as},
        "quarantined": [
            dataclasses.asdict(one) for data in parts.domains.values() for one in data.quarantined
        ],
        "mlflow": {
            **parts.tracker.address(),
            "experiment": config.tracking.experiment or config.name,
        },
        "exports": _pending(config.export),
    }
    found = leads(
        scores, config.stream, trained_by=_trained_by(scores, arms), confidence=confidence
    )
    return result | {"answer": answer(result, found)}


def _pending(kinds: Sequence[str]) -> list[dict[str, str]]:
    """The exports that were asked for, none of them made yet."""
    return [
        {"kind": kind, "path": f"{EXPORTS}/{kind}", "status": PENDING, "reason": ""}
        for kind in kinds
    ]


def retire_result(out: Path) -> None:
    """Put an earlier result aside: it must not be taken for one of a run that fails."""
    if (out / RESULT_FILE).exists():
        with report_disk_errors(out / PREVIOUS_RESULT_FILE):
            os.replace(out / RESULT_FILE, out / PREVIOUS_RESULT_FILE)


def write_result(out: Path, result: Mapping[str, Any]) -> Path:
    """Write ``out/result.json`` beside and rename; NaN is refused: not every reader takes it."""
    text = json.dumps(seal(result), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(out / RESULT_FILE, escape_json(text) + "\n")
    return out / RESULT_FILE


def read_result(folder: Path) -> dict[str, Any]:
    """The content of a run's result.json.

    ``scoring.version`` says by which rules choices were answered; scores of different versions are
    not comparable. A result that does not say is of version 1, and gets it here.

    Raises:
        InputError: there is none, it is damaged, or it is of another version of transferlab.
    """
    path = folder / RESULT_FILE
    try:
        text = path.read_bytes()
        result = json.loads(text)
    except FileNotFoundError:
        raise InputError(
            f"{folder}: holds no {RESULT_FILE}; name the output directory of a finished run"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON ({error}); {_ANEW}") from None
    version = result.get("schema_version") if isinstance(result, dict) else None
    if version not in READ_VERSIONS:
        raise InputError(
            f"{path}: is no result of this version of transferlab (schema_version "
            f"{version}, not {SCHEMA_VERSION}); run the pipeline again"
        )
    try:
        return {"scoring": {"version": 1, "likelihood": "sum"}} | check_seal(text)
    except DamagedFile as error:
        raise InputError(f"{path}: was changed or damaged ({error}); {_ANEW}") from None


def _matrix(parts: Parts, stream: StreamOutcome) -> ScoreMatrix:
    matrix = ScoreMatrix(parts.config.stream, source=parts.config.source)
    for after, row in stream.rows.items():
        for domain, score in row.items():
            matrix.add(after=after, on=domain, score=score)
    return matrix


def _scores_by_arm(
    parts: Parts, stream: StreamOutcome, arms: Mapping[str, ArmOutcome]
) -> dict[str, Mapping[str, DomainScore]]:
    """Zero-shot and sequential are the first and last row of the matrix."""
    last = parts.config.stream[-1]
    found: dict[str, Mapping[str, DomainScore]] = {}
    if "zero_shot" in parts.config.arms:
        found["zero_shot"] = stream.rows[PRETRAINED]
    found["sequential"] = stream.rows[last]
    return found | {arm: outcome.scores for arm, outcome in arms.items()}


def _subgroups(parts: Parts, scores: Mapping[str, Mapping[str, DomainScore]]) -> dict[str, Any]:
    """Every arm's scores by the attributes of the test samples."""
    section = parts.config.evaluation
    samples = {
        name: evaluated_samples(data, section, split=section.split)
        for name, data in parts.domains.items()
        if any(name in by_domain for by_domain in scores.values())
    }
    return subgroups_record(
        {
            arm: {
                name: score_subgroups(score, samples[name], confidence=section.confidence)
                for name, score in by_domain.items()
            }
            for arm, by_domain in scores.items()
        }
    )


def _gains(
    parts: Parts,
    scores: Mapping[str, Mapping[str, DomainScore]],
    arms: Mapping[str, ArmOutcome],
) -> list[Gain]:
    """The gain of one arm over another; one training has none over itself."""
    section = parts.config.evaluation
    trained_by = _trained_by(scores, arms)
    return [
        transfer_gain(
            scores[arm][domain],
            scores[over][domain],
            arm=arm,
            over=over,
            confidence=section.confidence,
        )
        for domain in parts.config.stream
        for arm, over in COMPARISONS
        if arm in scores and over in scores and trained_by[arm] != trained_by[over]
    ]


def _trained_by(
    scores: Mapping[str, Mapping[str, DomainScore]], arms: Mapping[str, ArmOutcome]
) -> dict[str, str]:
    """By arm, whose training it is: its own, or that of the arm that is the same training."""
    return {arm: arms[arm].same_as or arm if arm in arms else arm for arm in scores}


def _domains(parts: Parts) -> dict[str, Any]:
    return {
        name: {
            "version": data.version,
            "title": data.title,
            "licence": data.licence,
            "source_kind": data.source_kind,
            "digest": data.digest,
            "role": "source" if name == parts.config.source else "stream",
            "samples": {split: len(samples) for split, samples in data.splits.items()},
            "quarantined": len(data.quarantined),
            "removed": dict(data.removed),
        }
        for name, data in parts.domains.items()
    }


def _steps(matrix: ScoreMatrix, stream: StreamOutcome) -> list[dict[str, Any]]:
    return [
        {
            **step,
            "interference": dict(stream.interference[step["domain"]]),
            "terms": dict(stream.reports[step["domain"]].terms),
        }
        for step in matrix.steps()
    ]


def _costs(stream: StreamOutcome, arms: Mapping[str, ArmOutcome]) -> list[dict[str, Any]]:
    reports: list[tuple[str, str, StepReport]] = [
        ("sequential", domain, report) for domain, report in stream.reports.items()
    ]
    for arm, outcome in arms.items():
        if not outcome.same_as:
            reports += [(arm, domain, report) for domain, report in outcome.reports.items()]
    return [
        {
            "arm": arm,
            "domain": domain,
            "steps": report.steps,
            "left_out_steps": report.left_out_steps,
            "samples_seen": report.samples_seen,
            "seconds": report.seconds,
            "samples_per_second": report.samples_per_second,
            "peak_memory_bytes": report.peak_memory_bytes,
            "strategy_bytes": report.strategy_bytes,
            "strategy_seconds": report.strategy_seconds,
        }
        for arm, domain, report in reports
    ]
