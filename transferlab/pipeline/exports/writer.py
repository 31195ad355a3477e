"""One trained model in one format: with its card, its prompts, its lineage and its proof."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferlab import __version__
from transferlab.backbone.reload import Probe
from transferlab.config.pipeline import PipelineConfig
from transferlab.core.protocols import Backbone
from transferlab.core.records import SCORING_VERSION, DomainData, Sample
from transferlab.export.card import Subject, render_card
from transferlab.export.exporter import EXPORTERS, Exporter, TunedModel
from transferlab.pipeline.exports.models import TrainedModel, routed_by
from transferlab.pipeline.result import DONE

PROBE_SAMPLES = 4
"""Test samples of each domain whose logits the reloaded model must reproduce."""


@dataclass(frozen=True, kw_only=True)
class Writer:
    """Writes the models of one run."""

    config: PipelineConfig
    domains: Mapping[str, DomainData]
    result: Mapping[str, Any]
    weights: str
    """Digest of the pretrained weights that all of them began with."""
    base: Path
    """The run's directory: what is written inside is named from there."""

    def write(
        self, kinds: Sequence[str], model: TrainedModel, backbone: Backbone, targets: Sequence[Path]
    ) -> list[dict[str, Any]]:
        """Write a model in several formats; the backbone, which has its parameters, may be used up.

        Args:
            targets: a folder for each of ``kinds``.

        Returns:
            Records as ``exports`` of result.json has them, in the order of ``kinds``.

        Raises:
            TransferlabError: as ``Exporter.export``.
        """
        exporters: dict[str, Exporter] = {kind: EXPORTERS.get(kind)() for kind in kinds}
        tuned = self._tuned(model, backbone)
        where = dict(zip(kinds, targets, strict=True))
        records = {
            kind: self._write(exporters[kind], tuned, where[kind])
            for kind in sorted(kinds, key=lambda one: exporters[one].consumes)
        }
        return [records[kind] for kind in kinds]

    def _tuned(self, model: TrainedModel, backbone: Backbone) -> TunedModel:
        probe = Probe.of(backbone, self._probe_samples())
        prompts = prompts_of(self.domains, model.trained_on)

        def card(kind: str) -> str:
            subject = Subject(
                kind=kind,
                arm=model.arm,
                after=model.domain,
                trained_on=model.trained_on,
                routed_by=routed_by(self.result) if model.arm == "sequential" else None,
                prompts=prompts,
            )
            return render_card(self.result, subject)

        return TunedModel(
            backbone=backbone,
            card=card,
            prompts=prompts,
            lineage=self._lineage(model),
            probe=probe.samples,
            adapter_difference=probe.adapter_difference,
            whole_difference=probe.whole_difference,
            tolerance=probe.tolerance,
            merged_tolerance=probe.merged_tolerance,
        )

    def _probe_samples(self) -> list[Sample]:
        return [
            sample
            for name in self.config.stream
            for sample in self.domains[name].splits["test"][:PROBE_SAMPLES]
        ]

    def _lineage(self, model: TrainedModel) -> dict[str, Any]:
        domains = self.result["domains"]
        return {
            "schema_version": 1,
            "transferlab": __version__,
            "pipeline": self.config.name,
            "model": model.name,
            "arm": model.arm,
            "trained_on": list(model.trained_on),
            "seed": self.config.seed,
            "backbone": self.config.backbone.model_dump(mode="json", exclude={"device"}),
            "likelihood": self.config.evaluation.likelihood,
            "scoring_version": SCORING_VERSION,
            "data": {name: one["digest"] for name, one in domains.items()},
            "licences": {name: one["licence"] for name, one in domains.items()},
            "base_weights": self.weights,
            "settings": _digest(self.result["pipeline"]),
        }

    def _write(self, exporter: Exporter, model: TunedModel, folder: Path) -> dict[str, Any]:
        record = exporter.export(model, folder)
        inside = folder.is_relative_to(self.base)
        return {
            "kind": exporter.name,
            "status": DONE,
            "reason": "",
            "path": str(folder.relative_to(self.base) if inside else folder),
            "files": record.files,
            "total_bytes": record.total_bytes,
            "max_logit_difference": record.max_logit_difference,
            "tolerance": record.tolerance,
        }


def _digest(settings: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of a pipeline's settings as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def prompts_of(
    domains: Mapping[str, DomainData], trained_on: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """By domain that a model was trained on and task: how it was asked.

    Labels are the data's own where domain.yaml lists none, and None where each sample has its own:
    those are of rows. Nothing else of any sample, and nothing of other domains.
    """
    return {
        name: {
            task: {**question, "choices": _labels(domains[name], task, question["choices"])}
            for task, question in domains[name].questions.items()
        }
        for name in trained_on
    }


def _labels(data: DomainData, task: str, given: list[str] | str | None) -> list[str] | None:
    """The choices that all samples of a task share; ``given`` is what domain.yaml has of them."""
    if isinstance(given, list):
        return given
    found = {sample.choices for sample in data.splits["train"] if sample.task == task}
    return (list(found.pop()) or None) if len(found) == 1 else None
