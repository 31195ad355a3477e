"""Learners' answers to items: one row per answer, with what the learner had answered before.

The columns are learner and learner_split (pseudonyms), item, time, right (yes or no), outcome
(right or wrong), chosen, history, past_answers, past_right, split, those of ``known_before``, and
those of the tables of items and learners.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from transferlab.config.interactions import InteractionsOptions
from transferlab.domain.base.rows import HISTORY, WHERE, BadItem, BadRow, Row
from transferlab.domain.base.template import check_columns, columns_of, fill
from transferlab.domain.catalog import DomainEntry
from transferlab.domain.privacy.guard import KNOWN, media_columns, shown_columns
from transferlab.domain.privacy.known_identifiers import Identifiers
from transferlab.domain.rows.answer_tables import read_join
from transferlab.domain.rows.history_check import find_future
from transferlab.domain.rows.learner_answers import AnswerReader, LearnerAnswer
from transferlab.domain.rows.learner_history import AskedAnswer, LearnerSplits, asked_answers
from transferlab.domain.rows.source import Source, SourceContext
from transferlab.domain.sources.generated import generate
from transferlab.errors import InputError

OUTCOMES = frozenset(("right", "outcome", "chosen"))
"""Columns that are known only after the answer."""
PERSONS = frozenset(("learner", "learner_split"))
MADE = OUTCOMES | PERSONS | {"item", "time", "history", "past_answers", "past_right", "split"}
"""Columns that the source makes."""
_WORLD = ("seed", "samples")


class InteractionsSource(Source):
    """The answers of ``source.path``, joined and with their histories."""

    name = "interactions"
    Options = InteractionsOptions
    repeats_items = True

    options: InteractionsOptions

    def __init__(self, context: SourceContext) -> None:
        super().__init__(context)
        self._refuse_shown()
        self._refuse_splits()

    @classmethod
    def root(cls, entry: DomainEntry, *, data_root: Path | None, cache_root: Path | None) -> Path:
        """Where ``source.generator`` is given, its folder in the cache; else the data root."""
        given = {key: entry.config.source.options[key] for key in _options_of_world(entry)}
        if entry.config.source.generator is None:
            if given:
                raise InputError(
                    f"{entry.file}: source.options.{min(given)}: only with source.generator"
                )
            return super().root(entry, data_root=data_root, cache_root=cache_root)
        source = entry.config.source.model_copy(update={"options": given})
        config = entry.config.model_copy(update={"source": source})
        return generate(replace(entry, config=config), cache_root)

    def __iter__(self) -> Iterator[Row | BadItem]:
        yield from self._read[1]
        self._check_columns()
        for asked in self._asked():
            try:
                yield self._row(asked)
            except BadRow as error:
                yield BadItem(asked.answer.where, str(error))

    def find_problems(self, rows: Iterable[Row]) -> Iterator[BadItem]:
        """Rows that know more than their learner's earlier answers; see ``find_future``."""
        answers = AnswerReader(self.context, self.options, self._items).read()[0]
        scrubbed = self.context.guard.section.text is not None
        yield from find_future(
            rows,
            answers,
            new_items=LearnerSplits(answers, self.options).new_items,
            render=None if scrubbed else self._history,
        )

    @cached_property
    def _items(self) -> Mapping[str, Row]:
        section = self.options.items
        return {} if section is None else read_join(self.context, section, key="items")

    @cached_property
    def _learners(self) -> Mapping[str, Row]:
        """Attributes by pseudonym, without the column that names the learner."""
        section = self.options.learners
        if section is None:
            return {}
        rows = read_join(self.context, section, key="learners")
        return {
            self.context.guard.id(["learner", learner]): {
                column: said for column, said in row.items() if column != section.column
            }
            for learner, row in rows.items()
        }

    @cached_property
    def _read(self) -> tuple[list[LearnerAnswer], list[BadItem]]:
        return AnswerReader(self.context, self.options, self._items).read()

    def _asked(self) -> Iterator[AskedAnswer]:
        answers = self._read[0]
        splits = LearnerSplits(answers, self.options)
        return asked_answers(answers, splits, history=self.options.history)

    def _row(self, asked: AskedAnswer) -> Row:
        answer = asked.answer
        row = self._shown(answer) | self._attributes(answer)
        row |= {
            "learner": answer.learner,
            "learner_split": f"{answer.learner} {asked.split}",
            "time": answer.time,
            "right": "yes" if answer.right else "no",
            "history": self._history(asked.recent),
            "past_answers": str(asked.past_answers),
            "past_right": str(asked.past_right),
            "split": asked.split,
            HISTORY: asked.to_json(nothing=self.options.no_history),
            WHERE: answer.where,
        }
        if answer.known:
            row[KNOWN] = Identifiers(values=(answer.known,)).to_json()
        return row

    def _history(self, answers: Sequence[LearnerAnswer]) -> str:
        options = self.options
        entries = [fill(options.entry, self._shown(one)) for one in answers]
        return options.separator.join(entries) if entries else options.no_history

    def _shown(self, answer: LearnerAnswer) -> Row:
        """An answer with its item, as an entry of a history may show it."""
        section = self.options.items
        item = self._items.get(answer.item, {})
        if section is not None and not item:
            if not section.optional:
                raise BadRow(f"its item, or that of an earlier answer, is not in {section.path}")
            item = dict.fromkeys(next(iter(self._items.values()), {}), "")
        outcome = "right" if answer.right else "wrong"
        said = {"item": answer.item, "chosen": answer.chosen, "outcome": outcome}
        return {**item, **answer.before, **said}

    def _attributes(self, answer: LearnerAnswer) -> Row:
        section = self.options.learners
        if section is None or answer.learner in self._learners:
            return self._learners.get(answer.learner, {})
        if not section.optional:
            raise BadRow(f"its learner is not in {section.path}")
        return dict.fromkeys(next(iter(self._learners.values()), {}), "")

    def _check_columns(self) -> None:
        """No column hides another, and a history is made of columns that there are."""
        file, options = self.context.entry.file, self.options
        items = list(next(iter(self._items.values()), {}))
        taken = dict.fromkeys(MADE, "the source")
        if options.items is not None:
            taken.pop(options.items.column, None)  # says the same
        for key, columns in (
            ("known_before", options.known_before),
            ("items", items),
            ("learners", list(next(iter(self._learners.values()), {}))),
        ):
            for column in columns:
                if column in taken:
                    raise InputError(
                        f"{file}: source.options.{key}: the column '{column}' is also one of "
                        f"{taken[column]}; rename it in its table"
                    )
            taken |= dict.fromkeys(columns, key)
        where = f"{file}: source.options.entry"
        known = {"item", "chosen", "outcome", *options.known_before, *items}
        check_columns(columns_of(options.entry, where=where), known, where=where)

    def _refuse_shown(self) -> None:
        """Nothing that a model sees may say who the learner is or how the answer turned out."""
        config, file = self.context.entry.config, self.context.entry.file
        shown = [pair for pair in shown_columns(config) if not pair[0].endswith(".answer")]
        shown += [("source.media", column) for column in sorted(media_columns(config))]
        for where, column in shown:
            if column in OUTCOMES:
                raise InputError(
                    f"{file}: {where}: shows '{column}', which is known only after the answer"
                )
        for where, column in shown_columns(config):
            if column in PERSONS:
                raise InputError(f"{file}: {where}: shows '{column}': learners stay unnamed")

    def _refuse_splits(self) -> None:
        """What would let the same answers be trained on and tested."""
        config, options = self.context.entry.config, self.options
        group = "learner_split" if options.split == "time" else "learner"
        if config.group != group:
            raise InputError(
                f"{self.context.entry.file}: group: must be '{group}' where "
                f"source.options.split is '{options.split}'"
            )
        if (options.split == "time" or options.new_items) and config.splits.column != "split":
            raise InputError(
                f"{self.context.entry.file}: splits: must be {{column: split}} where answers are "
                "split by time, or items are new in the test split"
            )


def _options_of_world(entry: DomainEntry) -> list[str]:
    return [key for key in _WORLD if key in entry.config.source.options]
