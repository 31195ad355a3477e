"""MNIST's images two digits at a time, and what both comparisons with stock Avalanche need."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from avalanche.training.plugins import SynapticIntelligencePlugin
from torch import Tensor, nn

from transferlab.core.batch import Batch
from transferlab.core.records import Sample

DIGITS = tuple(str(digit) for digit in range(10))


@dataclass(frozen=True, kw_only=True)
class Split:
    """(N, 784) float32 images in [0, 1], (N,) int64 digits, and where training ends."""

    images: Tensor
    digits: Tensor
    train: int

    def experiences(self) -> list[list[int]]:
        """Rows of the training images, two digits at a time."""
        pairs = [(first, first + 1) for first in range(0, 10, 2)]
        return [self._rows(pair, range(self.train)) for pair in pairs]

    def tests(self) -> list[list[int]]:
        pairs = [(first, first + 1) for first in range(0, 10, 2)]
        return [self._rows(pair, range(self.train, len(self.digits))) for pair in pairs]

    def _rows(self, pair: tuple[int, int], among: range) -> list[int]:
        return [row for row in among if int(self.digits[row]) in pair]


def load_mnist(folder: Path, *, train: int, test: int) -> Split:
    """The first ``train`` images to train on, and the last ``test`` to test on."""
    raw = gzip.decompress((folder / "images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / "labels-idx1-ubyte.gz").read_bytes())
    images = torch.from_numpy(np.frombuffer(raw, np.uint8, offset=16).copy()).reshape(-1, 784)
    digits = torch.from_numpy(np.frombuffer(labels, np.uint8, offset=8).copy()).long()
    rows = torch.cat([torch.arange(train), torch.arange(len(digits) - test, len(digits))])
    return Split(images=images[rows].float() / 255, digits=digits[rows], train=train)


def sample_of(row: int, digit: int, experience: int) -> Sample:
    return Sample(
        id=str(row),
        domain=f"split-{experience}",
        task="digit",
        kind="classify",
        media=(),
        prompt="Which digit?",
        answer=str(digit),
        choices=DIGITS,
    )


def batch_of(
    samples: Sequence[Sample], pixels: Tensor, digits: Tensor, *, experiences: Sequence[int]
) -> Batch:
    """One token per image, which is its experience; its answer is its digit.

    Args:
        pixels: (N, 784).
        digits: (N,) int64.
    """
    return Batch(
        input_ids=torch.tensor(experiences)[:, None],
        attention_mask=torch.ones(len(samples), 1, dtype=torch.long),
        labels=digits[:, None],
        media={"pixels": pixels},
        media_rows=(1,) * len(samples),
        sample_ids=tuple(sample.id for sample in samples),
    )


@torch.no_grad()
def real_copies(model: nn.Module, target: dict, excluded: set[str]) -> None:
    """What SynapticIntelligencePlugin.extract_weights does on a GPU."""
    for name, parameter in SynapticIntelligencePlugin.allowed_parameters(model, excluded):
        target[name].data = parameter.detach().clone().flatten()
