"""Machines that lack something, for tests of every room."""

import resource
from contextlib import contextmanager

import pytest


@pytest.fixture
def few_bytes():
    """``with few_bytes(4096)``: no file may grow beyond so many bytes, as on a full disk."""

    @contextmanager
    def limit(size_bytes):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit
