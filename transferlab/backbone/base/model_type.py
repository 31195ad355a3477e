"""What kind of model a pipeline names, as far as that is known without loading anything."""

from __future__ import annotations

import json
from pathlib import Path

from transferlab.config.backbone import EMBEDDED, BackboneSection

CONTRASTIVE = frozenset({"clip", "siglip"})
"""Types of models that compare pictures with texts, and say nothing."""


def known_type(section: BackboneSection) -> str | None:
    """The model's type by its config.json: in a local folder, or downloaded before.

    Neither torch nor the network is touched. None where the file is not at hand or cannot be read;
    what is wrong with it is said when the model is loaded.
    """
    if section.model == EMBEDDED:
        return None
    path = _config_file(section)
    if path is None:
        return None
    try:
        return json.loads(path.read_text("utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError):
        return None


def cannot_write(model: str, *, kind: str) -> str:
    """Why a task without choices is not for a model of ``CONTRASTIVE``, and what to do."""
    return (
        f"backbone '{model}' compares pictures with texts and writes no answers, so a task of kind "
        f"'{kind}' cannot be scored; make it 'retrieve', or 'classify' with choices, leave it "
        "out (data.tasks), or choose a backbone that writes"
    )


def _config_file(section: BackboneSection) -> Path | None:
    folder = Path(section.model)
    if folder.is_dir():
        return folder / "config.json"
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(section.model, "config.json", revision=section.revision)
    except HFValidationError:  # neither a folder nor an id; loading it says so
        return None
    return Path(found) if isinstance(found, str) else None
