"""Means over samples of what each sample's own gradient is: the Fisher diagonal, and the like.

    F = mean over samples n of (d/d theta log p(y_n | x_n))^2

where log p(y | x) sums over the answer's tokens. Squaring the gradient of a batch-mean loss, as is
often done, gives another number, one that depends on the batch size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from transferlab.core.batch import Batch

Calls = dict[str, list[tuple[Tensor, Tensor]]]

SummedLoss = Callable[[Tensor, Batch], Tensor]
"""(n_supervised, vocab) logits of a batch to a scalar: the sum over its samples of their losses."""

Fold = Callable[[Tensor], Tensor]
"""What is averaged of each number of a sample's gradient, elementwise."""


def exact_fisher(
    module: nn.Module, batches: Iterable[Batch], *, generator: torch.Generator | None = None
) -> Tensor:
    """The Fisher diagonal over all samples of ``batches``.

    Args:
        module: called as ``module(batch)``; gives (n_supervised, vocab) logits. In eval mode.
        batches: on the module's device.
        generator: a CPU generator. With it, tokens are drawn from the model at each supervised
            position (the Fisher); without it, the answers of the data are taken (the empirical
            Fisher).

    Returns:
        (number of trainable parameters,) float32, in the order of ``module.named_parameters()``.
    """

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        return _summed_loss(logits, batch.targets(), generator)

    return mean_over_samples(module, batches, loss=loss, fold=torch.square)


def mean_over_samples(
    module: nn.Module, batches: Iterable[Batch], *, loss: SummedLoss, fold: Fold
) -> Tensor:
    """The mean over samples of ``fold(gradient of the sample's loss)``.

    Args:
        module: called as ``module(batch)``; gives (n_supervised, vocab) logits. In eval mode.
        batches: on the module's device.
        loss: a batch's, summed over samples; no sample's loss may depend on another.
        fold: applied to every number of a sample's gradient.

    Returns:
        (number of trainable parameters,) float32, in the order of ``module.named_parameters()``.
    """
    parameters = dict(module.named_parameters())
    layers = _trainable_linear_layers(module, parameters)
    total = {name: torch.zeros_like(p, dtype=torch.float32) for name, p in parameters.items()}
    samples = 0
    for batch in batches:
        samples += len(batch)
        if layers is None or not _add_from_layers(total, module, layers, batch, loss, fold):
            _add_one_by_one(total, module, parameters, batch, loss, fold)
    return torch.cat([one.reshape(-1) for one in total.values()]) / max(samples, 1)


def _trainable_linear_layers(
    module: nn.Module, parameters: Mapping[str, nn.Parameter]
) -> dict[str, nn.Linear] | None:
    """Linear layers by their weight's name, or None if they do not hold every parameter once."""
    names = {id(parameter): name for name, parameter in parameters.items()}
    layers: dict[str, nn.Linear] = {}
    for layer in module.modules():
        if type(layer) is not nn.Linear or id(layer.weight) not in names:
            continue
        if layer.bias is not None and layer.bias.requires_grad:
            return None
        if names[id(layer.weight)] in layers:
            return None  # a weight that two layers share
        layers[names[id(layer.weight)]] = layer
    return layers if layers.keys() == parameters.keys() else None


def _add_from_layers(
    total: Mapping[str, Tensor],
    module: nn.Module,
    layers: Mapping[str, nn.Linear],
    batch: Batch,
    loss: SummedLoss,
    fold: Fold,
) -> bool:
    """Add the batch's folded per-sample gradients with one forward and one backward pass.

    A linear layer's weight gradient is the product of its input and its output's gradient, and the
    rows of a batch do not touch one another, so it can be had for each row apart.

    Returns:
        False, with nothing added, where an activation's rows cannot be told apart by sample.
    """
    with _recording(layers) as calls:
        summed = loss(module(batch), batch)
    if any(len(layer_calls) != 1 for layer_calls in calls.values()):
        return False
    owners = {name: _owners(made[0][1], batch) for name, made in calls.items()}
    if any(owner is None for owner in owners.values()):
        return False
    outputs = [made[0][1] for made in calls.values()]
    gradients = torch.autograd.grad(summed, outputs, allow_unused=True)
    for (name, made), gradient in zip(calls.items(), gradients, strict=True):
        if gradient is not None:
            # Towers that keep the picture's plane have (rows, H, W, D) instead of (rows, T, D).
            given, wanted = made[0][0].flatten(1, -2), gradient.flatten(1, -2)
            rows = torch.einsum("nto,nti->noi", wanted.float(), given.float())
            mine = rows.new_zeros(len(batch), *rows.shape[1:]).index_add_(0, owners[name], rows)
            total[name].add_(fold(mine).sum(dim=0))
    return True


@contextmanager
def _recording(layers: Mapping[str, nn.Linear]) -> Iterator[Calls]:
    """The input and output of each call of the layers, by name."""
    calls: Calls = {name: [] for name in layers}

    def record(name: str):
        return lambda _, inputs, output: calls[name].append((inputs[0].detach(), output))

    handles = [layer.register_forward_hook(record(name)) for name, layer in layers.items()]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _owners(activation: Tensor, batch: Batch) -> Tensor | None:
    """(rows,) int64: the sample to which each row of a (rows, ..., D) activation belongs.

    A row is a sample, or a medium of one. None where that cannot be told.
    """
    if activation.dim() < 3:
        return None
    rows, media = activation.shape[0], sum(batch.media_rows)
    per_sample = torch.arange(len(batch), device=activation.device)
    counts = torch.tensor(batch.media_rows, device=activation.device)
    if rows == media and (rows != len(batch) or bool((counts == 1).all())):
        return per_sample.repeat_interleave(counts)
    return per_sample if rows == len(batch) and rows != media else None


def _add_one_by_one(
    total: Mapping[str, Tensor],
    module: nn.Module,
    parameters: Mapping[str, nn.Parameter],
    batch: Batch,
    loss: SummedLoss,
    fold: Fold,
) -> None:
    """The same sum with a forward and a backward pass for every sample."""
    for sample in batch:
        summed = loss(module(sample), sample)
        gradients = torch.autograd.grad(summed, list(parameters.values()), allow_unused=True)
        for sums, gradient in zip(total.values(), gradients, strict=True):
            if gradient is not None:
                sums.add_(fold(gradient.float()))


def _summed_loss(logits: Tensor, targets: Tensor, generator: torch.Generator | None) -> Tensor:
    """- sum over tokens of log p: of the targets, or with a generator of tokens drawn from p."""
    if generator is not None:
        chances = logits.detach().float().softmax(dim=-1).cpu()
        drawn = torch.multinomial(chances, 1, generator=generator)
        targets = drawn.squeeze(1).to(logits.device)
    return nn.functional.cross_entropy(logits.float(), targets, reduction="sum")
