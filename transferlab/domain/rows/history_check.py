"""The proof that a row knows nothing of the future: its past is counted anew out of the tables."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from transferlab.core.text.learner_history import LearnerHistory
from transferlab.domain.base.rows import WHERE, BadItem, Row
from transferlab.domain.rows.learner_answers import LearnerAnswer
from transferlab.domain.rows.learner_history import history_of_row


def find_future(
    rows: Iterable[Row],
    answers: Sequence[LearnerAnswer],
    *,
    new_items: Collection[str],
    render: Callable[[Sequence[LearnerAnswer]], str] | None,
) -> Iterator[BadItem]:
    """Rows whose history holds more than what their learner had answered at an earlier time, and
    rows that are trained on and come after tested ones of the same learner, or are of new items.

    Nothing of how histories were made is used, only the answers as the tables have them.

    Args:
        rows: as samples are made of them, after the domain's own code.
        answers: of the same tables, read anew.
        new_items: those that belong to the test split.
        render: what a history says of answers; None where texts were changed since.
    """
    by_place = {one.where: one for one in answers}
    by_learner: defaultdict[str, list[LearnerAnswer]] = defaultdict(list)
    for one in answers:
        by_learner[one.learner].append(one)
    for own in by_learner.values():
        own.sort(key=lambda one: one.at)
    asked: list[tuple[LearnerAnswer, str]] = []
    for row in rows:
        answer, history, side = by_place.get(row[WHERE]), history_of_row(row), row.get("split", "")
        if answer is None or history is None:
            yield BadItem(row[WHERE], "is no answer of the table, so its past cannot be told")
            continue
        asked.append((answer, side))
        own = by_learner[answer.learner]
        earlier = own[: bisect_left(own, answer.at, key=lambda one: one.at)]
        if side != "test":
            earlier = [one for one in earlier if one.item not in new_items]
        reason = _differs(row, history, answer, earlier, render)
        if new_items and (answer.item in new_items) != (side == "test"):
            reason = "its item is new in the test split, and this is another, or the reverse"
        if reason:
            yield BadItem(row[WHERE], reason)
    yield from _out_of_order(asked)


def _differs(
    row: Row,
    history: LearnerHistory,
    answer: LearnerAnswer,
    earlier: Sequence[LearnerAnswer],
    render: Callable[[Sequence[LearnerAnswer]], str] | None,
) -> str:
    """Why a history is not what was known before the answer; empty where it is."""
    if (history.learner, history.item) != (answer.learner, answer.item):
        return "its history is that of another learner or item"
    counts = (len(earlier), sum(one.right for one in earlier))
    shown = (row.get("past_answers"), row.get("past_right"))
    if (history.past_answers, history.past_right) != counts or shown != tuple(map(str, counts)):
        return "its counts are not those of the learner's answers at an earlier time"
    latest = earlier[len(earlier) - len(history.recent) :]
    if list(history.recent) != [(one.item, one.right) for one in latest]:
        return "its history is not that of the learner's latest answers at an earlier time"
    if render is not None and row.get("history") != render(latest):
        return (
            "its history says something else than the learner's latest answers at an earlier time"
        )
    return ""


def _out_of_order(asked: Sequence[tuple[LearnerAnswer, str]]) -> Iterator[BadItem]:
    """Of each learner on several sides, the first answer that is trained on after a tested one."""
    first_test: dict[str, LearnerAnswer] = {}
    for one, side in asked:
        if side == "test" and one.at < _time_of(first_test, one.learner):
            first_test[one.learner] = one
    found: set[str] = set()
    for one, side in asked:
        late = side != "test" and one.at >= _time_of(first_test, one.learner)
        if late and one.learner not in found:
            found.add(one.learner)
            yield BadItem(
                one.where,
                f"is not tested, and not earlier than {first_test[one.learner].where}, which is, "
                "of the same learner: the split looks into the future",
            )


def _time_of(first: Mapping[str, LearnerAnswer], learner: str) -> float:
    return first[learner].at if learner in first else float("inf")
