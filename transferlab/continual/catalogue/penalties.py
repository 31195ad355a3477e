"""Strategies that hold important parameters where past domains left them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from transferlab.continual.catalogue.base import (
    Needs,
    PositiveFloat,
    PositiveInt,
    StrategyOptions,
    Strength,
)


class EWCOptions(StrategyOptions):
    """Elastic weight consolidation: a quadratic penalty weighted with the Fisher information."""

    paper: ClassVar[str] = (
        "Kirkpatrick et al. 2017, arXiv:1612.00796; mode online: Schwarz et al. 2018, "
        "arXiv:1805.06370"
    )
    use: ClassVar[str] = (
        "Where no sample of a past domain may be kept: it keeps two numbers per trainable "
        "parameter. It protects best when domains have much in common."
    )
    needs: ClassVar[Needs] = Needs(
        extra_passes="one forward and backward over a domain's samples, after it",
        adds_gradient=True,
        anchors=True,
    )

    strength: Strength = 100.0
    """The penalty is strength * sum F (theta - theta*)^2. A number's meaning depends on `fisher`
    and `labels`. "auto" counts in units: one unit costs as much as one nat by which the answers'
    token distributions of a past domain would diverge, so that it means the same whatever the
    batch size, the adapter's rank and the domain."""
    units: PositiveFloat | None = None
    """Strength "auto": how many units; None means 1."""
    mode: Literal["separate", "online"] = "online"
    """"separate" keeps a penalty per past domain, "online" one whose anchor is the latest."""
    decay: Annotated[float, Field(gt=0, le=1)] | None = None
    """Mode "online": what is left of the old importances at each new domain; None means 1."""
    fisher: Literal["exact", "batch"] = "exact"
    """"exact" squares per-sample gradients; "batch" squares mini-batch means, as Avalanche does."""
    labels: Literal["data", "model"] | None = None
    """Fisher "exact": the answers of the data (None means these) or tokens drawn from the model."""
    fisher_samples: PositiveInt | None = None
    """At most so many samples, drawn with the run's seed, are used per domain; None uses all."""

    @model_validator(mode="after")
    def _no_option_is_ignored(self) -> EWCOptions:
        check_units(self.strength, self.units)
        if self.decay is not None and self.mode != "online":
            raise ValueError(f"decay: mode '{self.mode}' has none; remove it or set mode: online")
        if self.labels is not None and self.fisher != "exact":
            raise ValueError(
                f"labels: fisher '{self.fisher}' takes the data's answers; remove it or set "
                "fisher: exact"
            )
        return self


def check_units(strength: Strength, units: float | None) -> None:
    """
    Raises:
        ValueError: units beside a strength that is a number.
    """
    if units is not None and strength != "auto":
        raise ValueError(
            f"units: strength is the number {strength:g}; remove it or set strength: auto"
        )
