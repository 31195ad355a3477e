"""Controls: scores without understanding, beside every score of a model.

A control is a function of one task: it answers the test samples without having understood them, or
says why it cannot. Ours are the files of ``evaluation/controls``; a third party's is named by an
entry point of the group ``transferlab.controls``. Whoever shows controls shows what a result has,
in its order, so there is no other list of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from transferlab.config.pipeline import EvaluationSection
from transferlab.core.protocols import Backbone
from transferlab.core.records import Decode, DomainData, Prediction, Sample
from transferlab.core.registry import Registry, modules_of
from transferlab.evaluation.prediction import candidates_of
from transferlab.evaluation.scoring import evaluated_samples, metrics_of, outcomes_of
from transferlab.evaluation.thumbnails import PixelVectors
from transferlab.metrics.answers import ANSWERS, Answers, measure

NOT_TRAINED = "the model saw no training samples of this task"


@dataclass(frozen=True, kw_only=True)
class ControlTask:
    """One task of a domain, as a control sees it."""

    answers: Answers
    """closed: choices; free: text; ranked: one of ``candidates``."""
    train: Sequence[Sample]
    """The training samples that the model saw; empty where it saw none of this task."""
    test: Sequence[Sample]
    """Those on which the model is scored, at least one."""
    candidates: Sequence[str]
    """All distinct answers of the split, where one of them is to be found; else empty."""
    backbone: Backbone
    """The model whose score the controls stand beside."""
    section: EvaluationSection
    """Limits and batch sizes."""
    thumbnails: PixelVectors
    seed: int

    @property
    def of_learners(self) -> bool:
        """Whether learners are asked, of each of whom it is known what they answered before."""
        return all(one.learner_history is not None for one in [*self.train, *self.test])


Control = Callable[[ControlTask], "Sequence[Prediction] | str"]
"""An answer per test sample, in order; or why the control has no value, in words."""


@dataclass(frozen=True, kw_only=True)
class ControlFacts:
    """What must be known of a control before it is called."""

    answers: frozenset[Answers]
    """The kinds of task that it stands beside."""
    learns: bool = False
    """It needs training samples."""
    learners: bool = False
    """It stands beside tasks of learners' answers only: all samples have a history."""


def control(
    *answers: Answers, learns: bool = False, learners: bool = False
) -> Callable[[Control], Control]:
    """Say what a control is for; see ``ControlFacts``."""

    def noted(function: Control) -> Control:
        facts = ControlFacts(answers=frozenset(answers), learns=learns, learners=learners)
        function.facts = facts  # type: ignore[attr-defined]
        return function

    return noted


CONTROLS = Registry(
    "control", modules_of("transferlab.evaluation.controls"), group="transferlab.controls"
)
"""Functions of type ``Control`` that ``control`` has noted the facts of."""


@dataclass(frozen=True, kw_only=True)
class Controls:
    """Scores of one task without understanding, in the task's primary metric and on the samples on
    which the model is scored."""

    task: str
    metric: str
    values: Mapping[str, float | None]
    """By control that stands beside such a task; None where it has no value."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """By control: why it has no value."""
    candidates: int | None = None
    """Retrieval: how many answers there are to choose among."""


def score_controls(
    backbone: Backbone,
    data: DomainData,
    train: Sequence[Sample],
    *,
    section: EvaluationSection,
    decode: Decode,
    seed: int,
) -> dict[str, Controls]:
    """The controls of every task of a domain, on the samples that ``score_domain`` scores.

    Args:
        backbone: the model whose score the controls stand beside.
        data: the domain.
        train: the training samples that the model saw; the controls learn from the same.
        section: limits and batch sizes.
        decode: turns media into frames.
        seed: of what controls draw.

    Returns:
        By task name, in the domain's order.

    Raises:
        DataError: a task has no test samples, or a medium cannot be decoded.
    """
    thumbnails = PixelVectors(decode)
    test = evaluated_samples(data, section, split=section.split)
    candidates = candidates_of(data, section.split)
    found = {}
    for name in data.tasks:
        questions = [sample for sample in test if sample.task == name]
        task = ControlTask(
            answers=ANSWERS[questions[0].kind],
            train=[sample for sample in train if sample.task == name],
            test=questions,
            candidates=candidates.get(name, ()),
            backbone=backbone,
            section=section,
            thumbnails=thumbnails,
            seed=seed,
        )
        found[name] = _measured(task, name, metrics_of(data, name)[0])
    return found


def _measured(task: ControlTask, name: str, metric: str) -> Controls:
    values: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for one in CONTROLS.names():
        answer = CONTROLS.get(one)
        facts: ControlFacts = answer.facts
        if task.answers not in facts.answers or (facts.learners and not task.of_learners):
            continue
        given = NOT_TRAINED if facts.learns and not task.train else answer(task)
        if isinstance(given, str):
            values[one], reasons[one] = None, given
        else:
            values[one] = measure(metric, outcomes_of(given, metric=metric))
    return Controls(
        task=name,
        metric=metric,
        values=values,
        reasons=reasons,
        candidates=len(task.candidates) or None,
    )
