"""What ran where."""

from __future__ import annotations

import getpass
import platform

import torch

from transferlab.tracking import provenance as module
from transferlab.tracking.provenance import provenance


def test_versions_and_machine_without_names():
    found = provenance()
    assert found["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert found["python"] == platform.python_version()
    assert found["gpu"] == "none" or torch.cuda.is_available()
    assert int(found["cpu_cores"]) >= 1
    assert not {platform.node(), getpass.getuser()} & set(found.values())


def test_a_library_that_is_missing_is_said_to_be(monkeypatch):
    monkeypatch.setattr(module, "LIBRARIES", ("no-such-library-at-all",))
    assert provenance()["no-such-library-at-all"] == "not installed"
