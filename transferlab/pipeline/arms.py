"""The other ways to get a model for a domain, which the stream is measured against."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from transferlab.config.pipeline import Arm, PipelineConfig, TrainSection
from transferlab.continual.engine.learner import Learner
from transferlab.core.events import stage_events
from transferlab.core.protocols import Backbone
from transferlab.core.records import DomainScore, Sample, StepReport
from transferlab.evaluation.control import Controls, score_controls
from transferlab.pipeline.build import Parts
from transferlab.pipeline.sequential import StreamOutcome, score_all


@dataclass(frozen=True, kw_only=True)
class ArmOutcome:
    """One arm: its scores by domain and what each training cost."""

    scores: Mapping[str, DomainScore]
    reports: Mapping[str, StepReport]
    controls: Mapping[str, Mapping[str, Controls]] = field(default_factory=dict)
    same_as: str = ""
    """The arm that trained this one's model too, where both are the same training."""


def run_arms(parts: Parts, stream: StreamOutcome) -> dict[str, ArmOutcome]:
    """The arms that the pipeline asks for; zero-shot is row 0 of the score matrix."""
    runs = {"scratch": run_scratch, "single": run_single, "joint": run_joint}
    return {arm: runs[arm](parts, stream) for arm in parts.config.arms if arm in runs}


def same_as_stream(config: PipelineConfig, arm: str) -> bool:
    """Whether an arm would train what the stream has trained, step by step.

    That is so where the stream is one domain, without a strategy and without the source before it.
    """
    alone = len(config.stream) == 1 and not (config.source and config.protect_source)
    naive = [one.name for one in config.strategy] == ["naive"]
    return alone and naive and arm in ("single", "joint")


def controls_of(
    parts: Parts, stream: StreamOutcome, arms: Mapping[str, ArmOutcome]
) -> dict[str, Mapping[str, Controls]]:
    """By domain and task; "without the image" is the single arm's model, or else the stream's."""
    if not parts.config.evaluation.controls:
        return {}
    if "single" in arms:
        return dict(arms["single"].controls)
    return {
        name: control_scores(parts, stream.backbone, name, arm="sequential")
        for name in parts.config.stream
    }


def run_scratch(parts: Parts, stream: StreamOutcome) -> ArmOutcome:
    """The same architecture from random initialisation, every parameter trained, per domain."""
    backbone = parts.backbone(fresh=True, sharing=stream.backbone)
    return _one_by_one(
        parts, "scratch", backbone, learning_rate=parts.config.train.scratch_learning_rate
    )


def run_single(parts: Parts, stream: StreamOutcome) -> ArmOutcome:
    """The pretrained backbone fine-tuned on each domain alone, without a strategy."""
    if same_as_stream(parts.config, "single"):
        (name,) = parts.config.stream
        controls: dict[str, Mapping[str, Controls]] = {}
        if parts.config.evaluation.controls:
            controls[name] = control_scores(parts, stream.backbone, name, arm="single")
        scores = {name: stream.rows[name][name]}
        return ArmOutcome(
            scores=scores, reports=stream.reports, controls=controls, same_as="sequential"
        )
    return _one_by_one(parts, "single", parts.backbone(sharing=stream.backbone), learning_rate=None)


def run_joint(parts: Parts, stream: StreamOutcome) -> ArmOutcome:
    """All domains at once, the source's kept samples too: the upper bound of a stream.

    It takes as many optimizer steps as the stream's steps together.
    """
    if same_as_stream(parts.config, "joint"):
        (name,) = parts.config.stream
        return ArmOutcome(
            scores=stream.rows[name],
            reports={"all": stream.reports[name]},
            same_as="sequential",
        )
    backbone = parts.backbone(sharing=stream.backbone)
    union, budget = joint_budget(parts.config, parts.train)
    learner = parts.learner(backbone, naive=True, train=budget)
    stage = "joint/all"
    tags = {"arm": "joint", "domain": "all"}
    with parts.tracker.child_run("joint", tags=tags, curve=parts.stages.curve(stage)):
        report = _train(parts, stage, backbone, learner, union, domain="joint")
        scores = score_all(parts, backbone, "joint/scores", trained=parts.columns)
        parts.tracker.log_step(report, scores)
    return ArmOutcome(scores=scores, reports={"all": report})


def joint_budget(
    config: PipelineConfig, train: Mapping[str, Sequence[Sample]]
) -> tuple[list[Sample], TrainSection]:
    """What the joint arm trains on, and its settings: the steps of the whole stream together."""
    union = [sample for name in config.stream for sample in train[name]]
    if config.source and config.protect_source:
        union += train[config.source]
    section = config.train
    steps = sum(steps_of(section, name, len(train[name])) for name in config.stream)
    epochs = math.ceil(steps / math.ceil(len(union) / section.batch_samples))
    return union, section.model_copy(
        update={"epochs": epochs, "max_steps": steps, "per_domain": {}}
    )


def steps_of(train: TrainSection, domain: str, samples: int) -> int:
    """How many optimizer steps a domain gets."""
    override = train.per_domain.get(domain)
    epochs = (override and override.epochs) or train.epochs
    limit = (override and override.max_steps) or train.max_steps
    steps = epochs * math.ceil(samples / train.batch_samples)
    return min(steps, limit) if limit else steps


def _one_by_one(
    parts: Parts, arm: Arm, backbone: Backbone, *, learning_rate: float | None
) -> ArmOutcome:
    start: dict[str, Tensor] = backbone.trainable_state()
    scores: dict[str, DomainScore] = {}
    reports: dict[str, StepReport] = {}
    controls: dict[str, Mapping[str, Controls]] = {}
    for name in parts.config.stream:
        backbone.load_trainable_state(start)
        learner = parts.learner(backbone, naive=True, learning_rate=learning_rate)
        stage, tags = f"{arm}/{name}", {"arm": arm, "domain": name}
        curve = parts.stages.curve(stage)
        with parts.tracker.child_run(f"{arm}: {name}", tags=tags, curve=curve):
            reports[name] = _train(parts, stage, backbone, learner, parts.train[name], domain=name)
            scores[name] = score_all(parts, backbone, f"{stage}/scores", trained=[name], only=name)[
                name
            ]
            if arm == "single" and parts.config.evaluation.controls:
                controls[name] = control_scores(parts, backbone, name, arm=arm)
            parts.tracker.log_step(reports[name], {name: scores[name]})
    return ArmOutcome(scores=scores, reports=reports, controls=controls)


def control_scores(
    parts: Parts, backbone: Backbone, domain: str, *, arm: Arm | Literal["sequential"]
) -> dict[str, Controls]:
    """What needs no understanding: majority, this arm's model without the image, raw pixels."""
    stage = f"controls/{arm}/{domain}"
    record = parts.stages.load(stage)
    if record is None:
        with stage_events(parts.listener, f"controls: {domain}"):
            found = score_controls(
                backbone,
                parts.domains[domain],
                parts.train[domain],
                section=parts.evaluation(domain),
                decode=parts.decode,
                seed=parts.config.seed,
            )
        record = {task: dataclasses.asdict(one) for task, one in found.items()}
        parts.stages.save(stage, record)
    return {task: Controls(**one) for task, one in record.items()}


def _train(
    parts: Parts,
    stage: str,
    backbone: Backbone,
    learner: Learner,
    samples: Sequence[Sample],
    *,
    domain: str,
) -> StepReport:
    record = parts.stages.load(stage)
    if record is None:
        report = learner.train(
            samples,
            domain=domain,
            stage=stage.replace("/", ": "),
            step_checkpoint=parts.stages.unfinished(stage),
        )
        record = dataclasses.asdict(report)
        parts.stages.save(stage, record, backbone.trainable_state())
    else:
        backbone.load_trainable_state(parts.stages.load_state(stage))
    return StepReport(**record)
