"""Two processes over gloo end where one does."""

import multiprocessing
import os
import shutil

import pytest
import torch
from continual_cases import BACKBONES, AnyBackbone, ToyBackbone
from torch import distributed as dist

from transferlab.core import distributed
from transferlab.core.events import TrainStep
from transferlab.errors import InputError

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")

RANKS = 2
# The last batch of an epoch has one sample only, so that one rank has none.
TRAIN = {"epochs": 1, "batch_samples": 11}
STRATEGIES = [
    {"ewc": {"strength": 3.0, "labels": "model"}, "replay": {"memory_samples": 6}},
    {"lwf": {}, "si": {}},
    {"er_ace": {}},
    {"agem": {}},
    {"ewc": {"strength": 3.0, "mode": "separate"}},
    {"inflora": {"rank_per_domain": 2, "energy": 0.5}},
    {"keeplora": {"rank_per_domain": 2, "weight_energy": 0.2, "domain_energy": 0.3}},
    {"reglora": {"rank_per_domain": 2, "key_share": 0.2}},
    {"hide": {"rank_per_domain": 2}},
    {"cl_moe": {}},
    {"mr_lora": {"samples_per_domain": 3, "router_epochs": 2}},
]


def train_all(make_learner, xray, lecture):
    """Per list of strategies: losses, terms and the parameters at the end."""
    found = []
    for options in STRATEGIES:
        backbone = BACKBONES.get(next(iter(options)), AnyBackbone)(torch.float64)
        learner = make_learner(backbone, train=TRAIN, **options)
        learner.train(xray, domain="xray", stage="one")
        report = learner.train(lecture, domain="lecture", stage="two")
        found.append((report.losses, dict(report.terms), backbone.trainable_state()))
    return found


def one_rank(rank, folder, work, given):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=RANKS
    )
    torch.save(work(*given), folder / f"{rank}.pt")
    dist.destroy_process_group()
    os._exit(0)  # pytest's own endings are the parent's


def on_two_ranks(work, *given, folder):
    """What ``work`` returns on each of two ranks."""
    fork = multiprocessing.get_context("fork")
    how = {"target": one_rank}
    processes = [fork.Process(args=(rank, folder, work, given), **how) for rank in range(RANKS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
        assert process.exitcode == 0
    (folder / "meeting").unlink(missing_ok=True)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(RANKS)]


@forks
def test_two_ranks_end_where_one_does(make_learner, xray, lecture, tmp_path):
    given = (make_learner, xray[:12], lecture[:12])
    expected = train_all(*given)
    for found in on_two_ranks(train_all, *given, folder=tmp_path):
        for (losses, terms, state), (own_losses, own_terms, own_state) in zip(
            expected, found, strict=True
        ):
            assert own_losses == pytest.approx(losses, rel=1e-9)
            assert own_terms == pytest.approx(terms, rel=1e-5)
            for name, value in state.items():
                torch.testing.assert_close(own_state[name], value, rtol=1e-6, atol=1e-8)


LONG = {"epochs": 3, "batch_samples": 5, "checkpoint_steps": 1}


class Killed(BaseException):
    """Stands for a signal: nothing catches it."""


def train_with_dropout(make_learner, samples, file, kill_at=None):
    """Losses, the ids of every batch, and the parameters at the end."""

    def listener(event):
        if isinstance(event, TrainStep) and event.step == kill_at:
            raise Killed

    backbone = ToyBackbone(torch.float64, dropout=0.4)
    learner = make_learner(
        backbone, train=LONG, listener=listener, replay={"memory_samples": 4}, si={}
    )
    losses = []
    try:
        report = learner.train(samples, domain="xray", stage="one", step_checkpoint=file)
        losses = list(report.losses)
    except Killed:
        pass
    return losses, [list(ids) for ids in backbone.batches], backbone.trainable_state()


def train_killed_and_resumed(make_learner, samples, file):
    train_with_dropout(make_learner, samples, file, kill_at=7)
    dist.barrier()  # as between two starts of a job
    return train_with_dropout(make_learner, samples, file)


@forks
def test_ranks_with_dropout_draw_the_same_order_in_every_epoch(make_learner, xray, tmp_path):
    given = (make_learner, xray, None)
    first, second = on_two_ranks(train_with_dropout, *given, folder=tmp_path)
    assert first[0] == second[0]
    assert first[1] == second[1]
    epochs = [[one for ids in first[1][at : at + 5] for one in ids] for at in (0, 5, 10)]
    assert all(sorted(epoch) == sorted(one.id for one in xray) for epoch in epochs)
    assert all(torch.equal(first[2][name], second[2][name]) for name in first[2])


@forks
def test_two_ranks_go_on_from_one_step_checkpoint(make_learner, xray, tmp_path):
    straight, _ = on_two_ranks(train_with_dropout, make_learner, xray, None, folder=tmp_path)
    resumed = on_two_ranks(
        train_killed_and_resumed, make_learner, xray, tmp_path / "one.unfinished", folder=tmp_path
    )
    for losses, _, state in resumed:
        assert losses == straight[0]
        assert all(torch.equal(straight[2][name], state[name]) for name in state)


def train_with_a_file_each(make_learner, samples, folder):
    """Rank 0 is given the file of another run, rank 1 finds none."""
    file = folder / f"of-{dist.get_rank()}"
    if dist.get_rank() == 0:
        shutil.copy(folder / "left-behind", file)
    try:
        train_with_dropout(make_learner, samples, file)
    except InputError as error:
        return str(error)
    return ""


@forks
def test_ranks_that_find_other_checkpoints_are_refused(make_learner, xray, tmp_path):
    train_with_dropout(make_learner, xray, tmp_path / "left-behind", kill_at=3)
    for sentence in on_two_ranks(
        train_with_a_file_each, make_learner, xray, tmp_path, folder=tmp_path
    ):
        assert "give all of them one shared folder" in sentence


def test_rows_are_shared_out_and_a_rank_may_have_none(monkeypatch, xray):
    batch = ToyBackbone().collate(xray[:5])[0]
    shares = []
    for rank in range(4):
        monkeypatch.setattr(distributed, "rank_and_size", lambda rank=rank: (rank, 4))
        shares.append(distributed.rank_rows(batch))
    assert shares == [slice(0, 2), slice(2, 4), slice(4, 5), None]
