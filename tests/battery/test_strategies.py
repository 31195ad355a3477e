"""Every registered strategy on the embedded backbone: it learns, resumes and states its cost."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch

from transferlab.backbone.loader import load_backbone
from transferlab.config.backbone import AdapterSection, BackboneSection
from transferlab.config.pipeline import StrategySpec, TrainOverride, TrainSection
from transferlab.continual.components import fisher
from transferlab.continual.engine.learner import Learner
from transferlab.continual.options.registry import OPTIONS as REGISTERED
from transferlab.continual.options.registry import STRATEGIES
from transferlab.core.events import TrainStep
from transferlab.core.records import MediaRef, Sample

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (40, 70, 220)}
SIDE = 32
# All of the door's samples in every step: its losses are comparable. The kite's last checkpoint is
# in the middle of its second epoch.
TRAIN = TrainSection(
    epochs=2,
    batch_samples=2,
    learning_rate=4e-3,
    schedule="constant",
    checkpoint_steps=3,
    per_domain={"door": TrainOverride(epochs=3)},
)


def plain(ref: MediaRef) -> list[np.ndarray]:
    """A picture of the colour that its file is named after."""
    return [np.full((SIDE, SIDE, 3), COLOURS[ref.path.stem], dtype=np.uint8)]


def samples_of(domain: str, count: int) -> list[Sample]:
    names = list(COLOURS)
    return [
        Sample(
            id=f"{domain}-{number}",
            domain=domain,
            task="colour",
            kind="classify",
            media=(MediaRef(kind="image", path=Path(f"{names[number % 3]}.png")),),
            prompt=f"<image>\nWhich colour does the {domain} have?",
            answer=f"{domain} {names[number % 3]}",
            choices=tuple(f"{domain} {name}" for name in names),
        )
        for number in range(count)
    ]


DOMAINS = {name: samples_of(name, count) for name, count in (("door", 2), ("kite", 3))}
SOURCE = samples_of("ball", 2)
OPTIONS = {
    "plugin": {"path": "avalanche.core.SupervisedPlugin", "stateless": True},
    "rwalk": {"score_every_steps": 2},
    "der": {"memory_batch_samples": 2},
    "mir": {"candidate_samples": 4, "memory_batch_samples": 2},
    "er_ace": {"memory_batch_samples": 2},
    "agem": {"memory_batch_samples": 2},
    "gem": {"memory_batch_samples": 2},
    "o_lora": {"rank_per_domain": 8},
    "inflora": {"rank_per_domain": 8, "subspace_samples": 2},
    "keeplora": {"rank_per_domain": 8, "subspace_samples": 2},
    "hide": {"rank_per_domain": 8},
    "mr_lora": {"samples_per_domain": 2, "router_epochs": 1},
    "cl_moe": {"share_samples": 2},
    "reglora": {"rank_per_domain": 8},
    "moe_lora": {"experts_per_domain": 2},
    "pseudo_replay": {"pseudo_samples": 2, "max_new_tokens": 4, "memory_batch_samples": 2},
    "self_distillation": {"max_new_tokens": 4, "memory_batch_samples": 2},
    "gss": {"memory_samples": 4, "batch_ratio": 0.5, "compared_samples": 1},
}
COMBINATIONS = [[name] for name in STRATEGIES.names()] + [["ewc", "replay", "agem"]]
KEEPS_NOTHING = {"naive", "plugin", "ema", "interpolate", "pseudo_replay"}
KEEPS_NOTHING |= {"o_lora", "moe_lora", "osf"}  # what they protect is in the adapter
ADAPTERS = {
    "osf": AdapterSection(kind="osf"),
    **dict.fromkeys(("moe_lora", "cl_moe"), AdapterSection(rank=8, experts=4)),
}
"""Of the strategies that need another than the default."""


@pytest.fixture(scope="module")
def thin(tmp_path_factory, import_benchmark) -> str:
    """The embedded backbone, one block in each of its stages, on pictures of four patches."""
    folder = tmp_path_factory.mktemp("thin")
    import_benchmark("thin").thin_backbone(folder)
    return str(folder)


@pytest.fixture(scope="module")
def fresh(thin):
    """``fresh(names)`` is a backbone that nothing has been trained on, with the adapter that these
    strategies need; one at a time."""
    loaded = {}

    def reset(names=()):
        kind = next((name for name in names if name in ADAPTERS), None)
        if kind not in loaded:
            adapter = ADAPTERS.get(kind, AdapterSection())
            section = BackboneSection(model=thin, device="cpu", adapter=adapter)
            backbone = load_backbone(section, decode=plain, seed=0)
            loaded[kind] = backbone, backbone.trainable_state()
        backbone, start = loaded[kind]
        backbone.load_trainable_state(start)
        return backbone

    return reset


def new_learner(backbone, names, listener=lambda event: None):
    specs = [StrategySpec(name=name, options=OPTIONS.get(name, {})) for name in names]
    return Learner(backbone, specs, TRAIN, seed=0, listener=listener)


def test_the_registry_is_not_empty():
    assert {"naive", "ewc", "replay"} <= set(STRATEGIES.names())
    assert len(STRATEGIES.names()) >= 15


def restored(file, fresh, names, listener=lambda event: None):
    """Backbone and learner as another process would make them from a checkpoint."""
    state = read(file)
    backbone = fresh(names)
    backbone.load_trainable_state(state["backbone"])
    learner = new_learner(backbone, names, listener)
    past = {sample.id: sample for sample in (*SOURCE, *DOMAINS["door"])}
    learner.load_state_dict(state["learner"], past)
    return backbone, learner


def saved(backbone, learner) -> bytes:
    file = io.BytesIO()
    torch.save({"backbone": backbone.trainable_state(), "learner": learner.state_dict()}, file)
    return file.getvalue()


def train_on(learner, domain, **how):
    return learner.train(DOMAINS[domain], domain=domain, stage=domain, **how)


@pytest.mark.parametrize("names", COMBINATIONS, ids="+".join)
def test_learns_resumes_as_if_never_stopped_and_says_what_it_cost(names, fresh, tmp_path):
    events, file = [], tmp_path / "kite"
    backbone = fresh(names)
    learner = new_learner(backbone, names, events.append)
    learner.consolidate(SOURCE, domain="ball")
    first = train_on(learner, "door")
    between = saved(backbone, learner)
    straight = train_on(
        learner, "kite", step_checkpoint=file
    )  # leaves what a run killed late would
    end = saved(backbone, learner)
    assert first.losses[-1] < 0.9 * first.losses[0]
    assert all(np.isfinite(straight.losses))
    assert straight.seconds > straight.strategy_seconds > 0
    assert (straight.strategy_bytes > 0) == (not set(names) <= KEEPS_NOTHING)
    terms = {term for e in events if isinstance(e, TrainStep) for term, _ in e.extra}
    adds = [name for name in names if REGISTERED[name].needs.adds_gradient]
    assert all(any(term.startswith(name) for term in terms) for name in adds)

    steps = []
    backbone, learner = restored(between, fresh, names, steps.append)
    assert same(read(between), read(saved(backbone, learner)))
    report = train_on(learner, "kite", step_checkpoint=file)
    left = range((straight.steps - 1) // 3 * 3 + 1, straight.steps + 1)
    assert [event.step for event in steps if isinstance(event, TrainStep)] == list(left)
    assert report.losses == straight.losses
    assert report.strategy_bytes == straight.strategy_bytes
    assert same(read(end), read(saved(backbone, learner)))


def read(file: bytes):
    return torch.load(io.BytesIO(file), weights_only=True)


def same(one, other) -> bool:
    """Equal to the last digit, through dicts and lists."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.mark.parametrize("route", ["prototype", "domain"])
def test_each_domain_is_answered_with_its_own_adapter(route, fresh):
    backbone = fresh()
    spec = StrategySpec(name="per_domain", options={"route": route})
    learner = Learner(backbone, [spec], TRAIN, seed=0)

    def ask(who, samples):
        return [one.log_likelihoods for one in who.score_choices(samples, batch_samples=8)]

    at_first = ask(backbone, SOURCE)
    learner.consolidate(SOURCE, domain="ball")
    train_on(learner, "door")
    after_door = ask(backbone, DOMAINS["door"])
    kite = DOMAINS["kite"][:2]  # in the colours of the others: the word alone tells it apart
    learner.train(kite, domain="kite", stage="kite")
    state = backbone.trainable_state()
    mixed = [SOURCE[0], *DOMAINS["door"], SOURCE[1], *kite]
    answers = ask(learner.inference_backbone(), mixed)
    torch.testing.assert_close([answers[0], answers[3]], at_first, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(answers[1:3], after_door, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(answers[4:], ask(backbone, kite), rtol=1e-4, atol=1e-4)
    names = DOMAINS["door"][0].choices
    found = learner.inference_backbone().score_candidates(DOMAINS["door"], names, batch_samples=8)
    torch.testing.assert_close(found.tolist(), list(map(list, after_door)), rtol=1e-4, atol=1e-4)
    assert ask(backbone, DOMAINS["door"])[0] != pytest.approx(after_door[0], rel=1e-3)
    assert same(state, backbone.trainable_state())


def test_the_likest_domain_counts_most_in_the_last_block(fresh):
    backbone = fresh()
    spec = StrategySpec(name="hide", options={"rank_per_domain": 8, "temperature": 0.01})
    learner = Learner(backbone, [spec], TRAIN, seed=0)
    train_on(learner, "door")
    kite = DOMAINS["kite"][:2]  # in the door's colours: the word alone tells it apart
    learner.train(kite, domain="kite", stage="kite")
    (plugin,) = learner._strategies
    top = {plugin._layers[at].name.partition(".layers.0.")[0] for at in plugin._top}
    assert top == {"base_model.model.model.language_model"}
    for place, samples in enumerate((DOMAINS["door"], kite)):
        for weights in plugin.routes(learner._trainer, samples):
            assert int(np.argmax(weights)) == place
    answers = learner.inference_backbone().score_choices(DOMAINS["door"], batch_samples=8)
    alone = [
        learner.inference_backbone().score_choices([one], batch_samples=8)[0]
        for one in DOMAINS["door"]
    ]
    pairs = [
        (one.log_likelihoods, other.log_likelihoods)
        for one, other in zip(answers, alone, strict=True)
    ]
    assert all(one == pytest.approx(other, rel=1e-4) for one, other in pairs)


@pytest.mark.integration
def test_the_router_learns_to_tell_domains_apart(fresh):
    backbone = fresh()
    spec = StrategySpec(name="mr_lora", options={"router_epochs": 150})
    learner = Learner(backbone, [spec], TRAIN, seed=0)
    kite = DOMAINS["kite"][:2]  # in the door's colours: the word alone tells it apart
    train_on(learner, "door")
    after_door = backbone.score_choices(DOMAINS["door"], batch_samples=8)
    learner.train(kite, domain="kite", stage="kite")
    (plugin,) = learner._strategies
    mixed = [kite[0], *DOMAINS["door"], kite[1]]
    assert plugin.routes(learner._trainer, mixed) == ["kite", "door", "door", "kite"]
    answers = learner.inference_backbone().score_choices(mixed, batch_samples=8)
    for one, other in zip(answers[1:3], after_door, strict=True):
        assert one.log_likelihoods == pytest.approx(other.log_likelihoods, rel=1e-4)


@pytest.mark.parametrize("more", [{}, {"train_embeddings": True}, {"experts": 2}], ids=str)
def test_the_fisher_over_the_adapter_takes_one_pass_and_is_exact(more, thin, monkeypatch):
    adapter = AdapterSection(rank=4, **more)
    section = BackboneSection(model=thin, device="cpu", adapter=adapter)
    backbone = load_backbone(section, decode=plain, seed=0)
    with torch.no_grad():
        for name, parameter in backbone.module.named_parameters():
            if "lora_B" in name:
                parameter.add_(0.02)  # zero in a new adapter, and so would gradients be
    backbone.module.eval()
    batch = backbone.collate([*SOURCE, *DOMAINS["door"][:2]])[0]
    passes = []
    handle = backbone.module.register_forward_pre_hook(lambda _, args: passes.append(len(args[0])))
    together = fisher.exact_fisher(backbone.module, [batch])
    assert passes == [4]
    monkeypatch.setattr(fisher, "uses_of", lambda module, parameters: None)
    apart = fisher.exact_fisher(backbone.module, [batch])
    handle.remove()
    assert passes == [4, 1, 1, 1, 1]
    assert float(apart.max()) > 0
    torch.testing.assert_close(together, apart, rtol=1e-3, atol=1e-6 * float(apart.max()))
