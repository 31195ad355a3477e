"""Which samples stand for a group: Avalanche's choices, on the backbone's own features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from transferlab.continual.avalanche_api import (
    AvalancheDataset,
    ClosestToCenterSelectionStrategy,
    HerdingSelectionStrategy,
)
from transferlab.continual.hidden import hidden_at_answers, watching
from transferlab.continual.passes import batches_over, evaluating, token_rows

if TYPE_CHECKING:
    from transferlab.continual.template import MLLMTemplate


@torch.no_grad()
def sample_features(strategy: MLLMTemplate, data: AvalancheDataset) -> Tensor:
    """(samples, width) float32: the mean hidden state from which each answer's tokens are told."""
    rows = []
    with evaluating(strategy.model), watching(strategy.model) as seen:
        for batch in batches_over(strategy, data):
            with strategy.autocast():
                strategy.model(batch)
            hidden = hidden_at_answers(strategy.model, seen, batch).float()
            seen.clear()
            owner = token_rows(batch)
            sums = hidden.new_zeros(len(batch), hidden.shape[1]).index_add_(0, owner, hidden)
            counts = torch.bincount(owner, minlength=len(batch)).clamp(min=1)
            rows.append(sums / counts[:, None])
    return torch.cat(rows)


class Herding(HerdingSelectionStrategy):
    """iCaRL's: the mean of what is kept stays as near as possible to the mean of the group."""

    def __init__(self) -> None:
        """Avalanche's asks for a layer's name here; ours are the features before the vocabulary."""

    def make_sorted_indices(self, strategy: MLLMTemplate, data: AvalancheDataset) -> list[int]:
        if len(data) == 0:  # more groups than the memory has places
            return []
        return self.make_sorted_indices_from_features(sample_features(strategy, data))


class ClosestToCentre(ClosestToCenterSelectionStrategy):
    """The samples nearest to the mean of the group."""

    def __init__(self) -> None:
        """As for herding."""

    def make_sorted_indices(self, strategy: MLLMTemplate, data: AvalancheDataset) -> list[int]:
        if len(data) == 0:
            return []
        features = sample_features(strategy, data)
        return self.make_sorted_indices_from_features(features).tolist()
