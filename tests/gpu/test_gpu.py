"""The engine on a GPU: precisions, scoring, memory, quantized weights, a step taken elsewhere."""

import gc
import warnings
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from backbone_cases import Pictures, losses_of, sample, waken

from transferlab.backbone.loader import load_backbone
from transferlab.backbone.reload import Probe
from transferlab.config.backbone import BackboneSection
from transferlab.config.pipeline import StrategySpec, TrainSection
from transferlab.continual.engine.learner import Learner
from transferlab.continual.engine.precision import autocast_dtype
from transferlab.core.events import TrainStep

pytestmark = pytest.mark.gpu
LABELS = ("effusion", "no finding", "a fracture of the rib")
TRAIN = {"epochs": 2, "batch_samples": 8, "learning_rate": 1e-3, "schedule": "constant"}


def loaded(device="cuda", *, seed=0, **section):
    return load_backbone(
        BackboneSection(device=device, **section), decode=Pictures(), decode_audio=None, seed=seed
    )


def closed(count=12):
    return [sample(n, choices=LABELS, answer=LABELS[n % 3]) for n in range(count)]


def learner_of(backbone, strategies=("naive",), listener=lambda event: None, **train):
    specs = [StrategySpec(name=name, options={}) for name in strategies]
    return Learner(backbone, specs, TrainSection(**(TRAIN | train)), seed=0, listener=listener)


def trained_losses(device, **train):
    told = []
    learner = learner_of(loaded(device), listener=told.append, **train)
    learner.train(closed(), domain="xray", stage="one")
    return np.array([event.loss for event in told if isinstance(event, TrainStep)])


def test_steps_are_those_of_a_processor():
    torch.set_float32_matmul_precision("highest")
    there = losses_of(loaded("cuda"), closed(6), steps=4)
    assert there == pytest.approx(losses_of(loaded("cpu"), closed(6), steps=4), rel=5e-3)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_learns_as_float32_does(precision):
    whole = trained_losses("cuda", mixed_precision="none")
    mixed = trained_losses("cuda", mixed_precision=precision)
    assert np.isfinite(mixed).all()
    np.testing.assert_allclose(mixed, whole, rtol=0.05)
    assert mixed[-1] < mixed[0]


def test_auto_is_bfloat16_here_and_scoring_follows_training():
    train = TrainSection(**TRAIN)
    dtype = autocast_dtype(train, torch.device("cuda"))
    assert dtype is torch.bfloat16
    backbone = loaded()
    waken(backbone)
    whole = backbone.score_choices(closed(), batch_samples=4)
    backbone.autocast_dtype = dtype
    seen = []
    handle = backbone.module.output_layer.register_forward_hook(
        lambda m, args, out: seen.append(out.dtype)
    )
    mixed = backbone.score_choices(closed(), batch_samples=4)
    handle.remove()
    assert set(seen) == {torch.bfloat16}
    for one, other in zip(whole, mixed, strict=True):
        assert other.log_likelihoods == pytest.approx(one.log_likelihoods, rel=0.05, abs=0.1)
    assert np.isfinite(backbone.features(closed(), batch_samples=4).joint).all()
    texts = backbone.generate([sample(n) for n in range(3)], batch_samples=2, max_new_tokens=6)
    assert len(texts) == 3


def test_answers_are_those_of_a_processor():
    torch.set_float32_matmul_precision("highest")
    answers = {}
    for device in ("cpu", "cuda"):
        backbone = loaded(device)
        waken(backbone)
        found = backbone.score_choices(closed(), batch_samples=5)
        answers[device] = np.array([one.log_likelihoods for one in found])
    np.testing.assert_allclose(answers["cuda"], answers["cpu"], rtol=2e-3, atol=2e-3)


def peak_bytes(work):
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    work()
    return torch.cuda.max_memory_allocated() - before


def test_checkpointing_gives_the_same_gradients_with_less_memory():
    found = {}
    for saved in (False, True):
        backbone = loaded(gradient_checkpointing=saved)
        waken(backbone)
        batch, targets = backbone.collate(closed(16))
        batch, targets = batch.to("cuda"), targets.to("cuda")

        def step(backbone=backbone, batch=batch, targets=targets):
            torch.nn.functional.cross_entropy(backbone.module(batch), targets).backward()

        peak = peak_bytes(step)
        grads = [p.grad.clone() for p in backbone.module.parameters()]
        found[saved] = (peak, grads)
    for one, other in zip(found[False][1], found[True][1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-4)
    assert found[True][0] < 0.7 * found[False][0]


def test_scoring_peaks_below_training():
    backbone = loaded()
    samples = closed(16)
    backbone.score_choices(samples, batch_samples=16)  # workspaces are no part of it
    batch, targets = (one.to("cuda") for one in backbone.collate(samples))

    def step():
        torch.nn.functional.cross_entropy(backbone.module(batch), targets).backward()

    training = peak_bytes(step)
    backbone.module.zero_grad(set_to_none=True)
    scoring = peak_bytes(lambda: backbone.score_choices(samples, batch_samples=16))
    assert scoring <= training


@pytest.mark.parametrize("precision", ["none", "float16"])
def test_a_step_taken_on_a_processor_is_gone_on_with_on_a_gpu(tmp_path, precision):
    file = tmp_path / "one.unfinished"

    class Killed(BaseException):
        """Stands for a signal."""

    def listener(event):
        if isinstance(event, TrainStep) and event.step == 2:
            raise Killed

    begun = learner_of(
        loaded("cpu"), ("replay", "ema"), listener, checkpoint_steps=1, mixed_precision="none"
    )
    with pytest.raises(Killed):
        begun.train(closed(), domain="xray", stage="one", step_checkpoint=file)
    assert file.exists()
    backbone = loaded("cuda")
    told = []
    learner = learner_of(
        backbone, ("replay", "ema"), told.append, checkpoint_steps=1, mixed_precision=precision
    )
    learner.train(closed(), domain="xray", stage="one", step_checkpoint=file)
    steps = [event.step for event in told if isinstance(event, TrainStep)]
    assert steps == [2, 3, 4]
    assert all(np.isfinite(event.loss) for event in told if isinstance(event, TrainStep))
    assert {parameter.device.type for parameter in backbone.module.parameters()} == {"cuda"}


@pytest.mark.skipif(find_spec("torchao") is None, reason="torchao is not installed")
def test_quantized_weights_train_score_and_leave_as_an_adapter(tmp_path):
    # Of 8 bits: with 4, torchao wants widths that the embedded backbone has not.
    backbone = loaded(dtype="bfloat16", quantization={"bits": 8, "library": "torchao"})
    before = backbone.score_choices(closed(), batch_samples=4)
    learner = learner_of(backbone, ("ewc",), epochs=6)
    report = learner.train(closed(), domain="xray", stage="one")
    assert np.isfinite(report.losses).all()
    assert report.losses[-1] < report.losses[0]
    after = backbone.score_choices(closed(), batch_samples=4)
    assert before != after
    backbone.save_adapter(tmp_path / "adapter")
    assert Probe.of(backbone, closed(4)).adapter_difference(tmp_path / "adapter") < 0.1


def test_every_kind_of_sum_over_gradients_stays_on_the_device():
    strategies = ("ewc", "replay", "er_ace")
    backbone = loaded()
    learner = learner_of(backbone, strategies)
    learner.train(closed(), domain="xray", stage="one")
    told = []
    again = learner_of(backbone, strategies, told.append)
    again.load_state_dict(learner.state_dict(), {one.id: one for one in closed()})
    again.train([sample(n + 50) for n in range(12)], domain="lecture", stage="two")
    assert all(np.isfinite(event.loss) for event in told if isinstance(event, TrainStep))


def synchronisations(strategies, *, steps):
    """How often the host waits for the device while so many steps are taken."""
    learner = learner_of(loaded(), strategies, max_steps=steps, epochs=8, mixed_precision="none")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            learner.train(closed(16), domain="xray", stage="one")
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(one.message) for one in said)


@pytest.mark.parametrize(("strategies", "most"), [(("naive",), 7), (("ewc", "replay"), 10)])
def test_the_host_waits_no_oftener_than_it_did(strategies, most):
    synchronisations(strategies, steps=2)  # what is made at the first use is no part of it
    few, many = (synchronisations(strategies, steps=steps) for steps in (4, 12))
    per_step = (many - few) / 8
    print(f"{'+'.join(strategies)}: {per_step:.1f} synchronisations per step")
    assert per_step <= most
