"""Which choice the likelihoods mean: rules that correct them for what the words alone are worth.

The summed log-likelihood of a choice falls with its number of tokens: a model that knows nothing
of a task answers the shortest choice. A rule turns the log-likelihoods of a sample's choices
into scores, of which the highest is the answer:

- ``sum``: the log-likelihood log p(choice | question), as it is; what training maximises.
- ``mean``: divided by the number of tokens, the end token among them.
- ``no_media``: minus that after the same question without its media: the pointwise mutual
  information of choice and media.
- ``content_free``: minus that after a question that says nothing (PMI with the domain's premise,
  Holtzman et al. 2021; the input is that of Zhao et al. 2021).
- ``standardised``: minus the choice's mean over validation samples and divided by its standard
  deviation there; their answers are not looked at (the mean alone is batch calibration, Zhou et
  al. 2024). Only where all samples have the same choices.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from scipy.optimize import minimize_scalar

from transferlab.config.pipeline import EvaluationSection, LikelihoodRule
from transferlab.core.protocols import Backbone
from transferlab.core.records import Prediction, Sample

CONTENT_FREE = "N/A"
MAX_VALIDATION = 128
"""Validation samples of a task that a rule is chosen on, at most."""
MIN_VALIDATION = 8
"""Fewer say nothing about a rule, or about the spread of a choice's likelihood."""
CERTAINTY = 1.645
"""Standard errors by which a rule must be better than the first one: 95 % on one side."""
TIE = 1e-6
"""Scores nearer than this are equal: two readings of one prompt differ by rounding."""

Scores = Sequence[np.ndarray]
"""Per sample, (choices,) float64; higher is better."""


@dataclass(frozen=True, kw_only=True)
class RuleChoice:
    """The rule by which a task's choices are answered, and why it is that one."""

    rule: LikelihoodRule
    reason: str
    samples: int = 0
    """Of the validation split, on which the rules were compared."""
    cross_entropy: Mapping[LikelihoodRule, float] = field(default_factory=dict)
    """By rule, in nats: of the right choice there, each rule at its best temperature."""


class Baselines:
    """Log-likelihoods of choices after questions without content; each question is asked once."""

    def __init__(self, backbone: Backbone, *, batch_samples: int) -> None:
        self._backbone, self._batch_samples = backbone, batch_samples
        self._known: dict[tuple[str, tuple[str, ...]], np.ndarray] = {}

    def after(self, samples: Sequence[Sample], *, content_free: bool) -> Scores:
        """Per sample, of its choices after its question without media, or after none at all."""
        questions = [_bare(sample, content_free=content_free) for sample in samples]
        new = {_key(one): one for one in questions if _key(one) not in self._known}
        if new:
            found = self._backbone.score_choices(
                list(new.values()), batch_samples=self._batch_samples
            )
            for key, prediction in zip(new, found, strict=True):
                self._known[key] = np.array(prediction.log_likelihoods)
        return [self._known[_key(one)] for one in questions]

    def of_candidates(self, sample: Sample, candidates: Sequence[str]) -> np.ndarray:
        """(candidates,) of answers to find, after a question without content."""
        bare = replace(sample.without_media(), prompt=CONTENT_FREE)
        return self._backbone.score_candidates(
            [bare], candidates, batch_samples=self._batch_samples
        )[0]


def _free_rules(predictions: Sequence[Prediction]) -> dict[LikelihoodRule, Scores]:
    """``sum``, and ``mean`` where the choices' tokens are known: they need no further passes."""
    sums = [np.array(one.log_likelihoods, np.float64) for one in predictions]
    rules: dict[LikelihoodRule, Scores] = {"sum": sums}
    if predictions and all(one.choice_tokens for one in predictions):
        rules["mean"] = [
            own / np.array(one.choice_tokens) for own, one in zip(sums, predictions, strict=True)
        ]
    return rules


def scores_by_rule(
    predictions: Sequence[Prediction],
    *,
    baselines: Baselines | None,
    validation: Sequence[Prediction] = (),
) -> dict[LikelihoodRule, Scores]:
    """Every rule's scores of the choices of closed samples of one task.

    Args:
        predictions: with the summed log-likelihoods.
        baselines: of the same model; None leaves out the rules that need further passes.
        validation: other samples of the task, for ``standardised``.
    """
    rules = _free_rules(predictions)
    if baselines is None or not predictions:
        return rules
    sums = rules["sum"]
    samples = [one.sample for one in predictions]
    free = baselines.after(samples, content_free=True)
    rules["content_free"] = [own - base for own, base in zip(sums, free, strict=True)]
    if all(sample.media for sample in samples):
        bare = baselines.after(samples, content_free=False)
        rules["no_media"] = [own - base for own, base in zip(sums, bare, strict=True)]
    choices = {one.sample.choices for one in (*predictions, *validation)}
    if len(choices) == 1 and len(validation) >= MIN_VALIDATION:
        table = np.array([one.log_likelihoods for one in validation], np.float64)
        mean, spread = table.mean(axis=0), table.std(axis=0)
        if spread.min() > TIE:
            rules["standardised"] = [(own - mean) / spread for own in sums]
    return rules


def compare_rules(
    section: EvaluationSection,
    predictions: Sequence[Prediction],
    validation: Sequence[Prediction],
    *,
    baselines: Baselines | None,
    trained: bool,
) -> tuple[dict[LikelihoodRule, Scores], RuleChoice]:
    """The scores of ``predictions`` by every rule, and the rule that ``choose_rule`` takes."""
    rules = scores_by_rule(predictions, baselines=baselines, validation=validation)
    there = scores_by_rule(validation, baselines=baselines, validation=validation)
    compared = {name: there.get(name, ()) for name in rules}
    return rules, choose_rule(section, validation, compared, trained=trained)


def choose_rule(
    section: EvaluationSection,
    validation: Sequence[Prediction],
    rules: Mapping[LikelihoodRule, Scores],
    *,
    trained: bool,
) -> RuleChoice:
    """The rule for one model and task.

    A model that was trained on the task was trained to give the right answer the highest sum, and
    is scored by it, so that all its scores along a stream are made in one way. For one that was
    not, the rule is that whose scores predict the validation split's answers best; ``standardised``
    or else ``content_free`` stays where no other is better by 95 %, because only these leave an
    ignorant model without a preference.

    Args:
        section: ``likelihood`` names a rule, or ``auto``.
        validation: of the task.
        rules: their scores.
        trained: whether the model was trained on the task.
    """
    settled = _rule_without_comparison(section, rules, trained=trained)
    if settled is not None:
        return settled
    first: LikelihoodRule = "standardised" if "standardised" in rules else "content_free"
    if len(validation) < MIN_VALIDATION:
        return RuleChoice(
            rule=first,
            reason=f"{len(validation)} validation samples are too few to compare rules",
            samples=len(validation),
        )
    right = [one.sample.choices.index(one.sample.answer) for one in validation]
    losses = {name: cross_entropies(scores, right) for name, scores in rules.items() if scores}
    means = {name: float(values.mean()) for name, values in losses.items()}
    best = min(means, key=lambda name: means[name])
    worse = losses[first] - losses[best]
    error = worse.std(ddof=1) / np.sqrt(len(worse))
    better = best != first and worse.mean() > CERTAINTY * error
    return RuleChoice(
        rule=best if better else first,
        reason="predicts the validation split better" if better else "none is clearly better",
        samples=len(validation),
        cross_entropy=means,
    )


def choose_ranked_rule(
    section: EvaluationSection, rules: Sequence[LikelihoodRule], *, trained: bool
) -> RuleChoice:
    """The rule for one model and a task that retrieves: every split has candidates of its own, so
    nothing is chosen on validation."""
    settled = _rule_without_comparison(section, rules, trained=trained)
    untrained = RuleChoice(rule="content_free", reason="the model was not trained on the task")
    return settled or untrained


def _rule_without_comparison(
    section: EvaluationSection, rules: Collection[LikelihoodRule], *, trained: bool
) -> RuleChoice | None:
    """The rule that the pipeline names, or the sum where nothing else is to be asked; None where
    rules are to be compared."""
    wanted = section.likelihood
    if wanted in rules:
        return RuleChoice(rule=cast("LikelihoodRule", wanted), reason="evaluation.likelihood")
    if wanted != "auto":
        return RuleChoice(rule="sum", reason=f"'{wanted}' cannot be computed for this task")
    if trained:
        return RuleChoice(rule="sum", reason="the model was trained on the task")
    if len(rules) == 1:
        return RuleChoice(rule="sum", reason="the backbone compares and does not write")
    return None


def cross_entropies(scores: Scores, right: Sequence[int]) -> np.ndarray:
    """(N,) nats: of the right choice, with the scores as logits at their best common temperature.

    The temperature (Guo et al. 2017) makes rules of different scale comparable; scores that say
    nothing end at log(choices), the loss of a guess.
    """
    widest = max(map(len, scores))
    offered = np.zeros((len(scores), widest))
    there = np.arange(widest) < np.array([len(own) for own in scores])[:, None]
    for row, scored in zip(offered, scores, strict=True):
        row[: len(scored)] = scored - scored.max()
    offered /= float(offered[there].std()) or 1.0
    own = offered[np.arange(len(scores)), list(right)]

    def losses(sharpness: float) -> np.ndarray:
        sharpened = np.exp(sharpness * offered) * there
        return np.log(sharpened.sum(axis=1)) - sharpness * own

    found = minimize_scalar(lambda s: losses(s).mean(), bounds=(0, 100), method="bounded")
    at_zero = losses(0.0)
    return losses(found.x) if found.fun < at_zero.mean() else at_zero


def answers_by(predictions: Sequence[Prediction], scores: Scores) -> list[Prediction]:
    """The same predictions, each choice with its score and the best one as the answer.

    Equal scores are decided by a hash of the sample and the choice: always taking the first would
    be a preference of ours.
    """
    return [
        replace(one, text=_best(one.sample, own), log_likelihoods=tuple(own.tolist()))
        for one, own in zip(predictions, scores, strict=True)
    ]


def fewest_tokens_share(predictions: Sequence[Prediction]) -> float | None:
    """How often the answer is a choice of fewest tokens, in [0, 1]; None where all have as many."""
    unequal = [one for one in predictions if len(set(one.choice_tokens)) > 1]
    if not unequal:
        return None
    shortest = [
        one.choice_tokens[one.sample.choices.index(one.text)] == min(one.choice_tokens)
        for one in unequal
    ]
    return sum(shortest) / len(shortest)


def _best(sample: Sample, scores: np.ndarray) -> str:
    level = scores.max() - TIE
    best = [one for one, score in zip(sample.choices, scores, strict=True) if score >= level]
    return min(best, key=lambda choice: hashlib.sha256(f"{sample.id}:{choice}".encode()).digest())


def _bare(sample: Sample, *, content_free: bool) -> Sample:
    # The right answer plays no part in how choices are scored.
    bare = replace(sample.without_media(), answer=sample.choices[0])
    if not content_free:
        return bare
    return replace(bare, prompt=CONTENT_FREE, history=(), role="user")


def _key(sample: Sample) -> tuple[str, tuple[str, ...]]:
    return sample.full_prompt, sample.choices
