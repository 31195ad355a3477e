"""One adapter per domain, and a router that chooses one for every question.

A domain's adapter is the values of the trainable parameters after it. Its prototype is the mean m_d
of its training samples' features, seen by the backbone as it was before any domain, so that
prototypes of all domains compare. A question with features x is answered with the adapter of the
domain d for which the Mahalanobis distance

    (x - m_d)^T C^-1 (x - m_d)

is smallest (Goswami et al. 2023, FeCAM, arXiv:2309.14062, with one covariance for all domains), or,
where the domain is known, with that domain's. C is the mean of the domains' covariances, each
shrunk as Ledoit & Wolf 2004 do. Variances alone would not do: features go up and down together, and
three quarters of the questions about lectures went to other domains.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar

import numpy as np

from transferlab.continual.components.quadratic_penalty import flatten, unflatten
from transferlab.continual.components.strategy import DatasetOf
from transferlab.continual.options.base import Needs, PositiveInt, StrategyOptions
from transferlab.continual.strategies.from_scratch import FromScratch
from transferlab.core.lazy import no_grad, torch
from transferlab.core.protocols import Backbone
from transferlab.core.records import Prediction, Sample

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView

_Answer = TypeVar("_Answer")

FLOOR = 0.01
"""Of the mean variance, added to each: what is the same in a few samples is no certainty."""


class PerDomainOptions(StrategyOptions):
    """One adapter per domain, and a router that chooses one for every question.

    Routed by the Mahalanobis distance of a question's features to the mean features of each domain,
    or by the domain itself. The source has the adapter's first values.
    """

    family: ClassVar[str] = "isolation"
    paper: ClassVar[str] = (
        "in the manner of Wang, Huang & Hong 2022 (S-Prompts), arXiv:2207.12819; distance: Goswami "
        "et al. 2023 (FeCAM), arXiv:2309.14062"
    )
    use: ClassVar[str] = (
        "Where nothing may be forgotten and one file per domain may be kept; a question whose "
        "domain is told wrongly is answered with another domain's adapter."
    )
    needs: ClassVar[Needs] = Needs(
        keeps="the first values of the trainable parameters, a prototype per domain, and one "
        "covariance of features",
        extra_passes="features of a domain's samples after it, and of every question",
        moves_parameters="to values of their own for each domain",
        grows="one adapter per domain is kept",
        routes=True,
    )

    route: Literal["prototype", "domain"] = "prototype"
    """By features, or with the domain known; a domain that is not trained yet is then answered by
    the backbone as it was."""
    start: Literal["first", "latest"] = "first"
    """Where a domain's adapter starts: from the first values, or where the last domain ended."""
    prototype_samples: PositiveInt = 100
    """At most so many training samples of a domain make its prototype."""


class PerDomain(FromScratch):
    """Trains an adapter for each domain, from the first values or from the latest."""

    name = "per_domain"
    Options: ClassVar[type[StrategyOptions]] = PerDomainOptions

    def __init__(self, options: PerDomainOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self.adapters: dict[str, Tensor] = {}
        """By domain, (trainable parameters,) float32 on the CPU."""
        self.prototypes: dict[str, Tensor] = {}
        """By domain, (feature width,) float32."""
        self.covariance = torch.zeros(0)
        """(feature width, feature width) float32, the mean of those within domains."""

    @no_grad
    def before_train_dataset_adaptation(self, trainer: TrainerView, **kwargs) -> None:
        if self._first is None or self.options.start == "first":
            super().before_train_dataset_adaptation(trainer, **kwargs)

    @no_grad
    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        domain, own = trainer.settings.domain, flatten(trainer.trainable)
        self.adapters[domain] = own.cpu()
        dataset = trainer.experience.dataset
        rows = range(min(len(dataset), self.options.prototype_samples))
        put(trainer, self.first)
        found = features_of(trainer, [dataset[row][0] for row in rows])
        within, past = covariance_of(found), len(self.prototypes)
        self.covariance = (within + past * self.covariance) / (past + 1) if past else within
        self.prototypes[domain] = found.mean(0)
        put(trainer, own)

    def inference_backbone(self, trainer: TrainerView) -> Backbone | None:
        return Routed(self, trainer) if self.adapters else None

    def take(self, trainer: TrainerView, route: str) -> None:
        # A domain that has not been trained yet is answered by the backbone as it was.
        put(trainer, self.adapters.get(route, self.first))

    def routes(self, trainer: TrainerView, samples: Sequence[Sample]) -> list[str]:
        """The domain whose adapter answers each sample; the parameters are left at their first."""
        put(trainer, self.first)
        if self.options.route == "domain":
            return [one.domain if one.domain in self.adapters else "" for one in samples]
        names = list(self.prototypes)
        means = torch.stack([self.prototypes[name] for name in names])
        nearest = self._distances(features_of(trainer, samples), means).argmin(dim=1)
        return [names[at] for at in nearest.tolist()]

    def _distances(self, features: Tensor, means: Tensor) -> Tensor:
        """(samples, domains) float64, square roots of the Mahalanobis distance above."""
        covariance = self.covariance.double()
        floor = (FLOOR * covariance.diagonal().mean()).clamp(min=torch.finfo(torch.float32).tiny)
        covariance.diagonal().add_(floor)
        root = torch.linalg.cholesky(covariance)
        one, other = (
            torch.linalg.solve_triangular(root, some.double().T, upper=False).T
            for some in (features, means)
        )
        return torch.cdist(one, other)

    def state_bytes(self) -> int:
        tensors = (*self.adapters.values(), *self.prototypes.values(), self.covariance)
        return super().state_bytes() + sum(one.nbytes for one in tensors)

    def state_dict(self) -> dict[str, Any]:
        own = {"adapters": dict(self.adapters), "prototypes": dict(self.prototypes)}
        return {**super().state_dict(), **own, "covariance": self.covariance}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        super().load_state_dict(state, dataset_of)
        self.adapters, self.prototypes = dict(state["adapters"]), dict(state["prototypes"])
        self.covariance = state["covariance"]


class Router(Protocol):
    """A strategy that answers samples with parameters that it chooses for them."""

    def routes(self, trainer: TrainerView, samples: Sequence[Sample]) -> Sequence[Hashable]:
        """What says with which parameters each sample is answered."""
        ...

    def take(self, trainer: TrainerView, route: Any) -> None:
        """Put the parameters of a route into the model."""
        ...


class Routed:
    """A backbone that answers every sample with the adapter of its route."""

    def __init__(self, plugin: Router, trainer: TrainerView) -> None:
        self._plugin, self._trainer = plugin, trainer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trainer.backbone, name)

    def score_choices(self, samples: Sequence[Sample], *, batch_samples: int) -> list[Prediction]:
        """As the backbone's own."""
        return self._answer(
            samples,
            lambda some: self._trainer.backbone.score_choices(some, batch_samples=batch_samples),
        )

    def score_candidates(
        self, samples: Sequence[Sample], candidates: Sequence[str], *, batch_samples: int
    ) -> np.ndarray:
        """As the backbone's own."""
        rows = self._answer(
            samples,
            lambda some: list(
                self._trainer.backbone.score_candidates(
                    some, candidates, batch_samples=batch_samples
                )
            ),
        )
        return np.stack(rows)

    def generate(
        self, samples: Sequence[Sample], *, batch_samples: int, max_new_tokens: int
    ) -> list[Prediction]:
        """As the backbone's own."""
        return self._answer(
            samples,
            lambda some: self._trainer.backbone.generate(
                some, batch_samples=batch_samples, max_new_tokens=max_new_tokens
            ),
        )

    @no_grad
    def _answer(
        self, samples: Sequence[Sample], answer: Callable[[list[Sample]], list[_Answer]]
    ) -> list[_Answer]:
        plugin, trainer = self._plugin, self._trainer
        own = flatten(trainer.trainable)
        try:
            routes = plugin.routes(trainer, samples)
            found: dict[int, _Answer] = {}
            for route in dict.fromkeys(routes):
                rows = [row for row, taken in enumerate(routes) if taken == route]
                plugin.take(trainer, route)
                found.update(zip(rows, answer([samples[row] for row in rows]), strict=True))
        finally:
            put(trainer, own)
        return [found[row] for row in range(len(samples))]


@no_grad
def put(trainer: TrainerView, values: Tensor) -> None:
    """Put flat values into the trainable parameters."""
    pieces = unflatten(values.to(trainer.device), trainer.trainable)
    torch._foreach_copy_(trainer.trainable, pieces)


def covariance_of(features: Tensor) -> Tensor:
    """(width, width) float32 of (samples, width) on the CPU, by scikit-learn; 0 of one sample."""
    if len(features) == 1:
        return torch.zeros(features.shape[1], features.shape[1])
    from sklearn.covariance import ledoit_wolf

    return torch.from_numpy(ledoit_wolf(features.numpy())[0]).float()


def features_of(trainer: TrainerView, samples: Sequence[Sample]) -> Tensor:
    """(samples, width) float32 on the CPU: the backbone's joint features of the prompts."""
    found = trainer.backbone.features(samples, batch_samples=trainer.micro_batch_samples)
    return torch.from_numpy(found.joint).float()
