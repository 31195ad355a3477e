"""What a step costs, and what is kept, does not grow with the number of past domains."""

import pytest
from continual_cases import BACKBONES, AnyBackbone, ToyBackbone, make_samples

from transferlab.continual.options.registry import OPTIONS
from transferlab.core.events import StageStarted, TrainStep

PENALTIES = ("ewc", "si", "mas", "rwalk", "l2", "lwf", "feature_distillation")
FEW = {"memory_samples": 8}
CASES = {
    **{name: {} for name in PENALTIES},
    "replay": FEW,
    "gss": {**FEW, "compared_samples": 1},
    "er_ace": {**FEW, "memory_batch_samples": 4},
    "der": FEW,
    "mir": {**FEW, "candidate_samples": 6, "memory_batch_samples": 3},
    "agem": {"memory_batch_samples": 6, "samples_per_domain": 6},
    "gem": {"memory_batch_samples": 3},
    "gdumb": FEW,
    "cumulative": {},
    "from_scratch": {},
    "ema": {},
    "interpolate": {},
    "naive": {},
    "merge": {},
    "per_domain": {},
    "o_lora": {"rank_per_domain": 1},
    "inflora": {"rank_per_domain": 1, "energy": 0.5},
    "keeplora": {"rank_per_domain": 1, "weight_energy": 0.2, "domain_energy": 0.3},
    "hide": {"rank_per_domain": 1},
    "mr_lora": {"samples_per_domain": 3, "router_epochs": 1},
    "cl_moe": {},
    "reglora": {"rank_per_domain": 1},
    "moe_lora": {"experts_per_domain": 1},
    "osf": {},
    "self_distillation": {**FEW, "memory_batch_samples": 4},
    "pseudo_replay": {"pseudo_samples": 4, "memory_batch_samples": 2},
    "plugin": {"path": "avalanche.core.SupervisedPlugin", "stateless": True},
}


def test_no_strategy_is_left_out():
    assert set(CASES) == set(OPTIONS)


def passes_and_bytes(make_learner, name):
    """Samples that go forwards through the model per step, and bytes kept, domain by domain."""
    backbone, steps, passed = BACKBONES.get(name, AnyBackbone)(), [], []

    def listener(event):
        if isinstance(event, StageStarted):
            passed.clear()  # what was done before the first step is not of a step
        if isinstance(event, TrainStep):
            steps.append((event.stage, sum(passed)))
            passed.clear()

    learner = make_learner(backbone, train={"epochs": 1}, listener=listener, **{name: CASES[name]})
    backbone.module.register_forward_pre_hook(lambda _, args: passed.append(len(args[0])))
    kept = []
    for domain in ("one", "two", "three", "four"):
        kept.append(learner.train(make_samples(domain, 8), domain=domain, stage=domain))
    by_stage = {stage: {count for at, count in steps if at == stage} for stage, _ in steps}
    return by_stage, [report.strategy_bytes for report in kept]


@pytest.mark.parametrize("name", CASES)
def test_a_step_costs_the_same_after_three_domains_as_after_one(make_learner, name):
    by_stage, kept = passes_and_bytes(make_learner, name)
    says_so = "time of a step" in OPTIONS[name].needs.grows
    assert (by_stage["two"] != by_stage["four"]) == says_so
    if name in PENALTIES:
        assert kept[0] == kept[3] <= 4 * 4 * ToyBackbone().trainable_parameters


def test_two_numbers_per_trainable_parameter_and_none_per_frozen_one(make_learner):
    for options in ({"mode": "online"}, {"mode": "separate"}):
        learner = make_learner(ToyBackbone(), train={"epochs": 1}, ewc=options)
        for domain in ("one", "two", "three"):
            report = learner.train(make_samples(domain, 8), domain=domain, stage=domain)
        trained = sum(p.numel() for _, p in ToyBackbone().module.named_parameters())
        assert report.strategy_bytes == 2 * 4 * trained
