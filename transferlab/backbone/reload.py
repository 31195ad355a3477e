"""Load a saved adapter the way anybody would, and see whether it answers as the trained one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from torch import nn

from transferlab.backbone.base.library_messages import suppress_progress_bars
from transferlab.backbone.hf import HFBackbone
from transferlab.backbone.loader import load_pretrained
from transferlab.backbone.model.adapters import load_adapter
from transferlab.core.protocols import Backbone
from transferlab.core.records import Sample


@torch.no_grad()
def adapter_difference(backbone: Backbone, folder: Path, samples: Sequence[Sample]) -> float:
    """The largest difference that reloading makes to a logit of ``samples``' answers.

    Args:
        backbone: the trained backbone, whose adapter was saved.
        folder: what ``save_adapter`` wrote; read with ``PeftModel.from_pretrained`` on the base
            model, which is loaded anew.
        samples: at least one.

    Raises:
        ModelError: the base model cannot be loaded whole.
    """
    assert isinstance(backbone, HFBackbone), "there is no other kind that saves an adapter"
    with suppress_progress_bars():
        base = load_pretrained(backbone.section, dtype=getattr(torch, backbone.section.dtype))
        if backbone.section.quantization is None:  # a quantized model is on its device already
            cast("nn.Module", base).to(backbone.device)
        loaded = load_adapter(base, folder)
    again = backbone.view(loaded, inputs=backbone.module.inputs)
    batch, _ = backbone.collate(samples)
    batch = batch.to(backbone.device)
    was_training = backbone.module.training
    backbone.module.eval()
    again.eval()
    try:
        return float((backbone.module(batch).float() - again(batch).float()).abs().max())
    finally:
        backbone.module.train(was_training)
