"""What strategies that remember samples by an Avalanche storage policy can be told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from transferlab.continual.options.base import KeepingOptions, PositiveInt

SIZES = ("memory_samples", "memory_tokens", "memory_fraction")
PARAMETRIC = ("random", "herding", "closest_to_centre")
Policy = Literal[
    "reservoir", "experience_balanced", "class_balanced", "random", "herding", "closest_to_centre"
]
REPLAY_STEP = "a forward and backward of remembered samples in every step"


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
