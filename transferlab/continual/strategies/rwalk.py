"""Riemannian walk (Chaudhry et al. 2018).

At every step, F <- alpha g^2 + (1 - alpha) F. Between two looks at the score, each parameter adds
up by how much its movement lowered the loss, dL_i = - sum g_i dtheta_i; at each look its score
grows by dL_i / (0.5 F_i Dtheta_i^2 + eps). After a domain,

    importance = F / max F + max(score, 0) / max score

with the score averaged over domains, and the anchor where the parameters are. g is the gradient of
the task loss, before the penalty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from transferlab.continual.components.gradients import copy_gradients
from transferlab.continual.components.quadratic_penalty import QuadraticPenalty, flatten
from transferlab.continual.components.strategy import DatasetOf
from transferlab.continual.options.base import Needs, PositiveInt
from transferlab.continual.options.penalty import PenaltyOptions
from transferlab.core.lazy import no_grad, torch

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView

WITHIN_A_DOMAIN = ("fisher", "scored_at", "current", "lowered", "scored")


class RWalkOptions(PenaltyOptions):
    """Riemannian walk: a moving Fisher information plus a score of how parameters lowered the loss.

    Both are scaled to at most 1, so a strength means the same for every model. Importances come
    from the gradient of the training step, where Avalanche takes another pass for it.
    """

    family: ClassVar[str] = "penalty"
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


class RWalk(QuadraticPenalty):
    """Importances from a moving Fisher information and the path of the parameters."""

    name = "rwalk"
    Options = RWalkOptions

    def __init__(self, options: RWalkOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._fisher: Tensor | None = None
        """(trainable parameters,) float32; F above, over all domains."""
        self._score: Tensor | None = None
        """Likewise: the score averaged over past domains."""

    def before_training(self, trainer: TrainerView, **kwargs) -> None:
        super().before_training(trainer, **kwargs)
        current = flatten(trainer.trainable)
        self._scored_at, self._current = current, current
        self._lowered, self._scored = torch.zeros_like(current), torch.zeros_like(current)
        if self._fisher is not None and self._score is not None:
            self._fisher = self._fisher.to(trainer.device)
            self._score = self._score.to(trainer.device)

    @no_grad
    def after_backward(self, trainer: TrainerView, **kwargs) -> None:
        self._gradient = flatten(copy_gradients(trainer))
        squared, alpha = self._gradient.square(), self.options.alpha
        if self._fisher is None:
            self._fisher = squared
        else:
            self._fisher = alpha * squared + (1 - alpha) * self._fisher
        super().after_backward(trainer, **kwargs)

    @no_grad
    def after_training_iteration(self, trainer: TrainerView, **kwargs) -> None:
        current = flatten(trainer.trainable)
        self._lowered -= self._gradient * (current - self._current)
        self._current = current
        if (trainer.clock.train_iterations + 1) % self.options.score_every_steps == 0:
            assert self._fisher is not None, "every backward pass adds to it"
            moved = 0.5 * self._fisher * (current - self._scored_at).square()
            self._scored += self._lowered / (moved + torch.finfo(current.dtype).eps)
            self._lowered, self._scored_at = torch.zeros_like(current), current

    @no_grad
    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        self._anchor = flatten(trainer.trainable)
        if self._fisher is None:  # no step has been taken yet, so nothing is known to be important
            self._importance = torch.zeros_like(self._anchor)
            return
        scored = self._scored
        self._score = scored if self._score is None else 0.5 * (self._score + scored)
        found = _up_to_one(self._fisher) + _up_to_one(self._score.clamp(min=0))
        self._importance = self.calibrate(trainer, found)

    def stage_state(self) -> dict[str, Any]:
        return {name: getattr(self, f"_{name}").cpu() for name in WITHIN_A_DOMAIN}

    def load_stage_state(self, state: Mapping[str, Any]) -> None:
        for name in WITHIN_A_DOMAIN:
            setattr(self, f"_{name}", state[name].to(self._current.device))

    def state_bytes(self) -> int:
        return super().state_bytes() + (0 if self._fisher is None else 2 * self._fisher.nbytes)

    def state_dict(self) -> dict[str, Any]:
        own = {} if self._fisher is None else {"fisher": self._fisher.cpu()}
        score = {} if self._score is None else {"score": self._score.cpu()}
        return {**super().state_dict(), **own, **score}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        super().load_state_dict(state, dataset_of)
        self._fisher = state["fisher"].clone() if "fisher" in state else None
        self._score = state["score"].clone() if "score" in state else None


def _up_to_one(values: Tensor) -> Tensor:
    largest = values.max()
    return values / largest if largest > 0 else torch.zeros_like(values)
