"""Elastic weight consolidation (Kirkpatrick et al. 2017; "online": Schwarz et al. 2018).

The loss on a new domain gains

    penalty = strength * sum over past domains k and parameters i of  F_ki (theta_i - theta*_ki)^2

with F_k the Fisher diagonal after domain k, and theta*_k the parameters then. A sum of parabolas is
a parabola: with F = sum_k F_k and the anchor c = sum_k F_k theta*_k / F, the penalty is
strength * (sum F (theta - c)^2 + constant). So both modes keep two numbers per trainable parameter,
however long the stream is. Mode "online" weakens F by ``decay`` at each new domain and moves the
anchor to the latest parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from transferlab.continual.avalanche_api import AvalancheDataset, EWCPlugin
from transferlab.continual.fisher import exact_fisher
from transferlab.continual.options import EWCOptions
from transferlab.continual.seeding import derive_seed
from transferlab.continual.strategy import DatasetOf, Strategy
from transferlab.core.batch import Batch
from transferlab.errors import ModelError

if TYPE_CHECKING:
    from transferlab.continual.template import MLLMTemplate

SUBSET, LABELS = 1, 2


class EWC(Strategy, EWCPlugin):
    """Avalanche's plugin, with the exact Fisher and an analytic gradient of the penalty."""

    def __init__(self, options: EWCOptions, *, seed: int) -> None:
        super().__init__(
            ewc_lambda=options.strength,
            mode=options.mode,
            decay_factor=None if options.mode == "separate" else options.decay or 1.0,
        )
        self.options = options
        self._seed = seed
        self._importance: Tensor | None = None
        """(trainable parameters,) float32, in the order of ``named_parameters()``; F above."""
        self._anchor: Tensor | None = None
        """Likewise; c above."""
        self._constant = 0.0
        self._penalty: Tensor | None = None

    def before_backward(self, strategy: MLLMTemplate, **kwargs) -> None:
        """Nothing: where Avalanche adds the penalty to the loss, its gradient is added later."""

    @torch.no_grad()
    def after_backward(self, strategy: MLLMTemplate, **kwargs) -> None:
        """Add the penalty's gradient, 2 * strength * F * (theta - c), to the parameters' own."""
        if self._importance is None:
            return
        parameters = strategy.trainable
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        away = flatten(parameters).sub_(self._anchor)
        pull = self._importance * away
        gradients = [parameter.grad for parameter in parameters]
        torch._foreach_add_(gradients, unflatten(pull, gradients), alpha=2 * self.ewc_lambda)
        self._penalty = self.ewc_lambda * (pull.dot(away) + self._constant)

    @torch.no_grad()
    def after_training_exp(self, strategy: MLLMTemplate, **kwargs) -> None:
        """Measure what the domain needs, and add it to what earlier ones need."""
        new, here = self.importance_of(strategy), flatten(strategy.trainable)
        self._penalty = None
        if self._importance is None:
            self._importance, self._anchor = new, here
        elif self.mode == "online":
            self._importance, self._anchor = self._importance.mul_(self.decay_factor) + new, here
        else:
            self._add_parabola(new, here)

    def _add_parabola(self, new: Tensor, here: Tensor) -> None:
        """F1 (t - c1)^2 + F2 (t - c2)^2 = F (t - c)^2 + (F1 F2 / F) (c1 - c2)^2."""
        both = self._importance + new
        # Where no domain needs a parameter, the anchor is of no consequence.
        weight = torch.where(both > 0, new / both, 0.0)
        apart = here - self._anchor
        self._constant += float((self._importance * weight).dot(apart.square()))
        self._anchor = self._anchor + weight * apart
        self._importance = both

    @torch.enable_grad()
    def importance_of(self, strategy: MLLMTemplate) -> Tensor:
        """The importance of every trainable parameter for the current experience, float32."""
        count = strategy.clock.train_exp_counter
        dataset = self._subset(strategy.experience.dataset, count)
        if self.options.fisher == "batch":
            by_name = self.compute_importances(
                strategy.model,
                strategy._criterion,
                strategy.optimizer,
                dataset,
                strategy.device,
                strategy.train_mb_size,
            )
            strategy.optimizer.zero_grad()
            return flatten([importance.data for importance in by_name.values()])
        drawn = self.options.labels == "model"
        strategy.model.eval()
        return exact_fisher(
            strategy.model,
            self._batches(strategy, dataset),
            generator=self._generator(count, LABELS) if drawn else None,
        )

    def _batches(self, strategy: MLLMTemplate, dataset: AvalancheDataset) -> Iterator[Batch]:
        size = strategy.micro_batch_samples
        for start in range(0, len(dataset), size):
            items = [dataset[i] for i in range(start, min(start + size, len(dataset)))]
            yield dataset.collate_fn(items)[0].to(strategy.device)

    def _subset(self, dataset: AvalancheDataset, experience: int) -> AvalancheDataset:
        limit = self.options.fisher_samples
        if limit is None or limit >= len(dataset):
            return dataset
        order = torch.randperm(len(dataset), generator=self._generator(experience, SUBSET))
        return dataset.subset(sorted(order[:limit].tolist()))

    def _generator(self, experience: int, purpose: int) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(self._seed, experience, purpose))

    def step_terms(self) -> tuple[tuple[str, float], ...]:
        return () if self._penalty is None else (("ewc_penalty", float(self._penalty)),)

    def kept_bytes(self) -> int:
        return sum(t.nbytes for t in (self._importance, self._anchor) if t is not None)

    def state_dict(self) -> dict[str, Any]:
        if self._importance is None:
            return {}
        return {
            "importance": self._importance.cpu(),
            "anchor": self._anchor.cpu(),
            "constant": self._constant,
        }

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        self._importance = self._anchor = self._penalty = None
        self._constant = float(state.get("constant", 0.0))
        if state:
            self._importance = state["importance"].clone()
            self._anchor = state["anchor"].clone()

    def before_training(self, strategy: MLLMTemplate, **kwargs) -> None:
        """Bring a loaded state to the device, and check that it is about these parameters."""
        if self._importance is None:
            return
        numbers = sum(parameter.numel() for parameter in strategy.trainable)
        if numbers != self._importance.numel():
            raise ModelError(
                f"the ewc state in the checkpoint is about {self._importance.numel()} trainable "
                f"parameters and the adapter has {numbers}; resume with the adapter settings of "
                "the run that wrote it"
            )
        self._importance = self._importance.to(strategy.device)
        self._anchor = self._anchor.to(strategy.device)


def flatten(tensors: list[Tensor]) -> Tensor:
    """All numbers of the tensors in one (n,) float32 copy."""
    return torch.cat([tensor.detach().reshape(-1).float() for tensor in tensors])


def unflatten(flat: Tensor, like: list[Tensor]) -> list[Tensor]:
    """Pieces of ``flat`` in the shapes and dtypes of ``like``."""
    pieces = flat.split([tensor.numel() for tensor in like])
    return [piece.view_as(t).to(t.dtype) for piece, t in zip(pieces, like, strict=True)]
