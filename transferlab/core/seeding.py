"""Randomness that depends on the run's seed and on nothing else that happened in the process."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from transferlab.core.lazy import torch


def derive_seed(seed: int, *parts: int) -> int:
    """A 32-bit seed for one purpose of a run; different parts give unrelated seeds."""
    return int(np.random.SeedSequence([seed, *parts]).generate_state(1)[0])


@contextmanager
def isolated_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Seed every generator that torch, numpy, Python and Avalanche draw from, and put them back.

    Avalanche's storage policies and samplers draw from the global generators, so an own generator
    would not reach them.
    """
    devices = [device] if device.type == "cuda" else []
    python_state, numpy_state = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            np.random.seed(seed)
            random.seed(seed)
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
