"""ER-ACE (Caccia et al. 2022): replay with an asymmetric cross-entropy.

    loss = (cross-entropy of new tokens over a restricted vocabulary
            + cross-entropy of remembered tokens over the whole one) / 2

so that a new answer is learned without pushing down the tokens that old answers are made of. The
memory takes in a domain before it is trained. On the first domain there is nothing to restrict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from transferlab.continual.components.gradients import batches_over, upcast
from transferlab.continual.components.rehearsal import BufferedRehearsal
from transferlab.continual.options.rehearsal import ERACEOptions

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView


class ERACE(BufferedRehearsal):
    """A memory, and a loss that spares what it holds."""

    name = "er_ace"

    def __init__(self, options: ERACEOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._active = False
        self._spared: Tensor | None = None
        """(tokens,) int64: compared "vocabulary": the tokens of answers of past domains."""

    def before_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        past = len(self.memory) > 0
        if past and self.options.compared == "vocabulary":
            batches = batches_over(trainer, self.memory.policy.buffer)
            self._spared = torch.cat([batch.targets() for batch in batches]).unique()
        self.memory.take_in(trainer)
        self.memory.start_drawing()
        self._active = past

    def before_training_iteration(self, trainer: TrainerView, **kwargs) -> None:
        self._present = trainer.mb_y.unique()

    def task_loss(self, trainer: TrainerView) -> Tensor | None:
        if not self._active:
            return None
        logits, targets = upcast(trainer.mb_output), trainer.mb_y
        if self.options.compared == "batch":
            return nn.functional.cross_entropy(
                logits[:, self._present], torch.searchsorted(self._present, targets)
            )
        hidden = self._spared[~torch.isin(self._spared, self._present)]
        return nn.functional.cross_entropy(logits.index_fill(1, hidden, -torch.inf), targets)

    def task_weight(self, trainer: TrainerView) -> float:
        return 0.5 if self._active else 1.0

    @torch.no_grad()
    def after_backward(self, trainer: TrainerView, **kwargs) -> None:
        if self._active:
            batch = self.memory.draw(trainer, self.options.memory_batch_samples)[0]
            self.terms["er_ace_memory_loss"] = self.add_gradient(trainer, batch, weight=0.5)

    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        self._active, self._spared = False, None
