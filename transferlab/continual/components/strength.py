"""The unit of ``strength: auto``: nats per supervised token, for a displacement like a step's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from transferlab.continual.components.gradients import batches_over, evaluation_mode, upcast
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
    with evaluation_mode(trainer.model):
        before, signs = _signs(trainer, batches, generator)
        values = [parameter.clone() for parameter in parameters]
        torch._foreach_add_(parameters, signs, alpha=size)
        costs = [
            _divergence(old, _log_probs(trainer, batch))
            for old, batch in zip(before, batches, strict=True)
        ]
        torch._foreach_copy_(parameters, values)
    tokens = sum(len(one) for one in before)
    return sum(costs) / tokens / size**2, torch.cat([one.reshape(-1).float() for one in signs])


def _signs(
    trainer: TrainerView, batches: Sequence[Batch], generator: torch.Generator
) -> tuple[list[Tensor], list[Tensor]]:
    """Each batch's (n, vocab) log-probabilities, and the signs of the gradient over all of them."""
    before = []
    total = [torch.zeros_like(parameter) for parameter in trainer.trainable]
    for batch in batches:
        with torch.enable_grad():
            log_probs = _log_probs(trainer, batch)
            drawn = torch.multinomial(log_probs.detach().exp().cpu(), 1, generator=generator)
            loss = nn.functional.nll_loss(
                log_probs, drawn.squeeze(1).to(log_probs.device), reduction="sum"
            )
            found = torch.autograd.grad(loss, trainer.trainable, allow_unused=True)
        before.append(log_probs.detach())
        pairs = [(t, g) for t, g in zip(total, found, strict=True) if g is not None]
        torch._foreach_add_([t for t, _ in pairs], [g for _, g in pairs])
    return before, list(torch._foreach_sign(total))


def _log_probs(trainer: TrainerView, batch: Batch) -> Tensor:
    return upcast(trainer.model(batch)).log_softmax(dim=-1)


def _divergence(old: Tensor, new: Tensor) -> float:
    """The sum over tokens of KL(old || new), of (n, vocab) log-probabilities."""
    return float((old.exp() * (old - new)).sum())
