"""Learners' answers out of tables, each with its time; learners by their pseudonyms only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from transferlab.config.interactions import InteractionsOptions
from transferlab.domain.base.rows import WHERE, BadItem, BadRow, Row
from transferlab.domain.base.template import check_columns, value
from transferlab.domain.rows.answer_tables import (
    RIGHT_WORDS,
    cell,
    join_key,
    learner_of,
    learner_tables,
    read_join,
    seconds_of,
    shuffled,
    stream_answers,
)
from transferlab.domain.rows.source import SourceContext
from transferlab.errors import InputError

TOGETHER = "; "
"""Between what several rows of one answer say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LearnerAnswer:
    """One answer of a learner to an item."""

    learner: str
    """Pseudonym."""
    item: str
    at: float
    """By which answers are put in order; seconds where times are dates."""
    time: str
    """As it was written."""
    right: bool
    chosen: str
    before: Mapping[str, str]
    """The columns of ``known_before``."""
    where: str
    known: str = field(repr=False)
    """The learner's id as it was written, which texts are scrubbed of; empty where none are."""


class AnswerReader:
    """Reads the answers of a domain: its table or folder, and the tables that say more of them."""

    def __init__(
        self, context: SourceContext, options: InteractionsOptions, items: Mapping[str, Row]
    ) -> None:
        """
        Args:
            context: of the source.
            options: ``source.options``.
            items: rows of the items by key, of which ``correct`` may be a column.

        Raises:
            InputError: an option names a column that does not exist.
            DataError: a table cannot be read.
        """
        self._context, self._options, self._items = context, options, items
        self._more: dict[str, Row] = {}
        if options.answers is not None:
            named = {*self._named(), options.item, options.learner or ""}
            joined = read_join(context, options.answers, key="answers")
            # Of millions of answers only what is asked for fits into memory.
            self._more = {
                key: {column: one[column] for column in one if column in named}
                for key, one in joined.items()
            }

    def read(self) -> tuple[list[LearnerAnswer], list[BadItem]]:
        """All answers in the order of the tables, one per number of ``answer``, and bad rows.

        Raises:
            InputError: an option names a column that does not exist.
            DataError: a table cannot be read.
        """
        answers: list[LearnerAnswer] = []
        bad: list[BadItem] = []
        numbered: dict[tuple[str, str], int] = {}
        kept = self._kept_learners()
        for raw_learner, row in self._rows():
            learner = self._pseudonym(raw_learner)
            if kept is not None and learner not in kept:
                continue
            try:
                answer = self._answer(row, raw_learner, learner)
                number = cell(row, self._options.answer).strip() if self._options.answer else ""
            except BadRow as error:
                bad.append(BadItem(row[WHERE], str(error)))
                continue
            earlier = numbered.setdefault((learner, number), len(answers)) if number else None
            if earlier is None or earlier == len(answers):
                answers.append(answer)
            else:
                answers[earlier] = _together(answers[earlier], answer)
        return answers, bad

    def _pseudonym(self, learner: str) -> str:
        return self._context.guard.id(["learner", learner])

    def _kept_learners(self) -> set[str] | None:
        """Those of ``max_learners``; None for all."""
        most = self._options.max_learners
        if most is None:
            return None
        if self._options.learner is None:
            everyone = {
                self._pseudonym(join_key(self._options.learners, learner_of(path)))
                for path in learner_tables(self._context)
            }
        else:
            everyone = {self._pseudonym(learner) for learner, _ in self._rows()}
        return set(shuffled(everyone, seed=self._options.split_seed)[:most])

    def _rows(self) -> Iterator[tuple[str, Row]]:
        """Every row with its learner, as written."""
        options, checked = self._options, False
        for learner, row in stream_answers(self._context, options):
            if options.answers is not None:
                row = self._more.get(self._number(row), {}) | row
            if not checked:
                self._check(row)
                checked = True
            own = _text(row, options.learner) if options.learner else learner
            yield join_key(options.learners, own), row

    def _number(self, row: Row) -> str:
        """The key of ``answers`` that a row names."""
        return join_key(self._options.answers, _text(row, self._options.answer))

    def _check(self, row: Row) -> None:
        """Whether the columns that options name are there; asked of the first row."""
        options = self._options
        own = {*row, *next(iter(self._more.values()), {})}
        for key in ("learner", "item", "time", "right", "chosen", "answer"):
            column = getattr(options, key)
            # A dotted name looks into JSON, where every row may have other keys.
            if column is not None and "." not in column:
                check_columns([column], own, where=self._at(key))
        check_columns(options.known_before, own, where=self._at("known_before"))
        if options.correct is not None:
            known = {*own, *next(iter(self._items.values()), {})}
            check_columns([options.correct], known, where=self._at("correct"))
        hidden = set(options.known_before) & {options.learner, options.right, options.chosen}
        if hidden:
            raise InputError(
                f"{self._at('known_before')}: '{min(map(str, hidden))}' may not be shown: it is "
                "the learner, or known only after the answer"
            )

    def _at(self, key: str) -> str:
        return f"{self._context.entry.file}: source.options.{key}"

    def _named(self) -> set[str]:
        options = self._options
        single = (options.time, options.right, options.chosen, options.correct)
        return {*options.known_before, *(one for one in single if one is not None)}

    def _answer(self, row: Row, raw_learner: str, learner: str) -> LearnerAnswer:
        options = self._options
        if not raw_learner:
            raise BadRow("it names no learner")
        joined = options.answers
        if joined is not None and not joined.optional and self._number(row) not in self._more:
            raise BadRow(f"its answer is not in {joined.path}")
        item = join_key(options.items, cell(row, options.item))
        if not item:
            raise BadRow("it names no item")
        time = cell(row, options.time).strip()
        chosen = cell(row, options.chosen).strip() if options.chosen else ""
        scrubbed = self._context.guard.section.text is not None
        return LearnerAnswer(
            learner=learner,
            item=item,
            at=seconds_of(time),
            time=time,
            right=self._is_right(row, item, chosen),
            chosen=chosen,
            before={column: value(row, column) for column in options.known_before},
            where=row[WHERE],
            known=raw_learner if scrubbed else "",
        )

    def _is_right(self, row: Row, item: str, chosen: str) -> bool:
        options = self._options
        if options.correct is not None:
            wanted = (self._items.get(item, {}) | row).get(options.correct, "").strip()
            if not wanted or not chosen:
                raise BadRow("it does not say what was chosen, or its item what is right")
            return chosen == wanted
        word = cell(row, str(options.right)).strip().lower()
        if word not in RIGHT_WORDS:
            raise BadRow("does not say whether the answer is right: neither 1 nor 0")
        return RIGHT_WORDS[word]


def _text(row: Row, column: str | None) -> str:
    """A cell; empty where the row lacks it."""
    try:
        return cell(row, column) if column is not None else ""
    except BadRow:
        return ""


def _together(one: LearnerAnswer, other: LearnerAnswer) -> LearnerAnswer:
    """One answer that two rows speak of: what they say beside is put together."""
    before = {}
    for column, said in one.before.items():
        more = other.before[column]
        before[column] = said if more in said.split(TOGETHER) else f"{said}{TOGETHER}{more}"
    return replace(one, before=before)
