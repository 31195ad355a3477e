"""The files beside a model's weights by which somebody can use it, and see where it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from transferlab.core.files import write_text
from transferlab.export.exporter import TunedModel
from transferlab.export.writing import CARD

PROMPTS, LINEAGE = "prompts.json", "transferlab.json"


def write_companions(model: TunedModel, folder: Path, *, kind: str) -> None:
    """The processor, how the model was asked, how it came to be, and its card."""
    model.backbone.save_processor(folder)
    _write_json(folder / PROMPTS, model.prompts)
    _write_json(folder / LINEAGE, without_paths(model.lineage))
    write_text(folder / CARD, model.card(kind))


def _write_json(file: Path, content: Mapping[str, Any]) -> None:
    write_text(file, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def without_paths(value: Any) -> Any:
    """Plain data in which a path of this machine is reduced to its last part."""
    if isinstance(value, Mapping):
        return {key: without_paths(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_paths(item) for item in value]
    if isinstance(value, str):
        for flavour in (PurePosixPath(value), PureWindowsPath(value)):
            if flavour.is_absolute() or value.startswith(("~", "./", "../")):
                return flavour.name
    return value
