"""Ours beside stock Avalanche's on MNIST: ``benchmarks/parity.py`` in a short form."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("TRANSFERLAB_DATA", Path(__file__).parents[3] / "shared" / "data"))
pytestmark = pytest.mark.skipif(
    not (DATA / "mnist-10k").is_dir(), reason="needs mnist-10k under TRANSFERLAB_DATA"
)
EXACT = {"naive", "replay"}
CASES = ["naive", "ewc separate", "ewc online", "si", "mas", "rwalk", "lwf", "replay", "agem"]


@pytest.fixture(scope="module")
def parity(import_benchmark):
    return import_benchmark("parity")


@pytest.fixture(scope="module")
def split(parity):
    return parity.load_mnist(DATA / "mnist-10k", train=1500, test=500)


@pytest.mark.parametrize("name", CASES)
def test_the_losses_and_accuracies_are_those_of_stock_avalanche(parity, name, split):
    cases = {case.name: case for case in parity.CASES}
    assert list(cases) == CASES
    case = cases[name]
    ours, stock = parity.compare(case, split, seed=0)
    assert len(ours.losses) > 20
    apart = parity.largest_difference(ours, stock)
    assert apart == 0.0 if case.name in EXACT else apart < 2e-4
    assert ours.accuracies == stock.accuracies
    if case.name != "naive":
        naive = parity.compare(cases["naive"], split, seed=0)[0]
        assert parity.largest_difference(ours, naive) > 1e-3 or ours.batches != naive.batches
