"""From the pipeline's ``backbone:`` section to a backbone, a sentence for all that can fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    PreTrainedConfig,
)

from transferlab.backbone.adapters import add_adapter
from transferlab.backbone.chat import Chat
from transferlab.backbone.collate import Collator
from transferlab.backbone.families import family_of, refuse_family
from transferlab.backbone.hf import HFBackbone
from transferlab.backbone.media import MediaEncoder
from transferlab.backbone.quiet import no_progress_bars
from transferlab.backbone.store import MediaStore
from transferlab.config.pipeline import BackboneSection
from transferlab.core.records import Decode
from transferlab.errors import EnvironmentProblem, InputError, ModelError

EMBEDDED = "transferlab/tiny"


def load_backbone(
    section: BackboneSection,
    *,
    decode: Decode,
    seed: int,
    fresh: bool = False,
    sharing: HFBackbone | None = None,
    store: MediaStore | None = None,
) -> HFBackbone:
    """Load a backbone and put its adapter on.

    Args:
        section: which model, adapter, precision and device.
        decode: turns a sample's media references into frames.
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
    model, processor = _read(section, seed=seed if fresh else None)
    if sharing is None:
        collator = _collator(section, model, processor, decode=decode, store=store)
    else:
        collator = _shared_collator(section, sharing)
    if not fresh and section.adapter is not None:
        model = add_adapter(
            model, section.adapter, name=section.model, revision=section.revision, seed=seed
        )
    return HFBackbone(model.to(device).train(), processor, collator, section=section, device=device)


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


def _origin(section: BackboneSection) -> dict[str, Any]:
    """The arguments by which transformers finds the model."""
    local = section.model == EMBEDDED or Path(section.model).is_dir()
    if local and section.revision is not None:
        raise InputError(
            f"backbone.revision: '{section.model}' is a folder and has no revisions; remove the key"
        )
    if section.model == EMBEDDED:
        place = str(resources.files("transferlab.backbone.tiny") / "assets")
        return {"pretrained_model_name_or_path": place}
    return {
        "pretrained_model_name_or_path": section.model,
        "revision": section.revision or "main",
        "trust_remote_code": section.trust_remote_code,
    }


def _read(section: BackboneSection, *, seed: int | None) -> tuple[nn.Module, Any]:
    """Model and processor; the model's values are random where a seed is given."""
    dtype = getattr(torch, section.dtype)
    with _explained(section):
        config = AutoConfig.from_pretrained(**_origin(section))
        _refuse_other_architectures(section, config)
        refuse_family(config, name=section.model)
        processor = AutoProcessor.from_pretrained(**_origin(section))
        if seed is None:
            return load_pretrained(section, dtype=dtype), processor
        return _random_model(section, config, dtype=dtype, seed=seed), processor


def load_pretrained(section: BackboneSection, *, dtype: torch.dtype) -> nn.Module:
    """The model as its files have it, without an adapter, on the CPU.

    Raises:
        ModelError: the files lack some of the model's weights.
    """
    model, info = AutoModelForImageTextToText.from_pretrained(
        **_origin(section), dtype=dtype, use_safetensors=True, output_loading_info=True
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
) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return AutoModelForImageTextToText.from_config(
            config, dtype=dtype, trust_remote_code=section.trust_remote_code
        )


def _shared_collator(section: BackboneSection, sharing: HFBackbone) -> Collator:
    for key in ("model", "revision", "dtype", "max_length_tokens"):
        theirs, ours = getattr(sharing.section, key), getattr(section, key)
        if theirs != ours:
            raise ValueError(f"cannot share batches: {key} is {theirs!r} there and {ours!r} here")
    return sharing.collator


def _collator(
    section: BackboneSection,
    model: nn.Module,
    processor: Any,
    *,
    decode: Decode,
    store: MediaStore | None = None,
) -> Collator:
    name = section.model
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None or getattr(processor, "image_token", None) is None:
        raise ModelError(
            f"backbone '{name}': its processor has no image token, so pictures have no place in a "
            "prompt; choose another backbone"
        )
    ends = model.generation_config.eos_token_id
    ends = [] if ends is None else [ends] if isinstance(ends, int) else list(ends)
    if tokenizer.eos_token_id is not None:
        ends = [tokenizer.eos_token_id, *(e for e in ends if e != tokenizer.eos_token_id)]
    if not ends:
        raise ModelError(
            f"backbone '{name}' names no end token, so its answers would never stop; set "
            "eos_token_id in its generation_config.json"
        )
    pad_id = ends[0] if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    layout = family_of(model.config).layout
    chat = Chat(
        processor, name=name, end_ids=ends, picture_id=_picture_id(model.config), layout=layout
    )
    with _explained(section):
        media = MediaEncoder(
            processor,
            chat=chat,
            decode=decode,
            dtype=model.dtype,
            layout=layout,
            name=name,
            store=store,
        )
    return Collator(
        chat,
        media,
        pad_id=pad_id,
        max_length_tokens=section.max_length_tokens,
        name=name,
    )


def _picture_id(config: PreTrainedConfig) -> int | None:
    """The token that the model reads as picture; its name in configurations has changed."""
    for key in ("image_token_id", "image_token_index"):
        if getattr(config, key, None) is not None:
            return getattr(config, key)
    return None


def _refuse_other_architectures(section: BackboneSection, config: PreTrainedConfig) -> None:
    known = type(config) in AutoModelForImageTextToText._model_mapping
    remote = "AutoModelForImageTextToText" in (getattr(config, "auto_map", None) or {})
    if not known and not (remote and section.trust_remote_code):
        raise ModelError(
            f"backbone '{section.model}' is of type '{config.model_type}', which takes no images "
            "with text (AutoModelForImageTextToText does not know it); choose another model"
        )


@contextmanager
def _explained(section: BackboneSection) -> Iterator[None]:
    """Turn what the libraries raise while loading into one sentence each."""
    name = section.model
    try:
        with no_progress_bars():
            yield
    except SafetensorError as error:
        raise ModelError(
            f"backbone '{name}': its safetensors file is broken ({error}); download it again"
        ) from error
    except ImportError as error:
        library = str(error).strip().splitlines()[0]
        raise EnvironmentProblem(
            f"backbone '{name}' needs a library that is not installed: {library}"
        ) from error
    except OSError as error:
        raise ModelError(_why_not_found(section, error)) from error
    except (ValueError, KeyError, RuntimeError) as error:
        raise ModelError(_why_unusable(section, error)) from error


def _why_not_found(section: BackboneSection, error: OSError) -> str:
    name = section.model
    causes = set(map(type, _chain(error)))
    if Path(name).is_dir():
        return f"backbone '{name}': {_first_sentence(error)}"
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        return f"backbone '{name}': there is no such folder; check backbone.model"
    if GatedRepoError in causes:
        return (
            f"backbone '{name}' is gated: accept its terms on its page and log in with "
            "'hf auth login'"
        )
    if RevisionNotFoundError in causes:
        return f"backbone '{name}' has no revision '{section.revision}'; check backbone.revision"
    if RepositoryNotFoundError in causes:
        return (
            f"backbone '{name}' does not exist on the Hugging Face Hub, or is private; check "
            "backbone.model, or log in with 'hf auth login'"
        )
    if causes & {OfflineModeIsEnabled, LocalEntryNotFoundError}:
        return (
            f"backbone '{name}' is not on this machine and the Hugging Face Hub cannot be reached; "
            f"download it where there is a network ('hf download {name}'), give a local folder, or "
            f"use {EMBEDDED}"
        )
    return f"backbone '{name}': {_first_sentence(error)}"


def _why_unusable(section: BackboneSection, error: Exception) -> str:
    name = section.model
    if "trust_remote_code" in str(error):
        return (
            f"backbone '{name}' runs code of its own; read that code, then set "
            "backbone.trust_remote_code: true"
        )
    return f"backbone '{name}' cannot be loaded by transformers: {_first_sentence(error)}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _first_sentence(error: Exception) -> str:
    """Of a message that may go on with advice that does not fit."""
    text = str(error).strip()
    return text.splitlines()[0].split(". ")[0].rstrip(".") if text else type(error).__name__
