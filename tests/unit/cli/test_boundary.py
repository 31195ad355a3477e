"""Every error leaves as one sentence and an exit code, and only --debug shows a traceback."""

import errno
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from transferlab.cli import inputs
from transferlab.errors import (
    DataError,
    EnvironmentProblem,
    InputError,
    ModelError,
    TransferlabWarning,
)

ROOT = Path(__file__).parents[3]
ARGUMENTS = ("validate", "radiology")


@pytest.fixture
def failing(command, monkeypatch):
    """Run a command that raises the given error in its middle."""

    def call(error, *more):
        def fail(*args, **kwargs):
            raise error

        monkeypatch.setattr(inputs, "checked_pipeline", fail)
        return command(*ARGUMENTS, *more)

    return call


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("the sentence"), 2),
        (DataError("the sentence"), 3),
        (ModelError("the sentence"), 4),
        (EnvironmentProblem("the sentence"), 5),
    ],
)
def test_our_errors_are_their_sentence(failing, error, code):
    done = failing(error)
    assert (done.code, done.out, done.err) == (code, "", "transferlab: the sentence\n")


def test_an_interruption_is_said(failing):
    done = failing(KeyboardInterrupt())
    assert (done.code, done.err) == (130, "transferlab: interrupted\n")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left", "runs/x"), "runs/x: the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "runs"), "runs: permission denied"),
        (OSError(errno.EROFS, "Read-only"), "the file system is read-only"),
        (MemoryError(), "the memory is used up; lower train.batch_samples"),
    ],
)
def test_what_the_machine_lacks_is_an_environment_problem(failing, error, expected):
    done = failing(error)
    assert done.code == 5
    assert done.err.startswith(f"transferlab: {expected}")


def test_a_full_disk_behind_a_librarys_error_is_no_fault_of_ours(failing):
    error = RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598")
    error.__context__ = OSError(errno.ENOSPC, "No space left on device")
    done = failing(error)
    assert (done.code, done.err) == (
        5,
        "transferlab: the disk is full; make room, and give the same command again\n",
    )


def test_a_fault_after_a_refusal_that_was_dealt_with_stays_a_fault(failing):
    error = KeyError("oops")
    error.__context__ = PermissionError(errno.EACCES, "Permission denied", "x")
    assert failing(error).code == 1


def test_what_the_machine_lacks_says_where_the_run_goes_on(command, monkeypatch, tmp_path):
    def fail(*args, **kwargs):
        raise EnvironmentProblem("the disk is full")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("transferlab.pipeline.run.run", fail)
    done = command("run", ROOT / "pipelines" / "smoke.yaml", "--domains", ROOT / "domains")
    folder = next((tmp_path / "runs").iterdir()).relative_to(tmp_path)
    assert done.code == 5
    assert done.err == f"transferlab: the disk is full; go on with --out {folder}\n"


def test_anything_else_is_one_line_and_points_to_debug(failing):
    done = failing(RuntimeError("shapes differ\nand a second line"))
    assert done.code == 1
    assert done.err.startswith("transferlab: unexpected RuntimeError: shapes differ; ")
    assert "--debug shows the traceback" in done.err
    assert "second line" not in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("error", [RuntimeError("oops"), DataError("no pixels")])
def test_debug_shows_the_traceback_and_keeps_the_code(failing, error):
    quiet, loud = failing(error), failing(error, "--debug")
    assert loud.code == quiet.code
    assert "Traceback" in loud.err
    assert "Traceback" not in quiet.err


@pytest.mark.parametrize("arguments", [[], ["--debug"]])
def test_warnings_of_libraries_are_for_debugging_and_ours_for_everybody(
    command, monkeypatch, arguments
):
    def warn(*_, **__):
        warnings.warn("an old name of a library", FutureWarning, stacklevel=1)
        warnings.warn("the cache is full", TransferlabWarning, stacklevel=1)
        raise DataError("the end")

    monkeypatch.setattr(inputs, "checked_pipeline", warn)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        command(*ARGUMENTS, *arguments)
    said = {str(one.message) for one in seen}
    assert "the cache is full" in said
    assert ("an old name of a library" in said) == bool(arguments)


def test_a_reader_that_goes_away_is_no_error():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "transferlab", "validate", "--schema"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        env={"PYTHONPATH": str(ROOT)},
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_scheduler_ends_a_run_as_ctrl_c_does(command, monkeypatch):
    def send_and_wait(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
        raise AssertionError("the signal did not interrupt the command")

    monkeypatch.setattr(inputs, "checked_pipeline", send_and_wait)
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert command(*ARGUMENTS).code == 130
    finally:
        signal.signal(signal.SIGTERM, before)
