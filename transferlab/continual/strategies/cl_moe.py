"""Dual momentum mixture of experts (Huai et al. 2025, CL-MoE), on an adapter of LoRA experts.

All experts and gates are trained on every domain, token by token as in MoELoRA. A layer's shares
s(t) of domain t are the mean of its gate's softmax over the domain, for the K experts that have
most, made to sum to 1. Then, for every layer and expert,

    theta_t = lambda theta_{t-1} + (1 - lambda) phi_t,

with phi_t the expert as domain t has trained it, and lambda = 1 - gamma for an expert that is among
the K of domain t and of no past domain, and gamma for every other: those that domains share change
least (momentum). A question x, whose domain t is the one with the nearest mean features, is
answered with the weights

    beta softmax(G x) + (1 - beta) s(t)

of the instance's router and the task's (dual router). As softmax(log p) = p, both routers are one
gate whose logits are the logarithm of this; the adapter is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, cast

from pydantic import Field

from transferlab.config.pipeline import PipelineConfig
from transferlab.continual.components.gradients import collate, evaluation_mode
from transferlab.continual.components.lora.layers import spread
from transferlab.continual.components.quadratic_penalty import check_size, flatten, unflatten
from transferlab.continual.components.strategy import DatasetOf, Strategy
from transferlab.continual.options.base import Fraction, Needs, PositiveInt, StrategyOptions
from transferlab.continual.strategies.moe_lora import by_expert
from transferlab.continual.strategies.per_domain import Routed, features_of, put
from transferlab.core.lazy import nn, no_grad, torch
from transferlab.core.protocols import Backbone, ExpertLayer, HasExperts
from transferlab.core.records import Sample
from transferlab.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView

_Answer = TypeVar("_Answer")


class CLMoEOptions(StrategyOptions):
    """Dual momentum mixture of experts: shared experts change least, and domains weigh them too.

    Trained as moe_lora without experts_per_domain; after each domain its experts go back part of
    the way to where they were, and a question is answered with its gates' weights and those of the
    domain that it is likest. Nothing of it can be exported: peft has no file for gates.
    """

    family: ClassVar[str] = "isolation"
    paper: ClassVar[str] = "Huai et al. 2025, arXiv:2503.00413"
    use: ClassVar[str] = (
        "Where domains share much and experts of their own would be too many; gates are not held, "
        "and a question that is told wrongly is answered with another domain's shares."
    )
    needs: ClassVar[Needs] = Needs(
        backbone_method="expert_layers",
        keeps="the first values of the trainable parameters, and each domain's shares and mean "
        "features",
        copies=1,
        extra_passes="a domain's samples forward, and their features, after it; features of every "
        "question",
        moves_afterwards=True,
    )

    momentum: Annotated[float, Field(ge=0.5, lt=1)] = 0.7
    """The paper's gamma: what is kept of an expert that past domains need; of one that the domain
    is the first to need, 1 - momentum."""
    gate_share: Fraction = 0.5
    """The paper's beta: how much a token's own gate counts beside its domain's shares."""
    chosen_experts: PositiveInt = 2
    """The paper's K: so many experts of a layer count as a domain's."""
    share_samples: PositiveInt = 64
    """At most so many samples of a domain make its shares and mean features."""

    def misfits(self, config: PipelineConfig) -> Iterator[str]:
        adapter = config.backbone.adapter
        if adapter is None or adapter.experts is None:
            yield (
                "needs an adapter whose ranks are shared out into experts; set "
                "backbone.adapter: {kind: lora, experts: 4}"
            )
        elif self.chosen_experts >= adapter.experts:
            yield (
                f"chosen_experts: {self.chosen_experts} of {adapter.experts} experts are all of "
                "them, so none is a domain's own; lower it or raise backbone.adapter.experts"
            )


class CLMoE(Strategy):
    """Moves experts by momentum, and weighs them by tokens and by domains."""

    name = "cl_moe"
    Options = CLMoEOptions

    def __init__(self, options: CLMoEOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._first = torch.zeros(0)
        """(trainable parameters,) float32."""
        self.shares: dict[str, list[Tensor]] = {}
        """By domain and layer, (experts,) float32 on the CPU; of the source, those of its gates."""
        self.centres: dict[str, Tensor] = {}
        """By domain, (feature width,) float32 on the CPU."""
        self._trained: list[str] = []
        self._layers: list[ExpertLayer] = []
        self._before = torch.zeros(0)
        self._route = ""

    def before_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        """
        Raises:
            ModelError: the adapter has no experts.
        """
        self._layers = cast(HasExperts, trainer.backbone).expert_layers()
        if not self._layers:
            raise ModelError(
                "strategy.cl_moe needs an adapter of experts, and this backbone has none; set "
                "backbone.adapter: {kind: lora, experts: 4}"
            )
        self._before = flatten(trainer.trainable)
        if not len(self._first):
            self._first = self._before.clone()
        check_size(self.name, len(self._first), trainer.trainable)

    @no_grad
    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        domain, dataset = trainer.settings.domain, trainer.experience.dataset
        rows = spread(len(dataset), self.options.share_samples)
        shares = self._gate_means(trainer, rows)
        if trainer.settings.epochs:
            shares = [_largest(one, self.options.chosen_experts) for one in shares]
            if self._trained:
                self._momentum(trainer, shares)
            self._trained = [*self._trained, domain]
        self.shares[domain] = shares
        own = flatten(trainer.trainable)
        put(trainer, self._first)
        found = features_of(trainer, [dataset[row][0] for row in rows])
        self.centres[domain] = found.mean(0)
        put(trainer, own)
        self._before = torch.zeros(0)

    def _gate_means(self, trainer: TrainerView, rows: Sequence[int]) -> list[Tensor]:
        """Per layer (experts,): the mean of the gate's softmax over all positions of samples."""
        sums = [torch.zeros(one.gate.shape[0]) for one in self._layers]

        def see(at: int, logits: Tensor) -> None:
            sums[at] += logits.float().softmax(dim=-1).flatten(0, -2).sum(0).cpu()

        dataset = trainer.experience.dataset
        with evaluation_mode(trainer.model), self._at_gates(trainer, see), trainer.autocast():
            for row in rows:  # one at a time, so that no position is padding
                trainer.model(collate(trainer, dataset, [row])[0])
        # A layer that nothing goes through has no shares of its own.
        return [one / one.sum() if one.sum() else one + 1 / len(one) for one in sums]

    def _momentum(self, trainer: TrainerView, shares: Sequence[Tensor]) -> None:
        gamma = self.options.momentum
        before = dict(
            zip(map(id, trainer.trainable), unflatten(self._before, trainer.trainable), strict=True)
        )
        for at, layer in enumerate(self._layers):
            needed = torch.stack([self.shares[name][at] > 0 for name in self._trained]).any(0)
            kept = torch.where((shares[at] > 0) & ~needed, 1 - gamma, gamma)
            for parameter, view in by_expert(layer)[:2]:
                old = view(before[id(parameter)])
                weight = kept.to(old)[:, None, None]
                new = view(parameter.detach())
                new.copy_(weight * old + (1 - weight) * new)

    @contextmanager
    def _at_gates(
        self, trainer: TrainerView, see: Callable[[int, Tensor], Tensor | None]
    ) -> Iterator[None]:
        """Inside, ``see`` gets every gate's logits, and what it returns takes their place."""
        number = {id(one.gate): at for at, one in enumerate(self._layers)}
        gates = [m for m in trainer.model.modules() if id(getattr(m, "weight", None)) in number]

        def hook_of(at: int) -> Callable[[nn.Module, Any, Tensor], Tensor | None]:
            return lambda module, inputs, logits: see(at, logits)

        handles = [m.register_forward_hook(hook_of(number[id(m.weight)])) for m in gates]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def dual_routing(self, trainer: TrainerView) -> Iterator[None]:
        """Inside, gates weigh with the shares of the route that was taken last."""
        beta = self.options.gate_share

        def mix(at: int, logits: Tensor) -> Tensor:
            share = self.shares[self._route][at].to(logits)
            return (beta * logits.softmax(dim=-1) + (1 - beta) * share).log()

        with self._at_gates(trainer, mix):
            yield

    def inference_backbone(self, trainer: TrainerView) -> Backbone | None:
        return cast(Backbone, DualRouted(self, trainer)) if self.shares else None

    @no_grad
    def routes(self, trainer: TrainerView, samples: Sequence[Sample]) -> list[str]:
        """The domain whose mean features are nearest to each sample's; changes nothing."""
        own = flatten(trainer.trainable)
        put(trainer, self._first)
        found = features_of(trainer, samples)
        put(trainer, own)
        names = list(self.centres)
        centres = torch.stack([self.centres[name] for name in names])
        nearest = nn.functional.cosine_similarity(found[:, None], centres, dim=2).argmax(dim=1)
        return [names[at] for at in nearest.tolist()]

    def take(self, trainer: TrainerView, route: str) -> None:
        self._route = route

    def state_bytes(self) -> int:
        kept = [one for some in self.shares.values() for one in some]
        return self._first.nbytes + sum(one.nbytes for one in (*kept, *self.centres.values()))

    def state_dict(self) -> dict[str, Any]:
        return {
            "first": self._first.cpu(),
            "shares": {name: list(some) for name, some in self.shares.items()},
            "centres": dict(self.centres),
            "trained": list(self._trained),
        }

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        self._first = state["first"].clone()
        self.shares = {name: list(some) for name, some in state["shares"].items()}
        self.centres, self._trained = dict(state["centres"]), list(state["trained"])


class DualRouted(Routed):
    """A backbone whose gates weigh with the shares of each sample's domain, too."""

    _plugin: CLMoE

    def _answer(
        self, samples: Sequence[Sample], answer: Callable[[list[Sample]], list[_Answer]]
    ) -> list[_Answer]:
        routes = self._plugin.routes(self._trainer, samples)
        found: dict[int, _Answer] = {}
        with self._plugin.dual_routing(self._trainer):
            for route in dict.fromkeys(routes):
                self._plugin.take(self._trainer, route)
                rows = [row for row, taken in enumerate(routes) if taken == route]
                found.update(zip(rows, answer([samples[row] for row in rows]), strict=True))
        return [found[row] for row in range(len(samples))]


def _largest(shares: Tensor, count: int) -> Tensor:
    """The ``count`` largest, made to sum to 1; zeros elsewhere."""
    values, places = shares.topk(count)
    return torch.zeros_like(shares).index_copy_(0, places, values / values.sum())
