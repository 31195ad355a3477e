"""Strategies that put together what was learned, or let the model answer for itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from transferlab.config.pipeline import PipelineConfig
from transferlab.continual.options.base import (
    Needs,
    PositiveFloat,
    PositiveInt,
    StrategyOptions,
)
from transferlab.continual.options.rehearsal import MemoryOptions
from transferlab.core.records import MEDIA_SLOT


class EMAOptions(StrategyOptions):
    """A moving average of the parameters over the steps takes their place after each domain."""

    paper: ClassVar[str] = "Polyak & Juditsky 1992; for fine-tuning: Morales-Brotons et al. 2024"
    use: ClassVar[str] = (
        "Beside another strategy, where the last steps of a domain are noisy; it costs one copy of "
        "the trainable parameters while a domain is trained."
    )
    needs: ClassVar[Needs] = Needs(moves_afterwards=True)

    decay: Annotated[float, Field(gt=0, lt=1)] = 0.98
    """What is left of the average at each step; it looks back about 1 / (1 - decay) steps. Early
    steps use (1 + step) / (10 + step) where that is smaller."""


class InterpolateOptions(StrategyOptions):
    """After each domain, the parameters go back part of the way to where they were before it."""

    paper: ClassVar[str] = "Wortsman et al. 2022 (WiSE-FT), arXiv:2109.01903"
    use: ClassVar[str] = (
        "Where a little of the new domain may be given for much of the old ones, and nothing of "
        "them is at hand: it needs no sample and no pass."
    )
    needs: ClassVar[Needs] = Needs(moves_afterwards=True)

    new_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """How much of the way that the parameters came is kept."""


class MergeOptions(StrategyOptions):
    """Every domain trains an adapter from the same start; they are merged after the fact.

    Merged by peft, each adapter as its difference from the start.
    """

    paper: ClassVar[str] = (
        "linear: Ilharco et al. 2023, arXiv:2212.04089; ties: Yadav et al. 2023, "
        "arXiv:2306.01708; dare: Yu et al. 2024, arXiv:2311.03099"
    )
    use: ClassVar[str] = (
        "Where domains are trained in different places, or one must be taken out again; domains "
        "learn nothing from one another."
    )
    needs: ClassVar[Needs] = Needs(
        keeps="the first values of the trainable parameters",
        copies=1,
        moves_parameters="to their first values before each domain, to merged ones after it",
        grows="one adapter per domain is kept",
        copies_per_domain=True,
    )

    method: Literal["linear", "ties", "dare_linear", "dare_ties"] = "ties"
    """linear adds them up; ties drops small values and those against the majority's sign;
    dare drops values at random and scales the rest up."""
    weight: PositiveFloat | None = None
    """Of every adapter; None means 1 / domains for linear and dare_linear, and 1 for the others."""
    density: Annotated[float, Field(gt=0, le=1)] | None = None
    """Methods other than linear: the share of values that is kept; None means 0.5."""

    @model_validator(mode="after")
    def _density_has_a_use(self) -> MergeOptions:
        if self.density is not None and self.method == "linear":
            raise ValueError("density: method 'linear' keeps everything; remove it")
        return self


class PerDomainOptions(StrategyOptions):
    """One adapter per domain, and a router that chooses one for every question.

    Routed by the Mahalanobis distance of a question's features to the mean features of each domain,
    or by the domain itself. The source has the adapter's first values.
    """

    paper: ClassVar[str] = (
        "in the manner of Wang, Huang & Hong 2022 (S-Prompts), arXiv:2207.12819; distance: Goswami "
        "et al. 2023 (FeCAM), arXiv:2309.14062"
    )
    use: ClassVar[str] = (
        "Where nothing may be forgotten and one file per domain may be kept; a question whose "
        "domain is told wrongly is answered with another domain's adapter."
    )
    needs: ClassVar[Needs] = Needs(
        keeps="the first values of the trainable parameters, a prototype per domain, and one "
        "covariance of features",
        extra_passes="features of a domain's samples after it, and of every question",
        moves_parameters="to values of their own for each domain",
        grows="one adapter per domain is kept",
    )

    route: Literal["prototype", "domain"] = "prototype"
    """By features, or with the domain known; a domain that is not trained yet is then answered by
    the backbone as it was."""
    start: Literal["first", "latest"] = "first"
    """Where a domain's adapter starts: from the first values, or where the last domain ended."""
    prototype_samples: PositiveInt = 100
    """At most so many training samples of a domain make its prototype."""

    def misfits(self, config: PipelineConfig) -> Iterator[str]:
        if config.export:
            yield (
                "keeps an adapter per domain, and `export` writes one, that of the last domain; "
                "set export: []"
            )


class PseudoReplayOptions(StrategyOptions):
    """Pseudo-replay: the model's own answers to general questions, given before the domain.

    Nothing of a past domain is kept: the questions are asked about the new domain's media, of the
    model as it was before it was trained on them.
    """

    paper: ClassVar[str] = "in the manner of Sun et al. 2020 (LAMOL), arXiv:1909.03329"
    use: ClassVar[str] = (
        "Where not even ids of past samples may be kept, and the model should go on describing "
        "what it sees as it did; it protects ways of answering, not facts of a past domain."
    )
    needs: ClassVar[Needs] = Needs(
        extra_passes="answers to pseudo_samples questions before each domain, and a forward and "
        "backward of some in every step",
        adds_gradient=True,
    )

    questions: Annotated[list[str], Field(min_length=1)] = [
        "Describe the image.",
        "What does the image show?",
    ]
    """Asked in turn, about the new domain's media; without media slots."""
    pseudo_samples: PositiveInt = 64
    """So many questions are answered before each domain."""
    memory_batch_samples: PositiveInt | None = None
    """Answers per step; None takes as many as there are new samples."""
    weight: PositiveFloat = 1.0
    """Of the answers' loss beside the task loss."""
    max_new_tokens: PositiveInt = 48
    """The longest answer."""

    @model_validator(mode="after")
    def _questions_have_no_slots(self) -> PseudoReplayOptions:
        for question in self.questions:
            if MEDIA_SLOT in question or not question.strip():
                raise ValueError(
                    f"questions: '{question}' must be words without {MEDIA_SLOT}; the media of "
                    "each sample are put before it"
                )
        return self


class SelfDistillationOptions(MemoryOptions):
    """Replay of remembered prompts with the answers that the model itself gave before the domain.

    The old answers of the data are not used. The model's own are made anew before each domain and
    are never written down.
    """

    paper: ClassVar[str] = "Yang et al. 2024, arXiv:2402.13669; in the manner of Sun et al. 2020"
    use: ClassVar[str] = (
        "As replay, where the model should keep its own way of answering, or where reference "
        "answers of past domains may no longer be used."
    )
    needs: ClassVar[Needs] = Needs(
        past_samples=True,
        extra_passes="answers to all remembered prompts before each domain, and a forward and "
        "backward of some in every step",
        adds_gradient=True,
    )

    memory_batch_samples: PositiveInt | None = None
    """Remembered prompts per step; None takes as many as there are new samples."""
    weight: PositiveFloat = 1.0
    """Of the remembered answers' loss beside the task loss."""
    max_new_tokens: PositiveInt = 48
    """The longest answer."""
