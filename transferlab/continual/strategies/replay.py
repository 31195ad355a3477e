"""Experience replay (Chaudhry et al. 2019): remembered samples are trained on beside new ones.

Every optimizer step has ``batch_samples`` samples of the new domain (the last of an epoch may have
fewer) and round(batch_ratio * batch_samples) remembered ones, at least one; or an epoch of n new
samples has round(batch_ratio * n) remembered ones among them. While nothing is remembered, new
samples only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from transferlab.continual.components.gradients import token_rows, upcast
from transferlab.continual.components.rehearsal import BufferedRehearsal
from transferlab.continual.components.samplers import EpochBatches, SampleOrder
from transferlab.continual.options.base import Needs, PositiveFloat, StrategyOptions
from transferlab.continual.options.memory import MemoryOptions
from transferlab.core.distributed import sum_over_ranks
from transferlab.core.lazy import nn, no_grad, torch

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView


class MixedBatches(EpochBatches):
    """Positions of each step's samples in new data followed by the memory."""

    def __init__(self, *, new: int, remembered: int, batch_new: int, batch_remembered: int) -> None:
        super().__init__(new, batch_samples=batch_new)
        self._remembered = remembered
        self._batch_remembered = min(batch_remembered, remembered)
        self._memory = SampleOrder(remembered)

    def start_epoch(self) -> list[int]:
        self._memory = SampleOrder(self._remembered)
        return torch.randperm(self.samples).tolist()

    def step(self, positions: list[int]) -> list[int]:
        return positions + [self.samples + row for row in self._memory.take(self._batch_remembered)]

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "memory": self._memory.rest}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self._memory.rest = list(state["memory"])


class MixedEpochs(EpochBatches):
    """Positions of each step's samples, new and remembered ones shuffled together."""

    def __init__(self, *, new: int, remembered: int, drawn: int, batch_samples: int) -> None:
        """``drawn``: of the remembered ones, per epoch; more than there are come several times."""
        super().__init__(new + drawn, batch_samples=batch_samples)
        self._new, self._remembered, self._drawn = new, remembered, drawn

    def start_epoch(self) -> list[int]:
        drawn = SampleOrder(self._remembered).take(self._drawn)
        rows = [*range(self._new), *(self._new + row for row in drawn)]
        return [rows[at] for at in torch.randperm(len(rows)).tolist()]


class ReplayOptions(MemoryOptions):
    """Rehearsal: remembered samples are trained on beside new ones."""

    family: ClassVar[str] = "rehearsal"
    paper: ClassVar[str] = "Chaudhry et al. 2019, arXiv:1902.10486; herding: Rebuffi et al. 2017"
    use: ClassVar[str] = (
        "Wherever samples of past domains may be kept; hard to beat, also by far more elaborate "
        "strategies."
    )
    needs: ClassVar[Needs] = Needs(
        past_samples=True, chooses_batches=True, extra_passes="remembered samples in every step"
    )

    batch_ratio: PositiveFloat = 1.0
    """Remembered samples per new one."""
    mix: Literal["step", "epoch"] = "step"
    """Where the ratio holds. In every step: `batch_samples` new samples have round(batch_ratio *
    batch_samples) remembered ones beside them, at least one. Or in every epoch: as many are drawn
    for its new samples and shuffled among them, so that a step stays as large as it was and there
    are more of them."""


class Replay(BufferedRehearsal):
    """Avalanche's storage policies, with an exact share of remembered samples."""

    name = "replay"
    Options: ClassVar[type[StrategyOptions]] = ReplayOptions

    def before_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        if len(self.memory) == 0:
            return
        new, memory_samples = trainer.adapted_dataset, self.memory.policy.buffer
        batches = self._batches(len(new), len(memory_samples), trainer.train_mb_size)
        trainer.dataloader = trainer.loader_over(new.concat(memory_samples), batch_sampler=batches)

    def _batches(self, new: int, remembered: int, batch_samples: int) -> EpochBatches:
        ratio = self.options.batch_ratio
        if self.options.mix == "epoch":
            return MixedEpochs(
                new=new,
                remembered=remembered,
                drawn=max(1, round(ratio * new)),
                batch_samples=batch_samples,
            )
        return MixedBatches(
            new=new,
            remembered=remembered,
            batch_new=batch_samples,
            batch_remembered=max(1, round(ratio * batch_samples)),
        )

    def before_training_iteration(self, trainer: TrainerView, **kwargs) -> None:
        self._replayed = torch.zeros(2, dtype=torch.float64)
        """Of the step's remembered tokens: the sum of their losses, and their count."""

    @no_grad
    def after_forward(self, trainer: TrainerView, **kwargs) -> None:
        experiences = trainer.mb_task_id[token_rows(trainer.mb_x)]
        old = experiences != trainer.experience.current_experience
        count = int(old.sum())
        if count:
            losses = nn.functional.cross_entropy(
                upcast(trainer.mb_output[old]), trainer.mb_y[old], reduction="sum"
            )
            self._replayed += torch.tensor([float(losses), count])

    def after_backward(self, trainer: TrainerView, **kwargs) -> None:
        replayed = self._replayed.to(trainer.device)
        sum_over_ranks([replayed])
        if replayed[1]:
            self.terms[f"{self.name}_loss"] = replayed[0] / replayed[1]

    def remembered(self) -> list[tuple[str, int]]:
        """The id of every remembered sample, with the index of its experience."""
        return self.memory.remembered()
