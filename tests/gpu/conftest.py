"""Tests of what only a GPU shows; skipped where there is none."""

import pytest
import torch


def pytest_collection_modifyitems(items):
    if torch.cuda.is_available():
        return
    for item in items:
        if "/gpu/" in str(item.fspath):
            item.add_marker(pytest.mark.skip(reason="there is no GPU"))
