"""What of a learner's answer can be told without reading the item: models of counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from transferlab.core.records import Prediction, Sample
from transferlab.core.text.learner_history import LearnerHistory

YES, NO = "yes", "no"
PRIOR_ANSWERS = 2.0
"""A mean counts as if so many answers had been as right as all are on average."""
_NEWTON_STEPS = 25
_MAX_ITERATIONS = 2000

NOT_ABOUT_RIGHT = "its choices are not yes and no, so nothing says whether an answer was right"
ONE_OUTCOME = "the training samples all have the same answer"


@dataclass(frozen=True, kw_only=True)
class ItemResponse:
    """A one-parameter item response model: logit P(right) = ability - difficulty."""

    abilities: Mapping[str, float]
    """By learner; on the scale on which the mean learner has about 0."""
    difficulties: Mapping[str, float]
    """By item."""
    mean_difficulty: float
    """Of an item that nobody has answered."""

    def difficulty(self, item: str) -> float:
        return self.difficulties.get(item, self.mean_difficulty)

    def ability(self, history: LearnerHistory) -> float:
        """The likeliest ability after what a learner has answered before, a priori N(0, 1).

        Of earlier answers that the history counts and does not name, the item is the mean one.
        """
        difficulties = [self.difficulty(item) for item, _ in history.recent]
        unnamed = history.past_answers - len(history.recent)
        hardness = np.array([*difficulties, self.mean_difficulty])
        weights = np.array([1.0] * len(difficulties) + [float(unnamed)])
        ability = 0.0
        for _ in range(_NEWTON_STEPS):
            chance = _logistic(ability - hardness)
            slope = history.past_right - weights @ chance - ability
            ability += slope / (weights @ (chance * (1 - chance)) + 1)
        return float(ability)

    def logit(self, sample: Sample) -> float:
        """Of a right answer to a sample that has a history."""
        history = history_of(sample)
        return self.ability(history) - self.difficulty(history.item)


def history_of(sample: Sample) -> LearnerHistory:
    """The history of a sample that has one."""
    assert sample.learner_history is not None, "of learners' tasks alone"
    return sample.learner_history


def unfit_because(train: Sequence[Sample], test: Sequence[Sample]) -> str | None:
    """Why nothing can be learned of who is right; None where it can."""
    if any(sorted(one.choices) != [NO, YES] for one in [*train, *test]):
        return NOT_ABOUT_RIGHT
    if len({one.answer for one in train}) < 2:
        return ONE_OUTCOME
    return None


def known_answers(train: Sequence[Sample]) -> list[tuple[str, str, bool]]:
    """Learner, item and outcome of every answer that training samples give or show, each once."""
    own = [(history_of(one), one.answer == YES) for one in train]
    given = {(past.learner, past.past_answers, past.item) for past, _ in own}
    shown: dict[tuple[str, int, str], bool] = {}
    for past, _ in own:
        first = past.past_answers - len(past.recent)
        for place, (item, right) in enumerate(past.recent, start=first):
            shown[past.learner, place, item] = right
    others = [(key[0], key[2], right) for key, right in shown.items() if key not in given]
    return [*((past.learner, past.item, right) for past, right in own), *others]


def fit_item_response(answers: Sequence[tuple[str, str, bool]]) -> ItemResponse:
    """The likeliest abilities and difficulties, both a priori normal with deviation 1.

    Args:
        answers: learner, item, and whether the answer was right; both outcomes occur.
    """
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression

    learners = sorted({one[0] for one in answers})
    items = sorted({one[1] for one in answers})
    rows = np.arange(len(answers))

    def dummies(names: Sequence[str], at: int) -> csr_matrix:
        place = {name: number for number, name in enumerate(names)}
        columns = [place[str(one[at])] for one in answers]
        return csr_matrix((np.ones(len(rows)), (rows, columns)), (len(rows), len(names)))

    features = hstack([dummies(learners, 0), dummies(items, 1)]).tocsr()
    model = LogisticRegression(C=1.0, max_iter=_MAX_ITERATIONS)
    model.fit(features, [one[2] for one in answers])
    weights, mean = model.coef_[0], -float(model.intercept_[0])
    return ItemResponse(
        abilities=dict(zip(learners, map(float, weights[: len(learners)]), strict=True)),
        difficulties={
            item: mean - float(weight)
            for item, weight in zip(items, weights[len(learners) :], strict=True)
        },
        mean_difficulty=mean,
    )


def item_means(answers: Sequence[tuple[str, str, bool]]) -> Callable[[str], float]:
    """By item: the share of right answers, smoothed; of an unknown one that of all answers.

    Args:
        answers: learner, item, and whether the answer was right; at least one.
    """
    overall = sum(right for _, _, right in answers) / len(answers)
    asked = Counter(item for _, item, _ in answers)
    solved = Counter(item for _, item, right in answers if right)
    return lambda item: smoothed_mean(solved[item], asked[item], overall)


def smoothed_mean(right: float, answers: float, overall: float) -> float:
    """A share of right answers that is drawn towards the overall one where there are few."""
    return (right + PRIOR_ANSWERS * overall) / (answers + PRIOR_ANSWERS)


def prediction(sample: Sample, probability: float) -> Prediction:
    """A right answer with this probability."""
    chance = float(np.clip(probability, 1e-9, 1 - 1e-9))
    likelihoods = {YES: float(np.log(chance)), NO: float(np.log1p(-chance))}
    return Prediction(
        sample=sample,
        text=max(sample.choices, key=likelihoods.__getitem__),
        log_likelihoods=tuple(likelihoods[choice] for choice in sample.choices),
    )


def logistic(logit: float) -> float:
    """The probability of a logit."""
    return float(_logistic(np.array(logit)))


def _logistic(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))
