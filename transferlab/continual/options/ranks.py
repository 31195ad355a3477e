"""What every strategy that shares out the ranks of one LoRA adapter can be told."""

from __future__ import annotations

from collections.abc import Iterator

from transferlab.config.backbone import PARTS, BackboneSection
from transferlab.config.pipeline import PipelineConfig
from transferlab.continual.options.base import PositiveInt, StrategyOptions


class RankOptions(StrategyOptions):
    """How many ranks a domain has."""

    rank_per_domain: PositiveInt
    """So many of the adapter's ranks belong to one domain."""

    def misfits(self, config: PipelineConfig) -> Iterator[str]:
        adapter, domains = config.backbone.adapter, len(config.stream)
        yield from plain_lora_misfits(config.backbone)
        if adapter is None or adapter.kind not in ("lora", "rslora"):
            return
        if self.rank_per_domain * domains > adapter.effective_rank:
            yield (
                f"rank_per_domain: {domains} domains of rank {self.rank_per_domain} need "
                f"backbone.adapter.rank {self.rank_per_domain * domains} or more, and it is "
                f"{adapter.effective_rank}"
            )


def plain_lora_misfits(backbone: BackboneSection) -> Iterator[str]:
    """Why something other than LoRA's two matrices per layer is trained."""
    adapter = backbone.adapter
    if adapter is None:
        yield "needs a LoRA adapter; set backbone.adapter"
        return
    if adapter.kind not in ("lora", "rslora"):
        yield (
            "works on the two matrices of a LoRA adapter, and backbone.adapter.kind is "
            f"'{adapter.kind}'; set kind: lora"
        )
        return
    if adapter.experts is not None:
        yield (
            "works on the ranks of one LoRA adapter, and gates would weigh them; set "
            "backbone.adapter.experts: null"
        )
    if adapter.train_embeddings:
        yield (
            "trains ranks, and token embeddings have none; set "
            "backbone.adapter.train_embeddings: false"
        )
    for part in PARTS:
        if backbone.mode(part) == "full":
            yield (
                f"trains ranks, and parameters of the model's own have none; set "
                f"backbone.parts.{part}.mode to adapter or frozen"
            )
