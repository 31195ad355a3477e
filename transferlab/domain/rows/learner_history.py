"""What a learner had answered before an answer, and on which side of a split the answer is."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from transferlab.config.interactions import InteractionsOptions
from transferlab.core.records import SplitName
from transferlab.core.text.learner_history import LearnerHistory
from transferlab.domain.base.rows import HISTORY, Row
from transferlab.domain.rows.answer_tables import shuffled
from transferlab.domain.rows.learner_answers import LearnerAnswer


@dataclass(frozen=True, kw_only=True, slots=True)
class AskedAnswer:
    """An answer that becomes a row, and what may be known before it."""

    answer: LearnerAnswer
    split: SplitName
    past_answers: int
    past_right: int
    recent: Sequence[LearnerAnswer]
    """The latest of the past, in the order of their times."""

    def to_json(self, *, nothing: str) -> str:
        """For the column ``HISTORY``; ``nothing`` as in ``LearnerHistory``."""
        return json.dumps(
            {
                "learner": self.answer.learner,
                "item": self.answer.item,
                "past_answers": self.past_answers,
                "past_right": self.past_right,
                "recent": [[one.item, one.right] for one in self.recent],
                "nothing": nothing,
            }
        )


def history_of_row(row: Row) -> LearnerHistory | None:
    """What the column ``HISTORY`` says; None where a row is no learner's answer."""
    if HISTORY not in row:
        return None
    said = json.loads(row[HISTORY])
    recent = tuple((item, right) for item, right in said.pop("recent"))
    return LearnerHistory(recent=recent, shown=row.get("history", ""), **said)


class LearnerSplits:
    """Who, and what, is on which side."""

    def __init__(self, answers: Sequence[LearnerAnswer], options: InteractionsOptions) -> None:
        self._options = options
        self.new_items = _drawn(
            {one.item for one in answers}, options.new_items, seed=options.split_seed
        )
        """Asked in the test split alone; empty where nothing is asked of them."""
        self._of_learner: dict[str, SplitName] = {}
        if options.split == "learner":
            order = shuffled({one.learner for one in answers}, seed=options.split_seed)
            tested, validated = _counts(len(order), options)
            for at, learner in enumerate(order):
                self._of_learner[learner] = _side(at, tested, validated)

    def sides(self, own: Sequence[LearnerAnswer]) -> list[SplitName]:
        """The side of each of one learner's answers, which are in the order of their times."""
        if self._options.split == "learner":
            return [self._of_learner[own[0].learner]] * len(own)
        tested, validated = _counts(len(own), self._options)
        # What was answered at one time is on one side, the earlier one.
        test_from = _end_of_ties(own, len(own) - tested)
        validation_from = _end_of_ties(own, len(own) - tested - validated)
        return [
            "test" if at >= test_from else "validation" if at >= validation_from else "train"
            for at in range(len(own))
        ]


def asked_answers(
    answers: Iterable[LearnerAnswer], splits: LearnerSplits, *, history: int
) -> Iterator[AskedAnswer]:
    """Every answer that is asked about, learner by learner, in the order of their times.

    An answer knows those that its learner gave at an earlier time. Where items are new in the test
    split, answers to them are known there only.

    Args:
        answers: in any order.
        splits: made of the same answers.
        history: how many of the latest earlier answers are given.
    """
    by_learner: defaultdict[str, list[LearnerAnswer]] = defaultdict(list)
    for one in answers:
        by_learner[one.learner].append(one)
    for own in by_learner.values():
        own.sort(key=lambda one: one.at)
        yield from _asked_of_one(own, splits.sides(own), splits.new_items, history)


def _asked_of_one(
    own: Sequence[LearnerAnswer], sides: Sequence[SplitName], new: Collection[str], history: int
) -> Iterator[AskedAnswer]:
    everything, without_new = _Past(), _Past()
    placed = list(zip(own, sides, strict=True))
    for _, members in groupby(placed, key=lambda pair: pair[0].at):
        together = list(members)
        for answer, side in together:
            if new and (answer.item in new) != (side == "test"):
                continue
            past = everything if side == "test" else without_new
            yield AskedAnswer(
                answer=answer,
                split=side,
                past_answers=len(past.answers),
                past_right=past.right,
                recent=past.answers[-history:] if history else [],
            )
        everything.add(answer for answer, _ in together)
        without_new.add(answer for answer, _ in together if answer.item not in new)


class _Past:
    def __init__(self) -> None:
        self.answers: list[LearnerAnswer] = []
        self.right = 0

    def add(self, answers: Iterable[LearnerAnswer]) -> None:
        for one in answers:
            self.answers.append(one)
            self.right += one.right


def _drawn(names: Collection[str], share: float, *, seed: int) -> frozenset[str]:
    return frozenset(shuffled(names, seed=seed)[: round(share * len(names))])


def _counts(total: int, options: InteractionsOptions) -> tuple[int, int]:
    """How many are tested and validated."""
    return round(options.test * total), round(options.validation * total)


def _side(at: int, tested: int, validated: int) -> SplitName:
    if at < tested:
        return "test"
    return "validation" if at < tested + validated else "train"


def _end_of_ties(own: Sequence[LearnerAnswer], at: int) -> int:
    """The first position from ``at`` on whose time is later than that of the one before it."""
    while 0 < at < len(own) and own[at].at == own[at - 1].at:
        at += 1
    return at
