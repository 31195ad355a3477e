"""Every sample's own gradient, from one forward and one backward pass over a batch.

The gradient of a matrix is a product of what its layer was given and the gradient of what it made
of it. The rows of a batch do not touch one another, so the product can be had for each row apart,
for the places where a parameter stands most often: linear layers, embeddings, and peft's trainable
tokens, which are an embedding and, where it is tied, the layer to the vocabulary as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from transferlab.core.batch import Batch, on_device
from transferlab.core.lazy import nn, torch

if TYPE_CHECKING:
    from torch import Tensor

TOGETHER = 2**18
"""Numbers of a parameter; above, samples take turns, as all their gradients would fill memory."""


@dataclass(frozen=True, kw_only=True)
class Use:
    """One layer that multiplies with a parameter, or looks rows of it up."""

    layer: nn.Module
    base: Any
    """An ``nn.Linear`` or ``nn.Embedding``: what ``layer`` does, or would do without trainable
    tokens."""
    row_of: Tensor | None = None
    """(vocabulary,) int64: where a token's row is in the parameter, -1 where it is frozen; None
    where every token has its own place."""

    @property
    def looks_up(self) -> bool:
        return isinstance(self.base, nn.Embedding)


class Call(NamedTuple):
    """A layer's input and output in one pass, and the gradient of the output once it is known."""

    given: Tensor
    output: Tensor
    grad_output: Tensor | None = None


Uses = Mapping[str, list[Use]]


def uses_of(module: nn.Module, parameters: Mapping[str, nn.Parameter]) -> Uses | None:
    """Where each parameter stands, by name; None where one stands in a layer of another kind."""
    names = {id(parameter): name for name, parameter in parameters.items()}
    found: dict[str, list[Use]] = {name: [] for name in parameters}
    weight: Tensor | None
    for layer in module.modules():
        if hasattr(layer, "trainable_tokens_delta"):
            use, weight = _token_use(layer)
        elif isinstance(layer, nn.Linear | nn.Embedding) and _is_exactly(layer):
            use, weight = Use(layer=layer, base=layer), layer.weight
        else:
            continue
        if id(weight) not in names:
            continue
        if not _is_plain(use):
            return None
        found[names[id(weight)]].append(use)
    return found if all(found.values()) else None


def _token_use(layer: Any) -> tuple[Use, Tensor | None]:
    """peft's trainable tokens: rows of their own in place of some of the base layer's."""
    if len(layer.trainable_tokens_delta) != 1:
        return Use(layer=layer, base=layer), None
    ((adapter, weight),) = layer.trainable_tokens_delta.items()
    base = layer.base_layer
    size, chosen = base.weight.shape[0], layer.token_indices[adapter]
    if list(chosen) == list(range(size)):
        return Use(layer=layer, base=base), weight
    row_of = torch.full((size,), -1, device=weight.device)
    row_of[chosen] = torch.arange(len(chosen), device=weight.device)
    return Use(layer=layer, base=base, row_of=row_of), weight


def _is_exactly(layer: nn.Module) -> bool:
    """Whether it is torch's own layer: a subclass may do something else as well."""
    return type(layer) in (nn.Linear, nn.Embedding)


def _is_plain(use: Use) -> bool:
    """Whether the layer does nothing but multiply, or look up; subclasses may scale as well."""
    base = use.base
    if type(base) is nn.Embedding:
        return base.max_norm is None and not base.scale_grad_by_freq
    trained_bias = type(base) is nn.Linear and base.bias is not None and base.bias.requires_grad
    return type(base) is nn.Linear and not trained_bias


@contextmanager
def record_calls(uses: Uses) -> Iterator[dict[nn.Module, list[Call]]]:
    """Inside, every call of the layers is written down."""
    calls: dict[nn.Module, list[Call]] = {}
    handles = []

    def record(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        calls[layer].append(Call(inputs[0].detach(), output))

    for use in (use for several in uses.values() for use in several):
        calls[use.layer] = []
        handles.append(use.layer.register_forward_hook(record))
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


class SampleGradients:
    """Hands on every sample's own gradient of a parameter as soon as a backward pass has it.

    What the layers made is not kept for it: with gradient checkpointing a pass takes no more memory
    than a step of training.
    """

    def __init__(
        self,
        uses: Uses,
        parameters: Mapping[str, nn.Parameter],
        batch: Batch,
        take: Callable[[str, Tensor], None],
    ) -> None:
        """``take``: called with a parameter's name and some samples' gradients of it, (some,
        *shape) float32."""
        self._uses, self._parameters, self._batch, self._take = uses, parameters, batch, take
        self._anchor = torch.zeros((), device=batch.device, requires_grad=True)
        self._calls: dict[str, dict[nn.Module, list[Call]]] = {}
        self._expected: Counter[str] = Counter()
        """By parameter: calls of the forward pass whose gradients have not come yet."""
        self._forward = True
        self.separable = True
        """Whether the activations' rows can be told apart by sample; known after the forward."""

    @contextmanager
    def watch(self) -> Iterator[None]:
        """A forward pass and ``backward`` belong inside."""
        handles = [
            use.layer.register_forward_hook(partial(self._tapped, name))
            for name, several in self._uses.items()
            for use in several
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def backward(self, loss: Tensor) -> None:
        """Hand on all gradients of a sum over the batch's samples."""
        self._forward = False
        torch.autograd.grad(loss, self._anchor, allow_unused=True)
        for name in list(self._calls):  # of a layer whose output was not used each time
            self._hand_on(name)

    def _tapped(self, name: str, layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Any:
        from transferlab.continual.output_tap import OutputTap

        if self._forward:  # and not once more, for the backward pass
            self._expected[name] += 1
            owned = owners_of(output.shape[0], self._batch, output.device) is not None
            self.separable &= output.dim() >= 3 and owned
        show = partial(self._received, name, layer)
        return OutputTap.apply(output, inputs[0].detach(), self._anchor, show)

    def _received(self, name: str, layer: nn.Module, given: Tensor, grad_output: Tensor) -> None:
        calls = self._calls.setdefault(name, {use.layer: [] for use in self._uses[name]})
        calls[layer].append(Call(given, grad_output, grad_output))
        self._expected[name] -= 1
        if not self._expected[name]:
            self._hand_on(name)

    def _hand_on(self, name: str) -> None:
        calls, parameter = self._calls.pop(name), self._parameters[name]
        for several in gradients_by_sample(self._uses[name], calls, parameter, self._batch):
            self._take(name, several)


def owners_of(rows: int, batch: Batch, device: torch.device) -> Tensor | None:
    """(rows,) int64: the sample to which each row of an activation belongs.

    A row is a sample, or a medium of one. None where that cannot be told.
    """
    media, samples = sum(batch.media_rows), torch.arange(len(batch))
    if rows == media and (rows != len(batch) or all(count == 1 for count in batch.media_rows)):
        return on_device(samples.repeat_interleave(torch.tensor(batch.media_rows)), device)
    return on_device(samples, device) if rows == len(batch) and rows != media else None


def gradients_by_sample(
    uses: list[Use],
    calls: Mapping[nn.Module, list[Call]],
    parameter: nn.Parameter,
    batch: Batch,
) -> Iterator[Tensor]:
    """Stacks of samples' gradients of one parameter, (some samples, *shape) float32 each.

    Args:
        uses: of the parameter.
        calls: with the gradients of their outputs.
        parameter: whose gradients are wanted.
        batch: what went through the layers.
    """
    made = [
        (use, call.given, call.grad_output, _owners(call, batch, parameter.device))
        for use in uses
        for call in calls[use.layer]
        if call.grad_output is not None
    ]
    if parameter.numel() <= TOGETHER and not any(use.looks_up for use, *_ in made):
        stack = torch.zeros(len(batch), *parameter.shape, device=parameter.device)
        for use, given, grad_output, owners in made:
            # Towers that keep the picture's plane have (rows, H, W, D) instead of (rows, T, D).
            inputs, slopes = given.flatten(1, -2).float(), grad_output.flatten(1, -2).float()
            rows = torch.einsum("nto,nti->noi", slopes, inputs)
            stack.index_add_(0, owners, _trainable_rows(use.row_of, rows, 1))
        yield stack
        return
    for sample in range(len(batch)):
        own = torch.zeros(parameter.shape, device=parameter.device)
        for use, given, grad_output, owners in made:
            mine = owners == sample
            slopes = grad_output[mine].flatten(0, -2).float()
            if use.looks_up:
                _add_rows(own, use, given[mine].flatten(), slopes)
            else:
                whole = slopes.T @ given[mine].flatten(0, -2).float()
                own += _trainable_rows(use.row_of, whole, 0)
        yield own[None]


def _add_rows(own: Tensor, use: Use, ids: Tensor, grad_output: Tensor) -> None:
    """Add to each looked-up row; torch gives the padding's none, and frozen tokens have none."""
    rows = ids if use.row_of is None else use.row_of[ids]
    counted = (rows >= 0) & (ids != (-1 if use.base.padding_idx is None else use.base.padding_idx))
    own.index_add_(0, rows[counted], grad_output[counted])


def _owners(call: Call, batch: Batch, device: torch.device) -> Tensor:
    """``owners_of`` a call's rows, which whoever recorded it has looked at already."""
    owners = owners_of(call.output.shape[0], batch, device)
    assert owners is not None, "a batch whose rows have no owner goes through one by one"
    return owners


def _trainable_rows(row_of: Tensor | None, whole: Tensor, dim: int) -> Tensor:
    """The trainable tokens' rows of a gradient over the vocabulary, in their own order; all of it
    where every token has its own row."""
    if row_of is None:
        return whole
    tokens = (row_of >= 0).nonzero().flatten()
    order = row_of[tokens].argsort()
    return whole.index_select(dim, tokens[order])
