"""What of a run goes to MLflow beside what its steps log while they go on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transferlab.core.events import Warned
from transferlab.domain.splits.manifest import split_manifest, write_manifest
from transferlab.pipeline.build import Parts
from transferlab.tracking import figures

PLOTTED_MEASURE = "frechet"
PLOTTED_GAIN = ("single", "zero_shot")


def publish_inputs(parts: Parts, out: Path) -> None:
    """Which data the run sees: the splits by digest, and who is in them as a manifest."""
    for name, data in parts.domains.items():
        manifest = split_manifest(data)
        write_manifest(out / "splits" / f"{name}.json", manifest)
        parts.tracker.log_json(f"splits/{name}.json", manifest)
        if data.quarantined:
            count = len(data.quarantined)
            parts.listener(Warned(text=f"{name}: {count} rows quarantined; see result.json"))
        if name != parts.config.source:
            parts.tracker.log_dataset(data, split="train", context="train")
        elif parts.config.protect_source:
            parts.tracker.log_dataset(data, split="train", context="source")
        scored = parts.config.evaluation.split
        parts.tracker.log_dataset(data, split=scored, context=scored)


def publish(parts: Parts, result: Mapping[str, Any]) -> None:
    """Summary, gains and figures of a finished run, under the parent run."""
    tracker = parts.tracker
    tracker.log_summary(result["summary"], result["answer"])
    tracker.log_changes(result["steps"])
    tracker.log_gains(result["gains"])
    tracker.log_json("controls.json", result["controls"])
    tracker.log_json("result.json", result)
    tracker.log_figure("figures/score_matrix.png", figures.score_matrix(result["scores"]))
    tracker.log_figure("figures/forgetting.png", figures.forgetting_curves(result["scores"]))
    arms = figures.arms_chart(result["arms"], result["controls"])
    tracker.log_figure("figures/arms.png", arms)
    distances, gains = _similarity_and_gain(result)
    if distances and gains:
        figure = figures.similarity_and_gain(
            distances,
            gains,
            measure=f"{PLOTTED_MEASURE} (joint features)",
            gain=" over ".join(PLOTTED_GAIN),
        )
        tracker.log_figure("figures/similarity_and_gain.png", figure)


def _similarity_and_gain(
    result: Mapping[str, Any],
) -> tuple[dict[str, float], dict[str, Mapping[str, Any]]]:
    """By domain: the plotted distance, and the plotted gain, where both were measured."""
    distances = {
        domain: one["value"]
        for domain, measured in result["similarity"].items()
        for one in measured
        if one["name"] == PLOTTED_MEASURE and one["features"] == "joint"
    }
    gains = {
        gain["domain"]: gain
        for gain in result["gains"]
        if (gain["arm"], gain["over"]) == PLOTTED_GAIN and gain["domain"] in distances
    }
    return {name: distances[name] for name in gains}, gains
