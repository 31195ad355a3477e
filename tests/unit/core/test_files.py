"""Files are whole or not there, and a machine that does not take one says why in a sentence."""

import errno
import os

import pytest
from safetensors import SafetensorError

from transferlab.core.files import machine_error, replace_file, report_disk_errors, why, write_text
from transferlab.errors import EnvironmentProblem


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "a.json"
    write_text(path, "old")

    def die_half_way() -> None:
        with replace_file(path) as beside:
            beside.write_text("ne")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        die_half_way()
    assert path.read_text() == "old"
    write_text(path, "new")
    assert path.read_text() == "new"
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]


def test_what_a_killed_process_left_is_written_over(tmp_path):
    (tmp_path / ".a.json.partial").write_text("half of a file that was never finished")
    write_text(tmp_path / "a.json", "new")
    assert (tmp_path / "a.json").read_text() == "new"
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]


def test_others_may_read_it_as_the_user_wishes(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_full_disk_leaves_the_old_file(tmp_path, few_bytes):
    write_text(tmp_path / "a", "old")
    with few_bytes(100), pytest.raises(EnvironmentProblem) as caught:
        write_text(tmp_path / "a", "x" * 1000)
    assert str(caught.value) == (
        f"{tmp_path}/a: cannot be written (the file is larger than this disk or this user's limit "
        "allows); make room, and give the same command again: what is finished is kept"
    )
    assert (tmp_path / "a").read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), errno.ENOSPC),
        (SafetensorError("I/O error: No space left on device (os error 28)"), errno.ENOSPC),
        (RuntimeError("(sqlite3.OperationalError) database or disk is full"), errno.ENOSPC),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), errno.EDQUOT),
        (PermissionError(errno.EACCES, "Permission denied"), errno.EACCES),
        (RuntimeError("attempt to write a readonly database"), errno.EROFS),
        (RuntimeError("shapes differ"), None),
        (FileNotFoundError(errno.ENOENT, "No such file"), None),
        (None, None),
    ],
)
def test_what_the_machine_refused(error, number):
    assert machine_error(error) == number
    assert number is None or why(number)


def test_the_machine_is_found_behind_what_a_library_made_of_it():
    error = RuntimeError("unexpected pos 704 vs 598")
    error.__context__ = OSError(errno.ENOSPC, "No space left on device")
    assert machine_error(error) == errno.ENOSPC
    with pytest.raises(EnvironmentProblem, match="the disk is full"), report_disk_errors("a"):
        raise error


def test_faults_are_not_taken_for_the_machines(tmp_path):
    with pytest.raises(RuntimeError, match="shapes"), report_disk_errors(tmp_path):
        raise RuntimeError("shapes differ")
    with pytest.raises(EnvironmentProblem, match="No such file"), report_disk_errors(tmp_path):
        (tmp_path / "nowhere" / "a").write_text("x")
