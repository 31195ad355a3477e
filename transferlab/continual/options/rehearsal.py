"""Strategies that remember samples, by their ids, and train on them again."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from transferlab.continual.options.base import (
    KeepingOptions,
    Needs,
    PositiveFloat,
    PositiveInt,
    StrategyOptions,
)

SIZES = ("memory_samples", "memory_tokens", "memory_fraction")
PARAMETRIC = ("random", "herding", "closest_to_centre")
Policy = Literal[
    "reservoir", "experience_balanced", "class_balanced", "random", "herding", "closest_to_centre"
]
REPLAYED_APART = "a forward and backward of remembered samples in every step"


class MemoryOptions(KeepingOptions):
    """What is remembered."""

    memory_samples: PositiveInt = 200
    """How many sample ids are remembered in all."""
    memory_tokens: PositiveInt | None = None
    """In place of memory_samples: as many samples as have at most so many answer tokens, and at
    least one."""
    memory_fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    """In place of memory_samples: this share of all samples met so far that may be kept. It grows
    with them, and what was dropped does not come back."""
    policy: Policy = "experience_balanced"
    """What is kept: a uniform draw from everything seen; the same share of each domain; the same
    share of each class (every label of a classify task, every other task as one class). Or, per
    group of `group_by`: a random choice, iCaRL's herding, or the samples closest to the group's
    mean; these two look at the backbone's features of every sample."""
    group_by: Literal["experience", "class", "attribute", "nothing"] | None = None
    """Policies random, herding, closest_to_centre: what gets equal shares; None means experience
    (one domain)."""
    attribute: str | None = None
    """With group_by attribute: the one whose values get equal shares, such as sex or view. Samples
    that have no such attribute are one group."""

    @model_validator(mode="after")
    def _one_size(self) -> MemoryOptions:
        given = [name for name in SIZES if name in self.model_fields_set]
        if len(given) > 1:
            raise ValueError(f"{given[1]}: {given[0]} says already how much is kept; remove one")
        return self

    @model_validator(mode="after")
    def _attribute_has_a_use(self) -> MemoryOptions:
        if (self.group_by == "attribute") != (self.attribute is not None):
            raise ValueError(
                "attribute: it goes with group_by: attribute, and that with an attribute; set both "
                "or neither"
            )
        return self

    @model_validator(mode="after")
    def _groups_have_a_use(self) -> MemoryOptions:
        if self.group_by is not None and self.policy not in PARAMETRIC:
            raise ValueError(
                f"group_by: policy '{self.policy}' has groups of its own; remove it or set policy "
                f"to one of {', '.join(PARAMETRIC)}"
            )
        return self


class ReplayOptions(MemoryOptions):
    """Rehearsal: remembered samples are trained on beside new ones."""

    paper: ClassVar[str] = "Chaudhry et al. 2019, arXiv:1902.10486; herding: Rebuffi et al. 2017"
    use: ClassVar[str] = (
        "Wherever samples of past domains may be kept; hard to beat, also by far more elaborate "
        "strategies."
    )
    needs: ClassVar[Needs] = Needs(
        past_samples=True, chooses_batches=True, extra_passes="remembered samples in every step"
    )

    batch_ratio: PositiveFloat = 1.0
    """Remembered samples per new one."""
    mix: Literal["step", "epoch"] = "step"
    """Where the ratio holds. In every step: `batch_samples` new samples have round(batch_ratio *
    batch_samples) remembered ones beside them, at least one. Or in every epoch: as many are drawn
    for its new samples and shuffled among them, so that a step stays as large as it was and there
    are more of them."""


class ERACEOptions(MemoryOptions):
    """Replay with an asymmetric loss: new answers do not push down the tokens of old ones."""

    paper: ClassVar[str] = "Caccia et al. 2022, arXiv:2104.05025"
    use: ClassVar[str] = (
        "As replay, where new answers use other words than old ones and forgetting shows as "
        "answers of the wrong domain."
    )
    needs: ClassVar[Needs] = Needs(
        past_samples=True,
        extra_passes=REPLAYED_APART,
        replaces_loss=True,
        adds_gradient=True,
    )

    policy: Policy = "class_balanced"
    """What is kept; as for `replay`. New samples come in before their domain is trained."""
    memory_batch_samples: PositiveInt = 10
    """Remembered samples per step."""
    compared: Literal["vocabulary", "batch"] = "vocabulary"
    """What a new answer's tokens compete with: the whole vocabulary without the tokens that occur
    in remembered answers only; or the tokens of the step alone, as in the paper and Avalanche. The
    latter suits a closed set of one-token answers: it never learns what not to say."""


class DEROptions(MemoryOptions):
    """Dark experience replay: remembered samples keep the logits that the model had for them.

    With replay_weight 0 this is DER, otherwise DER++. The logits are in the checkpoint.
    """

    paper: ClassVar[str] = "Buzzega et al. 2020, arXiv:2004.07211"
    use: ClassVar[str] = (
        "As replay with a small memory: a distribution over tokens says more of the old model than "
        "an answer does."
    )
    needs: ClassVar[Needs] = Needs(
        past_samples=True,
        keeps="logits of the remembered answers",
        extra_passes=REPLAYED_APART,
        adds_gradient=True,
    )

    memory_batch_samples: PositiveInt | None = None
    """Remembered samples per step; None takes as many as there are new ones."""
    logit_weight: PositiveFloat = 0.1
    """The paper's alpha: weight of the mean squared difference of logits."""
    replay_weight: Annotated[float, Field(ge=0)] = 0.5
    """The paper's beta: weight of the cross-entropy of remembered answers."""
    logits_kept: PositiveInt | None = 64
    """So many of the largest logits are kept per answer token, eight bytes each; None keeps the
    whole vocabulary, as the paper does."""


class MIROptions(MemoryOptions):
    """Maximally interfered retrieval: what a step would harm most is replayed in it."""

    paper: ClassVar[str] = "Aljundi et al. 2019, arXiv:1908.04742"
    use: ClassVar[str] = (
        "As replay with a large memory of which few samples fit into a step; it pays with two more "
        "forward passes of the candidates."
    )
    needs: ClassVar[Needs] = Needs(
        past_samples=True,
        extra_passes="two forwards of the candidates, a forward and backward of the chosen, per "
        "step",
        adds_gradient=True,
    )

    policy: Policy = "class_balanced"
    """What is kept; as for `replay`."""
    candidate_samples: PositiveInt = 50
    """Remembered samples per step among which the most harmed are looked for."""
    memory_batch_samples: PositiveInt = 10
    """So many of the candidates are replayed."""

    @model_validator(mode="after")
    def _there_is_a_choice(self) -> MIROptions:
        if self.memory_batch_samples > self.candidate_samples:
            raise ValueError(
                f"memory_batch_samples: {self.memory_batch_samples} cannot be chosen among "
                f"candidate_samples {self.candidate_samples}; lower it"
            )
        return self


class GSSOptions(KeepingOptions):
    """Gradient-based sample selection: the memory keeps samples whose gradients differ."""

    paper: ClassVar[str] = "Aljundi et al. 2019, arXiv:1903.08671 (the greedy version)"
    use: ClassVar[str] = (
        "As replay, where domains hold many near-duplicates (frames of a video, views of one "
        "patient). Choosing is slow: a backward pass per sample."
    )
    needs: ClassVar[Needs] = Needs(
        past_samples=True,
        chooses_batches=True,
        extra_passes="a backward per sample after each domain, and remembered samples in every "
        "step",
    )

    memory_samples: PositiveInt = 200
    """How many sample ids are remembered in all."""
    batch_ratio: PositiveFloat = 1.0
    """Remembered samples added to a step per new one, as for `replay`."""
    compared_samples: PositiveInt = 5
    """Remembered samples whose gradients a new one's is compared with."""


class GDumbOptions(StrategyOptions):
    """Greedy sampler, dumb learner: trained anew, on a class-balanced memory and nothing else."""

    paper: ClassVar[str] = "Prabhu, Torr & Dokania 2020 (ECCV)"
    use: ClassVar[str] = (
        "As a control: a strategy that does not beat it has gained nothing from the order of the "
        "stream. The adapter starts from its first values at every domain."
    )
    needs: ClassVar[Needs] = Needs(
        past_samples=True,
        keeps="the first values of the trainable parameters",
        copies=1,
        chooses_batches=True,
        moves_parameters="back to their first values before each domain",
    )

    memory_samples: PositiveInt = 200
    """How many sample ids are remembered in all; a domain's training sees these only."""


class CumulativeOptions(StrategyOptions):
    """Every domain is trained together with all samples of the past ones."""

    paper: ClassVar[str] = "none; an upper bound of replay"
    use: ClassVar[str] = (
        "As an upper bound for a stream whose past data may all be kept; epochs become longer with "
        "every domain."
    )
    needs: ClassVar[Needs] = Needs(
        past_samples=True, chooses_batches=True, grows="the time of a domain, and the ids"
    )


class FromScratchOptions(StrategyOptions):
    """The adapter starts from its first values at every domain."""

    paper: ClassVar[str] = "none; a control"
    use: ClassVar[str] = (
        "As a control that transfers nothing from one domain to the next; with cumulative it is "
        "joint training at every step."
    )
    needs: ClassVar[Needs] = Needs(
        keeps="the first values of the trainable parameters",
        copies=1,
        moves_parameters="back to their first values before each domain",
    )
