"""What pydantic found wrong, in the words of somebody who writes YAML and not Python."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from transferlab.config.section import NAME_PATTERN
from transferlab.config.yaml_text import YamlPath
from transferlab.core.text.sanitizers import sanitize_line
from transferlab.core.text.secrets import without_secrets


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One problem of a document."""

    path: YamlPath
    """As the user would write it; may end in a key that the document lacks."""
    message: str
    crosses_keys: bool = False
    """The problem lies between several keys below ``path``."""


_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list, such as [a, b]",
    "dict": "a section with keys of its own",
    "model": "a section with keys of its own",
    "path": "text that names a file or folder",
}
_LIMITS = {
    "greater_than": ("greater than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
    "multiple_of": ("a multiple of", "multiple_of"),
}
_PATTERNS = {NAME_PATTERN: "lower-case letters, digits, '-' and '_', with a letter or digit first"}


def explain(
    errors: Sequence[Mapping[str, Any]], *, model: type[BaseModel], tree: Any
) -> list[Finding]:
    """Pydantic's errors as findings, in their order; a union's several errors become one.

    Args:
        errors: ``ValidationError.errors()`` of a strict validation.
        model: what ``tree`` was validated as.
        tree: the plain document.
    """
    wanted: dict[YamlPath, list[str]] = {}
    findings: dict[YamlPath, Finding] = {}
    for error in errors:
        path, through_union = _path(error["loc"], model, tree)
        text = error["msg"].removeprefix("Value error, ")
        if error["type"] == "value_error":
            named = re.match(r"([\w-]+(?:\.[\w-]+)*): (.+)", text, re.DOTALL)
            if named and named[1].split(".")[0] in _known_keys(model, path):
                path, text = (*path, *_split(named[1])), named[2]
            findings[path] = Finding(path=path, message=text, crosses_keys=True)
            continue
        expected = _expected(error)
        if through_union and expected:
            wanted.setdefault(path, []).append(expected)
            expected = " or ".join(dict.fromkeys(wanted[path]))
        message = _message(error, expected, path=path, model=model)
        findings[path] = Finding(path=path, message=message)
    # [a, 3] where text or a list of text may stand: only the 3 is worth a line.
    vague = {
        path
        for path in wanted
        if any(other[: len(path)] == path and other != path for other in findings)
    }
    return [finding for path, finding in findings.items() if path not in vague]


def dotted(path: YamlPath) -> str:
    """``train.learning_rate``, ``stream.0``."""
    return sanitize_line(".".join(str(part) for part in path))


def _split(text: str) -> YamlPath:
    return tuple(int(part) if part.isdigit() else part for part in text.split("."))


def _message(
    error: Mapping[str, Any], expected: str, *, path: YamlPath, model: type[BaseModel]
) -> str:
    kind, given = error["type"], error.get("input")
    if kind == "missing":
        return "is missing and has no default"
    if kind == "extra_forbidden":
        return "unknown key" + nearest_hint(str(path[-1]), _known_keys(model, path[:-1]))
    if kind == "literal_error":
        options = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        closest = nearest_hint(str(given), options, list_known=False)
        return f"must be {expected}, got {show(given)}{closest}"
    if not expected:
        return f"{error['msg'][:1].lower()}{error['msg'][1:]}, got {show(given)}"
    hint = ""
    if expected == "text" and isinstance(given, bool | int | float):
        hint = f"; put it in quotes ('{_scalar(given)}') if text is meant"
    return f"must be {expected}, got {show(given)}{hint}"


def _expected(error: Mapping[str, Any]) -> str:
    """What should have stood there; empty where pydantic's own sentence is kept."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in _LIMITS:
        words, key = _LIMITS[kind]
        limit = context[key]
        return f"{words} {limit if isinstance(limit, int) else format(limit, 'g')}"
    if kind == "literal_error":
        options = re.findall(r"'[^']*'", context["expected"])
        return f"one of {', '.join(options)}" if len(options) > 1 else options[0]
    if kind == "finite_number":
        return "a finite number"
    if kind == "too_short":
        return f"a list of at least {context['min_length']} item(s)"
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(context["pattern"], f"text that matches {context['pattern']}")
    return _TYPES.get(kind.partition("_")[0], "") if "_" in kind else ""


def nearest_hint(given: str, known: Sequence[str], *, list_known: bool = True) -> str:
    """A hint for a sentence's end: the nearest word, else all of them where they are few."""
    closest = get_close_matches(given, known, n=1)
    if closest:
        return f"; did you mean '{closest[0]}'?"
    few = list_known and 0 < len(known) <= 12
    return f"; known here: {', '.join(known)}" if few else ""


def show(value: Any) -> str:
    """A value as a person would name it, cut to a length that fits a line."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a section with keys" if value else "an empty section"
    if isinstance(value, list):
        return f"a list of {len(value)} item(s)" if value else "an empty list"
    if isinstance(value, str):
        safe = sanitize_line(without_secrets(value))
        return f"the text '{safe[:40]}{'...' if len(safe) > 40 else ''}'"
    return _scalar(value)[:40]


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _path(loc: Sequence[Any], model: Any, tree: Any) -> tuple[YamlPath, bool]:
    """Where in the document an error lies, and whether pydantic tried several types there.

    Pydantic puts the tried type's name into ``loc``; a user never wrote it, so it is left out.
    """
    path: list[str | int] = []
    kinds, node, through_union = list(_members(model)), tree, False
    for position, part in enumerate(loc):
        last = position == len(loc) - 1
        below = [found for kind in kinds for found in _below(kind, part)]
        written = isinstance(node, dict) and part in node and isinstance(part, str)
        if not below and not (last and written):
            through_union = True
            continue
        path.append(part)
        kinds = below
        node = _child(node, part)
    return tuple(path), through_union


def _child(node: Any, part: Any) -> Any:
    if isinstance(node, dict):
        return node.get(part)
    if isinstance(node, list) and isinstance(part, int) and part < len(node):
        return node[part]
    return None


def _members(kind: Any) -> Iterator[Any]:
    """The types a value may have: unions and ``Annotated`` opened up."""
    origin = get_origin(kind)
    if origin is Annotated:
        yield from _members(get_args(kind)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(kind):
            yield from _members(member)
    else:
        yield kind


def _below(kind: Any, part: Any) -> Iterator[Any]:
    """The types of what lies at ``part`` inside a value of type ``kind``."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if part in kind.model_fields:
            yield from _members(kind.model_fields[part].annotation)
    elif get_origin(kind) in (list, tuple) and isinstance(part, int):
        yield from _members(get_args(kind)[0])
    elif get_origin(kind) is dict and isinstance(part, str) and part != "[key]":
        yield from _members(get_args(kind)[1])


def _known_keys(model: type[BaseModel], path: YamlPath) -> list[str]:
    """The keys that may stand in the section at ``path``."""
    kinds = list(_members(model))
    for part in path:
        kinds = [found for kind in kinds for found in _below(kind, part)]
    sections = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]
    return [key for section in sections for key in section.model_fields]
