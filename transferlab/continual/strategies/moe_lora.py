"""A mixture of LoRA experts (MoELoRA, Chen et al. 2024), token by token, in every adapted layer:

    W x + scale * sum over experts e of  n g_e(x) B_e A_e x,    g(x) = softmax(G x)

with the ranks of one adapter in n equal blocks. All of it is trained on every domain, or, with
``experts_per_domain``, domain d trains A_e, B_e and the rows G_e of blocks of its own, and those of
past domains stand still (as in Lifelong-MoE, Chen et al. 2023). B_e and G_e start at zero, so an
expert that no domain has trained yet adds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, cast

from transferlab.config.pipeline import PipelineConfig
from transferlab.continual.components.parameter_blocks import Blocks, OwnBlocks
from transferlab.continual.options.base import Needs, PositiveInt, StrategyOptions
from transferlab.core.protocols import ExpertLayer, HasExperts
from transferlab.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView


class MoELoRAOptions(StrategyOptions):
    """A mixture of LoRA experts: a gate in every layer says how much each of them counts.

    The adapter's ranks are shared out into `backbone.adapter.experts` blocks, and a softmax over
    them is trained with them, token by token. Past experts and their gates can be left as they are.
    Nothing of it can be exported: peft has no file for gates, and they cannot be melted in.
    """

    family: ClassVar[str] = "isolation"
    paper: ClassVar[str] = (
        "MoELoRA in Chen et al. 2024 (CoIN), arXiv:2403.08350; experts of their own for new "
        "domains: Chen et al. 2023 (Lifelong-MoE), arXiv:2305.12281"
    )
    use: ClassVar[str] = (
        "Where domains look different enough for a gate to tell them apart and no sample may be "
        "kept; with experts_per_domain nothing of a past expert is changed, but new gates may "
        "draw past domains' tokens away from it."
    )
    needs: ClassVar[Needs] = Needs(backbone_method="expert_layers", projects_gradient=True)

    experts_per_domain: PositiveInt | None = None
    """So many experts are trained by one domain and by no other, with their rows of the gates;
    None lets every domain train them all. Token embeddings that are trained are everyone's."""

    def misfits(self, config: PipelineConfig) -> Iterator[str]:
        adapter, domains = config.backbone.adapter, len(config.stream)
        if adapter is None or adapter.experts is None:
            yield (
                "needs an adapter whose ranks are shared out into experts; set "
                "backbone.adapter: {kind: lora, experts: 4}"
            )
        elif self.experts_per_domain and self.experts_per_domain * domains > adapter.experts:
            yield (
                f"experts_per_domain: {domains} domains of {self.experts_per_domain} need "
                f"backbone.adapter.experts {self.experts_per_domain * domains} or more, and it is "
                f"{adapter.experts}"
            )


class MoELoRA(OwnBlocks):
    """Says which experts a domain trains; the mixture itself is in the adapter."""

    name = "moe_lora"
    Options = MoELoRAOptions

    def __init__(self, options: MoELoRAOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._layers: list[ExpertLayer] = []

    def before_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        """
        Raises:
            ModelError: the adapter has no experts, or they are used up.
        """
        self._layers = layers = cast(HasExperts, trainer.backbone).expert_layers()
        if not layers:
            raise ModelError(
                "strategy.moe_lora needs an adapter of experts, and this backbone has none; set "
                "backbone.adapter: {kind: lora, experts: 4}"
            )
        experts, each = layers[0].gate.shape[0], self.options.experts_per_domain
        end = experts if each is None else self._used + each
        if trainer.settings.epochs and end > experts:
            raise ModelError(
                f"strategy.moe_lora: domain '{trainer.settings.domain}' needs experts up to {end} "
                f"and the adapter has {experts}; raise backbone.adapter.experts or lower "
                "experts_per_domain"
            )
        self._mine = slice(0 if each is None else self._used, end)

    def blocks(self, trainer: TrainerView) -> Blocks:
        if self.options.experts_per_domain is None:
            return []
        return [pair for one in self._layers for pair in by_expert(one)]


def by_expert(layer: ExpertLayer) -> Blocks:
    """A layer's parameters with its experts in the first dimension: down, up and gate."""
    experts = layer.gate.shape[0]

    def ranks_first(rows: Tensor) -> Tensor:
        return rows.unflatten(0, (experts, -1))

    return [
        (layer.down, ranks_first),
        (layer.up, lambda columns: ranks_first(columns.T)),
        (layer.gate, lambda rows: rows),
    ]
