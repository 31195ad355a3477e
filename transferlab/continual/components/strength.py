"""The unit of ``strength: auto``: nats per supervised token, for a displacement like a step's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from transferlab.continual.components.gradients import (
    batches_over,
    evaluation_mode,
    gradient,
    upcast,
)
from transferlab.core.batch import Batch
from transferlab.core.lazy import nn, no_grad, torch

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView

SAMPLES = 64
"""So many samples of a domain measure the unit; a mean over samples needs no more."""


@no_grad
def signed_step(trainer: TrainerView, *, seed: int) -> tuple[float, Tensor]:
    """What moving every parameter by the learning rate costs, along the sign of a gradient.

    The gradient is that of the mean loss over at most 64 samples of the current experience, with
    labels drawn from the model. Its signs u are where the first step of Adam goes to. Training
    moves parameters together, as u does; a displacement of random signs costs about as much as the
    diagonal of the Fisher information says, and hundreds of times less.

    Returns:
        KL(p(theta) || p(theta + r u)) / r^2 in nats per supervised token, r being the learning rate
        of the stage; and u, (trainable parameters,) float32 of -1, 0 and 1.
    """
    generator = torch.Generator().manual_seed(seed)
    dataset = trainer.experience.dataset
    if len(dataset) > SAMPLES:
        order = torch.randperm(len(dataset), generator=generator)
        dataset = dataset.subset(sorted(order[:SAMPLES].tolist()))
    batches = list(batches_over(trainer, dataset))
    parameters, size = trainer.trainable, trainer.settings.learning_rate
    cost, tokens = 0.0, 0
    with evaluation_mode(trainer.model):
        signs = _signs(trainer, batches, generator)
        values = [parameter.clone() for parameter in parameters]
        for batch in batches:
            # Read once more rather than kept for all: a row is as long as the vocabulary.
            old = _log_probs(trainer, batch)
            torch._foreach_add_(parameters, signs, alpha=size)
            cost += _divergence(old, _log_probs(trainer, batch))
            torch._foreach_copy_(parameters, values)
            tokens += len(old)
    return cost / tokens / size**2, torch.cat([one.reshape(-1).float() for one in signs])


def _signs(
    trainer: TrainerView, batches: Sequence[Batch], generator: torch.Generator
) -> list[Tensor]:
    """The signs of the gradient over all batches."""

    def loss(logits: Tensor, targets: Tensor, batch: Batch) -> Tensor:
        log_probs = upcast(logits).log_softmax(dim=-1)
        drawn = torch.multinomial(log_probs.detach().exp().cpu(), 1, generator=generator)
        return nn.functional.nll_loss(log_probs, drawn.squeeze(1).to(log_probs.device))

    total = [torch.zeros_like(parameter) for parameter in trainer.trainable]
    for batch in batches:
        torch._foreach_add_(
            total, gradient(trainer, batch, loss, again=True)[1], alpha=batch.answer_tokens
        )
    return list(torch._foreach_sign(total))


def _log_probs(trainer: TrainerView, batch: Batch) -> Tensor:
    # In the weights' precision: half of it would round away a step of the learning rate's length.
    return upcast(trainer.model(batch)).log_softmax(dim=-1)


def _divergence(old: Tensor, new: Tensor) -> float:
    """The sum over tokens of KL(old || new), of (n, vocab) log-probabilities."""
    return float((old.exp() * (old - new)).sum())
