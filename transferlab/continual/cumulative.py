"""Training on everything seen so far: every domain's epochs hold all past samples too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from transferlab.continual.avalanche_api import AvalancheDataset
from transferlab.continual.catalogue.rehearsal import CumulativeOptions
from transferlab.continual.memory import id_bytes, ids_of
from transferlab.continual.strategy import DatasetOf, Strategy

if TYPE_CHECKING:
    from transferlab.continual.template import MLLMTemplate


class Cumulative(Strategy):
    """Keeps the ids of all training samples."""

    def __init__(self, options: CumulativeOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._past: AvalancheDataset | None = None

    def after_train_dataset_adaptation(self, strategy: MLLMTemplate, **kwargs) -> None:
        if self._past is not None:
            strategy.adapted_dataset = strategy.adapted_dataset.concat(self._past)

    def after_training_exp(self, strategy: MLLMTemplate, **kwargs) -> None:
        new = strategy.experience.dataset
        self._past = new if self._past is None else self._past.concat(new)

    def kept_bytes(self) -> int:
        return 0 if self._past is None else id_bytes(ids_of(self._past))

    def state_dict(self) -> dict[str, Any]:
        return {} if self._past is None else {"past": ids_of(self._past)}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        self._past = dataset_of(state["past"]) if state else None
