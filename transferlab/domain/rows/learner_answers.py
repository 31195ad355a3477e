"""Learners' answers out of tables, each with its time; learners by their pseudonyms only."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from transferlab.config.interactions import InteractionsOptions, JoinSection
from transferlab.domain.base.file_tree import walk
from transferlab.domain.base.join_keys import as_number
from transferlab.domain.base.rows import WHERE, BadItem, BadRow, Row
from transferlab.domain.base.template import check_columns, value
from transferlab.domain.rows.source import SourceContext
from transferlab.domain.tables.reader import TABLE_SUFFIXES, stream_table
from transferlab.errors import DataError, InputError

RIGHT_WORDS = {
    **dict.fromkeys(("1", "1.0", "true", "right", "correct", "yes"), True),
    **dict.fromkeys(("0", "0.0", "false", "wrong", "incorrect", "no"), False),
}
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


def shuffled(names: Collection[str], *, seed: int) -> list[str]:
    """In an order that depends on the names and the seed alone."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}\x1f{name}".encode()).digest())


def join_key(section: JoinSection | None, written: str) -> str:
    """A key as the rows of a joined table are found by it; as written where none is joined."""
    key = written.strip()
    return as_number(key) if section is not None and section.normalise == "number" else key


def read_join(context: SourceContext, section: JoinSection, *, key: str) -> dict[str, Row]:
    """The rows of a joined table by their key, without where they stand; rows whose key is empty
    belong to nothing and are left out.

    Raises:
        InputError: it has no such column.
        DataError: it cannot be read, or two rows have one key.
    """
    path = context.path(section.path, key=f"options.{key}.path")
    rows: dict[str, Row] = {}
    for row in stream_table(path, encoding=section.encoding):
        where = row.pop(WHERE)
        if not rows:
            known = f"{context.entry.file}: source.options.{key}.column"
            check_columns([section.column], row, where=known)
        own = join_key(section, row.get(section.column, ""))
        if not own:
            continue
        if own in rows:
            raise DataError(f"{path.parent}: {where}: is the second with its key; keep one of them")
        rows[own] = row
    return rows


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
                number = value(row, self._options.answer).strip() if self._options.answer else ""
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
                self._pseudonym(join_key(self._options.learners, path.name.partition(".")[0]))
                for path in self._tables()
            }
        else:
            everyone = {self._pseudonym(learner) for learner, _ in self._rows()}
        return set(shuffled(everyone, seed=self._options.split_seed)[:most])

    def _rows(self) -> Iterator[tuple[str, Row]]:
        """Every row with its learner, as written."""
        options, checked = self._options, False
        for learner, row in self._own_rows():
            if options.answers is not None:
                row = self._more.get(self._number(row), {}) | row
            if not checked:
                self._check(row)
                checked = True
            own = row.get(options.learner, "") if options.learner else learner
            yield join_key(options.learners, own), row

    def _number(self, row: Row) -> str:
        """The key of ``answers`` that a row names."""
        return join_key(self._options.answers, row.get(self._options.answer or "", ""))

    def _own_rows(self) -> Iterator[tuple[str, Row]]:
        section = self._context.section
        if self._options.learner is not None:
            for row in stream_table(self._context.path(section.path), encoding=section.encoding):
                yield "", row
            return
        tables = self._tables()
        for number, path in enumerate(tables, start=1):
            # The file is called as the learner is, so no message may name it.
            alias = f"table {number} of {len(tables)}"
            try:
                for row in stream_table(path, encoding=section.encoding):
                    place = row[WHERE].removeprefix(path.name).strip()
                    yield path.name.partition(".")[0], row | {WHERE: f"{alias}, {place}"}
            except DataError as error:
                told = str(error).replace(str(path), alias).replace(path.name, alias)
                raise DataError(told) from None

    def _tables(self) -> list[Path]:
        folder = self._context.path(self._context.section.path)
        if not folder.is_dir():
            raise DataError(
                f"{folder}: is no folder of one table per learner; where one table holds all, name "
                "the column of the learner in source.options.learner"
            )
        tables = [path for path in walk(folder) if path.suffix.lower() in TABLE_SUFFIXES]
        if not tables:
            raise DataError(f"{folder}: holds no table; is the data complete?")
        return tables

    def _check(self, row: Row) -> None:
        """Whether the columns that options name are there; asked of the first row."""
        options = self._options
        own = {*row, *next(iter(self._more.values()), {})}
        for key in ("learner", "item", "time", "right", "chosen", "answer"):
            column = getattr(options, key)
            if column is not None:
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
        item = join_key(options.items, value(row, options.item))
        if not item:
            raise BadRow("it names no item")
        time = value(row, options.time).strip()
        chosen = value(row, options.chosen).strip() if options.chosen else ""
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
        word = value(row, str(options.right)).strip().lower()
        if word not in RIGHT_WORDS:
            raise BadRow("does not say whether the answer is right: neither 1 nor 0")
        return RIGHT_WORDS[word]


def seconds_of(written: str) -> float:
    """A time as a number by which answers are put in order.

    Raises:
        BadRow: it is neither a number nor an ISO date.
    """
    try:
        number = float(written)
    except ValueError:
        try:
            moment = datetime.fromisoformat(written)
        except ValueError:
            raise BadRow("its time is neither a number nor an ISO date") from None
        # Times without a zone are all of one place; which one does not matter for their order.
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    if not math.isfinite(number):
        raise BadRow("its time is neither a number nor an ISO date")
    return number


def _together(one: LearnerAnswer, other: LearnerAnswer) -> LearnerAnswer:
    """One answer that two rows speak of: what they say beside is put together."""
    before = {}
    for column, said in one.before.items():
        more = other.before[column]
        before[column] = said if more in said.split(TOGETHER) else f"{said}{TOGETHER}{more}"
    return replace(one, before=before)
