"""Machines that lack something and domains that are sound, for tests of every room."""

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


@pytest.fixture
def domain_folder(tmp_path):
    """A folder with two sound domains, ``cats`` and ``dogs``."""
    for name in ("cats", "dogs"):
        folder = tmp_path / "mine" / name
        folder.mkdir(parents=True)
        (folder / "domain.yaml").write_text(
            f"name: {name}\nversion: 1\ntitle: Pictures of {name}\nfield: animals\n"
            "licence: CC0-1.0\nsource: {kind: table, media: {image: {kind: image, path: '{f}'}}}\n"
            "group: animal\ntasks:\n  breed:\n    kind: classify\n"
            "    prompt: \"<image>\\nWhich breed?\"\n    answer: '{breed}'\n"
            "    metrics: [accuracy]\n"
        )
    return tmp_path / "mine"
