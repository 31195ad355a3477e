"""Which samples stand for a group: Avalanche's choices, on the backbone's own features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transferlab.continual.avalanche_api import (
    AvalancheDataset,
    ClosestToCenterSelectionStrategy,
    HerdingSelectionStrategy,
)
from transferlab.continual.components.gradients import (
    batches_over,
    capture_outputs,
    evaluation_mode,
    hidden_states_at_answers,
    token_rows,
)
from transferlab.core.lazy import no_grad, torch

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView


@no_grad
def sample_features(trainer: TrainerView, data: AvalancheDataset) -> Tensor:
    """(samples, width) float32: the mean hidden state from which each answer's tokens are told."""
    rows = []
    with evaluation_mode(trainer.model), capture_outputs(trainer.model) as outputs:
        for batch in batches_over(trainer, data):
            with trainer.autocast():
                trainer.model(batch)
            hidden = hidden_states_at_answers(trainer.model, outputs, batch).float()
            outputs.clear()
            owner = token_rows(batch)
            sums = hidden.new_zeros(len(batch), hidden.shape[1]).index_add_(0, owner, hidden)
            counts = torch.bincount(owner, minlength=len(batch)).clamp(min=1)
            rows.append(sums / counts[:, None])
    return torch.cat(rows)


class Herding(HerdingSelectionStrategy):
    """iCaRL's: the mean of what is kept stays as near as possible to the mean of the group."""

    def __init__(self) -> None:
        """Avalanche's asks for a layer's name here; ours are the features before the vocabulary."""

    def make_sorted_indices(self, strategy: TrainerView, data: AvalancheDataset) -> list[int]:
        if len(data) == 0:  # more groups than the memory has places
            return []
        return self.make_sorted_indices_from_features(sample_features(strategy, data))


class ClosestToCentre(ClosestToCenterSelectionStrategy):
    """The samples nearest to the mean of the group."""

    def __init__(self) -> None:
        """As for herding."""

    def make_sorted_indices(self, strategy: TrainerView, data: AvalancheDataset) -> list[int]:
        if len(data) == 0:
            return []
        features = sample_features(strategy, data)
        return self.make_sorted_indices_from_features(features).tolist()
