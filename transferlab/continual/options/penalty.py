"""What every quadratic penalty can be told."""

from __future__ import annotations

from pydantic import model_validator

from transferlab.continual.options.base import PositiveFloat, StrategyOptions, Strength

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
