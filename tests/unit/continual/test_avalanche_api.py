"""Importing Avalanche writes nothing into the user's home."""

import importlib.util
import json
import os
from pathlib import Path

import pytest

from transferlab.continual import avalanche_api


def import_anew():
    """The file of Avalanche that writes when it is imported."""
    spec = importlib.util.find_spec("avalanche.benchmarks.datasets.dataset_utils")
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("home", ["/proc/nowhere", None])
def test_a_home_is_left_alone_and_may_be_read_only(monkeypatch, tmp_path, home):
    monkeypatch.setenv("HOME", home or str(tmp_path))
    before = os.path.expanduser
    with avalanche_api._keep_home_untouched():
        written = Path(import_anew().AVALANCHE_CONFIG_FILENAME)
    assert os.path.expanduser is before
    assert not written.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_users_own_settings_hold(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".avalanche").mkdir()
    (tmp_path / ".avalanche" / "config.json").write_text(json.dumps({"dataset_location": "/data"}))
    with avalanche_api._keep_home_untouched():
        assert import_anew().AVALANCHE_CONFIG == {"dataset_location": "/data"}


def test_what_is_imported_at_once_sees_the_home_as_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    with avalanche_api._keep_home_untouched():
        assert os.path.expanduser("~/.cache") == f"{tmp_path}/.cache"
