"""What every strategy says about itself before anything is built. No torch: `validate` reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from transferlab.config.pipeline import PipelineConfig
from transferlab.config.section import Section

FAMILIES = (
    "baseline",
    "rehearsal",
    "penalty",
    "distillation",
    "projection",
    "isolation",
    "averaging",
    "plugin",
)
"""In the order in which people should read about them."""
PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Strength = PositiveFloat | Literal["auto"]


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Facts about a strategy that decide what it costs and what it can be combined with.

    `validate` knows nothing else of a strategy: one that moves parameters and does not say so is
    combined with those that hold them, and what these keep is then wrong.
    """

    alone: bool = False
    """It means the absence of every other strategy."""
    past_samples: bool = False
    """It keeps ids of training samples, and needs those samples again when a run is resumed."""
    previous_model: bool = False
    """It keeps the trainable parameters as they were after the last domain."""
    keeps: str = ""
    """What is kept between domains beside ids and the previous model."""
    copies: int = 0
    """The same as a number of tensors of the trained parameters' size, where it is so much."""
    copies_per_domain: bool = False
    """So many for every past domain."""
    extra_passes: str = ""
    """What goes through the model beside the training batches."""
    grows: str = ""
    """What grows with the number of past domains."""
    chooses_batches: bool = False
    """It decides of which samples a training step consists."""
    replaces_loss: bool = False
    """It computes the loss of new samples in its own way."""
    adds_gradient: bool = False
    """It adds to the gradient of the task loss."""
    projects_gradient: bool = False
    """It bends the gradient to meet a condition that a later change would break."""
    anchors: bool = False
    """It holds the parameters, or what they compute, near where the last domain left them."""
    moves_parameters: str = ""
    """It puts other values into the parameters before a domain; where to, and when."""
    backbone_method: str = ""
    """A method of the backbone that not every one has: ``merge`` (``MergesAdapters``),
    ``split_weights`` (``SplitsWeights``), ``expert_layers`` (``HasExperts``) or ``lora_layers``
    (``HasLoRALayers``)."""
    writes: bool = False
    """It needs a backbone that writes answers token by token; one that compares pictures with given
    answers has no vocabulary to hold and nothing to say."""
    routes: bool = False
    """It answers each sample with parameters that it chooses for it, so that no single adapter is
    what was scored."""
    moves_afterwards: bool = False
    """It puts other values into the parameters after a domain (``after_training_exp``), and must
    stand before every strategy that remembers where they are then."""


class StrategyOptions(Section):
    """The options of one strategy, and what people read about it."""

    family: ClassVar[str] = ""
    """One of ``FAMILIES``, under which it is listed; a third party's may have one of its own."""
    paper: ClassVar[str] = ""
    use: ClassVar[str] = ""
    """When to use it, in a sentence or two."""
    needs: ClassVar[Needs] = Needs()

    def misfits(self, config: PipelineConfig) -> Iterator[str]:
        """What in the rest of the pipeline the strategy cannot work with."""
        yield from ()


class KeepingOptions(StrategyOptions):
    """What every strategy that remembers samples has in common."""

    never_keep: list[str] = []
    """Domains of which no id may be kept, for example because a hospital forbids it."""

    def misfits(self, config: PipelineConfig) -> Iterator[str]:
        for name in self.never_keep:
            if name not in (*config.stream, config.source):
                yield (
                    f"never_keep: '{name}' is neither in the stream nor the source, so naming it "
                    "protects nothing; correct or remove it"
                )
