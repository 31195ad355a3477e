"""Which weights a section means."""

import shutil

from transferlab.backbone.base.pretrained_source import fingerprint
from transferlab.config.backbone import EMBEDDED, BackboneSection
from transferlab.tiny.architecture import ASSETS


def test_other_weights_under_the_same_name_are_another_backbone(tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(ASSETS, folder)
    section = BackboneSection(model=str(folder))
    before = fingerprint(section)
    assert before == fingerprint(section) == fingerprint(BackboneSection(model=EMBEDDED))
    (folder / "README.md").write_text("another card", "utf-8")
    assert fingerprint(section) == before
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert fingerprint(section) != before
