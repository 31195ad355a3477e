"""The estimate before launch: what it counts, and that it follows the settings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from transferlab.backbone.inference import step_memory
from transferlab.backbone.inference.step_memory import Activations, measure_activations
from transferlab.backbone.loader import load_backbone
from transferlab.config.pipeline import PipelineConfig
from transferlab.core.records import DomainData, MediaRef, Sample
from transferlab.pipeline import resources
from transferlab.pipeline.resources import estimate_disk, estimate_memory

SAMPLES = tuple(
    Sample(
        id=f"s{at}", domain="a", task="t", kind="answer", media=(), prompt="What? " * (at + 1),
        answer="nothing",
    )
    for at in range(4)
)  # fmt: skip
DATA = {
    "a": DomainData(
        name="a",
        version=1,
        title="a",
        licence="none",
        primary_metrics={"t": "exact_match"},
        splits={"train": SAMPLES, "test": SAMPLES},
        digest="",
    )
}


def config(**given) -> PipelineConfig:
    given = {"name": "x", "stream": ["a"], "arms": [], "backbone": {"device": "cpu"}} | given
    return PipelineConfig.model_validate(given)


@pytest.fixture(scope="module")
def backbone():
    return load_backbone(config().backbone, decode=lambda ref: [], seed=0)


class Fixed:
    """In place of a measurement: 10 bytes and 60 for every sample are kept, 20 and 50 freed."""

    @staticmethod
    def activations(backbone, samples, *, autocast):
        return Activations(
            fixed_bytes=10,
            per_sample_bytes=60,
            freed_fixed_bytes=20,
            freed_per_sample_bytes=50,
        )


def held(samples: int) -> int:
    return 10 + 60 * samples + round(resources.HEAP * (20 + 50 * samples))


def needs(monkeypatch, backbone, **given):
    monkeypatch.setattr(resources, "measure_activations", Fixed.activations)
    monkeypatch.setattr(resources, "_process_bytes", lambda _: 2**30)
    found = estimate_memory(config(**given), backbone, loaded=DATA, train={"a": SAMPLES})
    assert found["peak_bytes"] == max(arm["total"] for arm in found["arms"])
    parts = ("process", "media", "weights", "gradients", "optimizer", "activations", "strategy")
    for arm in found["arms"]:
        assert arm["total"] == sum(arm[part] for part in parts)
    return {arm["arm"]: arm for arm in found["arms"]}


def test_what_is_trained_has_gradients_and_moments(monkeypatch, backbone):
    trained = 4 * backbone.trainable_parameters
    need = needs(monkeypatch, backbone)["sequential"]
    assert (need["gradients"], need["optimizer"]) == (trained, 2 * trained)
    assert need["weights"] >= 4 * backbone.total_parameters
    assert need["activations"] == held(16)
    assert need["process"] == 2**30 - need["weights"]
    plain = needs(monkeypatch, backbone, train={"optimizer": "sgd"})["sequential"]
    assert plain["optimizer"] == 0


def test_pieces_of_a_step_and_remembered_samples_count(monkeypatch, backbone):
    pieces = {"batch_samples": 16, "accumulation_steps": 4}
    assert needs(monkeypatch, backbone, train=pieces)["sequential"]["activations"] == held(4)
    replay = [{"replay": {"batch_ratio": 0.5}}]
    found = needs(monkeypatch, backbone, strategy=replay, arms=["single"])
    assert found["sequential"]["activations"] == held(24)
    assert found["single"]["activations"] == held(16)


@pytest.mark.parametrize(("strategy", "copies"), [("ewc", 2), ("rwalk", 4), ("lwf", 1)])
def test_a_strategy_keeps_copies(monkeypatch, backbone, strategy, copies):
    need = needs(monkeypatch, backbone, strategy=[strategy])["sequential"]
    assert need["strategy"] == copies * 4 * backbone.trainable_parameters


def test_scratch_trains_every_parameter_beside_the_first_model(monkeypatch, backbone):
    found = needs(monkeypatch, backbone, arms=["scratch", "single", "joint"])
    assert set(found) == {"sequential", "scratch", "single", "joint"}
    whole = found["scratch"]["gradients"]
    assert whole == 4 * (backbone.total_parameters - backbone.trainable_parameters)
    assert found["scratch"]["weights"] > found["sequential"]["weights"] + whole


def test_processed_media_count_once_however_many_samples_ask_about_them():
    def asked(at, shown):
        media = tuple(MediaRef(kind="image", path=Path(f"{one}.png")) for one in shown)
        return replace(SAMPLES[0], id=f"m{at}", media=media, prompt="<image>" * len(media))

    picture = np.zeros((64, 64, 3), np.uint8)
    seeing = load_backbone(config().backbone, decode=lambda ref: [picture], seed=0)
    one = asked(0, "a")
    size = seeing.collate([one])[0].media["pixel_values"].nbytes
    used = [one, asked(1, "a"), asked(2, "b"), *SAMPLES]
    assert resources._media_bytes(seeing, {"a": used, "none": SAMPLES}) == 2 * size
    pairs = [asked(3, "ab"), asked(4, "ba")]
    assert resources._media_bytes(seeing, {"a": used, "b": pairs}) == 6 * size
    many = [asked(at, str(at)) for at in range(2 + resources.CACHE_BYTES // size)]
    assert resources._media_bytes(seeing, {"a": many}) == resources.CACHE_BYTES


def test_disk_holds_every_stage(backbone, tmp_path):
    trained = 4 * backbone.trainable_parameters
    small = estimate_disk(config(), backbone, tmp_path / "not" / "there")
    assert small["needed_bytes"] == trained + resources.RECORDS_BYTES
    assert small["free_bytes"] > 0
    arms = ["single", "joint", "scratch"]
    large = estimate_disk(config(arms=arms, export=["adapter"]), backbone, tmp_path)
    assert large["needed_bytes"] > 4 * trained + 4 * (backbone.total_parameters - trained // 4)


def test_activations_are_those_that_autograd_keeps(backbone):
    """Against what a hook of our own sees when the same samples go through together."""
    found = measure_activations(backbone, SAMPLES, autocast=None)
    longest = max(SAMPLES, key=lambda s: len(s.prompt))
    kept: dict[int, int] = {}
    weights = {p.data_ptr() for p in backbone.model.parameters()}

    def see(tensor):
        if tensor.untyped_storage().data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    batch, targets = backbone.collate([longest] * 6)
    with torch.autograd.graph.saved_tensors_hooks(see, lambda tensor: tensor):
        loss = nn.functional.cross_entropy(backbone.module.train()(batch), targets)
    assert loss.requires_grad
    needed = sum(kept.values()) + sum(sorted(kept.values())[-2:])
    assert found.bytes_for(6) == pytest.approx(needed, rel=0.05)
    assert all(parameter.grad is None for parameter in backbone.module.parameters())


def test_what_does_not_grow_with_the_samples_is_counted_once():
    """DoRA multiplies its two matrices in every layer, whatever goes through it."""
    section = config(backbone={"device": "cpu", "adapter": {"kind": "dora"}}).backbone
    dora = load_backbone(section, decode=lambda ref: [], seed=0)
    found = measure_activations(dora, SAMPLES, autocast=None)
    longest = max(SAMPLES, key=lambda s: len(s.prompt))
    together = step_memory._needed(dora, [longest] * 6, None)
    assert found.freed_bytes_for(6) == pytest.approx(together.freed, rel=0.05)
    assert found.freed_fixed_bytes > 10 * found.freed_per_sample_bytes


def test_what_operations_make_is_counted_and_views_are_not():
    ones = torch.ones(256, 4)
    with step_memory._Made() as made:
        twice = ones * 2
        twice.view(4, 256).add_(1)
        twice.T.contiguous()
    assert made.bytes == 2 * ones.nbytes
