"""Made-up learners' answers: who answered what, when, and whether it was right."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from transferlab.errors import InputError
from transferlab.worlds.learners.items import Item, draw_items, write_slides
from transferlab.worlds.learners.skills import Knowledge

ANSWERS_PER_LEARNER = 40
FEWEST_LEARNERS = 8
ITEMS = (28, 120)
"""Fewest and most; one for every 30 answers between them."""
SLIP = 0.05
"""Probability of a wrong answer from somebody who knows."""
GUESS = 0.15
"""Probability of a right answer from somebody who does not."""
STRENGTH_LOGITS = 2.0
"""What full command of an item's skill adds to a learner's ability."""
GAP_DAYS = 0.7
"""Mean time between two answers of a learner."""
BEGIN = datetime(2025, 9, 1, 8, 0)
AGE_BANDS = ("under 14", "14 to 17", "adult")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer of a learner to an item."""

    learner: str
    item: str
    day: float
    """Since the beginning; grows from answer to answer of a learner."""
    right: bool

    @property
    def answered_at(self) -> str:
        """ISO 8601, to the second."""
        return (BEGIN + timedelta(seconds=round(self.day * 86_400))).isoformat()


@dataclass(frozen=True, kw_only=True)
class LearnerWorld:
    """Learners, items and answers, and the truth behind them, which is written to no file."""

    abilities: Mapping[str, float]
    """By learner, in logits, beside what is learned on the way."""
    items: Sequence[Item]
    answers: Sequence[Answer]
    """Learner by learner, in the order of their times."""

    @property
    def difficulties(self) -> dict[str, float]:
        """By item, in logits."""
        return {item.name: item.difficulty for item in self.items}


def simulate(*, seed: int, samples: int) -> LearnerWorld:
    """The world of which ``write`` writes what could be observed.

    Args:
        seed: the same seed and ``samples`` give the same world.
        samples: answers, at least 1; 40 of each learner where there are many.

    Raises:
        InputError: ``samples`` is below 1 or ``seed`` is negative.
    """
    if samples < 1 or seed < 0:
        raise InputError(
            f"learners: samples must be at least 1 and seed at least 0, got {samples} and {seed}"
        )
    items = draw_items(seed, min(max(samples // 30, ITEMS[0]), ITEMS[1]))
    learners = min(samples, max(FEWEST_LEARNERS, samples // ANSWERS_PER_LEARNER))
    shares = [samples // learners + (number < samples % learners) for number in range(learners)]
    abilities: dict[str, float] = {}
    answers: list[Answer] = []
    for number, count in enumerate(shares, start=1):
        rng = np.random.default_rng([seed, 3, number])
        name = f"learner-{number:04d}"
        abilities[name] = float(rng.normal())
        answers += _answers(rng, name, abilities[name], items, count)
    return LearnerWorld(abilities=abilities, items=items, answers=answers)


def write(folder: Path, *, seed: int, samples: int) -> None:
    """Write ``answers.csv``, ``items.csv``, ``learners.csv`` and ``slides/*.png``.

    Args:
        folder: exists; what it holds under these names is replaced.
        seed: the same seed gives the same bytes.
        samples: rows of ``answers.csv``; as for ``simulate``.

    Raises:
        InputError: as for ``simulate``.
    """
    world = simulate(seed=seed, samples=samples)
    (folder / "slides").mkdir(exist_ok=True)
    write_slides(folder / "slides", world.items, seed=seed)
    _write_table(
        folder / "items.csv",
        (
            {
                "item_id": one.name,
                "file": f"{one.name}.png",
                "subject": one.subject,
                "figure": one.figure,
                "words": one.speech.words,
                "explanation": one.speech.explanation,
            }
            for one in world.items
        ),
    )
    rng = np.random.default_rng([seed, 4])
    _write_table(
        folder / "learners.csv",
        (
            {"learner_id": name, "age_band": AGE_BANDS[rng.integers(len(AGE_BANDS))]}
            for name in world.abilities
        ),
    )
    _write_table(
        folder / "answers.csv",
        (
            {
                "learner_id": one.learner,
                "item_id": one.item,
                "answered_at": one.answered_at,
                "right": str(int(one.right)),
            }
            for one in world.answers
        ),
    )


def _answers(
    rng: np.random.Generator, learner: str, ability: float, items: Sequence[Item], count: int
) -> list[Answer]:
    """A learner's way through the items, in a random order; none comes again before all came."""
    knowledge = Knowledge.draw(rng)
    rounds = -(-count // len(items))
    order = np.concatenate([rng.permutation(len(items)) for _ in range(rounds)])[:count]
    day, found = 0.0, []
    for at in order:
        item = items[int(at)]
        # At least a minute, so that no two answers have one time.
        day += 1 / 1440 + float(rng.exponential(GAP_DAYS))
        logit = ability + STRENGTH_LOGITS * knowledge.shown(item.figure, day) - item.difficulty
        knows = 1 / (1 + np.exp(-logit))
        right = bool(rng.uniform() < GUESS + (1 - SLIP - GUESS) * knows)
        found.append(Answer(learner=learner, item=item.name, day=day, right=right))
        knowledge.practise(item.figure, day)
    return found


def _write_table(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table: csv.DictWriter[str] | None = None
        for row in rows:
            if table is None:
                table = csv.DictWriter(file, list(row), lineterminator="\n")
                table.writeheader()
            table.writerow(row)
