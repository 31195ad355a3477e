"""The loop: accumulation, hooks, precision, clipping, and losses that are no numbers."""

import pytest
import torch
from continual_cases import BACKBONES, AnyBackbone, StockEWC, ToyBackbone, learner_with

from transferlab.config.pipeline import TrainSection
from transferlab.continual.avalanche_api import SupervisedPlugin
from transferlab.continual.components.strategy import Strategy
from transferlab.continual.engine.precision import autocast_dtype
from transferlab.continual.options.registry import STRATEGIES
from transferlab.errors import ModelError

HOOKS = [name for name in dir(SupervisedPlugin) if name.startswith(("before_", "after_"))]
STEP = ["after_backward", "before_update", "after_update", "after_training_iteration"]
PASS = ["before_forward", "after_forward", "before_backward"]


class Spy(Strategy):
    """Writes down which hooks fire, and how long the mini-batch was."""

    def __init__(self):
        super().__init__()
        self.seen, self.lengths = [], []
        for name in HOOKS:
            setattr(self, name, lambda strategy, name=name, **kwargs: self.see(name, strategy))

    def see(self, name, strategy):
        self.seen.append(name)
        if name in ("before_forward", "after_backward"):
            x, y, t = strategy.mbatch
            assert len(x) == len(t)
            assert torch.equal(x.targets(), y)
            self.lengths.append(len(x))


ADDING = [
    {},
    {"ewc": {"strength": 3.0, "mode": "separate"}, "replay": {}},
    {"si": {}, "replay": {}},
    {"rwalk": {}},
    {"lwf": {}},
    {"feature_distillation": {}},
    {"er_ace": {"memory_batch_samples": 8}},
    {"der": {}},
    {"mir": {}},
    {"agem": {"memory_batch_samples": 8}},
    {"gem": {}},
]


OPTIONS = {
    **{name: {} for name in STRATEGIES.names()},
    "er_ace": {"memory_batch_samples": 8},
    "agem": {"memory_batch_samples": 8},
    "gss": {"memory_samples": 12, "compared_samples": 2},
    "o_lora": {"rank_per_domain": 2},
    "inflora": {"rank_per_domain": 2, "energy": 0.5},
    "keeplora": {"rank_per_domain": 2, "weight_energy": 0.2, "domain_energy": 0.3},
    "hide": {"rank_per_domain": 2},
    "mr_lora": {"samples_per_domain": 3, "router_epochs": 2},
    "reglora": {"rank_per_domain": 2, "key_share": 0.2},
    "moe_lora": {"experts_per_domain": 2},
    "pseudo_replay": {"pseudo_samples": 6},
    "plugin": {"path": "avalanche.core.SupervisedPlugin", "stateless": True},
}


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        (torch.float32, ADDING[1]),
        *((torch.float64, one) for one in ADDING[1:3]),
        *((torch.float64, {name: given}) for name, given in OPTIONS.items()),
    ],
    ids=str,
)
def test_accumulation_changes_nothing(make_learner, xray, lecture, dtype, options):
    """For every registered strategy: a step in pieces is the step."""
    outcomes = []
    for pieces in (1, 4):
        backbone = BACKBONES.get(next(iter(options), ""), AnyBackbone)(dtype)
        train = {"epochs": 1, "batch_samples": 8, "accumulation_steps": pieces}
        learner = make_learner(backbone, train=train, **options)
        start = backbone.trainable_state()
        first = learner.train(xray, domain="xray", stage="one").losses
        second = learner.train(lecture, domain="lecture", stage="two").losses
        outcomes.append((first + second, backbone.trainable_state()))
    whole_losses, whole_state = outcomes[0]
    assert any(not torch.equal(value, start[name]) for name, value in whole_state.items())
    for losses, state in outcomes[1:]:
        assert losses == pytest.approx(whole_losses, rel=1e-6)
        for name, value in state.items():
            torch.testing.assert_close(value, whole_state[name], rtol=1e-5, atol=1e-6)


def test_a_stock_penalty_counts_once_however_a_step_is_split(xray, lecture):
    states = []
    for pieces in (1, 4):
        backbone = ToyBackbone(torch.float64)
        plugin = StockEWC(ewc_lambda=50.0)
        learner = learner_with(plugin, backbone, accumulation_steps=pieces)
        learner.train(xray, domain="xray", stage="one")
        learner.train(lecture, domain="lecture", stage="two")
        states.append(backbone.trainable_state())
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-6, atol=1e-8)


def test_hooks_fire_in_avalanches_order(xray):
    spy = Spy()
    learner_with(spy, ToyBackbone(), max_steps=1).train(xray, domain="xray", stage="one")
    assert spy.seen == [
        "before_training",
        "before_train_dataset_adaptation",
        "after_train_dataset_adaptation",
        "before_training_exp",
        "before_training_epoch",
        "before_training_iteration",
        *PASS,
        *STEP,
        "after_training_epoch",
        "after_training_exp",
        "after_training",
    ]


def test_with_accumulation_forward_hooks_see_the_pieces_and_step_hooks_the_whole(xray):
    spy = Spy()
    learner = learner_with(spy, ToyBackbone(), max_steps=1, accumulation_steps=2)
    learner.train(xray, domain="xray", stage="one")
    at = spy.seen.index("before_training_iteration")
    assert spy.seen[at + 1 : -3] == [*PASS, *PASS, *STEP]
    assert spy.lengths == [2, 2, 4]


@pytest.mark.parametrize("what", ["loss", "gradient norm"])
def test_a_number_that_is_none_stops_the_run_and_says_where(xray, what):
    class Breaks(Strategy):
        def after_forward(self, strategy, **kwargs):
            if strategy.clock.train_exp_iterations == 2 and what == "loss":
                strategy.mb_output = strategy.mb_output * float("nan")

        def after_backward(self, strategy, **kwargs):
            if strategy.clock.train_exp_iterations == 2:
                strategy.trainable[0].grad[0, 0] = float("inf")

    backbone = ToyBackbone()
    learner = learner_with(Breaks(), backbone)
    with pytest.raises(ModelError, match=f"the {what} became .* at step 3 of 6 on domain 'xray'"):
        learner.train(xray, domain="xray", stage="one")
    assert all(value.isfinite().all() for value in backbone.trainable_state().values())


def test_gradients_are_clipped_to_the_norm(make_learner, xray):
    section = {"optimizer": "sgd", "schedule": "constant", "warmup_fraction": 0}
    section |= {"max_steps": 1, "learning_rate": 1.0}
    moved = {}
    for limit in (1e-3, None):
        backbone = ToyBackbone()
        before = backbone.trainable_state()
        make_learner(
            backbone, train={**section, "max_grad_norm": limit, "learning_rate": 1.0}
        ).train(xray, domain="xray", stage="one")
        after = backbone.trainable_state()
        moved[limit] = sum(float((after[n] - before[n]).square().sum()) for n in after) ** 0.5
    assert moved[1e-3] == pytest.approx(1e-3, rel=1e-3)
    assert moved[None] > 0.1


@pytest.mark.parametrize("options", [{"ewc": {"strength": 1e9}}, {"l2": {"strength": 1e9}}])
def test_what_a_penalty_adds_is_clipped_with_the_rest(make_learner, xray, lecture, options):
    """With plain steps of rate 1 no step is longer than the limit, however strong the penalty."""
    backbone, train = ToyBackbone(), {"optimizer": "sgd", "learning_rate": 1.0}
    train |= {"schedule": "constant", "warmup_fraction": 0, "max_grad_norm": 1e-3, "max_steps": 2}
    learner = make_learner(backbone, train=train, **options)
    learner.train(xray, domain="xray", stage="one")
    before = backbone.trainable_state()
    learner.train(lecture, domain="lecture", stage="two")
    after = backbone.trainable_state()
    moved = sum(float((after[n] - before[n]).square().sum()) for n in after) ** 0.5
    assert 0 < moved <= 2e-3 * 1.001


def test_bfloat16_autocasts_the_forward_pass_and_keeps_the_parameters(make_learner, xray):
    exact, rounded = ToyBackbone(), ToyBackbone()
    seen = []
    rounded.module.head.register_forward_hook(lambda m, i, output: seen.append(output.dtype))
    expected = make_learner(exact).train(xray, domain="xray", stage="one").losses
    got = make_learner(rounded, train={"mixed_precision": "bfloat16"}).train(
        xray, domain="xray", stage="one"
    )
    assert set(seen) == {torch.bfloat16}
    assert got.losses != expected
    assert got.losses == pytest.approx(expected, rel=0.02)
    assert {value.dtype for value in rounded.trainable_state().values()} == {torch.float32}


@pytest.mark.parametrize("options", ADDING[1:])
def test_in_bfloat16_a_strategy_ends_near_where_it_does_without(
    make_learner, xray, lecture, options
):
    ends = []
    for precision in ("none", "bfloat16"):
        backbone = ToyBackbone()
        start = torch.cat([v.flatten() for v in backbone.trainable_state().values()])
        # Plain steps: AdamW would make a rounded gradient near zero as long as any other.
        train = {"mixed_precision": precision, "optimizer": "sgd", "learning_rate": 0.2}
        learner = make_learner(backbone, train=train, **options)
        learner.train(xray, domain="xray", stage="one")
        learner.train(lecture, domain="lecture", stage="two")
        ends.append(torch.cat([v.flatten() for v in backbone.trainable_state().values()]))
    assert float((ends[1] - ends[0]).norm()) < 0.1 * float((ends[0] - start).norm())


def test_float16_scales_the_loss_and_takes_the_same_steps(make_learner, xray):
    # SGD, whose steps are as long as the gradient: a scale left in it would show.
    section = {"optimizer": "sgd", "learning_rate": 0.5}
    exact, scaled = ToyBackbone(), ToyBackbone()
    before = exact.trainable_state()
    make_learner(exact, train=section).train(xray, domain="xray", stage="one")
    section |= {"mixed_precision": "float16"}
    make_learner(scaled, train=section).train(xray, domain="xray", stage="one")
    for name, value in exact.trainable_state().items():
        moved, expected = scaled.trainable_state()[name] - before[name], value - before[name]
        assert float((moved - expected).norm()) < 0.05 * float(expected.norm())


def test_after_training_the_module_is_in_eval_mode(make_learner, xray):
    backbone = ToyBackbone(dropout=0.5)
    make_learner(backbone).train(xray, domain="xray", stage="one")
    assert not backbone.module.training


def test_running_out_of_memory_names_the_settings_to_change(xray):
    class Fills(Strategy):
        def after_forward(self, strategy, **kwargs):
            if strategy.clock.train_exp_iterations == 1:
                raise torch.OutOfMemoryError("no memory left")

    learner = learner_with(Fills(), ToyBackbone())
    with pytest.raises(ModelError, match=r"step 2 on domain 'xray'.*accumulation_steps"):
        learner.train(xray, domain="xray", stage="one")


@pytest.mark.parametrize(
    ("asked", "device", "has_bfloat16", "expected"),
    [
        ("auto", "cuda", True, torch.bfloat16),
        ("auto", "cuda", False, None),
        ("auto", "cpu", True, None),
        ("bfloat16", "cpu", True, torch.bfloat16),
        ("none", "cuda", True, None),
    ],
)
def test_automatic_precision_is_bfloat16_on_a_gpu_that_has_it(
    asked, device, has_bfloat16, expected, monkeypatch
):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: has_bfloat16)
    section = TrainSection(mixed_precision=asked)
    assert autocast_dtype(section, torch.device(device)) is expected
