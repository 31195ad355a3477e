"""ER-ACE (Caccia et al. 2022): replay with an asymmetric cross-entropy.

    loss = (cross-entropy of new tokens over a restricted vocabulary
            + cross-entropy of remembered tokens over the whole one) / 2

so that a new answer is learned without pushing down the tokens that old answers are made of. The
memory takes in a domain before it is trained. On the first domain there is nothing to restrict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from transferlab.continual.components.gradients import batches_over, upcast
from transferlab.continual.components.rehearsal import BufferedRehearsal
from transferlab.continual.options.base import Needs, PositiveInt
from transferlab.continual.options.memory import REPLAY_STEP, MemoryOptions, Policy
from transferlab.core.lazy import nn, no_grad, torch

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView


class ERACEOptions(MemoryOptions):
    """Replay with an asymmetric loss: new answers do not push down the tokens of old ones."""

    family: ClassVar[str] = "rehearsal"
    paper: ClassVar[str] = "Caccia et al. 2022, arXiv:2104.05025"
    use: ClassVar[str] = (
        "As replay, where new answers use other words than old ones and forgetting shows as "
        "answers of the wrong domain."
    )
    needs: ClassVar[Needs] = Needs(
        writes=True,
        past_samples=True,
        extra_passes=REPLAY_STEP,
        replaces_loss=True,
        adds_gradient=True,
    )

    policy: Policy = "class_balanced"
    """What is kept; as for `replay`. New samples come in before their domain is trained."""
    memory_batch_samples: PositiveInt = 10
    """Remembered samples per step."""
    compared: Literal["vocabulary", "batch"] = "vocabulary"
    """What a new answer's tokens compete with: the whole vocabulary without the tokens that occur
    in remembered answers only; or the tokens of the step alone, as in the paper and Avalanche. The
    latter suits a closed set of one-token answers: it never learns what not to say."""


class ERACE(BufferedRehearsal):
    """A memory, and a loss that spares what it holds."""

    name = "er_ace"
    Options = ERACEOptions

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
        self.memory.start_sampling()
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
        assert self._spared is not None, "made before the domain, where compared is vocabulary"
        hidden = self._spared[~torch.isin(self._spared, self._present)]
        return nn.functional.cross_entropy(logits.index_fill(1, hidden, -torch.inf), targets)

    def task_weight(self, trainer: TrainerView) -> float:
        return 0.5 if self._active else 1.0

    @no_grad
    def after_backward(self, trainer: TrainerView, **kwargs) -> None:
        if self._active:
            batch = self.memory.draw(trainer, self.options.memory_batch_samples)[0]
            self.terms["er_ace_memory_loss"] = self.add_gradient(trainer, batch, weight=0.5)

    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        self._active, self._spared = False, None
