"""The records in which domains, backbones, strategies and evaluation meet. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from transferlab.core.text.conversation import Role, Turn, flatten_turns, turns_before
from transferlab.core.text.learner_history import LearnerHistory
from transferlab.errors import DataError

MEDIA_SLOT = "<image>"
"""Stands in a prompt where a medium belongs; a video's slot becomes as many as it has frames."""

MediaKind = Literal["image", "dicom", "video"]
TaskKind = Literal["classify", "answer", "describe", "retrieve"]
"""``classify`` picks from choices, ``answer`` and ``describe`` write text, ``retrieve`` finds a
sample's own answer among those of all samples that are scored."""
SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")

Frames = list[np.ndarray]
"""One medium: one (H, W, 3) uint8 array for a picture, several in time order for a video."""


SCORING_VERSION = 2
"""Of the way from a model's outputs to answers; scores of different versions are not comparable.
1: the choice with the highest summed log-likelihood. 2: the rules of ``evaluation.likelihood``."""


@dataclass(frozen=True, kw_only=True)
class MediaRef:
    """Where a medium is and which part of it is meant; decoded on demand."""

    kind: MediaKind
    path: Path
    start_seconds: float = 0.0
    """Videos only: where the segment begins."""
    end_seconds: float | None = None
    """Videos only: where the segment ends; None means the end of the file."""
    frames: int = 1
    """Videos only: how many frames, evenly spaced over the segment, are shown to the backbone."""
    sound: bool = False
    """Videos only: the segment's sound belongs to the medium too."""
    digest: str = field(default="", compare=False)
    """SHA-256 of the file's bytes when it was checked, in hex; "" where it was not."""
    alias: str = field(default="", compare=False)
    """What the medium is called in messages: its row. File names may hold the names of people."""
    mask_text: bool = False
    """Whether what looks like text is painted over before anything else sees the pixels."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One exchange: a prompt with media slots, and its answer, before any tokenizer has seen it."""

    id: str
    """Salted and stable; never a patient's identifier or a file name."""
    domain: str
    task: str
    kind: TaskKind
    media: tuple[MediaRef, ...]
    """In the order of the slots, those of ``history`` first."""
    prompt: str
    """The turn that is answered; "" after a history whose last turn is answered."""
    answer: str
    choices: tuple[str, ...] = ()
    """The closed label set, or this sample's options; empty for free text."""
    group: str = ""
    """Salted id of the patient, lecture or chapter: never on two sides of a split."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    history: tuple[Turn, ...] = ()
    """What was said before the prompt: system text and earlier turns."""
    role: Role = "user"
    """Whose turn the prompt is: user or tool."""
    learner_history: LearnerHistory | None = None
    """Of questions that learners answered: what was known before the answer."""

    def __post_init__(self) -> None:
        slots = self.full_prompt.count(MEDIA_SLOT)
        if slots != len(self.media):
            raise DataError(
                f"sample '{self.id}' of '{self.domain}': the prompt has {slots} media slot(s), "
                f"{len(self.media)} media given"
            )
        if not self.answer.strip():
            raise DataError(f"sample '{self.id}' of '{self.domain}': the answer is empty")
        if self.choices and self.answer not in self.choices:
            raise DataError(
                f"sample '{self.id}' of '{self.domain}': the answer '{self.answer}' is not one of "
                f"{', '.join(self.choices)}"
            )

    @property
    def closed(self) -> bool:
        """Whether the answer comes from a closed set."""
        return bool(self.choices)

    @property
    def turns(self) -> tuple[Turn, ...]:
        """All that is said before the answer."""
        return turns_before(self.history, prompt=self.prompt, role=self.role)

    @property
    def full_prompt(self) -> str:
        """``turns`` as one text; without a history the prompt as it is."""
        return flatten_turns(self.turns)

    @property
    def learns_history(self) -> bool:
        """Whether a training batch supervises earlier answers too."""
        return any(turn.learned for turn in self.history)

    def answered(self, text: str) -> Sample:
        """The same question with another answer, which alone is learned; without choices."""
        history = tuple(replace(turn, learned=False) for turn in self.history)
        return replace(self, answer=text, choices=(), history=history)

    def without_media(self) -> Sample:
        """The same question with its media and their slots taken away: the text-only control."""
        history = tuple(replace(turn, text=_without_slots(turn.text)) for turn in self.history)
        return replace(self, media=(), prompt=_without_slots(self.prompt), history=history)

    def without_learner_history(self) -> Sample:
        """The same question as to somebody of whom nothing is known."""
        if self.learner_history is None:
            return self
        shown, nothing = self.learner_history.shown, self.learner_history.nothing
        return replace(self, prompt=self.prompt.replace(shown, nothing) if shown else self.prompt)


def _without_slots(text: str) -> str:
    return text.replace(MEDIA_SLOT, "").lstrip("\n ")


@dataclass(frozen=True, kw_only=True)
class Quarantined:
    """A row that could not become a sample, or a sample that the backbone cannot take, and why."""

    domain: str
    where: str
    """File and row, without any content of the row; the id of a sample without media that the
    backbone cannot take."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class DomainData:
    """A loaded domain: its samples by split, and what travels with every score."""

    name: str
    version: int
    title: str
    licence: str
    primary_metrics: Mapping[str, str]
    """The metric of each task, by task name: the first that domain.yaml lists."""
    splits: Mapping[SplitName, tuple[Sample, ...]]
    digest: str
    """SHA-256 over the samples' ids, prompts, answers and media fingerprints, in hex."""
    quarantined: tuple[Quarantined, ...] = ()
    metrics: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Every metric of each task, as domain.yaml lists them; a task left out has its primary one."""
    removed: Mapping[str, int] = field(default_factory=dict)
    """What privacy.text removed from prompts, answers and attributes: how often, by kind."""
    source_kind: str = ""
    """What ``source.kind`` of domain.yaml says; empty where there is no such file."""
    questions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """How each task is asked, as domain.yaml has it: its kind, prompt and choices."""

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(self.primary_metrics)


Decode = Callable[[MediaRef], Frames]
"""Turns a reference into frames. Raises DataError when the file is missing, broken or empty."""


DecodeAudio = Callable[[MediaRef], np.ndarray]
"""A reference's sound: (n,) float32 in [-1, 1], 16,000 per second. Raises DataError as above."""


@dataclass(frozen=True, kw_only=True)
class Features:
    """Backbone features of N samples, float32, in the order of the samples."""

    image: np.ndarray
    """(N, D): mean over the projected image tokens; rows of zeros for samples without media."""
    text: np.ndarray
    """(N, D): mean over the prompt's token embeddings, media slots left out."""
    joint: np.ndarray
    """(N, D): mean of the language model's last hidden state over the prompt."""


@dataclass(frozen=True, kw_only=True)
class AnswerRank:
    """Where a sample's own answer stands among its task's candidates."""

    better: int
    """Candidates that scored higher than it, 0 or more."""
    equal: int
    """Candidates that scored the same, it among them: 1 or more."""
    candidates: int
    """All of them: ``better + equal`` or more."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the backbone said to one sample."""

    sample: Sample
    text: str
    """The likeliest choice, the generated text, or the candidate that was found."""
    log_likelihoods: tuple[float, ...] = ()
    """Per choice, summed over its tokens, in the order of ``choices``, or per candidate where one
    is to be found; empty for free text. After ``evaluation.likelihood`` the score by the rule, of
    which the highest is the answer."""
    choice_tokens: tuple[int, ...] = ()
    """Per choice, the tokens over which the sum runs, end token included; empty where there is no
    such sum."""
    rank: AnswerRank | None = None
    """Retrieval only: where the sample's own answer came in."""


@dataclass(frozen=True, kw_only=True)
class TaskScore:
    """One task of one domain: its metrics and the per-sample values the intervals need."""

    task: str
    kind: TaskKind
    metric: str
    """The primary metric's name."""
    value: float
    """The primary metric, in [0, 1]; higher is better."""
    metrics: Mapping[str, float]
    """Every metric of the task, the primary one too; in [0, 1] but for ``median_rank``."""
    samples: int
    groups: Sequence[str]
    """Per sample: its group."""
    sample_values: Sequence[float]
    """Per sample: its contribution to an additive metric (correct or not, token F1, the inverse of
    its rank), in [0, 1]."""
    labels: Sequence[int] = ()
    """Closed tasks, per sample: the answer's position in the task's sorted label set."""
    predicted: Sequence[int] = ()
    """Closed tasks, per sample: the prediction's position in the same set."""
    margins: Sequence[float] = ()
    """Tasks of two labels, per sample: log-likelihood of label 1 minus that of label 0."""
    statistics: Sequence[Sequence[float]] = ()
    """Per sample: what the primary metric notes, where it is one that notes something."""
    calibration: Mapping[str, float] = field(default_factory=dict)
    """Closed tasks: ``ece``, ``ece_if_calibrated`` and ``brier`` of ``metrics.calibration``, from
    the summed log-likelihoods, by whatever rule choices were answered."""
    likelihood: Mapping[str, Any] = field(default_factory=dict)
    """Closed and ranked tasks, plain data: the ``rule`` of ``evaluation.likelihood`` by which
    choices were answered and the ``reason`` for it, ``validation_samples`` and ``cross_entropy``
    by rule where rules were compared, the primary metric's ``values`` by every rule, and
    ``fewest_tokens``: the share of answers, in [0, 1], that are a choice of fewest tokens, or
    None."""


@dataclass(frozen=True, kw_only=True)
class DomainScore:
    """A domain's test split scored: the mean of its tasks' primary metrics."""

    domain: str
    value: float
    metric: str
    """How ``value`` is made, e.g. "mean of accuracy (finding), token_f1 (report)"."""
    tasks: Mapping[str, TaskScore]


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """What one training step of the stream, or one arm, cost and saw."""

    domain: str
    steps: int
    samples_seen: int
    """Samples in training batches, repeats and replayed ones counted; what a strategy passes
    through the model beside the batches is not."""
    train_samples: int
    """Distinct samples of the domain that training reached."""
    train_tokens: int
    """Supervised tokens in one pass over the distinct samples."""
    seconds: float
    samples_per_second: float
    peak_memory_bytes: int
    losses: Sequence[float]
    """Task loss per optimizer step."""
    left_out_steps: int = 0
    """Steps that were not taken, as their loss or gradient was no finite number."""
    terms: Mapping[str, float] = field(default_factory=dict)
    """What strategies had beside the task loss, by name: the mean over the steps that had it."""
    strategy_bytes: int = 0
    """What the strategy keeps: Fisher, anchors, remembered ids."""
    strategy_seconds: float = 0.0
    """Of ``seconds``, spent in the strategies' own hooks; the time that remembered samples take as
    part of a training batch is not in it."""
