"""What a killed process leaves in the cache goes at the next use, what a living one has stays."""

import errno
import os
import signal
import time
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from transferlab.domain.base.cached_folder import PREFIX, write_once
from transferlab.domain.base.owned_folder import OwnedFolder, sweep
from transferlab.domain.base.private_folder import PREFIX as PRIVATE
from transferlab.errors import EnvironmentProblem


def write(folder: Path) -> None:
    (folder / "a.txt").write_text("a")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def begin(root: Path, *, kill: bool) -> int:
    """A child that has begun to write; dead, or alive and waiting."""

    def write_half(folder: Path) -> None:
        (folder / "half.txt").write_text("half")
        time.sleep(60)

    child = os.fork()
    if child == 0:
        try:
            write_once("one", write_half, root)
        finally:
            os._exit(1)
    deadline = time.monotonic() + 10
    while not list(root.glob(f"{PREFIX}*/half.txt")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    if kill:
        end(child)
    return child


def end(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_a_folder_is_written_once_and_nothing_is_left_beside_it(tmp_path):
    first = write_once("one", write, tmp_path)
    assert write_once("one", lambda folder: pytest.fail("again"), tmp_path) == first
    assert names(tmp_path) == ["one"]


@pytest.mark.parametrize("next_use", ["one", "two", "ready"])
def test_what_a_killed_process_left_goes_at_the_next_use(tmp_path, next_use):
    write_once("ready", write, tmp_path)
    begin(tmp_path, kill=True)
    assert len(names(tmp_path)) == 3
    write_once(next_use, write, tmp_path)
    assert names(tmp_path) == sorted({"ready", next_use})


def test_what_a_living_process_writes_stays(tmp_path):
    child = begin(tmp_path, kill=False)
    try:
        write_once("two", write, tmp_path)
        assert len(list(tmp_path.glob(f"{PREFIX}*/half.txt"))) == 1
    finally:
        end(child)


def test_a_failed_writing_leaves_nothing(tmp_path):
    def fail(folder: Path) -> None:
        write(folder)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_once("one", fail, tmp_path)
    assert names(tmp_path) == []


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, few_bytes):
    with few_bytes(100), pytest.raises(EnvironmentProblem, match=r"cannot be written .*make room"):
        write_once("one", lambda folder: (folder / "a").write_bytes(b"x" * 1000), tmp_path)
    assert names(tmp_path) == []


def test_a_lock_without_a_folder_goes_too(tmp_path):
    (tmp_path / f"{PREFIX}0.lock").touch()
    (tmp_path / f"{PRIVATE}0.lock").touch()
    (tmp_path / ".config").mkdir()
    sweep(tmp_path, PREFIX)
    assert names(tmp_path) == [".config", f"{PRIVATE}0.lock"]


def test_a_filled_cache_that_can_only_be_read_is_used(tmp_path, monkeypatch):
    first = write_once("one", write, tmp_path)
    (tmp_path / f"{PREFIX}0").mkdir()

    def refuse(*args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert write_once("one", write, tmp_path) == first
    with pytest.raises(EnvironmentProblem, match=r"Read-only file system.*\$TRANSFERLAB_CACHE"):
        write_once("two", write, tmp_path)


def test_a_name_that_is_being_swept_is_given_up_for_another(tmp_path, monkeypatch):
    real, tried = FileLock.acquire, []

    def busy_once(self, *args, **kwargs):
        tried.append(self.lock_file)
        if len(tried) == 1:
            raise Timeout(self.lock_file)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(FileLock, "acquire", busy_once)
    folder = OwnedFolder(tmp_path, PREFIX)
    assert folder.path.is_dir()
    assert len(tried) == 2
    folder.remove()
    assert names(tmp_path) == []
