"""Two processes over gloo end where one does."""

import multiprocessing
import os

import pytest
import torch
from continual_cases import ToyBackbone
from torch import distributed as dist

from transferlab.core import distributed

RANKS = 2
# The last batch of an epoch has one sample only, so that one rank has none.
TRAIN = {"epochs": 1, "batch_samples": 11}
STRATEGIES = [
    {"ewc": {"strength": 3.0, "labels": "model"}, "replay": {"memory_samples": 6}},
    {"lwf": {}, "si": {}},
    {"er_ace": {}},
    {"agem": {}},
    {"ewc": {"strength": 3.0, "mode": "separate"}},
]


def train_all(make_learner, xray, lecture):
    """Per list of strategies: losses, terms and the parameters at the end."""
    found = []
    for options in STRATEGIES:
        backbone = ToyBackbone(torch.float64)
        learner = make_learner(backbone, train=TRAIN, **options)
        learner.train(xray, domain="xray", stage="one")
        report = learner.train(lecture, domain="lecture", stage="two")
        found.append((report.losses, dict(report.terms), backbone.trainable_state()))
    return found


def one_rank(rank, folder, make_learner, xray, lecture):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=RANKS
    )
    torch.save(train_all(make_learner, xray, lecture), folder / f"{rank}.pt")
    dist.destroy_process_group()
    os._exit(0)  # pytest's own endings are the parent's


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_two_ranks_end_where_one_does(make_learner, xray, lecture, tmp_path):
    fork = multiprocessing.get_context("fork")
    given = (tmp_path, make_learner, xray[:12], lecture[:12])
    processes = [fork.Process(target=one_rank, args=(rank, *given)) for rank in range(RANKS)]
    for process in processes:
        process.start()
    expected = train_all(*given[1:])
    for process in processes:
        process.join(timeout=120)
        assert process.exitcode == 0
    for rank in range(RANKS):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for (losses, terms, state), (own_losses, own_terms, own_state) in zip(
            expected, found, strict=True
        ):
            assert own_losses == pytest.approx(losses, rel=1e-9)
            assert own_terms == pytest.approx(terms, rel=1e-5)
            for name, value in state.items():
                torch.testing.assert_close(own_state[name], value, rtol=1e-6, atol=1e-8)


def test_rows_are_shared_out_and_a_rank_may_have_none(monkeypatch, xray):
    batch = ToyBackbone().collate(xray[:5])[0]
    shares = []
    for rank in range(4):
        monkeypatch.setattr(distributed, "rank_and_size", lambda rank=rank: (rank, 4))
        shares.append(distributed.rank_rows(batch))
    assert shares == [slice(0, 2), slice(2, 4), slice(4, 5), None]
