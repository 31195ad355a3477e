"""What can be asked of the rows of an unknown table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from transferlab.domain.base.rows import Row
from transferlab.domain.base.template import is_nameable
from transferlab.domain.onboarding.columns import (
    Column,
    find_attributes,
    find_choices,
    find_group,
    find_labels,
    find_question,
    find_split,
    find_text,
    is_interest,
    summarize_columns,
)
from transferlab.domain.validation.label_spelling import describe_spellings
from transferlab.errors import InputError

_YES_OR_NO = frozenset(["y", "n", "yes", "no", "true", "false", "0", "1", "ja", "nein", "j"])


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Tasks, and which column does what."""

    group: str
    tasks: dict[str, Any]
    attributes: list[str] = field(default_factory=list)
    split: str | None = None
    stratify: str | None = None
    notes: list[str] = field(default_factory=list)


def questions_of(
    rows: Sequence[Row],
    *,
    mark: str,
    media_columns: Sequence[str],
    medium: str,
    group: str | None = None,
) -> Questions:
    """Tasks over the columns of a table: a question's answer, labels, and one text.

    Args:
        rows: of the table.
        mark: the medium's name in prompts.
        media_columns: columns that hold file names, which are no answers.
        medium: the one of them that is shown; the group where no column names one.
        group: the column of the group, where it is known.

    Raises:
        InputError: nothing in the table can be asked.
    """
    columns = summarize_columns(rows)
    found = group or find_group(columns, without=media_columns)
    notes = _about_columns(columns, found, medium)
    attributes = find_attributes(columns)
    split = find_split(columns)
    # Sex is both: a question, and a word by which the scores of others may be told apart.
    attributes_left = [name for name in attributes if not is_interest(name)]
    taken = [*media_columns, *attributes_left, *(one for one in (found, split) if one)]
    nameable = {name: one for name, one in columns.items() if is_nameable(name)}
    tasks, used = _tasks(mark, rows, nameable, without=taken, notes=notes)
    if not tasks:
        raise InputError(
            "no column can be asked about: none is a question with an answer, few labels that come "
            f"up often, or a text; columns: {', '.join(columns)}"
        )
    if medium in columns and not columns[medium].whole:
        _ask_only_where_shown(tasks, medium)
        notes.append(f"tasks: only rows with a {medium} are asked about")
    notes.append(
        f"tasks: made of the columns {', '.join(used)}; correct the prompts, and drop what is not "
        "to be learned"
    )
    labels = {
        task["answer"][1:-1]: name
        for name, task in tasks.items()
        if task["kind"] == "classify" and isinstance(task["choices"], list)
    }
    notes += [
        f"tasks.{name}: {warning}"
        for column, name in labels.items()
        for warning in describe_spellings(columns[column].counts)
    ]
    return Questions(
        group=found or medium,
        tasks=tasks,
        attributes=attributes,
        split=split,
        stratify=next(iter(labels), None) if not split else None,
        notes=notes,
    )


def _about_columns(columns: dict[str, Column], group: str | None, medium: str) -> list[str]:
    notes = []
    if unnameable := [name for name in columns if not is_nameable(name)]:
        notes.append(
            f"tasks: the column(s) {', '.join(unnameable)} cannot be named in a template; rename "
            "them if they are to be used"
        )
    if group is None:
        notes.append(
            f"group: no column says what belongs together, so every {medium} stands alone; if one "
            "patient or lecture has several, name the column that says so"
        )
    return notes


def _ask_only_where_shown(tasks: dict[str, Any], medium: str) -> None:
    for task in tasks.values():
        task["where"] = {**task.get("where", {}), medium: ["*"]}


def _tasks(
    mark: str,
    rows: Sequence[Row],
    columns: dict[str, Column],
    *,
    without: Sequence[str],
    notes: list[str],
) -> tuple[dict[str, Any], list[str]]:
    """Tasks by name, and the columns that they are made of: a question's, or labels and a text."""
    built = find_question(columns)
    listed = find_choices(rows, columns) if built is not None else None
    if built is not None and listed is not None:
        choices, right = listed
        if right is not None:
            return {"choose": _choice_task(mark, built[0], choices, right)}, [built[0], right]
        notes.append(
            f"{choices}: lists choices, and no column holds the text of the right one; add such a "
            "column for the question to be asked"
        )
    elif built is not None:
        return {"answer": _answer_task(mark, *built)}, list(built)
    without = [*without, *(built or ()), *(listed or ())]
    labels = find_labels(columns, without=without)
    names = _task_names(labels)
    tasks = {names[label]: _label_task(mark, columns[label]) for label in labels}
    text = find_text(columns, without=[*without, *labels])
    if text is None:
        return tasks, labels
    return tasks | {"describe": _text_task(mark, columns[text])}, [*labels, text]


def _choice_task(mark: str, question: str, choices: str, right: str) -> dict[str, Any]:
    return {
        "kind": "classify",
        "prompt": f"<{mark}>\n{{{question}}}\nChoices: {{{choices}}}",
        "answer": f"{{{right}}}",
        "choices": choices,
        "where": {choices: ["*"]},
        "metrics": ["accuracy"],
    }


def _answer_task(mark: str, question: str, answer: str) -> dict[str, Any]:
    return {
        "kind": "answer",
        "prompt": f"<{mark}>\n{{{question}}}",
        "answer": f"{{{answer}}}",
        "where": {answer: ["*"]},
        "metrics": ["token_f1", "exact_match"],
    }


def _label_task(mark: str, column: Column) -> dict[str, Any]:
    labels = sorted(column.counts)
    two = len(labels) == 2
    task = {
        "kind": "classify",
        "prompt": f"<{mark}>\n{_label_question(column.name, labels)}",
        "answer": f"{{{column.name}}}",
        "choices": labels,
        "metrics": ["auroc", "accuracy", "balanced_accuracy"] if two else ["accuracy", "macro_f1"],
    }
    return task if column.whole else task | {"where": {column.name: ["*"]}}


def _label_question(name: str, labels: Sequence[str]) -> str:
    if all(label.casefold() in _YES_OR_NO for label in labels):
        return f"{_words(name).capitalize()}? Answer {_listed(labels)}."
    return f"What is the {_words(name)}: {_listed(labels)}?"


def _text_task(mark: str, column: Column) -> dict[str, Any]:
    task = {
        "kind": "describe",
        "prompt": f"<{mark}>\nWrite the {_words(column.name)}.",
        "answer": f"{{{column.name}}}",
        "metrics": ["token_f1", "exact_match"],
    }
    return task if column.whole else task | {"where": {column.name: ["*"]}}


def _listed(labels: Sequence[str]) -> str:
    # Braces and brackets would be read as columns and media.
    safe = [label.translate({ord(c): None for c in "{}<>"}) for label in labels]
    return f"{', '.join(safe[:-1])} or {safe[-1]}"


def _words(name: str) -> str:
    return " ".join(re.sub(r"[_\-<>{}]+", " ", name).split()).lower()


def _task_names(labels: Sequence[str]) -> dict[str, str]:
    """A task's name for each column; "Side?" and "side", or two in another script, stay two."""
    names: dict[str, str] = {}
    taken = {"describe"}
    for label in labels:
        plain = re.sub(r"[^a-z0-9_-]+", "_", label.lower()).strip("_-") or "label"
        numbered = (f"{plain}_{number}" for number in count(2))
        names[label] = plain if plain not in taken else next(n for n in numbered if n not in taken)
        taken.add(names[label])
    return names
