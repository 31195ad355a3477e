"""Learning without forgetting (Li & Hoiem 2016), on tokens.

    penalty = alpha * mean over supervised tokens of KL(p_old || p_new)

with both distributions softened by the temperature, and p_old the model after the last domain, on
the new domain's inputs. Avalanche's plugin copies the whole model and restricts the distributions
to the classes of past domains; here the copy is of the trainable parameters, and the distributions
are over the vocabulary, or over the tokens of past answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from transferlab.continual.catalogue.distillation import LwFOptions
from transferlab.continual.passes import batches_over, widened
from transferlab.continual.previous import Previous
from transferlab.continual.strategy import DatasetOf, Strategy

if TYPE_CHECKING:
    from transferlab.continual.template import MLLMTemplate


class LwF(Strategy):
    """Distils the model as it was after the last domain."""

    def __init__(self, options: LwFOptions, *, seed: int) -> None:
        super().__init__()
        self.options = options
        self._previous = Previous("lwf")
        self._answered: Tensor | None = None
        """(tokens,) int64, sorted: the tokens of past answers, where only these are distilled."""
        self._term: float | None = None

    def before_training(self, strategy: MLLMTemplate, **kwargs) -> None:
        self._previous.bring(strategy)

    def before_training_iteration(self, strategy: MLLMTemplate, **kwargs) -> None:
        self._term = 0.0 if self._previous.known else None

    def before_forward(self, strategy: MLLMTemplate, **kwargs) -> None:
        if self._previous.known:
            self._old = self._previous.logits(strategy, strategy.mb_x)

    def before_backward(self, strategy: MLLMTemplate, **kwargs) -> None:
        if not self._previous.known:
            return
        new, old = widened(strategy.mb_output), widened(self._old)
        if self._answered is not None:
            kept = self._answered.to(new.device)
            new, old = new[:, kept], old[:, kept]
        penalty = self.options.strength * divergence(new, old, self.options.temperature)
        strategy.loss = strategy.loss + penalty
        self._term += strategy.share * float(penalty.detach())

    def after_training_exp(self, strategy: MLLMTemplate, **kwargs) -> None:
        self._term = None
        self._previous.keep(strategy)
        if self.options.tokens == "answered":
            seen = [] if self._answered is None else [self._answered]
            for batch in batches_over(strategy, strategy.experience.dataset):
                seen.append(batch.targets().unique().cpu())
            self._answered = torch.cat(seen).unique()

    def step_terms(self) -> tuple[tuple[str, float], ...]:
        return () if self._term is None else (("lwf_penalty", self._term),)

    def kept_bytes(self) -> int:
        return self._previous.kept_bytes() + (
            0 if self._answered is None else self._answered.nbytes
        )

    def state_dict(self) -> dict[str, Any]:
        answered = {} if self._answered is None else {"answered": self._answered}
        return {**self._previous.state_dict(), **answered}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        self._previous.load_state_dict(state)
        self._answered = state["answered"].clone() if "answered" in state else None


def divergence(new: Tensor, old: Tensor, temperature: float) -> Tensor:
    """The mean over (n, vocab) rows of KL(softmax(old / T) || softmax(new / T)), in nats."""
    return nn.functional.kl_div(
        (new / temperature).log_softmax(dim=1),
        (old / temperature).softmax(dim=1),
        reduction="batchmean",
    )
