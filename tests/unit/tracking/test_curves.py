"""Training curves on disk."""

import errno
from pathlib import Path

import pytest

from transferlab.errors import EnvironmentProblem
from transferlab.tracking.curves import Curve


@pytest.fixture
def path(tmp_path):
    return tmp_path / "stage.curve"


def write(path, steps):
    curve = Curve(path)
    curve.begin(steps[0])
    for step in steps:
        curve.add(step, {"train/loss": step / 10})


def test_what_was_added_is_read_in_order(path):
    write(path, [1, 2, 3])
    points = list(Curve(path).points())
    assert [(one.step, one.values["train/loss"]) for one in points] == [
        (1, 0.1),
        (2, 0.2),
        (3, 0.3),
    ]
    assert all(one.milliseconds > 1_700_000_000_000 for one in points)


def test_there_is_nothing_before_the_first_training(path):
    assert list(Curve(path).points()) == []


def test_a_line_that_a_kill_cut_off_is_left_out(path):
    write(path, [1, 2, 3])
    path.write_bytes(path.read_bytes()[:-9])
    assert [one.step for one in Curve(path).points()] == [1, 2]
    assert [one.step for one in Curve(path).begin(3)] == [1, 2]
    assert path.read_bytes().count(b"\n") == 2


@pytest.mark.parametrize("damage", [b"\0\0\0", b"{}", b"[1]", b"null\n", b'["a", 1, {}]\n'])
def test_damage_ends_the_curve(path, damage):
    write(path, [1, 2])
    path.write_bytes(path.read_bytes() + damage)
    assert [one.step for one in Curve(path).points()] == [1, 2]


def test_losses_that_are_no_numbers_come_back(path):
    curve = Curve(path)
    curve.begin(1)
    curve.add(1, {"train/loss": float("inf")})
    assert [one.values for one in Curve(path).points()] == [{"train/loss": float("inf")}]


def test_a_full_disk_is_one_sentence(path, monkeypatch):
    write(path, [1])

    def full(self, *args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(EnvironmentProblem, match=r"stage.curve: .* \(the disk is full\); make"):
        Curve(path).add(2, {})
