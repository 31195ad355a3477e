"""Training on everything seen so far: every domain's epochs hold all past samples too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from transferlab.continual.components.sample_ids import id_bytes, ids_of
from transferlab.continual.components.strategy import DatasetOf, Strategy
from transferlab.continual.options.base import Needs, StrategyOptions

if TYPE_CHECKING:
    from transferlab.continual.avalanche_api import AvalancheDataset
    from transferlab.continual.components.trainer_view import TrainerView


class CumulativeOptions(StrategyOptions):
    """Every domain is trained together with all samples of the past ones."""

    family: ClassVar[str] = "baseline"
    paper: ClassVar[str] = "none; an upper bound of replay"
    use: ClassVar[str] = (
        "As an upper bound for a stream whose past data may all be kept; epochs become longer with "
        "every domain."
    )
    needs: ClassVar[Needs] = Needs(
        past_samples=True, chooses_batches=True, grows="the time of a domain, and the ids"
    )


class Cumulative(Strategy):
    """Keeps the ids of all training samples."""

    name = "cumulative"
    Options = CumulativeOptions

    def __init__(self, options: CumulativeOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._past: AvalancheDataset | None = None

    def after_train_dataset_adaptation(self, trainer: TrainerView, **kwargs) -> None:
        if self._past is not None:
            trainer.adapted_dataset = trainer.adapted_dataset.concat(self._past)

    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        new = trainer.experience.dataset
        self._past = new if self._past is None else self._past.concat(new)

    def state_bytes(self) -> int:
        return 0 if self._past is None else id_bytes(ids_of(self._past))

    def state_dict(self) -> dict[str, Any]:
        return {} if self._past is None else {"past": ids_of(self._past)}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        self._past = dataset_of(state["past"]) if state else None
