"""The embedded backbone cut down to what is quick, for the battery and for benchmarks of hooks."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoModelForImageTextToText, AutoProcessor

from transferlab.tiny.architecture import ASSETS

SIDE = 32
"""Height and width of its pictures."""


def thin_backbone(folder: Path) -> None:
    """Write the embedded backbone with one block in each stage, on pictures of four patches."""
    model = AutoModelForImageTextToText.from_pretrained(ASSETS)
    for stage in model.model.vision_tower.encoder.stages:
        del stage.layers[1:]
    del model.model.language_model.layers[1:]
    model.config.vision_config.depths = [1, 1, 1]
    model.config.text_config.num_hidden_layers = 1
    model.config.vision_config.image_size = SIDE
    model.save_pretrained(folder)
    processor = AutoProcessor.from_pretrained(ASSETS)
    processor.image_processor.size = {"height": SIDE, "width": SIDE}
    processor.save_pretrained(folder)
