"""The key: where it comes from, what is refused, and that it does not show."""

import pytest

from transferlab.domain.privacy.ids import salted_id
from transferlab.domain.privacy.key import PrivacyKey, read_key
from transferlab.errors import EnvironmentProblem, InputError

SECRET = "k" * 40


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path):
    for name in ("TRANSFERLAB_PRIVACY_KEY", "TRANSFERLAB_PRIVACY_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRANSFERLAB_HOME", str(tmp_path / "home"))


def read(*folders):
    return read_key(domain="toy", folders=folders)


def write(path, text=SECRET, mode=0o600):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text + "\n")
    path.chmod(mode)
    return path


def test_the_variable_and_each_file_give_the_same_key(monkeypatch, tmp_path):
    write(tmp_path / "home" / "privacy.key")
    at_home = read().digest(["a"])
    monkeypatch.setenv("TRANSFERLAB_PRIVACY_KEY_FILE", str(write(tmp_path / "elsewhere")))
    named = read().digest(["a"])
    monkeypatch.setenv("TRANSFERLAB_PRIVACY_KEY", SECRET)
    assert at_home == named == read().digest(["a"])


def test_no_key_says_how_to_make_one():
    with pytest.raises(EnvironmentProblem, match=r"needs a secret key: set \$TRANSFERLAB_PRIVACY"):
        read()


def test_a_short_key_is_refused_and_not_repeated(monkeypatch):
    monkeypatch.setenv("TRANSFERLAB_PRIVACY_KEY", "opensesame")
    with pytest.raises(EnvironmentProblem, match="10 characters, fewer than 32") as caught:
        read()
    assert "opensesame" not in str(caught.value)


def test_a_file_that_others_can_read_is_refused(tmp_path):
    write(tmp_path / "home" / "privacy.key", mode=0o640)
    with pytest.raises(EnvironmentProblem, match="others can read the privacy key; chmod 600"):
        read()


def test_a_file_among_the_data_is_refused(monkeypatch, tmp_path):
    file = write(tmp_path / "data" / "key")
    monkeypatch.setenv("TRANSFERLAB_PRIVACY_KEY_FILE", str(file))
    with pytest.raises(InputError, match="keep it where neither is copied with it"):
        read(tmp_path / "other", tmp_path / "data")


def test_binary_rubbish_is_no_key(monkeypatch, tmp_path):
    file = write(tmp_path / "key")
    file.write_bytes(b"\xff" * 64)
    monkeypatch.setenv("TRANSFERLAB_PRIVACY_KEY_FILE", str(file))
    with pytest.raises(EnvironmentProblem, match="not UTF-8"):
        read()


def test_it_does_not_show_in_a_traceback_or_print():
    assert SECRET not in repr(PrivacyKey(SECRET.encode()))


def test_keyed_ids_differ_by_key_and_domain_and_are_stable():
    one, other = PrivacyKey(b"1" * 32), PrivacyKey(b"2" * 32)
    ids = [salted_id("a", ["P1"], key=one), salted_id("a", ["P1"], key=other),
           salted_id("b", ["P1"], key=one), salted_id("a", ["P1"])]  # fmt: skip
    assert len(set(ids)) == 4
    assert salted_id("a", ["P1"], key=PrivacyKey(b"1" * 32)) == ids[0]
