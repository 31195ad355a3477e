"""Strategies that bend the gradient so that past domains are not harmed."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from transferlab.continual.options.base import KeepingOptions, Needs, PositiveInt


class AGEMOptions(KeepingOptions):
    """Averaged gradient episodic memory: a step may not go against the memory's mean gradient."""

    paper: ClassVar[str] = "Chaudhry et al. 2019, arXiv:1812.00420"
    use: ClassVar[str] = (
        "Where remembered samples may guide a step but should not be learned by heart. Its measure "
        "of interference, the cosine of the two gradients, is in every step's record."
    )
    needs: ClassVar[Needs] = Needs(
        past_samples=True,
        extra_passes="a forward and backward of remembered samples in every step",
        grows="the ids",
        projects_gradient=True,
    )

    samples_per_domain: PositiveInt = 100
    """So many ids of every domain are remembered."""
    memory_batch_samples: PositiveInt = 16
    """Remembered samples per step, the same number of every past domain, at least one."""


class GEMOptions(KeepingOptions):
    """Gradient episodic memory: a step may not go against the gradient of any past domain."""

    paper: ClassVar[str] = "Lopez-Paz & Ranzato 2017, arXiv:1706.08840"
    use: ClassVar[str] = (
        "As agem, for short streams: it protects every past domain apart, and takes a pass over "
        "each in every step."
    )
    needs: ClassVar[Needs] = Needs(
        past_samples=True,
        extra_passes="a forward and backward of remembered samples of each past domain in every "
        "step",
        grows="the time of a step, and the ids",
        projects_gradient=True,
    )

    samples_per_domain: PositiveInt = 32
    """So many ids of every domain are remembered."""
    memory_batch_samples: PositiveInt | None = 8
    """Remembered samples of each past domain per step; None takes all, as the paper does."""
    margin: Annotated[float, Field(ge=0)] = 0.5
    """The paper's gamma: above 0, steps are bent towards lowering past losses too."""
