"""One adapter per domain, and a router that chooses one for every question.

A domain's adapter is the values of the trainable parameters after it. Its prototype is the mean m_d
and the variance v_d of its training samples' features, seen by the backbone as it was before any
domain, so that prototypes of all domains compare. A question with features x is answered with the
adapter of the domain d for which

    sum over features i of  (x_i - m_di)^2 / v_i,    v the mean of the domains' variances

is smallest, or, where the domain is known, with that domain's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from transferlab.continual.catalogue.weights import PerDomainOptions
from transferlab.continual.quadratic import flatten, unflatten
from transferlab.continual.scratch import FromScratch
from transferlab.continual.strategy import DatasetOf
from transferlab.core.protocols import Backbone
from transferlab.core.records import Prediction, Sample

if TYPE_CHECKING:
    from transferlab.continual.template import MLLMTemplate

Said = TypeVar("Said")

FLOOR = 0.01
"""Of the mean variance, added to each: what is the same in a few samples is no certainty."""


class PerDomain(FromScratch):
    """Trains an adapter for each domain, from the first values or from the latest."""

    name = "per_domain"

    def __init__(self, options: PerDomainOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self.adapters: dict[str, Tensor] = {}
        """By domain, (trainable parameters,) float32 on the CPU."""
        self.prototypes: dict[str, Tensor] = {}
        """By domain, (2, feature width) float32: mean and variance."""

    @torch.no_grad()
    def before_train_dataset_adaptation(self, strategy: MLLMTemplate, **kwargs) -> None:
        if self._first is None or self.options.start == "first":
            super().before_train_dataset_adaptation(strategy, **kwargs)

    @torch.no_grad()
    def after_training_exp(self, strategy: MLLMTemplate, **kwargs) -> None:
        domain, own = strategy.settings.domain, flatten(strategy.trainable)
        self.adapters[domain] = own.cpu()
        dataset = strategy.experience.dataset
        rows = range(min(len(dataset), self.options.prototype_samples))
        put(strategy, self._first)
        found = features_of(strategy, [dataset[row][0] for row in rows])
        self.prototypes[domain] = torch.stack([found.mean(0), found.var(0, correction=0)])
        put(strategy, own)

    def answering(self, strategy: MLLMTemplate) -> Backbone | None:
        return Routed(self, strategy) if self.adapters else None

    def routes(self, strategy: MLLMTemplate, samples: Sequence[Sample]) -> list[str]:
        """The domain whose adapter answers each sample; the parameters are left at their first."""
        put(strategy, self._first)
        if self.options.route == "domain":
            return [one.domain if one.domain in self.adapters else "" for one in samples]
        names = list(self.prototypes)
        means, variances = torch.stack([self.prototypes[name] for name in names]).unbind(dim=1)
        shared = variances.mean(dim=0)
        scale = (shared + FLOOR * shared.mean()).sqrt().clamp(min=torch.finfo(shared.dtype).tiny)
        features = features_of(strategy, samples)
        nearest = torch.cdist(features / scale, means / scale).argmin(dim=1)
        return [names[at] for at in nearest.tolist()]

    def kept_bytes(self) -> int:
        kept = (*self.adapters.values(), *self.prototypes.values())
        return super().kept_bytes() + sum(one.nbytes for one in kept)

    def state_dict(self) -> dict[str, Any]:
        own = {"adapters": dict(self.adapters), "prototypes": dict(self.prototypes)}
        return {**super().state_dict(), **own}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        super().load_state_dict(state, dataset_of)
        self.adapters, self.prototypes = dict(state["adapters"]), dict(state["prototypes"])


class Routed:
    """A backbone that answers every sample with the adapter of its route."""

    def __init__(self, plugin: PerDomain, strategy: MLLMTemplate) -> None:
        self._plugin, self._strategy = plugin, strategy

    def __getattr__(self, name: str) -> Any:
        return getattr(self._strategy.backbone, name)

    def score_choices(self, samples: Sequence[Sample], *, batch_samples: int) -> list[Prediction]:
        """As the backbone's own."""
        return self._answered(
            samples,
            lambda some: self._strategy.backbone.score_choices(some, batch_samples=batch_samples),
        )

    def score_candidates(
        self, samples: Sequence[Sample], candidates: Sequence[str], *, batch_samples: int
    ) -> np.ndarray:
        """As the backbone's own."""
        rows = self._answered(
            samples,
            lambda some: list(
                self._strategy.backbone.score_candidates(
                    some, candidates, batch_samples=batch_samples
                )
            ),
        )
        return np.stack(rows)

    def generate(
        self, samples: Sequence[Sample], *, batch_samples: int, max_new_tokens: int
    ) -> list[Prediction]:
        """As the backbone's own."""
        return self._answered(
            samples,
            lambda some: self._strategy.backbone.generate(
                some, batch_samples=batch_samples, max_new_tokens=max_new_tokens
            ),
        )

    @torch.no_grad()
    def _answered(
        self, samples: Sequence[Sample], answer: Callable[[list[Sample]], list[Said]]
    ) -> list[Said]:
        plugin, strategy = self._plugin, self._strategy
        own = flatten(strategy.trainable)
        try:
            routes = plugin.routes(strategy, samples)
            found: dict[int, Said] = {}
            for route in dict.fromkeys(routes):
                rows = [row for row, taken in enumerate(routes) if taken == route]
                # A domain that has not been trained yet is answered by the backbone as it was.
                put(strategy, plugin.adapters.get(route, plugin._first))
                found.update(zip(rows, answer([samples[row] for row in rows]), strict=True))
        finally:
            put(strategy, own)
        return [found[row] for row in range(len(samples))]


@torch.no_grad()
def put(strategy: MLLMTemplate, values: Tensor) -> None:
    """Put flat values into the trainable parameters."""
    pieces = unflatten(values.to(strategy.device), strategy.trainable)
    torch._foreach_copy_(strategy.trainable, pieces)


def features_of(strategy: MLLMTemplate, samples: Sequence[Sample]) -> Tensor:
    """(samples, width) float32 on the CPU: the backbone's joint features of the prompts."""
    found = strategy.backbone.features(samples, batch_samples=strategy.micro_batch_samples)
    return torch.from_numpy(found.joint).float()
