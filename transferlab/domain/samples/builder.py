"""Samples out of rows: what each task asks of each row, and which rows cannot be asked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from transferlab.config.domain import DomainConfig, SplitsSection, TaskSection
from transferlab.core.records import MEDIA_SLOT, MediaRef, Quarantined, Sample, SplitName
from transferlab.core.text.conversation import Role, Turn, flatten_turns, turns_before
from transferlab.domain.base.rows import LISTED, TURNS, WHERE, BadRow, Row, turns_from_json
from transferlab.domain.base.template import (
    check_columns,
    check_marks,
    columns_of,
    fill,
    marks_of,
    named_columns,
    value,
    with_slots,
)
from transferlab.domain.media.resolver import MediaResolver
from transferlab.domain.privacy.guard import RESERVED, Guard
from transferlab.domain.rows.learner_history import history_of_row
from transferlab.errors import DataError, InputError

ANY = "*"
"""In a task's ``where``: any value but an empty one."""


@dataclass(frozen=True, kw_only=True)
class BuiltSample:
    """A sample, and what of its row is not part of it."""

    sample: Sample
    stratum: str
    where: str
    """File and row."""
    own_text: str
    """The values that the row gave the prompt and a free answer, without the templates' words."""
    split: SplitName | None = None
    """The split that its row names; None where groups are dealt out."""


class SampleBuilder:
    """Asks every task of one domain about its rows."""

    def __init__(
        self,
        config: DomainConfig,
        *,
        file: Path,
        resolver: MediaResolver,
        guard: Guard | None = None,
        own_ids: bool = True,
    ) -> None:
        """
        Args:
            config: the domain.
            file: its domain.yaml, for messages.
            shelf: of its media.
            guard: makes the ids of a domain that asks for privacy; None makes plain ones.
            own_ids: give samples that are the same ids of their own, which takes remembering all.
        """
        self._config, self._file, self._resolver = config, file, resolver
        self._guard = guard or Guard(config, None, file=file)
        self._own_ids = own_ids
        self._occurrences: Counter[str] = Counter()

    def build(self, rows: list[Row]) -> tuple[list[BuiltSample], list[Quarantined]]:
        """The samples of all tasks, and the rows that gave none because something is wrong.

        Raises:
            InputError: domain.yaml names a column or a medium that does not exist.
            DataError: no row fits a task, or a task has only one possible answer.
        """
        self.check_templates(rows)
        built: list[BuiltSample] = []
        bad: dict[Quarantined, None] = {}  # a set that keeps its order
        for name in self._config.tasks:
            made, broken = self.build_task(name, rows)
            built += made
            bad |= dict.fromkeys(broken)
        return built, list(bad)

    def build_task(self, name: str, rows: list[Row]) -> tuple[list[BuiltSample], list[Quarantined]]:
        """The samples of one task, after ``check_templates``.

        Raises:
            DataError: no row fits the task, or it has only one possible answer.
        """
        task = self._config.tasks[name]
        chosen = [row for row in rows if selected(task, row)]
        if not chosen:
            raise DataError(f"{self._file}: tasks.{name}.where fits none of {len(rows)} rows")
        made: list[BuiltSample] = []
        broken: list[Quarantined] = []
        for row in chosen:
            try:
                made.append(self.build_sample(name, row))
            except BadRow as error:
                broken.append(
                    Quarantined(domain=self._config.name, where=row[WHERE], reason=str(error))
                )
        if task.kind == "classify" and task.choices is None and made:
            made = self._with_collected_choices(name, made)
        return made, broken

    def check_templates(self, rows: Iterable[Row]) -> None:
        """Compare what domain.yaml names with the columns and media that there are.

        Raises:
            InputError: it names one that does not exist.
        """
        known = {column for row in rows for column in row}
        self.check_known(known)

    def check_known(self, columns: set[str]) -> None:
        """Compare what domain.yaml names with the ``columns`` of all rows.

        Raises:
            InputError: it names one that does not exist.
        """
        known = columns - RESERVED
        for where, named in self._columns_named():
            check_columns(named, known, where=where)

    def build_sample(self, name: str, row: Row) -> BuiltSample:
        """One task asked of one row, after ``check_known``; without labels that all rows collect.

        Raises:
            BadRow: the row cannot be used.
        """
        config, task = self._config, self._config.tasks[name]
        group = value(row, config.group).strip()
        if not group:
            raise BadRow(f"the group column '{config.group}' is empty")
        refs = self._references(task, row)
        prompt = fill(with_slots(task.prompt), row)
        history, role = _said_before(task, row)
        asked = flatten_turns(turns_before(history, prompt=prompt, role=role))
        if asked.count(MEDIA_SLOT) != len(refs):
            raise BadRow(f"a column of its prompt contains '{MEDIA_SLOT}', which marks a medium")
        answer, choices = _answer(name, task, row)
        identity = [name, *map(self._resolver.identity, refs), asked, answer, group]
        sample = Sample(
            id=self._unique_id(identity),
            domain=config.name,
            task=name,
            kind=task.kind,
            media=tuple(refs),
            prompt=prompt,
            history=history,
            role=role,
            answer=answer,
            choices=choices,
            group=self._guard.id(["group", group]),
            attributes={column: row[column] for column in config.attributes if row.get(column)},
            learner_history=history_of_row(row),
        )
        stratify = config.splits.stratify
        return BuiltSample(
            sample=sample,
            stratum=self._guard.stratum(value(row, stratify)) if stratify else "",
            where=row[WHERE],
            own_text=_own_text(task, row, history),
            split=_split_of(config.splits, row),
        )

    def _references(self, task: TaskSection, row: Row) -> list[MediaRef]:
        media = self._config.source.media
        refs = []
        listed = row.get(LISTED, "[]") if self._config.source.kind == "chat" else "[]"
        for name, path in json.loads(listed):
            if name not in media:
                raise BadRow(f"it shows a medium of the kind '{name}', which source.media lacks")
            try:
                refs.append(self._resolver.reference(media[name], row | {"path": path}))
            except BadRow as error:
                raise BadRow(f"medium '{name}': {error}") from None
        for mark in marks_of(task.prompt):
            try:
                refs.append(self._resolver.reference(media[mark], row))
            except BadRow as error:
                raise BadRow(f"medium '{mark}': {error}") from None
        return refs

    def _unique_id(self, identity: list[str]) -> str:
        """Identical rows are told apart by a count, so that each keeps its own sample."""
        first = self._guard.id(identity)
        if not self._own_ids:
            return first
        self._occurrences[first] += 1
        times = self._occurrences[first]
        return first if times == 1 else self._guard.id([*identity, str(times)])

    def _with_collected_choices(self, name: str, made: list[BuiltSample]) -> list[BuiltSample]:
        labels = tuple(sorted({built.sample.answer for built in made}))
        if len(labels) < 2:
            raise DataError(
                f"{self._file}: tasks.{name} has only one answer in the data; nothing to classify"
            )
        return [replace(built, sample=replace(built.sample, choices=labels)) for built in made]

    def _columns_named(self) -> Iterator[tuple[str, list[str]]]:
        """Every column that domain.yaml names, with the place where it does."""
        config, file = self._config, self._file
        yield f"{file}: group", [config.group]
        yield f"{file}: attributes", config.attributes
        if config.splits.stratify:
            yield f"{file}: splits.stratify", [config.splits.stratify]
        if config.splits.column:
            yield f"{file}: splits.column", [config.splits.column]
        for name, medium in config.source.media.items():
            where = f"{file}: source.media.{name}"
            yield f"{where}.path", columns_of(medium.path, where=f"{where}.path")
            yield where, [column for column in (medium.start, medium.end) if column]
        for name, task in config.tasks.items():
            where = f"{file}: tasks.{name}"
            if config.source.kind == "chat" and marks_of(task.prompt):
                raise InputError(
                    f"{where}.prompt: names a medium; in a chat, media stand where {{prompt}} has "
                    "them"
                )
            check_marks(task.prompt, config.source.media, where=f"{where}.prompt")
            yield f"{where}.prompt", columns_of(task.prompt, where=f"{where}.prompt")
            yield f"{where}.answer", columns_of(task.answer, where=f"{where}.answer")
            yield f"{where}.where", list(task.where)
            if isinstance(task.choices, str):
                yield f"{where}.choices", [task.choices]


def selected(task: TaskSection, row: Row) -> bool:
    """Whether the task's ``where`` fits the row; a column that the row lacks counts as empty."""
    for column, allowed in task.where.items():
        given = row.get(column, "")
        if given not in allowed and not (ANY in allowed and given):
            return False
    return True


def _split_of(section: SplitsSection, row: Row) -> SplitName | None:
    if section.column is None:
        return None
    split = section.split_of(value(row, section.column))
    if split is None:
        raise BadRow(f"the column '{section.column}' names no split; see splits.values")
    return split


def _said_before(task: TaskSection, row: Row) -> tuple[tuple[Turn, ...], Role]:
    """The history of a conversation's row, and the role of its prompt.

    A task that does not ask with the column ``prompt`` asks something else of the row.
    """
    if TURNS not in row or "prompt" not in named_columns(task.prompt):
        return (), "user"
    *history, asked = turns_from_json(row[TURNS])
    return tuple(history), asked.role


def _own_text(task: TaskSection, row: Row, history: Sequence[Turn]) -> str:
    """A label says nothing about its row, and a free answer does."""
    templates = [task.prompt] if task.kind == "classify" else [task.prompt, task.answer]
    named = (column for template in templates for column in named_columns(template))
    own = " ".join(row.get(column, "") for column in named)
    return f"{flatten_turns(history)}\n{own}" if history else own


def _answer(name: str, task: TaskSection, row: Row) -> tuple[str, tuple[str, ...]]:
    """The answer, and the label set of this row (empty where there is none, or it comes later)."""
    answer = fill(task.answer, row).strip()
    if not answer:
        raise BadRow(f"task '{name}': the answer is empty")
    if task.choices is None:
        return answer, ()
    choices = task.choices if isinstance(task.choices, list) else _listed(task.choices, row)
    if answer not in choices:
        raise BadRow(f"task '{name}': the answer is not one of the task's choices")
    return answer, tuple(choices)


def _listed(column: str, row: Row) -> list[str]:
    try:
        listed = json.loads(value(row, column))
    except json.JSONDecodeError:
        listed = None
    if not isinstance(listed, list) or len(listed) < 2:
        raise BadRow(f"the column '{column}' is not a JSON list of two or more choices")
    return [str(choice) for choice in listed]
