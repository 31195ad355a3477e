"""Rehearsal over sample ids."""

from collections import Counter
from dataclasses import replace

import pytest
from continual_cases import ToyBackbone, make_samples

from transferlab.continual.strategies.replay import MixedBatches

POLICIES = ["reservoir", "experience_balanced", "class_balanced"]


def domains_of(batch):
    return Counter(name.split("-")[0] for name in batch)


def test_every_step_has_the_new_samples_and_the_share_of_remembered_ones(
    make_learner, xray, lecture
):
    backbone = ToyBackbone()
    learner = make_learner(backbone, replay={"memory_samples": 7, "batch_ratio": 0.5})
    learner.train(xray, domain="xray", stage="one")
    backbone.batches.clear()
    report = learner.train(lecture, domain="lecture", stage="two")
    steps = [domains_of(batch) for batch in backbone.batches]
    assert [step["lecture"] for step in steps] == [4, 4, 4, 4, 1] * 2
    assert {step["xray"] for step in steps} == {2}
    assert report.samples_seen == 2 * (17 + 5 * 2)
    for epoch in (backbone.batches[:5], backbone.batches[5:]):
        new = [name for batch in epoch for name in batch if name.startswith("lecture")]
        assert sorted(new) == sorted(sample.id for sample in lecture)


def test_nothing_is_replayed_while_nothing_is_remembered(make_learner, xray):
    backbone = ToyBackbone()
    report = make_learner(backbone, "replay").train(xray, domain="xray", stage="one")
    assert report.samples_seen == 2 * len(xray)


def test_a_consolidated_source_is_rehearsed(make_learner, xray):
    backbone = ToyBackbone()
    learner = make_learner(backbone, replay={"memory_samples": 5})
    learner.consolidate(make_samples("scenes", 9), domain="scenes")
    backbone.batches.clear()
    learner.train(xray, domain="xray", stage="one")
    assert all(domains_of(batch)["scenes"] == 4 for batch in backbone.batches)


def test_the_memory_is_drawn_from_evenly():
    draws = MixedBatches(new=60, remembered=5, batch_new=2, batch_remembered=2)
    counts = Counter(position for batch in draws for position in batch if position >= 60)
    assert sorted(counts) == [60, 61, 62, 63, 64]
    assert set(counts.values()) == {12}
    assert len(draws) == 30


def test_a_share_larger_than_the_memory_takes_all_of_it():
    batches = list(MixedBatches(new=4, remembered=3, batch_new=2, batch_remembered=8))
    assert [len(batch) for batch in batches] == [5, 5]
    assert all({4, 5, 6} <= set(batch) for batch in batches)


def test_mixed_by_epoch_a_step_stays_as_large_and_the_ratio_holds_over_all_of_them(
    make_learner, xray, lecture
):
    backbone = ToyBackbone()
    options = {"memory_samples": 7, "batch_ratio": 0.5, "mix": "epoch"}
    learner = make_learner(backbone, replay=options)
    learner.train(xray, domain="xray", stage="one")
    backbone.batches.clear()
    learner.train(lecture, domain="lecture", stage="two")
    assert [len(batch) for batch in backbone.batches] == [4, 4, 4, 4, 4, 4, 1] * 2
    for epoch in (backbone.batches[:7], backbone.batches[7:]):
        together = [name for batch in epoch for name in batch]
        assert domains_of(together) == {"lecture": 17, "xray": 8}
        assert len({name for name in together if name.startswith("xray")}) == 7
    assert len({tuple(domains_of(batch).items()) for batch in backbone.batches}) > 2


def test_a_memory_in_tokens_holds_as_many_samples_as_fit(make_learner, xray, lecture):
    learner = make_learner(ToyBackbone(), replay={"memory_tokens": 25})
    tokens = {one.id: len(one.answer.split()) + 1 for one in (*xray, *lecture)}
    for name, samples in (("xray", xray), ("lecture", lecture)):
        learner.train(samples, domain=name, stage=name)
        kept = [name for name, _ in learner._strategies[0].remembered()]
        assert 16 <= sum(tokens[name] for name in kept) <= 25
    assert set(domains_of(kept).values()) <= {3, 4, 5}
    tiny = make_learner(ToyBackbone(), replay={"memory_tokens": 1})
    tiny.train(xray, domain="xray", stage="xray")
    assert len(tiny._strategies[0].remembered()) == 1


@pytest.mark.parametrize("policy", POLICIES)
def test_a_memory_as_a_fraction_grows_with_what_was_met(make_learner, policy, xray, lecture):
    options = {"memory_fraction": 0.3, "policy": policy, "never_keep": ["scenes"]}
    learner = make_learner(ToyBackbone(), replay=options)
    learner.consolidate(make_samples("scenes", 9), domain="scenes")
    sizes = []
    for name, samples in (("xray", xray), ("lecture", lecture)):
        learner.train(samples, domain=name, stage=name)
        sizes.append(len(learner._strategies[0].remembered()))
        state = learner.state_dict()
    assert sizes == [7, 12]
    again = make_learner(ToyBackbone(), replay=options)
    again.load_state_dict(state, {one.id: one for one in (*xray, *lecture)})
    again.train(make_samples("films", 20), domain="films", stage="films")
    assert len(again._strategies[0].remembered()) == 18


def test_every_value_of_an_attribute_gets_the_same_share(make_learner, xray, lecture):
    views = [
        replace(one, attributes={"view": "PA" if i % 8 else "AP"}) for i, one in enumerate(xray)
    ]
    options = {"memory_samples": 9, "policy": "random", "group_by": "attribute"}
    options |= {"attribute": "view"}
    learner = make_learner(ToyBackbone(), replay=options)
    learner.train(views, domain="xray", stage="one")
    learner.train(lecture, domain="lecture", stage="two")
    value = {one.id: one.attributes.get("view") for one in (*views, *lecture)}
    kept = Counter(value[name] for name, _ in learner._strategies[0].remembered())
    assert kept == {"PA": 3, "AP": 3, None: 3}
    state = learner.state_dict()
    assert "PA" not in str(state)
    again = make_learner(ToyBackbone(), replay=options)
    again.load_state_dict(state, {one.id: one for one in (*views, *lecture)})
    assert again.state_dict() == state
    more = [replace(one, id=f"new-{i}") for i, one in enumerate(views)]
    again.train(more, domain="xray", stage="three")
    assert len(again._strategies[0].remembered()) == 9


@pytest.mark.parametrize("policy", POLICIES)
def test_the_memory_never_exceeds_its_size(make_learner, policy, xray, lecture):
    learner = make_learner(ToyBackbone(), replay={"memory_samples": 8, "policy": policy})
    known = {sample.id for sample in (*xray, *lecture)}
    for name, samples in (("xray", xray), ("lecture", lecture)):
        learner.train(samples, domain=name, stage=name)
        kept = [name for name, _ in learner._strategies[0].remembered()]
        assert len(kept) == len(set(kept)) == 8
        assert set(kept) <= known


def test_experience_balanced_gives_each_domain_the_same_share(make_learner, xray, lecture):
    learner = make_learner(ToyBackbone(), replay={"memory_samples": 9})
    learner.train(xray, domain="xray", stage="one")
    learner.train(lecture, domain="lecture", stage="two")
    kept = learner._strategies[0].remembered()
    assert Counter(task for _, task in kept) == {0: 5, 1: 4}
    assert domains_of(name for name, _ in kept) == {"xray": 5, "lecture": 4}


def test_class_balanced_gives_each_label_the_same_share(make_learner):
    rare = [s for s in make_samples("xray", 60) if s.answer != "clear"]
    samples = rare + [s for s in make_samples("xray", 9) if s.answer == "clear"]
    learner = make_learner(
        ToyBackbone(), replay={"memory_samples": 6, "policy": "class_balanced"}, train={"epochs": 1}
    )
    learner.train(samples, domain="xray", stage="one")
    answers = {sample.id: sample.answer for sample in samples}
    kept = Counter(answers[name] for name, _ in learner._strategies[0].remembered())
    assert kept == {"clear": 2, "fluid level": 2, "heart too large": 2}


def test_the_state_holds_ids_and_nothing_that_a_sample_says(make_learner, xray):
    learner = make_learner(ToyBackbone(), "replay")
    report = learner.train(xray, domain="xray", stage="one")
    text = str(learner.state_dict())
    assert "xray-3" in text
    assert not any(word in text for word in ("note", "shows", "fluid", "heart"))
    assert 0 < report.strategy_bytes < 100 * len(xray)
