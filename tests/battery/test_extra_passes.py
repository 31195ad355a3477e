"""What strategies measure beside training: with a step's memory, precision and micro-batches."""

from __future__ import annotations

from itertools import count
from weakref import WeakValueDictionary

import pytest
import torch
from test_strategies import plain, samples_of, thin  # noqa: F401  # a fixture

from transferlab.backbone.loader import load_backbone
from transferlab.config.backbone import AdapterSection, BackboneSection
from transferlab.config.pipeline import StrategySpec, TrainSection
from transferlab.continual.components.gradients import gradient
from transferlab.continual.engine.learner import Learner

SAMPLES = samples_of("door", 4)
PASSES = [
    ("ewc", {}),
    ("ewc", {"labels": "model"}),
    ("ewc", {"fisher": "batch"}),
    ("ewc", {"strength": "auto"}),
    ("mas", {}),
    ("mas", {"variant": "avalanche"}),
    ("gss", {"memory_samples": 2}),
    ("der", {"memory_samples": 2}),
    ("naive", {}),
]
ANCHORS = [(name, options) for name, options in PASSES if name in ("ewc", "mas")]


def learner_of(model, name, options, *, again=True, precision="none", pieces=1):
    section = BackboneSection(
        model=model, device="cpu", adapter=AdapterSection(rank=4), gradient_checkpointing=again
    )
    backbone = load_backbone(section, decode=plain, seed=0)
    with torch.no_grad():
        for parameter in backbone.module.parameters():
            parameter.add_(0.02 * torch.ones_like(parameter))  # so that no gradient is zero
    train = TrainSection(batch_samples=4, accumulation_steps=pieces, mixed_precision=precision)
    spec = StrategySpec(name=name, options=options)
    return Learner(backbone, [spec], train, seed=0)


def measure(learner):
    """All that a strategy measures after a domain, and how two domains interfere."""
    learner.consolidate(SAMPLES, domain="door")
    return learner.interference(SAMPLES, {"door": SAMPLES})


class Kept:
    def __init__(self, tensor):
        self.tensor = tensor


def kept_bytes(learner, work) -> int:
    """The most that autograd kept at once, weights left out."""
    weights = {p.untyped_storage().data_ptr() for p in learner._backbone.model.parameters()}
    alive, numbers, most = WeakValueDictionary(), count(), 0

    def pack(tensor):
        nonlocal most
        kept = Kept(tensor)
        alive[next(numbers)] = kept
        storages = {one.tensor.untyped_storage() for one in alive.values()}
        sizes = {s.data_ptr(): s.nbytes() for s in storages if s.data_ptr() not in weights}
        most = max(most, sum(sizes.values()))
        return kept

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor):
        work()
    return most


@pytest.mark.parametrize(("name", "options"), PASSES, ids=str)
def test_a_pass_keeps_no_more_than_a_step_of_training(name, options, thin):  # noqa: F811
    learner = learner_of(thin, name, options)
    batch = learner._backbone.collate(SAMPLES)[0]
    learner._backbone.module.train()
    step = kept_bytes(learner, lambda: gradient(learner._trainer, batch))
    learner._backbone.module.eval()
    assert kept_bytes(learner, lambda: measure(learner)) <= 1.02 * step
    plain_learner = learner_of(thin, name, options, again=False)
    assert kept_bytes(plain_learner, lambda: measure(plain_learner)) > 4 * step


@pytest.mark.parametrize(("name", "options"), ANCHORS, ids=str)
def test_what_is_computed_again_is_measured_as_what_was_kept(name, options, thin):  # noqa: F811
    found = []
    for again in (False, True):
        learner = learner_of(thin, name, options, again=again)
        measure(learner)
        found.append(learner._strategies[0]._importance)
    torch.testing.assert_close(found[1], found[0], rtol=1e-3, atol=1e-6 * float(found[0].max()))
    assert float(found[0].max()) > 0


@pytest.mark.parametrize(("name", "options"), PASSES, ids=str)
def test_a_pass_goes_through_in_the_micro_batches_and_the_precision_of_training(
    name,
    options,
    thin,  # noqa: F811
):
    learner = learner_of(thin, name, options, precision="bfloat16", pieces=2)
    sizes, kinds = [], set()
    module = learner._backbone.module
    module.register_forward_pre_hook(lambda _, args: sizes.append(len(args[0])))
    module.register_forward_hook(lambda _, args, logits: kinds.add(logits.dtype))
    measure(learner)
    assert sizes
    assert max(sizes) <= 2
    # How far a step of the learning rate's length diverges would be rounded away in bfloat16.
    calibrated = name == "mas" or options.get("strength") == "auto"
    exact = {torch.float32} if calibrated else set()
    assert kinds == {torch.bfloat16} | exact


@pytest.mark.parametrize(("name", "options"), ANCHORS, ids=str)
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_in_half_precision_what_matters_is_nearly_the_same(name, options, precision, thin):  # noqa: F811
    if options.get("labels") == "model":
        pytest.skip("rounding draws other labels")
    found = []
    for one in ("none", precision):
        learner = learner_of(thin, name, options, precision=one)
        measure(learner)
        found.append(learner._strategies[0]._importance)
    cosine = torch.cosine_similarity(found[0], found[1], dim=0)
    assert float(cosine) > 0.99
    assert float(found[1].sum()) == pytest.approx(float(found[0].sum()), rel=0.05)


def test_scores_are_those_of_the_forward_pass_that_is_trained(thin):  # noqa: F811
    """In bfloat16, the likelihood of an answer is what the loss of training says of it."""
    learner = learner_of(thin, "naive", {}, precision="bfloat16")
    backbone, trainer = learner._backbone, learner._trainer
    backbone.module.eval()
    trained, exact, scored = [], [], []
    for sample in SAMPLES:
        batch = backbone.collate([sample])[0]
        loss, _ = gradient(trainer, batch)
        trained.append(-loss * batch.answer_tokens)
    for dtype, into in ((None, exact), (trainer._autocast_dtype, scored)):
        backbone.autocast_dtype = dtype
        for one in backbone.score_choices(SAMPLES, batch_samples=1):
            into.append(one.log_likelihoods[one.sample.choices.index(one.sample.answer)])
    gap, rounding = (
        max(abs(a - b) for a, b in zip(trained, other, strict=True)) for other in (scored, exact)
    )
    assert gap < rounding
