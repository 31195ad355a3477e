"""Backbones without network: the embedded one, and Idefics-shaped ones made from a config."""

import pytest
from backbone_cases import save_idefics, tiny, waken

from transferlab.config.backbone import EMBEDDED


@pytest.fixture(scope="session")
def smolvlm_folder(tmp_path_factory):
    return str(save_idefics("smolvlm", tmp_path_factory.mktemp("smolvlm")))


@pytest.fixture(scope="session")
def idefics3_folder(tmp_path_factory):
    return str(save_idefics("idefics3", tmp_path_factory.mktemp("idefics3")))


@pytest.fixture(scope="session", params=["tiny", "smolvlm", "idefics3"])
def any_model(request):
    """What ``backbone.model`` names, once for each family."""
    if request.param == "tiny":
        return EMBEDDED
    return request.getfixturevalue(f"{request.param}_folder")


@pytest.fixture(scope="session")
def any_backbone(any_model):
    """Each family once, its adapter changing the model; tests only read it."""
    backbone = tiny(model=any_model)
    waken(backbone)
    backbone.module.eval()
    return backbone


@pytest.fixture(scope="session")
def plain():
    """The embedded backbone as it is loaded; tests only read it."""
    return tiny()
