"""What fools papers about learners, beside every score; on a world whose truth is known."""

import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_cases import FakeBackbone, decode, domain_data, shade_sample
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from transferlab.config.pipeline import EvaluationSection
from transferlab.core.text.learner_history import LearnerHistory
from transferlab.domain.catalog import find_domains
from transferlab.domain.loader import load_domain
from transferlab.domain.privacy.ids import salted_id
from transferlab.evaluation.control import CONTROLS, score_controls
from transferlab.evaluation.learner_models import (
    ItemResponse,
    fit_item_response,
    known_answers,
)
from transferlab.worlds.learners.world import simulate

OF_LEARNERS = {"answer_counts", "item_mean", "item_response", "learner_mean", "no_history"}


def answered(number, *, learner="a", item="q", past=(), answer="yes", **changes):
    """A sample of an answer; ``past``: items and outcomes of all earlier ones."""
    shown = "; ".join(f"{item} {'right' if right else 'wrong'}" for item, right in past)
    history = LearnerHistory(
        learner=learner,
        item=item,
        past_answers=len(past),
        past_right=sum(right for _, right in past),
        recent=tuple(past),
        shown=shown or "nothing",
        nothing="nothing",
    )
    facts = {
        "prompt": f"<image>\nBefore: {shown or 'nothing'}",
        "choices": ("no", "yes"),
        "answer": answer,
        "learner_history": history,
        "group": learner,
    }
    return shade_sample(number, **facts | changes)


def controls_of(train, test, *, backbone=None, metric="accuracy"):
    backbone = backbone or FakeBackbone(lambda sample: sample.choices[-1])
    data = domain_data(train, test, {"shade": (metric,)})
    return score_controls(
        backbone, data, train, section=EvaluationSection(), decode=decode, seed=0
    )["shade"]


@pytest.fixture(scope="module")
def world():
    return simulate(seed=0, samples=3600)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def known_items(cache):
    return load_domain(find_domains()["learners"], cache_root=cache)


@pytest.fixture(scope="module")
def new_items(cache):
    """With 300 learners, so that differences of AUROC are more than luck."""
    entry = find_domains()["learners-new-items"]
    options = entry.config.source.options | {"samples": 12_000, "seed": 0}
    source = entry.config.source.model_copy(update={"options": options})
    larger = replace(entry, config=entry.config.model_copy(update={"source": source}))
    return load_domain(larger, cache_root=cache)


def test_they_stand_beside_tasks_of_learners_only():
    assert set(CONTROLS.names()) >= OF_LEARNERS
    test = [answered(n, answer=("no", "yes")[n % 2]) for n in range(6)]
    assert set(controls_of(test, test).values) >= OF_LEARNERS
    plain = [replace(one, learner_history=None) for one in test]
    assert not set(controls_of(plain, plain).values) & OF_LEARNERS
    assert not set(controls_of(test, [*plain[:1], *test]).values) & OF_LEARNERS


def test_the_items_mean_is_that_of_training_and_of_a_new_one_that_of_all():
    train = [answered(n, item="hard", answer="yes" if n == 0 else "no") for n in range(6)]
    train += [answered(n, item="easy", learner="b") for n in range(6, 12)]
    test = [answered(20, item="hard", answer="no"), answered(21, item="easy")]
    assert controls_of(train, test).values["item_mean"] == 1.0
    assert controls_of(train, [answered(22, item="new")]).values["item_mean"] == 1.0  # 7 of 12
    assert controls_of(train, [answered(22, item="new", answer="no")]).values["item_mean"] == 0.0


def test_the_learners_mean_is_that_of_all_earlier_answers():
    train = [answered(n, answer=("no", "yes")[n % 2]) for n in range(6)]
    good = answered(20, past=[("x", True)] * 3)
    weak = answered(21, past=[("x", False)] * 3, answer="no")
    assert controls_of(train, [good, weak], metric="auroc").values["learner_mean"] == 1.0
    swapped = [replace(good, answer="no"), replace(weak, answer="yes")]
    assert controls_of(train, swapped, metric="auroc").values["learner_mean"] == 0.0


def test_counts_of_learner_and_item_are_weighed():
    rng = np.random.default_rng(0)
    able, easy = rng.normal(size=60), rng.normal(size=20)

    def made(learners, first):
        samples = []
        for learner in learners:
            past = []
            for at, item in enumerate(rng.permutation(20)[:10]):
                right = bool(rng.uniform() < 1 / (1 + np.exp(-2 * (able[learner] + easy[item]))))
                samples.append(
                    answered(
                        first + 20 * learner + at, learner=str(learner), item=str(item),
                        past=list(past), answer="yes" if right else "no",
                    )
                )  # fmt: skip
                past.append((str(item), right))
        return samples

    train, test = made(range(50), 0), made(range(50, 60), 5000)
    values = controls_of(train, test, metric="auroc").values
    assert values["answer_counts"] > max(values["item_mean"], values["learner_mean"]) > 0.6
    assert values["item_response"] > max(values["item_mean"], values["learner_mean"])


def test_without_history_the_model_knows_nobody():
    backbone = FakeBackbone(lambda sample: "yes" if "right" in sample.prompt else "no")
    test = [answered(n, past=[("x", True)]) for n in range(4)]
    test += [answered(n, past=[("x", False)], answer="no") for n in range(4, 8)]
    assert controls_of(test, test, backbone=backbone).values["no_history"] == 0.5
    asked = [one for one in backbone.asked if one.media]
    assert {one.prompt for one in asked} == {"<image>\nBefore: nothing"}
    first = [answered(n) for n in range(4)]
    reasons = controls_of(test, first).reasons
    assert "no prompt of the task shows a history" in reasons["no_history"]


def test_what_cannot_be_learned_is_said():
    alike = [answered(n) for n in range(4)]
    reasons = controls_of(alike, alike).reasons
    assert all("all have the same answer" in reasons[name] for name in OF_LEARNERS - {"no_history"})
    options = [answered(n, choices=("a", "b"), answer="ab"[n % 2]) for n in range(4)]
    reasons = controls_of(options, options).reasons
    assert all("yes and no" in reasons[name] for name in OF_LEARNERS - {"no_history"})
    assert "saw no training samples" in controls_of([], alike).reasons["item_response"]


def test_an_answer_that_many_samples_show_is_counted_once():
    train = [
        answered(0, item="p", answer="no"),
        answered(1, item="q", past=[("p", False)]),
        answered(2, item="r", past=[("p", False), ("q", True)]),
    ]
    assert sorted(known_answers(train)) == [("a", "p", False), ("a", "q", True), ("a", "r", True)]


def test_an_ability_follows_from_what_was_answered_before():
    model = ItemResponse(
        abilities={}, difficulties={"easy": -2.0, "hard": 2.0}, mean_difficulty=0.0
    )

    def ability(past):
        return model.ability(answered(0, past=past).learner_history)

    assert ability([]) == 0.0
    assert ability([("easy", True)]) < ability([("other", True)]) < ability([("hard", True)])
    assert ability([("hard", False)]) < 0 < ability([("easy", True)])
    # The maximum of the posterior, by another way.
    past = [("easy", True), ("hard", True), ("hard", False)]
    grid = np.linspace(-4, 4, 8001)
    posterior = -(grid**2) / 2
    for item, right in past:
        sign = 1 if right else -1
        posterior -= np.log1p(np.exp(-sign * (grid - model.difficulty(item))))
    assert ability(past) == pytest.approx(grid[posterior.argmax()], abs=1e-3)


def test_item_response_recovers_abilities_and_difficulties_of_the_world(known_items, world):
    model = fit_item_response(known_answers(known_items.splits["train"]))
    true = {salted_id("learners", ["learner", name]): at for name, at in world.abilities.items()}
    found = [(model.abilities[name], true[name]) for name in model.abilities]
    assert len(found) == 63
    assert np.corrcoef(np.transpose(found))[0, 1] > 0.85
    items = [(model.difficulties[name], world.difficulties[name]) for name in model.difficulties]
    assert len(items) == 120
    assert np.corrcoef(np.transpose(items))[0, 1] > 0.82


def test_item_response_is_the_control_to_beat_where_items_are_known(known_items):
    values = score_controls(
        FakeBackbone(lambda sample: "yes"),
        known_items,
        known_items.splits["train"],
        section=EvaluationSection(),
        decode=lambda ref: decode(replace(ref, path=Path(f"{zlib.crc32(ref.path.name.encode())}"))),
        seed=0,
    )["right"].values
    assert values["item_response"] > values["item_mean"] > 0.65
    assert values["item_response"] > values["learner_mean"] > 0.6
    assert values["item_response"] > 0.72
    assert values["majority"] == 0.5


def test_where_items_are_new_text_and_figure_say_what_item_response_cannot(new_items, world):
    figures = {one.name: one.figure for one in world.items}
    train, test = new_items.splits["train"], new_items.splits["test"]
    model = fit_item_response(known_answers(train))
    asked = {one.learner_history.item for one in test}
    assert not asked & {one.learner_history.item for one in train}
    assert {model.difficulty(item) for item in asked} == {model.mean_difficulty}

    def auroc(*describe):
        """Of the ability alone, or with words that describe the item."""
        words = CountVectorizer(token_pattern=r"\w+")
        texts = [[" ".join(one(s) for one in describe) for s in part] for part in (train, test)]
        abilities = [[[model.ability(s.learner_history)] for s in part] for part in (train, test)]
        features = abilities
        if describe:
            words.fit(texts[0])
            features = [
                np.hstack([able, words.transform(text).toarray()])
                for able, text in zip(abilities, texts, strict=True)
            ]
        fitted = LogisticRegression(max_iter=1000).fit(features[0], [s.answer for s in train])
        right = [s.answer == "yes" for s in test]
        return roc_auc_score(right, fitted.predict_proba(features[1])[:, 1])

    def text(sample):
        return sample.prompt.split("\n")[1]

    def figure(sample):
        return f"figure_{figures[sample.learner_history.item].replace(' ', '_')}"

    response, with_text, with_figure = auroc(), auroc(text), auroc(figure)
    assert with_text > response + 0.02
    assert with_figure > response + 0.04
    assert auroc(text, figure) > response + 0.06
