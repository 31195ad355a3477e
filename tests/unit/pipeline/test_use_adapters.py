"""An adapter that a stranger wrote, or a disk has damaged: one sentence each."""

import json

import pytest
from torch import nn

from transferlab.backbone.model.adapter_files import WEIGHTS, load_strangers_adapter
from transferlab.errors import ModelError


@pytest.mark.parametrize(
    "settings",
    [
        "{",
        json.dumps({"peft_type": "LORA", "target_modules": ["gone"]}),
        json.dumps({"peft_type": "LORA", "r": "x", "target_modules": [3]}),
        json.dumps({"peft_type": "NONE"}),
        json.dumps({}),
    ],
)
def test_settings_that_are_none(tmp_path, settings):
    (tmp_path / "adapter_config.json").write_text(settings)
    (tmp_path / WEIGHTS).write_bytes(b"")
    with pytest.raises(ModelError, match="does not fit this backbone or is damaged"):
        load_strangers_adapter(nn.Sequential(nn.Linear(2, 2)), tmp_path)
