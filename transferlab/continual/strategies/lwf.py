"""Learning without forgetting (Li & Hoiem 2016), on tokens.

    penalty = alpha * mean over supervised tokens of KL(p_old || p_new)

with both distributions softened by the temperature, and p_old the model after the last domain, on
the new domain's inputs. Avalanche's plugin copies the whole model and restricts the distributions
to the classes of past domains; here the copy is of the trainable parameters, and the distributions
are over the vocabulary, or over the tokens of past answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from transferlab.continual.components.gradients import batches_over, upcast
from transferlab.continual.components.strategy import DatasetOf
from transferlab.continual.components.teacher import Distillation
from transferlab.continual.options.distillation import LwFOptions

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView


class LwF(Distillation):
    """Distils the model as it was after the last domain."""

    name = "lwf"

    def __init__(self, options: LwFOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._answered: Tensor | None = None
        """(tokens,) int64, sorted: the tokens of past answers, where only these are distilled."""

    def before_forward(self, trainer: TrainerView, **kwargs) -> None:
        if self.previous.known:
            self._old = self.previous.logits(trainer, trainer.mb_x)

    def drift(self, trainer: TrainerView) -> Tensor:
        new, old = upcast(trainer.mb_output), upcast(self._old)
        if self._answered is not None:
            kept = self._answered.to(new.device)
            new, old = new[:, kept], old[:, kept]
        return divergence(new, old, self.options.temperature)

    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        super().after_training_exp(trainer, **kwargs)
        if self.options.tokens == "answered":
            seen = [] if self._answered is None else [self._answered]
            for batch in batches_over(trainer, trainer.experience.dataset):
                seen.append(batch.targets().unique().cpu())
            self._answered = torch.cat(seen).unique()

    def kept_bytes(self) -> int:
        return super().kept_bytes() + (0 if self._answered is None else self._answered.nbytes)

    def state_dict(self) -> dict[str, Any]:
        answered = {} if self._answered is None else {"answered": self._answered}
        return {**super().state_dict(), **answered}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        super().load_state_dict(state, dataset_of)
        self._answered = state["answered"].clone() if "answered" in state else None


def divergence(new: Tensor, old: Tensor, temperature: float) -> Tensor:
    """The mean over (n, vocab) rows of KL(softmax(old / T) || softmax(new / T)), in nats."""
    return nn.functional.kl_div(
        (new / temperature).log_softmax(dim=1),
        (old / temperature).softmax(dim=1),
        reduction="batchmean",
    )
