"""Strategies that hold important parameters where past domains left them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from transferlab.continual.options.base import (
    Needs,
    PositiveFloat,
    PositiveInt,
    StrategyOptions,
    Strength,
)

TWO_NUMBERS = "two numbers per trainable parameter"


class PenaltyOptions(StrategyOptions):
    """What every penalty has in common."""

    strength: Strength = "auto"
    """The penalty is strength * sum I (theta - theta*)^2, with I the importances. "auto" counts in
    units, as it does for `ewc`."""
    units: PositiveFloat | None = None
    """Strength "auto": how many units; None means 1."""

    @model_validator(mode="after")
    def _units_have_a_use(self) -> PenaltyOptions:
        if self.units is not None and self.strength != "auto":
            raise ValueError(
                f"units: strength is the number {self.strength:g}; remove it or set strength: auto"
            )
        return self


class EWCOptions(PenaltyOptions):
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
        keeps=TWO_NUMBERS,
        copies=2,
        extra_passes="one forward and backward over a domain's samples, after it",
        adds_gradient=True,
        anchors=True,
    )

    strength: Strength = 100.0
    """The penalty is strength * sum F (theta - theta*)^2. A number's meaning depends on `fisher`
    and `labels`. "auto" counts in units: one unit costs as much as one nat by which the answers'
    token distributions of a past domain would diverge along a signed step, so that it means the
    same whatever the batch size, the adapter's rank and the domain."""
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
        if self.decay is not None and self.mode != "online":
            raise ValueError(f"decay: mode '{self.mode}' has none; remove it or set mode: online")
        if self.labels is not None and self.fisher != "exact":
            raise ValueError(
                f"labels: fisher '{self.fisher}' takes the data's answers; remove it or set "
                "fisher: exact"
            )
        return self


class SIOptions(PenaltyOptions):
    """Synaptic intelligence: a parameter is as important as its path lowered the loss."""

    paper: ClassVar[str] = "Zenke, Poole & Ganguli 2017, arXiv:1703.04200"
    use: ClassVar[str] = (
        "Where the extra pass of ewc is too dear: importances come from the training steps "
        "themselves. It cannot protect the source domain, on which no step was taken."
    )
    needs: ClassVar[Needs] = Needs(keeps=TWO_NUMBERS, copies=2, adds_gradient=True, anchors=True)

    damping: PositiveFloat = 1e-7
    """The xi that keeps parameters which hardly moved from dividing by zero; as in Avalanche."""
    variant: Literal["paper", "avalanche"] = "paper"
    """"paper" follows the gradient of the task loss and counts no importance below zero.
    "avalanche" follows the gradient with the penalty in it, keeps importances below zero and cuts
    those above 0.001."""

    @model_validator(mode="after")
    def _can_be_calibrated(self) -> SIOptions:
        if self.variant == "avalanche" and self.strength == "auto":
            raise ValueError(
                "strength: variant 'avalanche' has importances below zero, which cannot be "
                "calibrated; give a number or set variant: paper"
            )
        return self


class MASOptions(PenaltyOptions):
    """Memory aware synapses: a parameter is as important as the output is sensitive to it."""

    paper: ClassVar[str] = "Aljundi et al. 2018, arXiv:1711.09601"
    use: ClassVar[str] = (
        "As ewc, where answers are unreliable: it looks at the model's outputs and at no answer."
    )
    needs: ClassVar[Needs] = EWCOptions.needs

    alpha: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """The share of the old importances at each new domain; the new ones have the rest."""
    variant: Literal["paper", "avalanche"] = "paper"
    """"paper" averages the magnitudes of per-sample gradients; "avalanche" takes the magnitude of
    mini-batch means, with dropout where the model has some."""


class RWalkOptions(PenaltyOptions):
    """Riemannian walk: a moving Fisher information plus a score of how parameters lowered the loss.

    Both are scaled to at most 1, so a strength means the same for every model. Importances come
    from the gradient of the training step, where Avalanche takes another pass for it.
    """

    paper: ClassVar[str] = "Chaudhry et al. 2018, arXiv:1801.10112"
    use: ClassVar[str] = (
        "As si, with a Fisher information that needs no pass of its own; the paper combines it "
        "with replay. It cannot protect the source domain, on which no step was taken."
    )
    needs: ClassVar[Needs] = Needs(
        keeps="four numbers per trainable parameter", copies=4, adds_gradient=True, anchors=True
    )

    alpha: Annotated[float, Field(gt=0, le=1)] = 0.9
    """The share of the latest step in the moving average of squared gradients."""
    score_every_steps: PositiveInt = 10
    """How often the score is brought up to date; the paper's delta t."""


class L2Options(PenaltyOptions):
    """L2 to the start: every parameter is held near its anchor, all alike."""

    paper: ClassVar[str] = "Li, Grandvalet & Davoine 2018 (L2-SP), arXiv:1802.01483"
    use: ClassVar[str] = (
        "As the plainest protection, and as the control for ewc: where it does as well, the "
        "importances tell nothing."
    )
    needs: ClassVar[Needs] = Needs(
        keeps="one number per trainable parameter", copies=1, adds_gradient=True, anchors=True
    )

    strength: Strength = "auto"
    """The penalty is strength * sum (theta - anchor)^2; "auto" counts in units, as for `ewc`."""
    anchor: Literal["latest", "start"] = "latest"
    """Where parameters are held: where the last domain left them, or where they were before any."""
