"""Checkpoints are whole or not there, and hold no code."""

import os

import pytest
import torch

from transferlab.core.checkpoint import load_checkpoint, save_checkpoint
from transferlab.errors import EnvironmentProblem, ModelError


def test_what_was_saved_is_read_again(tmp_path):
    path = tmp_path / "a.pt"
    save_checkpoint(path, {"weights": torch.arange(3), "ids": ["s1"]})
    state = load_checkpoint(path)
    assert torch.equal(state["weights"], torch.arange(3))
    assert state["ids"] == ["s1"]
    assert [one.name for one in tmp_path.iterdir()] == ["a.pt"]


def test_a_save_that_is_killed_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    save_checkpoint(path, {"value": 1})

    def killed(state, file) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(path, {"value": 2})
    assert load_checkpoint(path) == {"value": 1}
    assert [one.name for one in tmp_path.iterdir()] == ["a.pt"]


def test_a_full_disk_is_one_sentence_and_the_old_file_stays(tmp_path, few_bytes):
    path = tmp_path / "a.pt"
    save_checkpoint(path, {"value": 1})
    with (
        few_bytes(4096),
        pytest.raises(EnvironmentProblem, match=r"a\.pt: ") as caught,
    ):
        save_checkpoint(path, {"weights": torch.zeros(100_000)})
    assert "make room, and give the same command again: what is finished is kept" in str(
        caught.value
    )
    assert load_checkpoint(path) == {"value": 1}
    assert [one.name for one in tmp_path.iterdir()] == ["a.pt"]
    save_checkpoint(path, {"value": 2})
    assert load_checkpoint(path) == {"value": 2}


class Code:
    def __reduce__(self):
        return os.mkdir, ("made-by-a-checkpoint",)


@pytest.mark.parametrize("content", [None, b"", b"half a file", "cut", "code"])
def test_what_cannot_be_read_is_one_sentence(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.pt"
    if content == "code":
        torch.save({"value": Code()}, path)
    elif content == "cut":
        torch.save({"value": torch.zeros(100)}, path)
        path.write_bytes(path.read_bytes()[:-200])
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(
        ModelError, match=r"a\.pt: this checkpoint is (damaged|not there)"
    ) as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "made-by-a-checkpoint").exists()


def damaged(content: bytes) -> list[bytes]:
    """A file's content, damaged in many ways: flipped, cut off, zeroed, emptied."""
    flipped = []
    for at in [*range(0, len(content), 37), *range(len(content) - 40, len(content))]:
        other = bytearray(content)
        other[at] ^= 16
        flipped.append(bytes(other))
    return [*flipped, content[:-1], content[:100], b"", bytes(len(content)), content + b"\0"]


def test_no_damaged_byte_is_believed(tmp_path):
    path = tmp_path / "a.pt"
    save_checkpoint(path, {"weights": torch.arange(60.0), "ids": ["s1"]})
    for content in damaged(path.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"a\.pt: this checkpoint is damaged"):
            load_checkpoint(path)


def test_plain_torch_reads_it_too(tmp_path):
    save_checkpoint(tmp_path / "a.pt", {"value": 1})
    assert torch.load(tmp_path / "a.pt", weights_only=True) == {"value": 1}
