"""Write an adapter that plain PEFT loads, and prove it before saying so."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from safetensors import SafetensorError

from transferlab.config.pipeline import PipelineConfig
from transferlab.core.files import machine_error, why
from transferlab.core.integrity import folder_digests
from transferlab.errors import EnvironmentProblem, InputError, ModelError
from transferlab.export.exporter import Exporter, ExportRecord, TunedModel

CONFIG, WEIGHTS, CARD = "adapter_config.json", "adapter_model.safetensors", "README.md"
PROMPTS = "prompts.json"
_SETS = ("target_modules", "exclude_modules", "modules_to_save")
"""Of PEFT's settings, those whose order means nothing and differs between processes."""
TOLERANCE = 1e-4
"""Largest difference of a logit, in float32; the same weights in another process differ less."""


class AdapterExporter(Exporter):
    """PEFT's folder: the adapter that plain ``PeftModel.from_pretrained`` loads."""

    name = "adapter"

    def misfits(self, config: PipelineConfig) -> Iterator[str]:
        adapter = config.backbone.adapter
        if adapter is None:
            yield (
                "the backbone is trained without an adapter (backbone.adapter: null, or "
                "kind: full), so there is none to export; set export: [], or backbone.adapter"
            )
        elif adapter.experts is not None:
            yield (
                "peft has no file for an adapter whose experts are weighed by gates; set "
                "export: [], or backbone.adapter.experts: null"
            )

    def export(self, model: TunedModel, folder: Path) -> ExportRecord:
        def save(folder: Path) -> None:
            model.backbone.save_adapter(folder)
            model.backbone.save_processor(folder)
            text = json.dumps(model.prompts, indent=2, ensure_ascii=False)
            (folder / PROMPTS).write_text(text + "\n", "utf-8")

        return export_adapter(
            save,
            model.adapter_difference,
            folder=folder,
            card=model.card,
            tolerance=model.tolerance,
        )


def export_adapter(
    save: Callable[[Path], None],
    reload_and_compare: Callable[[Path], float],
    *,
    folder: Path,
    card: str,
    tolerance: float = TOLERANCE,
) -> ExportRecord:
    """Write the adapter beside ``folder``, load it again, compare, and only then rename it.

    Args:
        save: writes PEFT's files into an empty folder, and what else is to stand beside them.
        reload_and_compare: loads the folder with ``PeftModel.from_pretrained`` on a freshly loaded
            base and returns the largest absolute difference of its logits from the trained model's.
        folder: where the adapter ends up; an earlier adapter there is replaced.
        card: the text of README.md.
        tolerance: the largest difference that counts as equal.

    Raises:
        InputError: ``folder`` holds something that is no adapter.
        ModelError: PEFT's files are incomplete, or the reloaded model answers differently. What
            was at ``folder`` before is left as it was.
        EnvironmentProblem: the folder cannot be written.
    """
    _check_replaceable(folder)
    temporary = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            save(temporary)
            _check_complete(temporary)
            for settings in sorted(temporary.glob("*_config.json")):
                _remove_paths(settings)
            (temporary / CARD).write_text(card, "utf-8")
            difference = reload_and_compare(temporary)
            _check_equal(difference, tolerance, folder)
            record = _record(temporary, folder, difference=difference, tolerance=tolerance)
            _replace(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        number = machine_error(error)
        reason = why(number) if number is not None else getattr(error, "strerror", None) or error
        raise EnvironmentProblem(
            f"{folder}: the adapter cannot be written ({reason}); choose another folder or make "
            "room"
        ) from error
    return record


def _check_replaceable(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()) and not (folder / CONFIG).exists():
        raise InputError(
            f"{folder}: holds files that are no adapter and would be lost; choose an empty folder"
        )
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; choose a folder for the adapter")


def _check_complete(folder: Path) -> None:
    written = {path.name for path in folder.iterdir()}
    missing = {CONFIG, WEIGHTS} - written
    if missing:
        raise ModelError(
            f"the adapter was saved without {' and '.join(sorted(missing))} "
            f"(found: {', '.join(sorted(written)) or 'nothing'}); plain PEFT could not load it"
        )
    # A pickle runs code when it is loaded; nobody should have to trust this file.
    unsafe = sorted(name for name in written if name.endswith((".bin", ".pt", ".pkl", ".pth")))
    if unsafe:
        raise ModelError(
            f"the adapter was saved as {', '.join(unsafe)}; only safetensors is exported"
        )


def _remove_paths(config: Path) -> None:
    """Where the base lay on this machine is nobody's business: only its folder's name is kept.

    What PEFT keeps as sets is sorted, so that equal runs write equal files.
    """
    settings = json.loads(config.read_text("utf-8"))
    for name in _SETS:
        if isinstance(settings.get(name), list):
            settings[name] = sorted(settings[name])
    config.write_text(
        json.dumps(_without_paths(settings), indent=2, sort_keys=True) + "\n", "utf-8"
    )


def _without_paths(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_paths(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_paths(item) for item in value]
    if isinstance(value, str):
        for flavour in (PurePosixPath(value), PureWindowsPath(value)):
            if flavour.is_absolute() or value.startswith(("~", "./", "../")):
                return flavour.name
    return value


def _check_equal(difference: float, tolerance: float, folder: Path) -> None:
    # NaN compares false with everything, so the question is asked this way round.
    if math.isfinite(difference) and difference <= tolerance:
        return
    raise ModelError(
        f"{folder}: the adapter, loaded again, does not answer as the trained model does (largest "
        f"difference of a logit {difference:g}, tolerated {tolerance:g}); nothing was exported"
    )


def _record(written: Path, folder: Path, *, difference: float, tolerance: float) -> ExportRecord:
    paths = sorted(path for path in written.rglob("*") if path.is_file())
    return ExportRecord(
        kind="adapter",
        folder=folder,
        files=folder_digests(written),
        total_bytes=sum(path.stat().st_size for path in paths),
        max_logit_difference=difference,
        tolerance=tolerance,
    )


def _replace(temporary: Path, folder: Path) -> None:
    """Put the finished folder in its place; at no moment is half an adapter there."""
    if not folder.exists():
        os.replace(temporary, folder)
        return
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    os.replace(folder, old)
    os.replace(temporary, folder)
    shutil.rmtree(old)
