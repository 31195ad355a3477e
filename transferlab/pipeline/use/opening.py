"""From what somebody names as a model to a backbone that answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from transferlab.backbone.base.pretrained_source import fingerprint
from transferlab.backbone.hf import HFBackbone
from transferlab.backbone.loader import load_for_use
from transferlab.config.backbone import BackboneSection
from transferlab.core.integrity import folder_digests
from transferlab.domain.media.audio import decode_audio
from transferlab.domain.media.decoder import decode
from transferlab.errors import InputError
from transferlab.export.companions import LINEAGE, PROMPTS

ADAPTER, WHOLE = "adapter_config.json", "config.json"
RUN = "result.json"
LINEAGE_VERSION = 1
DIGEST_HEX = 64
"""Characters of a fingerprint of files."""
_LOADING = ("caption", "max_length_tokens", "dtype", "quantization", "attention")
"""Of the backbone's section, what a model that was trained by it must be loaded with."""


@dataclass(frozen=True, kw_only=True)
class NamedModel:
    """A model that somebody named, not loaded yet."""

    section: BackboneSection
    adapter: Path | None
    prompts: Mapping[str, Any] = field(default_factory=dict)
    """By domain and task, how it was asked; empty for a stranger's model."""
    lineage: Mapping[str, Any] = field(default_factory=dict)
    """As an export has it; empty for a stranger's model."""

    @property
    def trained_on(self) -> tuple[str, ...]:
        return tuple(self.lineage.get("trained_on") or ())

    @property
    def identity(self) -> str:
        """Which weights it means, for telling an unfinished file of another model's answers."""
        weights = fingerprint(self.section)
        return weights if self.adapter is None else f"{weights} {folder_digests(self.adapter)}"

    def load(self) -> HFBackbone:
        """The backbone, for answering only.

        Raises:
            InputError: the adapter was trained beside other weights; where the shapes fit, it
                would answer, and otherwise than it learned to.
            TransferlabError: as ``load_for_use``.
        """
        trained = str(self.lineage.get("base_weights") or "")
        weights = "" if self.adapter is None or not trained else fingerprint(self.section)
        # A commit of the Hub and the digest of a folder say nothing of each other, and a commit
        # may have changed a text alone.
        if weights != trained and len(weights) == len(trained) == DIGEST_HEX:
            raise InputError(
                f"{self.adapter}: was trained on another backbone than '{self.section.model}' is "
                "now: name the folder of its own with --backbone"
            )
        return load_for_use(
            self.section, adapter=self.adapter, decode=decode, decode_audio=decode_audio
        )


def find_model(
    given: str,
    *,
    backbone: str | None = None,
    device: str = "auto",
    trust_remote_code: bool = False,
) -> NamedModel:
    """What ``given`` names: an export's folder, a transformers folder, or a Hugging Face id.

    Args:
        given: as typed.
        backbone: of an adapter, where its backbone lies; None takes the name that it was trained
            with.
        device: of BackboneSection.
        trust_remote_code: whether code that comes with the model may run. What an export says of
            it is not asked.

    Raises:
        InputError: it is a run's directory, a folder without a model, or its files are damaged.
    """
    folder = Path(given)
    if not folder.exists():
        return NamedModel(
            section=_section({}, given, device, trust_remote_code, where=given), adapter=None
        )
    is_adapter = _holds_adapter(folder)
    if backbone is not None and not is_adapter:
        raise InputError(f"--backbone: {folder} is a whole model and needs none; leave it out")
    lineage, prompts = _read(folder / LINEAGE), _read(folder / PROMPTS)
    _check_shape(folder, lineage, prompts)
    if lineage.get("schema_version", LINEAGE_VERSION) != LINEAGE_VERSION:
        raise InputError(
            f"{folder / LINEAGE}: is of version {lineage['schema_version']}, not "
            f"{LINEAGE_VERSION}; use the version of transferlab that wrote it"
        )
    base = backbone or _base_of(folder, lineage) if is_adapter else str(folder)
    return NamedModel(
        section=_section(lineage, base, device, trust_remote_code, where=str(folder)),
        adapter=folder if is_adapter else None,
        prompts=prompts,
        lineage=lineage,
    )


def _holds_adapter(folder: Path) -> bool:
    """Whether a folder with a model holds an adapter, and not a whole model.

    Raises:
        InputError: it holds no model.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: is a file; name the folder of a model, or its id on the Hub")
    if (folder / RUN).is_file():
        raise InputError(
            f"{folder}: is the directory of a run; write one of its models with 'transferlab "
            "export' and name that folder"
        )
    is_adapter = (folder / ADAPTER).is_file()
    if not is_adapter and not (folder / WHOLE).is_file():
        raise InputError(
            f"{folder}: holds no model (neither {ADAPTER} nor {WHOLE}); name the folder of an "
            "exported model"
        )
    return is_adapter


def _check_shape(folder: Path, lineage: Mapping[str, Any], prompts: Mapping[str, Any]) -> None:
    """What is read of them below has the kind that it is taken for.

    Raises:
        InputError: it has not; the files are damaged or none of ours.
    """
    backbone, trained_on = lineage.get("backbone") or {}, lineage.get("trained_on") or []
    tasks = [one for each in prompts.values() if isinstance(each, dict) for one in each.values()]
    wrong = {
        LINEAGE: not isinstance(backbone, dict)
        or not isinstance(trained_on, list)
        or not all(isinstance(one, str) for one in trained_on)
        or not isinstance(lineage.get("base_weights") or "", str),
        PROMPTS: not all(isinstance(each, dict) for each in prompts.values())
        or not all(isinstance(one, dict) and isinstance(one.get("prompt"), str) for one in tasks),
    }
    for name, is_wrong in wrong.items():
        if is_wrong:
            raise InputError(
                f"{folder / name}: is damaged, or none of ours; export the model again"
            )


def _base_of(folder: Path, lineage: Mapping[str, Any]) -> str:
    """The name of an adapter's backbone: transferlab's, or peft's for a stranger's adapter."""
    named = (lineage.get("backbone") or {}).get("model")
    found = named or _read(folder / ADAPTER).get("base_model_name_or_path")
    if not found:
        raise InputError(
            f"{folder}: does not say which backbone it was trained on; name it with --backbone"
        )
    if "/" not in str(found) and not Path(found).is_dir():
        # An export keeps a folder's name alone, which is no id: the Hub may have a stranger's.
        raise InputError(
            f"{folder}: was trained on the backbone in a folder '{found}', which is not here; say "
            "with --backbone where it lies"
        )
    return str(found)


def _section(
    lineage: Mapping[str, Any], model: str, device: str, trust_remote_code: bool, *, where: str
) -> BackboneSection:
    trained = lineage.get("backbone") or {}
    keys = {key: trained[key] for key in _LOADING if trained.get(key) is not None}
    if trained.get("model") == model and trained.get("revision"):
        keys["revision"] = trained["revision"]
    if "quantization" in keys:
        keys["adapter"] = trained.get("adapter")  # the section allows the one only beside the other
    else:
        keys["adapter"] = None
    given = {**keys, "model": model, "device": device, "trust_remote_code": trust_remote_code}
    try:
        return BackboneSection.model_validate(given)
    except ValidationError as error:
        raise InputError(
            f"{where}: {LINEAGE} describes no backbone ({error.errors()[0]['msg']}); export the "
            "model again"
        ) from None


def _read(file: Path) -> dict[str, Any]:
    """The content of a file beside a model; empty where there is none.

    Raises:
        InputError: it is no JSON object.
    """
    try:
        found = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: is not JSON ({error}); export the model again") from None
    if not isinstance(found, dict):
        raise InputError(f"{file}: is no JSON object; export the model again")
    return found
