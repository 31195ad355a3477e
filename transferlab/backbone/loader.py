"""From the pipeline's ``backbone:`` section to a backbone, a sentence for all that can fail."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForImageTextToText,
    AutoProcessor,
    PreTrainedConfig,
    PreTrainedModel,
)

from transferlab.backbone.base.load_errors import translate_load_errors
from transferlab.backbone.base.pretrained_source import pretrained_source
from transferlab.backbone.contrastive import ContrastBackbone
from transferlab.backbone.hf import HFBackbone
from transferlab.backbone.model.adapter_files import load_strangers_adapter
from transferlab.backbone.model.adapters import add_adapter
from transferlab.backbone.model.checkpointing import checkpoint_gradients
from transferlab.backbone.model.parts import PartMap, freeze, learning_rate_factors, needs_parts
from transferlab.backbone.model.quantization import check_quantization, quantization_arguments
from transferlab.backbone.model.view import innermost
from transferlab.backbone.processing.factory import make_collator
from transferlab.backbone.processing.families import (
    is_contrastive,
    refuse_family,
)
from transferlab.backbone.processing.media_store import MediaStore
from transferlab.config.backbone import BackboneSection
from transferlab.core.records import Decode, DecodeAudio
from transferlab.errors import EnvironmentProblem, InputError, ModelError
from transferlab.tiny import fusion as fusion  # transformers knows them from here on


def load_backbone(
    section: BackboneSection,
    *,
    decode: Decode,
    seed: int,
    decode_audio: DecodeAudio | None = None,
    fresh: bool = False,
    sharing: HFBackbone | None = None,
    store: MediaStore | None = None,
) -> HFBackbone:
    """Load a backbone and put its adapter on.

    Args:
        section: which model, adapter, precision and device.
        decode: turns a sample's media references into frames.
        decode_audio: gives the sound of a sample's media; None where none of them sounds.
        seed: of the adapter's initial values, or of all values with ``fresh``.
        fresh: the scratch arm: random values, every parameter trained, no adapter.
        sharing: a backbone of the same model, whose processed media and tokens, and ``decode``,
            are used again: the arms of one experiment then read every file once.
        store: keeps processed media on disk; None keeps them in memory alone.

    Raises:
        ModelError: the model is not there, cannot be reached, or cannot be used.
        EnvironmentProblem: there is no such device, or a library the model needs is missing.
        InputError: the device's name is none, or a revision is asked of a local folder.
        ValueError: ``sharing`` is a backbone of another model, precision or length.
    """
    device = pick_device(section.device)
    if device.type == "cuda":
        arrange_gpu()
    if section.quantization is not None and not fresh:
        check_quantization(section.quantization, device)
    model, processor = _read(section, seed=seed if fresh else None)
    if sharing is None:
        collator = make_collator(
            section, model, processor, decode=decode, decode_audio=decode_audio, store=store
        )
    else:
        collator = _shared_collator(section, sharing)
    factors: dict[str, float] = {}
    if not fresh:
        model, factors = prepare(model, section, seed=seed)
    if section.gradient_checkpointing:
        checkpoint_gradients(model, name=section.model)
    if section.quantization is None or fresh:  # a quantized model is on its device already
        cast("Any", model).to(device)
    backbone = _assemble(model.train(), processor, collator, section, device, factors)
    if sharing is not None and sharing.section.adapter == section.adapter:
        backbone.choice_reader.continues = sharing.choice_reader.continues
    return backbone


def load_for_use(
    section: BackboneSection,
    *,
    adapter: Path | None,
    decode: Decode,
    decode_audio: DecodeAudio | None = None,
) -> HFBackbone:
    """A model that answers and is not trained.

    Args:
        section: which model, precision and device; ``section.adapter`` is not looked at.
        adapter: a folder with a PEFT adapter for it; None takes the model as it is.
        decode: turns a sample's media references into frames.
        decode_audio: gives the sound of a sample's media.

    Raises:
        ModelError: the model or the adapter is not there, or they do not fit each other.
        EnvironmentProblem, InputError: as ``load_backbone``.
    """
    device = pick_device(section.device)
    if device.type == "cuda":
        arrange_gpu()
    model, processor = _read(section, seed=None)
    if adapter is not None:
        model = cast("PreTrainedModel", load_strangers_adapter(model, adapter))
    collator = make_collator(
        section, model, processor, decode=decode, decode_audio=decode_audio, store=None
    )
    if section.quantization is None:
        cast("Any", model).to(device)
    model.requires_grad_(False)
    return _assemble(model.eval(), processor, collator, section, device, {})


def _assemble(
    model: PreTrainedModel,
    processor: Any,
    collator: Any,
    section: BackboneSection,
    device: torch.device,
    factors: Mapping[str, float],
) -> HFBackbone:
    kind = ContrastBackbone if is_contrastive(innermost(model).config) else HFBackbone
    backbone = kind(
        model, processor, collator, section=section, device=device, learning_rate_factors=factors
    )
    if section.quantization is not None and section.dtype != "float32":
        # Peft leaves what is not quantized in float32, beside weights that compute in this.
        backbone.autocast_dtype = getattr(torch, section.dtype)
    return backbone


def prepare(
    model: PreTrainedModel, section: BackboneSection, *, seed: int
) -> tuple[PreTrainedModel, dict[str, float]]:
    """Put the adapter on and freeze what is not trained.

    Returns:
        The model, and by trainable parameter what its learning rate is multiplied by (1 where it
        is not named).

    Raises:
        ModelError: the adapter or the parts do not fit the model.
    """
    part_of = PartMap.of(model, name=section.model) if needs_parts(section) else None
    if section.adapter is not None:
        # Peft's wrapper passes on what it is asked to the model inside.
        adapted = add_adapter(model, section, part_of=part_of, seed=seed)
        model = cast("PreTrainedModel", adapted)
    elif part_of is not None:
        freeze(model, section, part_of)
    factors = {} if part_of is None else learning_rate_factors(model, section, part_of)
    return model, factors


def arrange_gpu() -> None:
    """How every GPU of this process computes."""
    # Products of float32 by the tensor cores: ten times as fast, 10 bits of mantissa each.
    torch.set_float32_matmul_precision("high")
    # In bfloat16 and float16 its gradients are NaN where a batch has padding (torch 2.11 on an
    # H200); the other fused kernels are as fast to a few per cent.
    torch.backends.cuda.enable_cudnn_sdp(False)


def pick_device(name: str) -> torch.device:
    """The device that ``name`` means; "auto" takes the GPU where there is one.

    Raises:
        InputError: no such kind of device exists.
        EnvironmentProblem: this machine has none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(
            f"backbone.device: '{name}' is no device; use auto, cpu, cuda or cuda:0"
        ) from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise EnvironmentProblem(
            f"backbone.device: '{name}' asked for, {torch.cuda.device_count()} GPU(s) found; "
            "use auto or cpu"
        )
    return device


def _read(section: BackboneSection, *, seed: int | None) -> tuple[PreTrainedModel, Any]:
    """Model and processor; the model's values are random where a seed is given."""
    dtype = getattr(torch, section.dtype)
    with translate_load_errors(section):
        config = AutoConfig.from_pretrained(**pretrained_source(section))
        refuse_family(config, name=section.model)
        _refuse_other_architectures(section, config)
        processor = AutoProcessor.from_pretrained(**pretrained_source(section))
        if seed is None:
            return load_pretrained(section, dtype=dtype), processor
        return _random_model(section, config, dtype=dtype, seed=seed), processor


def load_pretrained(section: BackboneSection, *, dtype: torch.dtype) -> PreTrainedModel:
    """The model as its files have it, without an adapter, on the CPU.

    Raises:
        ModelError: the files lack some of the model's weights.
    """
    config = AutoConfig.from_pretrained(**pretrained_source(section))
    model, info = _model_class(config).from_pretrained(
        **pretrained_source(section),
        **_attention(section),
        **quantization_arguments(section),
        dtype=dtype,
        use_safetensors=True,
        output_loading_info=True,
    )
    if info["missing_keys"]:
        # transformers fills them with random values and goes on.
        raise ModelError(
            f"backbone '{section.model}': its files lack {len(info['missing_keys'])} of the "
            f"model's weights, the first '{sorted(info['missing_keys'])[0]}'; download it again"
        )
    return model


def _random_model(
    section: BackboneSection, config: PreTrainedConfig, *, dtype: torch.dtype, seed: int
) -> PreTrainedModel:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return _model_class(config).from_config(
            config,
            dtype=dtype,
            trust_remote_code=section.trust_remote_code,
            **_attention(section),
        )


def _model_class(config: PreTrainedConfig) -> Any:
    return AutoModel if is_contrastive(config) else AutoModelForImageTextToText


def _attention(section: BackboneSection) -> dict[str, str]:
    return {} if section.attention == "auto" else {"attn_implementation": section.attention}


def _shared_collator(section: BackboneSection, sharing: HFBackbone) -> Any:
    for key in ("model", "revision", "dtype", "max_length_tokens", "caption"):
        theirs, ours = getattr(sharing.section, key), getattr(section, key)
        if theirs != ours:
            raise ValueError(f"cannot share batches: {key} is {theirs!r} there and {ours!r} here")
    return sharing.collator


def _refuse_other_architectures(section: BackboneSection, config: PreTrainedConfig) -> None:
    known = type(config) in AutoModelForImageTextToText._model_mapping
    remote = "AutoModelForImageTextToText" in (getattr(config, "auto_map", None) or {})
    contrastive = is_contrastive(config)
    if section.caption is not None and not contrastive:
        raise ModelError(
            f"backbone.caption: '{section.model}' writes answers by itself; only CLIP and SigLIP, "
            "which compare pictures with texts, have a use for it; remove the key"
        )
    if contrastive:
        return
    if not known and not (remote and section.trust_remote_code):
        raise ModelError(
            f"backbone '{section.model}' is of type '{config.model_type}', which takes no images "
            "with text (AutoModelForImageTextToText does not know it); choose another model"
        )
