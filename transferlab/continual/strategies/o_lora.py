"""Orthogonal subspaces for LoRA (Wang et al. 2023, O-LoRA), inside one adapter.

A low-rank update is a sum over ranks, B A = sum_r b_r a_r^T. Domain k trains a block of ranks, with
directions A_k; past blocks A_i and all of b outside the block stand still, and the loss gains

    strength * sum over layers and past domains i of  |A_i A_k^T|^2

whose gradient, 2 * strength * A_k A_i^T A_i, is added after the backward pass. Since b starts at
zero, blocks that no domain has trained yet contribute nothing. The adapter stays an ordinary one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from transferlab.continual.components.gradients import gradients_of
from transferlab.continual.components.parameter_blocks import Blocks, OwnBlocks
from transferlab.continual.options.base import Needs, PositiveFloat
from transferlab.continual.options.ranks import RankOptions
from transferlab.core.lazy import nn, no_grad, torch
from transferlab.errors import ModelError

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView


class OLoRAOptions(RankOptions):
    """Orthogonal subspaces: each domain trains ranks of its own, across those of past domains.

    The adapter's ranks are shared out: a domain trains `rank_per_domain` of them, those of past
    domains are frozen, and the new ones are penalised for every overlap of their input directions
    with theirs. The scale of the adapter is that of its whole rank.
    """

    family: ClassVar[str] = "isolation"
    paper: ClassVar[str] = "Wang et al. 2023, arXiv:2310.14152"
    use: ClassVar[str] = (
        "For a stream whose length is known, where no past sample and no second adapter may be "
        "kept; a domain never trains what another has trained."
    )
    needs: ClassVar[Needs] = Needs(adds_gradient=True, projects_gradient=True)

    strength: PositiveFloat = 0.5
    """The paper's lambda: weight of the squared scalar products of new and past directions."""


class OLoRA(OwnBlocks):
    """Shares out the ranks of one adapter among the domains."""

    name = "o_lora"
    Options = OLoRAOptions

    def before_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        """
        Raises:
            ModelError: something other than LoRA matrices is trained, or their ranks are used up.
        """
        downs, ups = _matrices(trainer)
        rank_counts = {one.shape[0] for one in downs} | {one.shape[1] for one in ups}
        end = self._used + self.options.rank_per_domain
        if trainer.settings.epochs and min(rank_counts) < end:
            raise ModelError(
                f"strategy.o_lora: domain '{trainer.settings.domain}' needs ranks up to {end} and "
                f"the adapter has {min(rank_counts)}; raise backbone.adapter.rank or lower "
                "rank_per_domain"
            )
        self._mine = slice(self._used, end)

    def blocks(self, trainer: TrainerView) -> Blocks:
        downs, ups = _matrices(trainer)
        return [(one, lambda rows: rows) for one in downs] + [(one, torch.t) for one in ups]

    @no_grad
    def after_backward(self, trainer: TrainerView, **kwargs) -> None:
        downs, _ = _matrices(trainer)
        overlap = torch.zeros((), device=trainer.device)
        for down, gradient in zip(downs, gradients_of(downs), strict=True):
            past, mine = down[: self._used], down[self._mine]
            products = mine @ past.T
            overlap += products.float().square().sum()
            gradient[self._mine].add_(products @ past, alpha=2 * self.options.strength)
        if self._used:
            self.terms["o_lora_penalty"] = self.options.strength * overlap
        super().after_backward(trainer, **kwargs)


def _matrices(trainer: TrainerView) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The (rank, in) and the (out, rank) matrices.

    Raises:
        ModelError: something else is trained too.
    """
    named = dict(trainer.model.named_parameters())
    downs = [p for name, p in named.items() if ".lora_A." in name]
    ups = [p for name, p in named.items() if ".lora_B." in name]
    if not downs or len(downs) + len(ups) != len(named):
        odd = next((n for n in named if ".lora_A." not in n and ".lora_B." not in n), "none")
        raise ModelError(
            f"strategy.o_lora needs an adapter of LoRA matrices only, and '{odd}' is trained; set "
            "backbone.adapter with kind: lora and train_embeddings: false"
        )
    return downs, ups
