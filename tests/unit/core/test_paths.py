"""Folders of the user, and what there is without a home."""

from pathlib import Path

import pytest

from transferlab.core.paths import default_cache, user_domains_folder
from transferlab.domain.catalog import find_domains
from transferlab.errors import EnvironmentProblem


@pytest.fixture
def homeless(monkeypatch):
    """As in a container that runs as a user whom it does not know."""

    def unknown():
        raise RuntimeError("Could not determine home directory.")

    for name in ("TRANSFERLAB_CACHE", "TRANSFERLAB_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", unknown)


def test_without_a_home_a_cache_is_asked_for(homeless, monkeypatch, tmp_path):
    with pytest.raises(EnvironmentProblem, match=r"\$TRANSFERLAB_CACHE"):
        default_cache()
    monkeypatch.setenv("TRANSFERLAB_CACHE", str(tmp_path))
    assert default_cache() == tmp_path


def test_without_a_home_nothing_is_registered_and_the_shipped_domains_are_there(homeless):
    assert not user_domains_folder().exists()
    assert "chest-xray" in find_domains([])
