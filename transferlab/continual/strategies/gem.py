"""Gradient episodic memory (Lopez-Paz & Ranzato 2017).

With g the gradient of a step and G the gradients of past domains, one per row, the step taken is
the nearest to g that harms no past domain:  g + G^T v  with

    v = argmin over v >= margin of  v^T G G^T v / 2 + (G g)^T v

which is a non-negative least-squares problem in u = v - margin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from transferlab.continual.components.gradients import dot, gradient, gradients_of
from transferlab.continual.components.rehearsal import PerDomainRehearsal
from transferlab.continual.options.base import KeepingOptions, Needs, PositiveInt
from transferlab.core.lazy import no_grad, torch

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView

RIDGE = 1e-5
"""Times its mean, added to the diagonal of G G^T, so that it can be decomposed. The authors' code
adds 1e-3 whatever the gradients' size, which hides those of an adapter."""


class GEMOptions(KeepingOptions):
    """Gradient episodic memory: a step may not go against the gradient of any past domain."""

    family: ClassVar[str] = "projection"
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


class GEM(PerDomainRehearsal):
    """Projects the gradient into the cone that harms no past domain."""

    name = "gem"
    Options = GEMOptions

    @no_grad
    def after_backward(self, trainer: TrainerView, **kwargs) -> None:
        past = range(len(self.memory.domains))
        if not past:
            return
        size = self.options.memory_batch_samples
        found = [gradient(trainer, self.memory.draw(trainer, at, size)[0]) for at in past]
        references = [one for _, one in found]
        own = gradients_of(trainer.trainable)
        along = np.array([float(dot(own, one)) for one in references])
        gram = np.array([[float(dot(a, b)) for b in references] for a in references])
        scale = np.sqrt(float(dot(own, own)) * np.diag(gram))
        cosines = np.divide(along, scale, out=np.zeros_like(along), where=scale > 0)
        self.terms.update(
            gem_memory_loss=sum(loss for loss, _ in found) / len(found),
            gem_cosine=float(cosines.min()),
        )
        if (along < 0).any():
            weights = solve(gram, along, margin=self.options.margin)
            for weight, one in zip(weights, references, strict=True):
                torch._foreach_add_(own, one, alpha=float(weight))


def solve(gram: np.ndarray, along: np.ndarray, *, margin: float) -> np.ndarray:
    """(t,) weights v >= margin that minimise v^T P v / 2 + along^T v, with P = gram + ridge.

    With P = L L^T, that is |L^T u + L^-1 (along + P margin)|^2 over u = v - margin >= 0.

    Args:
        gram: (t, t) scalar products of past gradients.
        along: (t,) scalar products of the step's gradient with each.
        margin: at least 0.
    """
    from scipy.optimize import nnls

    ridge = RIDGE * float(np.diag(gram).mean()) + np.finfo(float).tiny
    quadratic = 0.5 * (gram + gram.T) + ridge * np.eye(len(along))
    lower = np.linalg.cholesky(quadratic)
    target = np.linalg.solve(lower, along + quadratic @ np.full(len(along), margin))
    return nnls(lower.T, -target)[0] + margin
