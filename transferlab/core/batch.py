"""A mini-batch that Avalanche's plugins may treat as the tensor they expect ``x`` to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from transferlab.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


IGNORE_INDEX = -100
"""The label of a position that is not supervised; torch's cross-entropy leaves it out."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What a processor made of some samples, left-padded, with the answers marked.

    Left padding puts all answers at the end, so that a forward pass computes vocabulary logits for
    the last few positions only.
    """

    input_ids: Tensor
    """(B, S) int64."""
    attention_mask: Tensor
    """(B, S) int64; 0 on padding."""
    labels: Tensor
    """(B, S) int64; the token to be predicted **at** each answer position, -100 elsewhere."""
    media: dict[str, Tensor]
    """The media tensors, e.g. pixel_values; the first dimension is counted by media_rows."""
    media_rows: tuple[int, ...]
    """Per sample: how many rows of every tensor in ``media`` belong to it."""
    sample_ids: tuple[str, ...]
    pad_id: int = 0
    extra_inputs: dict[str, Tensor] = field(default_factory=dict)
    """(B, ...) each: what else the model reads of a sample's prompt, another tokenizer's tokens or
    sound; 0 at the far edges is padding, and samples without have zeros only."""
    host_labels: Tensor | None = None
    """``labels`` as they were on the CPU, kept when a batch moves to a GPU: which positions are
    supervised is then known without waiting for the GPU to say."""

    def __len__(self) -> int:
        return self.input_ids.shape[0]

    def size(self, dim: int | None = None) -> int | torch.Size:
        return self.input_ids.size() if dim is None else self.input_ids.size(dim)

    @property
    def shape(self) -> torch.Size:
        return self.input_ids.shape

    @property
    def device(self) -> torch.device:
        return self.input_ids.device

    def __iter__(self) -> Iterator[Batch]:
        return (self[index] for index in range(len(self)))

    def _map(self, change) -> Batch:
        return replace(
            self,
            input_ids=change(self.input_ids),
            attention_mask=change(self.attention_mask),
            labels=change(self.labels),
            media={name: change(tensor) for name, tensor in self.media.items()},
            extra_inputs={name: change(tensor) for name, tensor in self.extra_inputs.items()},
        )

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        moved = self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))
        return replace(moved, host_labels=self._on_host())

    def pin_memory(self) -> Batch:
        return self._map(lambda tensor: tensor.pin_memory())

    @property
    def supervised(self) -> Tensor:
        """(B, S) bool: the positions at which a token of an answer is to be predicted."""
        return self.labels != IGNORE_INDEX

    @property
    def answer_tokens(self) -> int:
        """How many positions are supervised."""
        return int((self._on_host() != IGNORE_INDEX).sum())

    def answer_positions(self) -> tuple[Tensor, Tensor]:
        """(n_supervised,) int64 each, on the CPU: rows and columns of the supervised positions."""
        rows, columns = (self._on_host() != IGNORE_INDEX).nonzero(as_tuple=True)
        return rows, columns

    def targets(self) -> Tensor:
        """(n_supervised,) int64: the answer tokens, in the order in which a model's logits come."""
        rows, columns = self.answer_positions()
        return self.labels[on_device(rows, self.device), on_device(columns, self.device)]

    def _on_host(self) -> Tensor:
        if self.labels.device.type == "cpu":
            return self.labels
        return self.labels.cpu() if self.host_labels is None else self.host_labels

    def __getitem__(self, index: int | slice | Tensor | Sequence[int]) -> Batch:
        """The samples at ``index``: an int, a slice, a boolean mask or a list of positions."""
        rows = torch.arange(len(self))
        if isinstance(index, torch.Tensor):
            rows = rows[index.to("cpu")]
        elif isinstance(index, int):
            rows = rows[index].reshape(1)
        elif isinstance(index, slice):
            rows = rows[index]
        else:
            rows = rows[torch.as_tensor(list(index))]
        chosen = rows.reshape(-1).tolist()
        starts = [0]
        for count in self.media_rows:
            starts.append(starts[-1] + count)
        media_index = torch.tensor(
            [r for i in chosen for r in range(starts[i], starts[i + 1])], dtype=torch.long
        )
        at = on_device(torch.tensor(chosen, dtype=torch.long), self.device)
        return replace(
            self,
            input_ids=self.input_ids[at],
            attention_mask=self.attention_mask[at],
            labels=self.labels[at],
            media={n: t[on_device(media_index, t.device)] for n, t in self.media.items()},
            media_rows=tuple(self.media_rows[i] for i in chosen),
            sample_ids=tuple(self.sample_ids[i] for i in chosen),
            extra_inputs={name: tensor[at] for name, tensor in self.extra_inputs.items()},
            host_labels=self._on_host()[rows.reshape(-1)],
        )

    def last(self, columns: int) -> Batch:
        """The last so many columns; the others must be padding."""
        return replace(
            self,
            input_ids=self.input_ids[:, -columns:],
            attention_mask=self.attention_mask[:, -columns:],
            labels=self.labels[:, -columns:],
            host_labels=self._on_host()[:, -columns:],
        )

    @staticmethod
    def cat(batches: Sequence[Batch]) -> Batch:
        """Join batches, padding the shorter ones on the left."""
        width = max(batch.input_ids.shape[1] for batch in batches)

        def widen(tensor: Tensor, value: int) -> Tensor:
            return torch.nn.functional.pad(tensor, (width - tensor.shape[1], 0), value=value)

        names = {name for batch in batches for name in batch.media}
        return Batch(
            input_ids=torch.cat([widen(b.input_ids, b.pad_id) for b in batches]),
            attention_mask=torch.cat([widen(b.attention_mask, 0) for b in batches]),
            labels=torch.cat([widen(b.labels, IGNORE_INDEX) for b in batches]),
            media={n: join_rows([b.media[n] for b in batches if n in b.media]) for n in names},
            media_rows=tuple(rows for b in batches for rows in b.media_rows),
            sample_ids=tuple(i for b in batches for i in b.sample_ids),
            pad_id=batches[0].pad_id,
            extra_inputs=join_extra_inputs([(len(b), b.extra_inputs) for b in batches]),
            host_labels=torch.cat([widen(b._on_host(), IGNORE_INDEX) for b in batches]),
        )

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        """Plugins join mini-batches with ``torch.cat``; every other tensor function is refused."""
        if function is torch.cat:
            return cls.cat(args[0])
        return NotImplemented


def on_device(indices: Tensor, device: torch.device) -> Tensor:
    """Indices from the CPU on a device; a GPU is not waited for."""
    return indices if device.type == "cpu" else indices.to(device, non_blocking=True)


def join_rows(tensors: Sequence[Tensor]) -> Tensor:
    """All rows of all tensors; smaller rows are padded with zeros at the far edges.

    Args:
        tensors: each (rows, ...), of one number of dimensions.
    """
    edges = [max(sizes) for sizes in zip(*(tensor.shape[1:] for tensor in tensors), strict=True)]
    padded = []
    for tensor in tensors:
        missing = [want - have for want, have in zip(edges, tensor.shape[1:], strict=True)]
        widths = [width for more in reversed(missing) for width in (0, more)]
        padded.append(torch.nn.functional.pad(tensor, widths) if any(missing) else tensor)
    return torch.cat(padded)


def join_extra_inputs(parts: Sequence[tuple[int, Mapping[str, Tensor]]]) -> dict[str, Tensor]:
    """All samples of several parts, name by name; zeros for those of a part that lacks it.

    Args:
        parts: how many samples, and their tensors, (samples, ...).
    """
    like = {name: tensor for _, given in parts for name, tensor in given.items()}
    return {
        name: join_rows(
            [
                given.get(name, one.new_zeros((rows, *[0] * (one.dim() - 1))))
                for rows, given in parts
            ]
        )
        for name, one in like.items()
    }
