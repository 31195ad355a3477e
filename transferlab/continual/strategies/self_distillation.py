"""Self-distillation replay: remembered prompts, with the answers that the model gives itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from transferlab.continual.components.rehearsal import BufferedStrategy
from transferlab.continual.components.self_generated_targets import SelfGeneratedTargets
from transferlab.continual.options.base import Needs, PositiveFloat, PositiveInt
from transferlab.continual.options.memory import MemoryOptions
from transferlab.core.records import Sample

if TYPE_CHECKING:
    from transferlab.continual.components.buffer import ReplayBuffer
    from transferlab.continual.components.trainer_view import TrainerView


class SelfDistillationOptions(MemoryOptions):
    """Replay of remembered prompts with the answers that the model itself gave before the domain.

    The old answers of the data are not used. The model's own are made anew before each domain and
    are never written down.
    """

    family: ClassVar[str] = "rehearsal"
    paper: ClassVar[str] = "Yang et al. 2024, arXiv:2402.13669; in the manner of Sun et al. 2020"
    use: ClassVar[str] = (
        "As replay, where the model should keep its own way of answering, or where reference "
        "answers of past domains may no longer be used."
    )
    needs: ClassVar[Needs] = Needs(
        writes=True,
        past_samples=True,
        extra_passes="answers to all remembered prompts before each domain, and a forward and "
        "backward of some in every step",
        adds_gradient=True,
    )

    memory_batch_samples: PositiveInt | None = None
    """Remembered prompts per step; None takes as many as there are new samples."""
    weight: PositiveFloat = 1.0
    """Of the remembered answers' loss beside the task loss."""
    max_new_tokens: PositiveInt = 48
    """The longest answer."""


class SelfDistillation(BufferedStrategy, SelfGeneratedTargets):
    """A memory of prompts, answered by the model as it was before the domain."""

    name = "self_distillation"
    memory: ReplayBuffer
    Options = SelfDistillationOptions

    def __init__(self, options: SelfDistillationOptions, *, seed: int) -> None:
        from transferlab.continual.components.buffer import ReplayBuffer

        super().__init__(options, seed=seed)
        self.memory = ReplayBuffer(options, name=self.name)

    def samples_to_answer(self, trainer: TrainerView) -> Sequence[Sample]:
        remembered = self.memory.policy.buffer
        return [remembered[i][0] for i in range(len(remembered))]

    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        super().after_training_exp(trainer, **kwargs)
        self.memory.take_in(trainer)
