"""``--set dotted.key=value``: one setting of a YAML file changed from the command line.

A key walks down sections by name and lists by position or by the item's name, so both
``strategy.0.ewc.strength=10`` and ``strategy.ewc.strength=10`` reach ``- ewc: {strength: 100}``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transferlab.config.problems import dotted, nearest_hint, show
from transferlab.config.yaml_text import YamlPath, parse_yaml


@dataclass(frozen=True, kw_only=True)
class Applied:
    """Where an override ended up in the tree."""

    path: YamlPath
    given: str
    """The key as the user typed it."""


class OverrideProblem(Exception):
    """An override that cannot be applied; the loader adds it to its list of problems."""


def apply_overrides(tree: Any, overrides: Sequence[str]) -> tuple[Any, list[Applied], list[str]]:
    """Change a plain document; later overrides win.

    Args:
        tree: what a YAML file held; changed in place where it is a section.
        overrides: ``dotted.key=value``, each value read as YAML.

    Returns:
        The changed tree, where each override landed, and a sentence per override that could not be
        applied.
    """
    tree = {} if tree is None else tree
    applied, problems = [], []
    for text in overrides:
        try:
            key, value = _parse(text)
            applied.append(Applied(path=put_value(tree, key, value), given=key))
        except OverrideProblem as problem:
            problems.append(str(problem))
    return tree, applied, problems


def written_path(tree: Any, key: str) -> tuple[YamlPath, bool]:
    """The path that a dotted key means in a document, and whether the document holds all of it."""
    path: YamlPath = ()
    node = tree
    for part in key.split("."):
        if isinstance(node, dict) and part in node:
            path, node = (*path, part), node[part]
            continue
        names = [_item_name(item) for item in node] if isinstance(node, list) else []
        if part.isdecimal() and int(part) < len(names):
            path, node = (*path, int(part)), node[int(part)]
        elif part in names:
            index = names.index(part)
            inner = (part,) if isinstance(node[index], dict) and part in node[index] else ()
            path, node = (*path, index, *inner), node[index]
            node = node[part] if inner else node
        else:
            return path, False
    return path, True


def _parse(text: str) -> tuple[str, Any]:
    key, equals, value_text = text.partition("=")
    key = key.strip()
    if not equals or not key or not all(key.split(".")):
        raise OverrideProblem(f"--set {text}: must be dotted.key=value, such as train.epochs=5")
    if not value_text.strip():
        raise OverrideProblem(f"--set {key}: needs a value; write {key}=null for none")
    parsed = parse_yaml(value_text)
    if parsed.problems:
        raise OverrideProblem(f"--set {key}: {parsed.problems[0].message}")
    return key, parsed.value


def put_value(tree: Any, key: str, value: Any) -> YamlPath:
    """Set the value that a dotted key means; returns its path, list items as positions.

    Args:
        tree: a plain document; changed in place.
        key: as ``--set`` takes it.
        value: plain data.

    Raises:
        OverrideProblem: the document has no place for it.
    """
    *parents, last = key.split(".")
    path: YamlPath = ()
    node = tree
    for part in parents:
        node, step = _enter(node, part, key=key, path=path)
        path = (*path, *step)
    if isinstance(node, dict):
        node[last] = value
        return (*path, last)
    if isinstance(node, list):
        index = _find_item(node, last, key=key, path=path)
        node[index] = value
        return (*path, index)
    raise OverrideProblem(_not_a_section(key, path, node))


def _enter(node: Any, part: str, *, key: str, path: YamlPath) -> tuple[Any, YamlPath]:
    """The section or list at ``part``, made where a section lacks it, and the path to it."""
    if isinstance(node, dict):
        if node.get(part) is None:
            node[part] = {}
        return node[part], (part,)
    if not isinstance(node, list):
        raise OverrideProblem(_not_a_section(key, path, node))
    index = _find_item(node, part, key=key, path=path)
    if isinstance(node[index], str):
        node[index] = {node[index]: {}}  # "- naive" and "- naive: {}" mean the same
    if part.isdigit():
        return node[index], (index,)
    item = node[index]
    inner = part if part in item else "options"
    if item.get(inner) is None:
        item[inner] = {}
    return item[inner], (index, inner)


def _find_item(items: list[Any], part: str, *, key: str, path: YamlPath) -> int:
    where = f"'{dotted(path)}'"
    if part.isdecimal():
        if int(part) < len(items):
            return int(part)
        raise OverrideProblem(
            f"--set {key}: {where} has {len(items)} item(s), counted from 0; item {part} is not one"
        )
    names = [_item_name(item) for item in items]
    if part in names:
        return names.index(part)
    known = [name for name in names if name]
    raise OverrideProblem(f"--set {key}: {where} has no item '{part}'{nearest_hint(part, known)}")


def _item_name(item: Any) -> str | None:
    if isinstance(item, str):
        return item
    if isinstance(item, dict) and isinstance(item.get("name"), str):
        return item["name"]
    return next(iter(item)) if isinstance(item, dict) and len(item) == 1 else None


def _not_a_section(key: str, path: YamlPath, node: Any) -> str:
    if not path:
        return f"--set {key}: the file holds {show(node)}, not a section"
    return f"--set {key}: '{dotted(path)}' is {show(node)}; nothing can be set inside it"
