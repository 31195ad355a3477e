"""The engine's step beside a bare PyTorch loop's, in a short form of ``benchmarks/overhead.py``."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "overhead.py"


@pytest.mark.integration
def test_a_step_costs_little_more_than_a_bare_one():
    spec = importlib.util.spec_from_file_location("overhead", SCRIPT)
    overhead = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(overhead)
    pairs = overhead.measure(steps=10, rounds=6, batch_samples=8)
    # The best round of each: what else the machine does only ever adds to a round.
    assert min(engine for engine, _ in pairs) <= 1.10 * min(bare for _, bare in pairs)
