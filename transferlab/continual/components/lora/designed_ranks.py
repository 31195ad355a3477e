"""Ranks of one LoRA adapter whose input directions are set before a domain, and stand still in it.

A low-rank update is a sum over ranks, B A = sum_r b_r a_r^T. Domain k owns a block of ranks. Before
it, its rows A_k are put along directions that it wants and that no past domain needs, and B_k alone
is trained. Where A_k x = 0 for an input x, nothing that domain k learns changes what the layer
makes of x. The adapter stays an ordinary one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from transferlab.continual.components.gradients import upcast
from transferlab.continual.components.lora.layers import input_moments
from transferlab.continual.components.lora.own_ranks import OwnRanks
from transferlab.continual.components.lora.subspace import Subspace, leading_directions
from transferlab.continual.components.parameter_blocks import Blocks
from transferlab.continual.components.strategy import DatasetOf
from transferlab.core.lazy import no_grad, torch
from transferlab.core.protocols import LoRALayer
from transferlab.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView


class DesignedRanks(OwnRanks):
    """Sets A_k, trains B_k, and remembers per layer which directions past domains need.

    ``options`` has ``rank_per_domain`` and ``subspace_samples``.
    """

    row_norm: ClassVar[float] = 1.0
    """Of the rows of A_k."""

    def __init__(self, options: Any, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._needed: list[Subspace] = []
        """Per layer, of past domains' inputs."""

    @abstractmethod
    def wanted(self, trainer: TrainerView) -> Iterable[Tensor]:
        """Per layer (in, in) moments, along whose largest directions the domain learns most."""

    @abstractmethod
    def energy(self) -> float:
        """The share of a domain's input energy that is left alone once it has been trained."""

    def needed_at_first(self, layer: LoRALayer) -> Subspace:
        """What must be left alone before the first domain."""
        return Subspace.nothing(upcast(layer.down))

    @no_grad
    def before_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        """
        Raises:
            ModelError: something other than LoRA matrices is trained, the ranks are used up, or no
                direction is left that the domain could use.
        """
        super().before_training_exp(trainer, **kwargs)
        if not self._needed:
            self._needed = [self.needed_at_first(one) for one in self._layers]
        self._check_layers()
        if trainer.settings.epochs:
            self._design(trainer)

    def _check_layers(self) -> None:
        """Bring a loaded state to the layers' device."""
        held = [len(one.columns) for one in self._needed]
        widths = [one.down.shape[1] for one in self._layers]
        if held != widths:
            raise ModelError(
                f"the {self.name} state in the checkpoint is about {len(held)} layers and the "
                f"adapter has {len(widths)}, or others; resume with the adapter settings of the "
                "run that wrote it"
            )
        pairs = zip(self._needed, self._layers, strict=True)
        self._needed = [
            one._replace(columns=one.columns.to(layer.down.device)) for one, layer in pairs
        ]

    def _design(self, trainer: TrainerView) -> None:
        found = 0
        wanted = self.wanted(trainer)
        for layer, needed, moments in zip(self._layers, self._needed, wanted, strict=True):
            rows = free_directions(needed, moments, count=self.options.rank_per_domain)
            block = layer.down[self._mine]
            block.zero_()
            block[: len(rows)] = (self.row_norm * rows).to(block.dtype)
            found += len(rows)
        if not found:
            raise ModelError(
                f"strategy.{self.name}: nothing that domain '{trainer.settings.domain}' could use "
                "is left, as past domains need all directions of every layer's inputs; lower the "
                "strategy's energy"
            )

    def blocks(self, trainer: TrainerView) -> Blocks:
        return [(one.up, torch.t) for one in self._layers]

    def still(self, trainer: TrainerView) -> Sequence[Tensor]:
        return [one.down for one in self._layers]

    @no_grad
    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        super().after_training_exp(trainer, **kwargs)
        moments = input_moments(trainer, self._layers, samples=self.options.subspace_samples)
        energy = self.energy()
        self._needed = [
            one.grown(more, energy=energy) for one, more in zip(self._needed, moments, strict=True)
        ]

    def state_bytes(self) -> int:
        return sum(one.columns.nbytes for one in self._needed)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "needed": [one.state_dict() for one in self._needed]}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        super().load_state_dict(state, dataset_of)
        self._needed = [Subspace(one["columns"], one["across"]) for one in state["needed"]]


def free_directions(needed: Subspace, moments: Tensor, *, count: int) -> Tensor:
    """(count, in) at most: orthonormal rows across what is needed, along most of the moments."""
    left = needed.left_of(moments)
    rows, _ = leading_directions(left, count=min(count, needed.free), total=moments.trace())
    return torch.nn.functional.normalize(needed.without(rows), dim=1)
