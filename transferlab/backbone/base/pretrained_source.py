"""Where a backbone's files are, and which weights they hold."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from transferlab.backbone.base.load_errors import translate_load_errors
from transferlab.config.backbone import EMBEDDED, BackboneSection
from transferlab.errors import InputError


def pretrained_source(section: BackboneSection) -> dict[str, Any]:
    """The arguments by which transformers finds the model."""
    local = section.model == EMBEDDED or Path(section.model).is_dir()
    if local and section.revision is not None:
        raise InputError(
            f"backbone.revision: '{section.model}' is a folder and has no revisions; remove the key"
        )
    if section.model == EMBEDDED:
        asset_path = str(resources.files("transferlab.tiny") / "assets")
        return {"pretrained_model_name_or_path": asset_path}
    return {
        "pretrained_model_name_or_path": section.model,
        "revision": section.revision or "main",
        "trust_remote_code": section.trust_remote_code,
    }


def fingerprint(section: BackboneSection) -> str:
    """Which weights a section means: the commit on the Hub, or the SHA-256 of a folder's files.

    Raises:
        ModelError: as ``load_backbone``.
    """
    found = pretrained_source(section)
    with translate_load_errors(section):
        commit = getattr(AutoConfig.from_pretrained(**found), "_commit_hash", None)
    if commit:
        return commit
    digest = hashlib.sha256()
    for path in sorted(Path(found["pretrained_model_name_or_path"]).iterdir()):
        if path.suffix in (".safetensors", ".json", ".jinja"):
            digest.update(path.name.encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
