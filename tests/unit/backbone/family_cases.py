"""One tiny random model and processor for every family of backbones that is adapted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import family_crossing
import family_encoded
import family_fusion
import family_gemma
import family_llava
import family_qwen
import family_resampled
import torch
from family_parts import Made

FAMILIES: dict[str, Callable[[], Made]] = {
    "qwen2_5_vl": family_qwen.qwen2_5_vl,
    "qwen3_vl": family_qwen.qwen3_vl,
    "qwen3_5": family_qwen.qwen3_5,
    "qwen2_5_omni_thinker": family_qwen.qwen2_5_omni,
    "llava_onevision": family_llava.llava_onevision,
    "llava_next_video": family_llava.llava_next_video,
    "llava": family_llava.llava,
    "llava_next": family_llava.llava_next,
    "internvl": family_llava.internvl,
    "gemma3": family_gemma.gemma3,
    "gemma3n": family_gemma.gemma3n,
    "gemma4": family_gemma.gemma4,
    "paligemma": family_gemma.paligemma,
    "smolvlm": family_resampled.smolvlm,
    "idefics3": family_resampled.idefics3,
    "idefics2": family_resampled.idefics2,
    "blip-2": family_resampled.blip_2,
    "blip-2 on t5": family_resampled.blip_2_t5,
    "instructblip": family_resampled.instructblip,
    "mllama": family_crossing.mllama,
    "idefics": family_crossing.idefics,
    "git": family_crossing.git,
    "florence2": family_encoded.florence2,
    "kosmos-2": family_encoded.kosmos2,
    "transferlab_cross_attention": family_fusion.cross_attention,
    "transferlab_resampler": family_fusion.resampler,
}

NEEDS = {"gemma3n": "timm"}
"""Libraries that a family takes and that not everybody has."""


def save_family(name: str, folder: Path) -> Path:
    """Write the family's tiny model and processor, as their authors would publish them."""
    torch.manual_seed(0)
    model, processor = FAMILIES[name]()
    words = processor.tokenizer
    model.generation_config.eos_token_id = words.eos_token_id
    model.generation_config.pad_token_id = words.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
