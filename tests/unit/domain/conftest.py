"""A secret key, and a hospital that needs one."""

from functools import partial

import pytest
from privacy_cases import SECRET, write_hospital

from transferlab.domain.privacy.key import PrivacyKey


@pytest.fixture
def key():
    return PrivacyKey(SECRET.encode())


@pytest.fixture
def with_key(monkeypatch):
    monkeypatch.setenv("TRANSFERLAB_PRIVACY_KEY", SECRET)


@pytest.fixture
def hospital(tmp_path, with_key):
    """``hospital(**changes of domain.yaml)``: its entry in the catalogue."""
    return partial(write_hospital, tmp_path / "hospital")
