"""Write an adapter that plain PEFT loads, and prove it before saying so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from transferlab.config.pipeline import PipelineConfig
from transferlab.core.files import write_text
from transferlab.export.companions import without_paths, write_companions
from transferlab.export.exporter import Exporter, ExportRecord, TunedModel
from transferlab.export.writing import TOLERANCE, write_proven

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_SETS = ("target_modules", "exclude_modules", "modules_to_save")
"""Of PEFT's settings, those whose order means nothing and differs between processes."""


class AdapterExporter(Exporter):
    """PEFT's folder: the adapter that plain ``PeftModel.from_pretrained`` loads."""

    name = "adapter"

    def misfits(self, config: PipelineConfig) -> Iterator[str]:
        adapter = config.backbone.adapter
        if adapter is None:
            yield (
                "the backbone is trained without an adapter (backbone.adapter: null, or "
                "kind: full), so there is none to export; set export: [merged], or "
                "backbone.adapter"
            )
        elif adapter.experts is not None:
            yield (
                "peft has no file for an adapter whose experts are weighed by gates; set "
                "export: [], or backbone.adapter.experts: null"
            )

    def export(self, model: TunedModel, folder: Path) -> ExportRecord:
        def save(folder: Path) -> None:
            model.backbone.save_adapter(folder)
            write_companions(model, folder, kind=self.name)

        return export_adapter(
            save, model.adapter_difference, folder=folder, tolerance=model.tolerance
        )


def export_adapter(
    save: Callable[[Path], None],
    reload_and_compare: Callable[[Path], float],
    *,
    folder: Path,
    tolerance: float = TOLERANCE,
) -> ExportRecord:
    """``write_proven`` of PEFT's files, in which no path of this machine is left."""

    def save_tidily(folder: Path) -> None:
        save(folder)
        for settings in sorted(folder.glob("*_config.json")):
            _remove_paths(settings)

    return write_proven(
        save_tidily,
        reload_and_compare,
        kind="adapter",
        noun="adapter",
        needed=(CONFIG, WEIGHTS),
        folder=folder,
        tolerance=tolerance,
    )


def _remove_paths(config: Path) -> None:
    """Where the base lay on this machine is nobody's business: only its folder's name is kept.

    What PEFT keeps as sets is sorted, so that equal runs write equal files.
    """
    settings = json.loads(config.read_text("utf-8"))
    for name in _SETS:
        if isinstance(settings.get(name), list):
            settings[name] = sorted(settings[name])
    text = json.dumps(without_paths(settings), indent=2, sort_keys=True)
    write_text(config, text + "\n")
