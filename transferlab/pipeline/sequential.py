"""The sequential arm: learn each domain in turn, and score every domain after every step."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from transferlab.config.pipeline import PipelineConfig
from transferlab.continual.engine.learner import Learner
from transferlab.core.events import stage_events
from transferlab.core.protocols import Backbone
from transferlab.core.records import DomainScore, StepReport
from transferlab.evaluation.matrix import PRETRAINED
from transferlab.evaluation.scoring import score_domain
from transferlab.metrics.similarity import Similarity
from transferlab.pipeline.build import Parts
from transferlab.pipeline.similarity.series import measure_similarity
from transferlab.pipeline.stage_facts import SIMILARITY, SIMILARITY_ADAPTED
from transferlab.pipeline.stages import score_from_record, score_to_record


@dataclass(frozen=True, kw_only=True)
class StreamOutcome:
    """What the stream left behind."""

    backbone: Backbone
    """As it is after the last step."""
    rows: Mapping[str, Mapping[str, DomainScore]]
    """Scores by what they were measured after, then by domain."""
    reports: Mapping[str, StepReport]
    similarity: Mapping[str, list[Similarity]]
    """Source against each domain, all on the backbone before any adaptation."""
    similarity_adapted: Mapping[str, list[Similarity]]
    """The same on the backbone after the last step."""
    interference: Mapping[str, Mapping[str, float]]
    """By domain of the stream, then by the domains before it."""


def score_all(
    parts: Parts,
    backbone: Backbone,
    stage: str,
    *,
    trained: Collection[str],
    only: str | None = None,
) -> dict[str, DomainScore]:
    """Score the test splits, of every domain or of one; a finished stage is read, not run.

    Args:
        trained: the domains that the model was trained on.
    """
    names = [only] if only else parts.columns
    records = {name: parts.stages.load(f"{stage}/{name}") for name in names}
    scores = {name: score_from_record(one) for name, one in records.items() if one is not None}
    if len(scores) < len(names):
        label = stage.removesuffix("/scores").replace("/", " ")
        with stage_events(parts.listener, f"scoring: {label}"):
            for name in names:
                if name not in scores:
                    scores[name] = score_domain(
                        backbone,
                        parts.domains[name],
                        parts.evaluation(name),
                        trained=name in trained,
                        split=parts.config.evaluation.split,
                    )
                    parts.stages.save(f"{stage}/{name}", score_to_record(scores[name]))
    return {name: scores[name] for name in names}


def measure_interference(parts: Parts, learner: Learner, domain: str) -> dict[str, float]:
    """The cosine of ``domain``'s gradient with that of every earlier domain, the source's too."""
    count = parts.config.evaluation.interference_samples
    names = parts.columns[: parts.columns.index(domain)]
    if not count or not names:
        return {}
    stage = f"interference/{domain}"
    record = parts.stages.load(stage)
    if record is None:
        past = {name: parts.train[name][:count] for name in names}
        record = learner.interference(parts.train[domain][:count], past)
        parts.stages.save(stage, record)
    return record


def run_stream(parts: Parts, backbone: Backbone) -> StreamOutcome:
    """Train on each domain in turn and score all of them after each one."""
    learner = parts.learner(backbone)
    before = [parts.config.source] if parts.config.source else []
    rows = {PRETRAINED: score_all(parts, backbone, "sequential/0/scores", trained=before)}
    parts.tracker.log_scores(rows[PRETRAINED], after=PRETRAINED, step=0)
    reports: dict[str, StepReport] = {}
    similarity = measure_similarity(parts, backbone, series=SIMILARITY)
    cosines: dict[str, dict[str, float]] = {}
    begun = parts.stages.load(train_stage(parts.config, 1)) is not None
    if parts.config.source and parts.config.protect_source and not begun:
        learner.consolidate(parts.train[parts.config.source], domain=parts.config.source)
    for step, name in enumerate(parts.config.stream, start=1):
        with parts.tracker.child_run(
            f"sequential {step}: {name}",
            tags={"arm": "sequential", "domain": name},
            curve=parts.stages.curve(train_stage(parts.config, step)),
        ):
            parts.tracker.log_similarity(name, similarity[name])
            cosines[name] = measure_interference(parts, learner, name)
            parts.tracker.log_interference(cosines[name])
            reports[name] = _train_step(parts, backbone, learner, step)
            rows[name] = score_all(
                parts,
                learner.inference_backbone(),
                f"sequential/{step}/scores",
                trained=[*before, *parts.config.stream[:step]],
            )
            parts.tracker.log_step(reports[name], rows[name])
        parts.tracker.log_scores(rows[name], after=name, step=step)
    adapted = measure_similarity(parts, backbone, series=SIMILARITY_ADAPTED)
    parts.tracker.log_adapted_similarity(adapted)
    return StreamOutcome(
        backbone=backbone,
        rows=rows,
        reports=reports,
        similarity=similarity,
        similarity_adapted=adapted,
        interference=cosines,
    )


def _train_step(parts: Parts, backbone: Backbone, learner: Learner, step: int) -> StepReport:
    """Train on one domain of the stream, or take up what a finished stage has trained."""
    name, stage = parts.config.stream[step - 1], train_stage(parts.config, step)
    record = parts.stages.load(stage)
    if record is None:
        report = learner.train(
            parts.train[name],
            domain=name,
            stage=f"sequential {step}/{len(parts.config.stream)}: {name}",
            step_checkpoint=parts.stages.unfinished(stage),
        )
        record = dataclasses.asdict(report)
        parts.stages.save(
            stage,
            record,
            {"backbone": backbone.trainable_state(), "learner": learner.state_dict()},
        )
    else:
        past = {one.id: one for samples in parts.train.values() for one in samples}
        state = parts.stages.load_state(stage)
        backbone.load_trainable_state(state["backbone"])
        learner.load_state_dict(state["learner"], samples=past)
    return StepReport(**record)


def train_stage(config: PipelineConfig, step: int) -> str:
    """The stage that trains step ``step``, counted from 1."""
    return f"sequential/{step}/{config.stream[step - 1]}"
