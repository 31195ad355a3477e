"""Ours beside stock Avalanche's on MNIST: ``benchmarks/parity.py`` in a short form."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "parity.py"
DATA = Path(os.environ.get("TRANSFERLAB_DATA", SCRIPT.parents[2] / "shared" / "data"))
spec = importlib.util.spec_from_file_location("parity", SCRIPT)
parity = importlib.util.module_from_spec(spec)
sys.modules["parity"] = parity  # dataclasses look their module up
spec.loader.exec_module(parity)

pytestmark = pytest.mark.skipif(
    not (DATA / "mnist-10k").is_dir(), reason="needs mnist-10k under TRANSFERLAB_DATA"
)
EXACT = {"naive", "replay"}


@pytest.fixture(scope="module")
def split():
    return parity.load_mnist(DATA / "mnist-10k", train=1500, test=500)


@pytest.mark.parametrize("case", parity.CASES, ids=lambda case: case.name)
def test_the_losses_and_accuracies_are_those_of_stock_avalanche(case, split):
    ours, stock = parity.compare(case, split, seed=0)
    assert len(ours.losses) > 20
    apart = parity.largest_difference(ours, stock)
    assert apart == 0.0 if case.name in EXACT else apart < 2e-4
    assert ours.accuracies == stock.accuracies
    if case.name != "naive":
        naive = parity.compare(parity.CASES[0], split, seed=0)[0]
        assert parity.largest_difference(ours, naive) > 1e-3 or ours.batches != naive.batches
