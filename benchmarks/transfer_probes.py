"""Linear probes of vision towers, by the classifier that the pixels control uses."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForImageTextToText, AutoProcessor

from transferlab.config.pipeline import PipelineConfig
from transferlab.core.records import MediaRef, Sample
from transferlab.domain.media.decoder import decode
from transferlab.evaluation.controls.pixels import predict_from_pixels
from transferlab.evaluation.scoring import evaluated_samples, metrics_of, outcomes_of
from transferlab.evaluation.thumbnails import PixelVectors
from transferlab.metrics.answers import measure
from transferlab.pipeline.build import load_domains, training_samples
from transferlab.tiny.architecture import ASSETS, model_for


class Tower:
    """A vision tower, through which a picture passes once, however often it is asked for."""

    def __init__(self, tower: nn.Module, image_processor) -> None:
        self._tower, self._processor = tower.eval(), image_processor
        self._made: dict[MediaRef, np.ndarray] = {}

    @torch.no_grad()
    def places(self, sample: Sample) -> np.ndarray:
        """(places, width) float32 of the sample's first medium; of a film the mean over frames."""
        ref = sample.media[0]
        if ref not in self._made:
            given = self._processor(images=list(decode(ref)), return_tensors="pt")
            states = self._tower(given["pixel_values"], output_hidden_states=True).hidden_states
            self._made[ref] = states[-1].mean(dim=0).numpy()
        return self._made[ref]


class TowerVectors(PixelVectors):
    """Stands where the pixels control has its thumbnails."""

    def __init__(self, tower: Tower, *, grid: bool) -> None:
        super().__init__(decode)
        self._tower, self._grid = tower, grid

    def of(self, sample: Sample) -> np.ndarray:
        """(width,) float64, the mean over places; or with ``grid`` (places * width,)."""
        places = self._tower.places(sample).astype(np.float64)
        return places.ravel() if self._grid else places.mean(axis=0)


class Probes:
    """The embedded backbone's tower and random ones of the same architecture."""

    def __init__(self, seeds: Sequence[int]) -> None:
        processor = AutoProcessor.from_pretrained(ASSETS)
        pretrained = AutoModelForImageTextToText.from_pretrained(ASSETS)
        models = {
            "pretrained": [pretrained],
            "random": [model_for(processor.tokenizer, seed=seed) for seed in seeds],
        }
        self._towers = {
            name: [Tower(one.model.vision_tower, processor.image_processor) for one in several]
            for name, several in models.items()
        }

    def scores(self, config: PipelineConfig, domain: str) -> dict[str, dict[str, float]]:
        """By task and probe, the task's primary metric on the test split; random towers averaged.

        The probes are named "pretrained, mean", "pretrained, grid", "random, mean", "random, grid".
        """
        loaded = load_domains(config, [])
        data, train = loaded[domain], training_samples(config, loaded)[domain]
        test = evaluated_samples(data, config.evaluation, split="test")
        found: dict[str, dict[str, float]] = {}
        for task in data.tasks:
            metric = metrics_of(data, task)[0]
            learned = [one for one in train if one.task == task]
            asked = [one for one in test if one.task == task]
            found[task] = {
                f"{name}, {'grid' if grid else 'mean'}": statistics.mean(
                    _probed(learned, asked, TowerVectors(tower, grid=grid), metric)
                    for tower in towers
                )
                for name, towers in self._towers.items()
                for grid in (False, True)
            }
        return found


def _probed(
    train: Sequence[Sample], test: Sequence[Sample], vectors: PixelVectors, metric: str
) -> float:
    predicted = predict_from_pixels(train, test, vectors)
    if isinstance(predicted, str):
        raise SystemExit(f"{test[0].domain}, {test[0].task}: no probe: {predicted}")
    return measure(metric, outcomes_of(predicted, metric=metric))
