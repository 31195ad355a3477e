"""Strategies that share an adapter out among the domains: each learns where no other does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from transferlab.config.pipeline import PipelineConfig
from transferlab.continual.options.base import (
    Needs,
    PositiveFloat,
    PositiveInt,
    StrategyOptions,
)


class OLoRAOptions(StrategyOptions):
    """Orthogonal subspaces: each domain trains ranks of its own, across those of past domains.

    The adapter's ranks are shared out: a domain trains `rank_per_domain` of them, those of past
    domains are frozen, and the new ones are penalised for every overlap of their input directions
    with theirs. The scale of the adapter is that of its whole rank.
    """

    paper: ClassVar[str] = "Wang et al. 2023, arXiv:2310.14152"
    use: ClassVar[str] = (
        "For a stream whose length is known, where no past sample and no second adapter may be "
        "kept; a domain never trains what another has trained."
    )
    needs: ClassVar[Needs] = Needs(adds_gradient=True, projects_gradient=True)

    rank_per_domain: PositiveInt
    """So many of the adapter's ranks belong to one domain."""
    strength: PositiveFloat = 0.5
    """The paper's lambda: weight of the squared scalar products of new and past directions."""

    def misfits(self, config: PipelineConfig) -> Iterator[str]:
        adapter, domains = config.backbone.adapter, len(config.stream)
        if adapter is None:
            yield "needs a LoRA adapter; set backbone.adapter"
            return
        if adapter.kind not in ("lora", "rslora"):
            yield (
                f"shares out the ranks of one LoRA adapter, and backbone.adapter.kind is "
                f"'{adapter.kind}'; set kind: lora"
            )
            return
        if adapter.experts is not None:
            yield "shares out the ranks itself; set backbone.adapter.experts: null"
        if self.rank_per_domain * domains > adapter.effective_rank:
            yield (
                f"rank_per_domain: {domains} domains of rank {self.rank_per_domain} need "
                f"backbone.adapter.rank {self.rank_per_domain * domains} or more, and it is "
                f"{adapter.effective_rank}"
            )
        if adapter.train_embeddings:
            yield (
                "trains ranks, and token embeddings have none; set "
                "backbone.adapter.train_embeddings: false"
            )


class MoELoRAOptions(StrategyOptions):
    """A mixture of LoRA experts: a gate in every layer says how much each of them counts.

    The adapter's ranks are shared out into `backbone.adapter.experts` blocks, and a softmax over
    them is trained with them, token by token. Past experts and their gates can be left as they are.
    Nothing of it can be exported: peft has no file for gates, and they cannot be melted in.
    """

    paper: ClassVar[str] = (
        "MoELoRA in Chen et al. 2024 (CoIN), arXiv:2403.08350; experts of their own for new "
        "domains: Chen et al. 2023 (Lifelong-MoE), arXiv:2305.12281"
    )
    use: ClassVar[str] = (
        "Where domains look different enough for a gate to tell them apart and no sample may be "
        "kept; with experts_per_domain nothing of a past expert is changed, but new gates may "
        "draw past domains' tokens away from it."
    )
    needs: ClassVar[Needs] = Needs(projects_gradient=True)

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


class OSFOptions(StrategyOptions):
    """Orthogonal subspaces of the weights themselves: each domain adds directions that stay.

    An adapter of kind osf trains the smaller singular directions of a weight. After each domain
    what it has learned is taken apart again, its largest directions stand still from then on, and
    the next domain trains the rest, across all that stands still. Export is that of the adapter.
    """

    paper: ClassVar[str] = "Nayak et al. 2025, arXiv:2504.07097; the adapter is PEFT's OSF"
    use: ClassVar[str] = (
        "For a stream whose length is known and where no sample may be kept, with room for as many "
        "trained parameters as the layers have: it has the whole weight to share out, not a rank."
    )
    needs: ClassVar[Needs] = Needs(
        projects_gradient=True,
        moves_parameters="into another basis after each domain",
    )

    share_per_domain: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Of a weight's directions, min(in, out), so many more stand still after each domain; at least
    one. Every layer has the same share, as in PEFT."""

    def misfits(self, config: PipelineConfig) -> Iterator[str]:
        adapter = config.backbone.adapter
        if adapter is None or adapter.kind != "osf":
            kind = "null" if adapter is None else f"of kind '{adapter.kind}'"
            yield (
                f"shares out the directions that an adapter of kind osf splits off, and "
                f"backbone.adapter is {kind}; set backbone.adapter: {{kind: osf}}"
            )
            return
        still = self.share_per_domain * (len(config.stream) - 1)
        most = 1 - adapter.effective_fraction
        if still >= most:
            yield (
                f"share_per_domain: the last of {len(config.stream)} domains would have nothing to "
                f"train, as {still:g} stands still by then and backbone.adapter.preserved_fraction "
                f"leaves {most:g}; lower one of them"
            )
