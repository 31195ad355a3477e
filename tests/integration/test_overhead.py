"""The engine's step beside a bare PyTorch loop's, in a short form of ``benchmarks/overhead.py``."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "overhead.py"


@pytest.mark.integration
def test_a_step_costs_little_more_than_a_bare_one():
    spec = importlib.util.spec_from_file_location("overhead", SCRIPT)
    overhead = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(overhead)
    pairs = overhead.measure(steps=8, rounds=5, batch_samples=8)
    # The promise is 1.10; a short run on a busy machine is allowed some noise on top.
    assert overhead.median_ratio(pairs) <= 1.25
