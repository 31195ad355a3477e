"""What every test has in common."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def nobodys_home(tmp_path_factory):
    """Without the domains that whoever runs the tests has registered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSFERLAB_HOME", str(tmp_path_factory.mktemp("home")))
        yield
