"""What every test has in common."""

import os
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

PACKS = Path(__file__).parents[1] / "shared" / "data"
if PACKS.is_dir():  # the packs beside a developer's checkout; the product itself looks nowhere
    os.environ.setdefault("TRANSFERLAB_DATA", str(PACKS))

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported; one core each

# Loaded by name: hypothesis picks a profile of its own where it sees a CI machine, and would
# refuse fixtures there. `--hypothesis-profile=many` still wins, as it is read after this file.
SHARED = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
settings.register_profile("few", max_examples=60, derandomize=True, **SHARED)
settings.register_profile("many", max_examples=10_000, **SHARED)
settings.load_profile("few")


@pytest.fixture(autouse=True, scope="session")
def nobodys_home(tmp_path_factory):
    """Without the domains that whoever runs the tests has registered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSFERLAB_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def import_benchmark():
    """``import_benchmark(name)`` is the module of that name in ``benchmarks/``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent / "benchmarks"))
        yield import_module
