"""How likelihoods become answers: what an ignorant model answers, and what a knowing one does."""

import hashlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from evaluation_cases import FakeBackbone, domain_data, shade_sample
from scipy.stats import chisquare

from transferlab.config.pipeline import EvaluationSection
from transferlab.core.records import Prediction
from transferlab.errors import TransferlabWarning
from transferlab.evaluation.likelihood import (
    CONTENT_FREE,
    MAX_VALIDATION,
    Baselines,
    answers_by,
    cross_entropies,
    scores_by_rule,
)
from transferlab.evaluation.scoring import calibration_samples, score_domain

LABELS = tuple(" ".join(f"word{n}" for n in range(length)) for length in range(1, 8))
"""Of 1 to 7 tokens."""
AUTO = EvaluationSection()
RULES = ("sum", "mean", "content_free", "no_media", "standardised")


class Writing(FakeBackbone):
    """Every token costs 2 nats; whether media, question or nothing is before it plays no part."""

    writes = True

    def __init__(self, *, token_noise=0.0, answer_noise=0.0, knowledge=0.0, by_text=False):
        super().__init__(lambda one: one.answer)
        self.token_noise, self.answer_noise = token_noise, answer_noise
        self.knowledge, self.by_text = knowledge, by_text

    def score_choices(self, samples, *, batch_samples):
        self.asked += samples
        return [self._scored(sample) for sample in samples]

    def _scored(self, sample):
        tokens = np.array([len(choice.split()) for choice in sample.choices])
        values = -2.0 * tokens
        if sample.media or (self.by_text and sample.prompt != CONTENT_FREE):
            seed = hashlib.sha256(sample.id.encode()).digest()[:4]
            rng = np.random.default_rng(int.from_bytes(seed, "big"))
            noise = rng.normal(size=(2, len(tokens)))
            values += self.token_noise * np.sqrt(tokens) * noise[0]
            values += self.answer_noise * noise[1]
            truth = labelled(int(sample.id[1:])).answer
            values += self.knowledge * np.array([one == truth for one in sample.choices])
        return Prediction(
            sample=sample,
            text=sample.choices[int(values.argmax())],
            log_likelihoods=tuple(values.tolist()),
            choice_tokens=tuple(tokens.tolist()),
        )


def labelled(number, **changes):
    answer = LABELS[int(np.random.default_rng(number).integers(len(LABELS)))]
    return shade_sample(number, **{"answer": answer, "choices": LABELS} | changes)


def domain(validation=128, test=700, own_questions=False):
    def made(number):
        question = f"<image>\nWhich, of {number}?" if own_questions else "<image>\nWhich?"
        return labelled(number, prompt=question)

    data = domain_data(
        [labelled(number) for number in range(7)],
        [made(number) for number in range(1000, 1000 + test)],
        {"shade": ("accuracy",)},
    )
    held_out = tuple(made(number) for number in range(100, 100 + validation))
    return replace(data, splits={**data.splits, "validation": held_out})


def counts_of(score):
    found = Counter(score.tasks["shade"].predicted)
    return [found[label] for label in range(len(LABELS))]


@pytest.mark.parametrize("noise", [{}, {"answer_noise": 1.0}, {"token_noise": 1.0}], ids=str)
def test_a_model_that_knows_nothing_answers_every_choice_as_often(noise):
    score = score_domain(Writing(**noise), domain(), AUTO, trained=False)
    expected = "standardised" if noise else "content_free"
    assert score.tasks["shade"].likelihood["rule"] == expected
    counts = counts_of(score)
    # Where a choice's mean and spread are estimated, on 128 samples, that error is in the shares.
    assert chisquare(counts).pvalue > (1e-3 if noise else 0.01)
    assert 60 < min(counts) <= max(counts) < 140
    assert score.tasks["shade"].likelihood["fewest_tokens"] == pytest.approx(1 / 7, abs=0.05)


@pytest.mark.parametrize("rule", ["sum", "mean"])
def test_the_control_sums_and_means_answer_by_length(rule):
    """What the rules are there for: with the sum it is the shortest choice every time."""
    section = EvaluationSection(likelihood=rule)
    score = score_domain(Writing(token_noise=0.3), domain(), section, trained=False)
    assert chisquare(counts_of(score)).pvalue < 1e-6
    assert score.tasks["shade"].likelihood["rule"] == rule
    if rule == "sum":
        assert score.tasks["shade"].likelihood["fewest_tokens"] == 1.0


def test_without_validation_samples_the_question_without_content_calibrates():
    score = score_domain(Writing(answer_noise=1.0), domain(validation=3), AUTO, trained=False)
    likelihood = score.tasks["shade"].likelihood
    assert likelihood["rule"] == "content_free"
    assert "3 validation samples are too few" in likelihood["reason"]
    assert chisquare(counts_of(score)).pvalue > 0.01


def test_what_a_model_knows_comes_through_where_the_sum_hides_it():
    backbone = Writing(answer_noise=1.0, knowledge=4.0)
    likelihood = score_domain(backbone, domain(), AUTO, trained=False).tasks["shade"].likelihood
    assert likelihood["values"][likelihood["rule"]] > 0.9
    assert likelihood["values"]["sum"] < 0.7
    assert set(likelihood["values"]) == set(RULES)


def test_a_rule_that_throws_the_knowledge_away_is_not_taken():
    """Where the words alone give the answer, the question without its media is no baseline."""
    backbone = Writing(answer_noise=0.2, knowledge=4.0, by_text=True)
    data = domain(own_questions=True)
    likelihood = score_domain(backbone, data, AUTO, trained=False).tasks["shade"].likelihood
    assert likelihood["values"]["no_media"] < 0.3
    assert likelihood["rule"] != "no_media"
    assert likelihood["values"][likelihood["rule"]] > 0.95


def test_a_model_that_was_trained_on_the_task_is_scored_by_the_sum_it_was_trained_for():
    backbone = Writing(answer_noise=1.0)
    data = domain()
    task = score_domain(backbone, data, AUTO, trained=True).tasks["shade"]
    assert task.likelihood["rule"] == "sum"
    assert counts_of(score_domain(backbone, data, AUTO, trained=True))[0] > 300
    assert set(task.likelihood["values"]) == {"sum", "mean"}
    asked = [one.id for one in backbone.asked]
    assert sorted(asked) == sorted([one.id for one in data.splits["test"]] * 2)  # scored twice here


def test_a_rule_that_the_task_does_not_have_is_said():
    data = domain(validation=0, test=20)
    section = EvaluationSection(likelihood="standardised")
    with pytest.warns(TransferlabWarning, match="'standardised' cannot be computed.*the sum is"):
        score = score_domain(Writing(), data, section, trained=False)
    likelihood = score.tasks["shade"].likelihood
    assert likelihood["rule"] == "sum"
    assert "'standardised' cannot be computed" in likelihood["reason"]


def test_a_backbone_that_only_compares_has_one_rule():
    backbone = FakeBackbone(lambda one: one.answer)
    score = score_domain(backbone, domain(test=30), AUTO, trained=False)
    assert score.tasks["shade"].likelihood["values"] == {"sum": 1.0}
    assert score.metric == "accuracy (shade)"


def test_the_rule_is_part_of_the_metrics_name():
    score = score_domain(Writing(answer_noise=1.0), domain(test=30), AUTO, trained=False)
    assert score.metric == "accuracy [standardised] (shade)"


def test_each_bare_question_is_asked_once():
    backbone = Writing()
    score_domain(backbone, domain(test=50), AUTO, trained=False)
    bare = [one.prompt for one in backbone.asked if not one.media]
    assert sorted(bare) == sorted({CONTENT_FREE, "Which?"})
    assert {one.answer for one in backbone.asked if not one.media} == {LABELS[0]}


def test_rules_are_their_formulas():
    samples = [labelled(number) for number in range(12)]
    backbone = Writing(answer_noise=1.0)
    predictions = backbone.score_choices(samples, batch_samples=4)
    rules = scores_by_rule(
        predictions, baselines=Baselines(backbone, batch_samples=4), validation=predictions[2:]
    )
    sums = np.array([one.log_likelihoods for one in predictions])
    tokens = np.arange(1, 8)
    others = sums[2:]
    expected = {
        "sum": sums,
        "mean": sums / tokens,
        "content_free": sums + 2 * tokens,
        "no_media": sums + 2 * tokens,
        "standardised": (sums - others.mean(axis=0)) / others.std(axis=0),
    }
    assert set(rules) == set(expected)
    for name, values in expected.items():
        assert np.array(rules[name]) == pytest.approx(values)


def test_cross_entropy_is_that_of_the_best_temperature():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 3))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    right = [int(rng.choice(3, p=one)) for one in chances]
    own = -np.log(chances[np.arange(4000), right]).mean()
    for scale in (0.1, 1.0, 40.0):  # the scale of the scores plays no part
        assert cross_entropies(list(scale * logits), right).mean() == pytest.approx(own, abs=1e-3)
    wrong = cross_entropies(list(-logits), right)  # worse than a guess: a guess
    assert wrong == pytest.approx(np.log(3))
    assert cross_entropies(list(np.zeros((5, 3))), [0, 1, 2, 0, 1]) == pytest.approx(np.log(3))


def test_samples_with_choices_of_their_own_are_compared_too():
    values = cross_entropies([np.array([1.0, 0.0]), np.array([0.0, 0.0, 3.0])], [0, 2])
    assert np.isfinite(values).all()
    assert values.mean() < np.log(2)


def test_equal_scores_prefer_no_choice():
    samples = [labelled(number) for number in range(700)]
    predictions = [Prediction(sample=one, text=LABELS[0]) for one in samples]
    found = Counter(one.text for one in answers_by(predictions, [np.zeros(7)] * 700))
    assert chisquare([found[label] for label in LABELS]).pvalue > 0.01
    again = answers_by(predictions, [np.zeros(7)] * 700)
    assert Counter(one.text for one in again) == found


def test_rules_are_chosen_on_validation_samples_only_and_on_few():
    data = domain(validation=200)
    chosen = calibration_samples(data, AUTO, trained=False)
    assert len(chosen) == MAX_VALIDATION
    assert {one.id for one in chosen} <= {one.id for one in data.splits["validation"]}
    assert calibration_samples(data, AUTO, trained=True) == ()
    assert calibration_samples(data, EvaluationSection(likelihood="mean"), trained=False) == ()


class Ranking(Writing):
    def score_candidates(self, samples, candidates, *, batch_samples):
        questions = [
            replace(one, choices=tuple(candidates), answer=candidates[0]) for one in samples
        ]
        found = self.score_choices(questions, batch_samples=batch_samples)
        return np.array([one.log_likelihoods for one in found], np.float32)


def test_candidates_are_calibrated_as_choices_are():
    def seek(number):
        return labelled(number, task="seek", kind="retrieve", choices=())

    samples = [seek(number) for number in range(1000, 1200)]
    data = domain_data(samples[:7], samples, {"seek": ("recall_at_1",)})
    backbone = Ranking(answer_noise=1.0, knowledge=4.0)
    likelihood = score_domain(backbone, data, AUTO, trained=False).tasks["seek"].likelihood
    assert likelihood["rule"] == "content_free"
    assert likelihood["values"]["content_free"] > 0.9 > 0.7 > likelihood["values"]["sum"]
    trained = score_domain(backbone, data, AUTO, trained=True).tasks["seek"]
    assert (trained.likelihood["rule"], trained.value) == ("sum", likelihood["values"]["sum"])
