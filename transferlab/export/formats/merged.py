"""Write the whole model with its adapter melted in: plain transformers loads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from transferlab.config.pipeline import PipelineConfig
from transferlab.core.files import write_text
from transferlab.export.companions import LINEAGE, write_companions
from transferlab.export.exporter import Exporter, ExportRecord, TunedModel
from transferlab.export.writing import write_proven

CONFIG = "config.json"


class MergedExporter(Exporter):
    """A model like the backbone's own: safetensors, processor, chat template."""

    name = "merged"
    consumes = True

    def misfits(self, config: PipelineConfig) -> Iterator[str]:
        adapter = config.backbone.adapter
        if config.backbone.quantization is not None:
            yield (
                "an adapter that was trained beside quantized weights answers otherwise once it is "
                "melted into whole ones; set export: [adapter]"
            )
        if adapter is not None and adapter.experts is not None:
            yield (
                "experts that gates weigh token by token cannot be melted into weights; set "
                "export: [], or backbone.adapter.experts: null"
            )

    def export(self, model: TunedModel, folder: Path) -> ExportRecord:
        return write_proven(
            lambda folder: write_whole(model, folder, kind=self.name),
            model.whole_difference,
            kind="merged",
            noun="merged model",
            needed=(LINEAGE, CONFIG),  # any model has the second: it may be somebody's own
            folder=folder,
            tolerance=model.merged_tolerance,
        )


def write_whole(model: TunedModel, folder: Path, *, kind: str) -> None:
    """Melt the adapter in and write the model with its companions into an empty folder."""
    model.backbone.save_merged(folder)
    _remove_path(folder / CONFIG)
    write_companions(model, folder, kind=kind)


def _remove_path(config: Path) -> None:
    """transformers notes where the model was loaded from; nobody else can use that."""
    settings = json.loads(config.read_text("utf-8"))
    settings.pop("_name_or_path", None)
    write_text(config, json.dumps(settings, indent=2) + "\n")
