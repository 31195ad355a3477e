"""Linear probes of a vision tower, by the classifier that the pixels control uses."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from transferlab.backbone.tiny.build import ASSETS, model_for
from transferlab.config.pipeline import PipelineConfig
from transferlab.core.records import MediaRef, Sample
from transferlab.domain.media import decode
from transferlab.evaluation.pixels import PixelVectors, predict_from_pixels
from transferlab.evaluation.score import evaluated_samples, metrics_of, outcomes_of
from transferlab.metrics.answers import measure
from transferlab.pipeline.build import load_domains, training_samples


class TowerVectors(PixelVectors):
    """What a vision tower makes of pictures, each passed through it once."""

    def __init__(self, tower: torch.nn.Module, processor, *, grid: bool) -> None:
        super().__init__(decode)
        self._tower, self._processor, self._grid = tower.eval(), processor, grid
        self._made: dict[MediaRef, np.ndarray] = {}

    def of(self, sample: Sample) -> np.ndarray:
        """(width,) float64, the mean over places; or with ``grid`` (places * width,)."""
        ref = sample.media[0]
        if ref not in self._made:
            images = list(decode(ref))
            pixels = self._processor.image_processor(images=images, return_tensors="pt")
            with torch.no_grad():
                states = self._tower(pixels["pixel_values"], output_hidden_states=True)
            places = states.hidden_states[-1].double().mean(dim=0)
            self._made[ref] = (places.flatten() if self._grid else places.mean(dim=0)).numpy()
        return self._made[ref]


def probe_all(
    config: PipelineConfig, domain: str, *, seeds: Sequence[int]
) -> dict[str, dict[str, float]]:
    """By task and probe, the task's primary metric on the test split; random towers averaged.

    The probes are named "pretrained, mean", "pretrained, grid", "random, mean", "random, grid".
    """
    loaded = load_domains(config, [])
    data, train = loaded[domain], training_samples(config, loaded)[domain]
    test = evaluated_samples(data, config.evaluation, split="test")
    processor = AutoProcessor.from_pretrained(ASSETS)
    pretrained = AutoModelForImageTextToText.from_pretrained(ASSETS).model.vision_tower
    fresh = [model_for(processor.tokenizer, seed=s).model.vision_tower for s in seeds]
    found: dict[str, dict[str, float]] = {task: {} for task in data.tasks}
    for name, towers in (("pretrained", [pretrained]), ("random", fresh)):
        for grid in (False, True):
            vectors = [TowerVectors(tower, processor, grid=grid) for tower in towers]
            for task in data.tasks:
                metric = metrics_of(data, task)[0]
                learned = [one for one in train if one.task == task]
                asked = [one for one in test if one.task == task]
                values = []
                for one in vectors:
                    predicted = predict_from_pixels(learned, asked, one)
                    if isinstance(predicted, str):
                        raise SystemExit(f"{domain}, {task}: no probe: {predicted}")
                    values.append(measure(metric, outcomes_of(predicted, metric=metric)))
                found[task][f"{name}, {'grid' if grid else 'mean'}"] = statistics.mean(values)
    return found
