"""Load a saved model the way anybody would, and see whether it answers as the trained one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from transferlab.backbone.base.library_messages import suppress_progress_bars
from transferlab.backbone.hf import HFBackbone
from transferlab.backbone.loader import load_pretrained
from transferlab.backbone.model.adapter_files import load_adapter
from transferlab.core.protocols import Backbone
from transferlab.core.records import Sample

EXACT = 1e-4
"""The same weights in another process differ by less, in any precision."""
HALF_ROUNDINGS = 4
"""Of the largest logit; changing the order of additions in half precision makes one to two."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Samples, and what a trained backbone says to them, for comparing what was loaded again."""

    backbone: HFBackbone
    samples: Sequence[Sample]
    logits: Tensor
    """(n_supervised, vocab) float32, on the CPU."""

    @classmethod
    @torch.no_grad()
    def of(cls, backbone: Backbone, samples: Sequence[Sample]) -> Probe:
        """Args: ``samples``: at least one."""
        assert isinstance(backbone, HFBackbone), "there is no other kind that saves a model"
        batch, _ = backbone.collate(samples)
        with _evaluation(backbone.module):
            logits = backbone.module(batch.to(backbone.device)).float().cpu()
        return cls(backbone=backbone, samples=samples, logits=logits)

    @property
    def tolerance(self) -> float:
        """The largest difference of a logit that counts as equal, of a reloaded adapter.

        All adapters but one are loaded with the weights that they were trained on. PiSSA is trained
        on what its first values leave of each weight, rounded to the backbone's precision, and is
        saved for the weight itself: in half precision, answers then differ by that precision's
        rounding.
        """
        adapter = self.backbone.section.adapter
        return self._rounding() if adapter is not None and adapter.kind == "pissa" else EXACT

    @property
    def merged_tolerance(self) -> float:
        """The same of a whole model: its weights are rounded anew once the adapter is in them."""
        return EXACT if self.backbone.section.adapter is None else self._rounding()

    def _rounding(self) -> float:
        name = self.backbone.section.dtype
        if name == "float32":
            return EXACT
        largest = float(self.logits.abs().max())
        return max(EXACT, HALF_ROUNDINGS * torch.finfo(getattr(torch, name)).eps * largest)

    def adapter_difference(self, folder: Path) -> float:
        """The largest difference that reloading an adapter makes to a logit.

        Args:
            folder: what ``save_adapter`` wrote; read with ``PeftModel.from_pretrained`` on the base
                model, which is loaded anew.

        Raises:
            ModelError: the base model cannot be loaded whole.
        """
        section = self.backbone.section
        with suppress_progress_bars():
            base = load_pretrained(section, dtype=getattr(torch, section.dtype))
            if section.quantization is None:  # a quantized model is on its device already
                cast("nn.Module", base).to(self.backbone.device)
            loaded = load_adapter(base, folder)
        return self._difference(loaded)

    def whole_difference(self, folder: Path) -> float:
        """The same of a whole model, read with plain transformers from ``folder``."""
        elsewhere = {"model": str(folder), "revision": None}
        section = self.backbone.section.model_copy(update=elsewhere)
        with suppress_progress_bars():
            loaded = load_pretrained(section, dtype=getattr(torch, section.dtype))
        return self._difference(cast("nn.Module", loaded).to(self.backbone.device))

    @torch.no_grad()
    def _difference(self, model: nn.Module) -> float:
        again = self.backbone.view(model, inputs=self.backbone.module.inputs)
        batch, _ = self.backbone.collate(self.samples)
        again.eval()
        logits = again(batch.to(self.backbone.device)).float().cpu()
        return float((self.logits - logits).abs().max())


@contextmanager
def _evaluation(module: nn.Module) -> Iterator[None]:
    """Dropout off for a while."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)
