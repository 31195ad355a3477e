"""The only door to PyYAML: text in, plain values with line numbers out. Nothing in it is executed.

Scalars follow the YAML 1.2 core schema, so ``2e-3`` is a number, and ``no``, ``off`` and ``1:30``
are text. Tags, duplicate keys and references that lead back to themselves are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

YamlPath = tuple[str | int, ...]
"""Keys and list positions from the document's root to a value."""

MAX_NODES = 100_000
"""A config is far smaller; a file whose references multiply into more is stopped here."""

MAX_WRITTEN_NODES = 20_000
"""Those that stand in the text itself, which take a second to read; references come on top."""

MAX_DEPTH = 50

_TAG = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
_NULL = re.compile(r"~|null|Null|NULL|")

_HINTS = {
    r"found character '\\t'": "a tab stands where YAML wants spaces; indent with spaces",
    r"mapping values are not allowed": (
        "a ':' stands where none may; quote the text, or check the indentation of this line and "
        "the one above"
    ),
    r"expected <block end>": "the indentation does not fit the lines above",
    r"could not find expected ':'": "a ':' is missing after a key",
    r"found unexpected end of stream": "a quote or bracket is not closed",
    r"expected ',' or": "a bracket is not closed, or a comma is missing",
    r"found undefined alias": "a reference (*name) has no anchor (&name) before it",
    r"but found another document": "one file holds one document; remove the second '---'",
}


@dataclass(frozen=True, kw_only=True)
class YamlProblem:
    """Something wrong with the text itself."""

    line: int
    """From 1."""
    path: YamlPath
    message: str


@dataclass(frozen=True, kw_only=True)
class YamlText:
    """A parsed document."""

    value: Any
    """Dicts with text keys, lists, and scalars; None for an empty document."""
    lines: dict[YamlPath, int] = field(default_factory=dict)
    """The line, from 1, of every key and list item."""
    problems: tuple[YamlProblem, ...] = ()


class _CoreLoader(yaml.SafeLoader):
    """Resolves plain scalars as YAML 1.2 does; PyYAML's own rules are those of YAML 1.1."""

    yaml_implicit_resolvers: dict[Any, Any] = {}

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._written_nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._written_nodes += 1
        if self._written_nodes > MAX_WRITTEN_NODES:
            raise yaml.MarkedYAMLError(
                problem=f"more than {MAX_WRITTEN_NODES:,} values; is this a config file?",
                problem_mark=self.peek_event().start_mark,
            )
        return super().compose_node(parent, index)


for _name, _pattern in (("null", _NULL), ("bool", _BOOLEAN), ("int", _INTEGER), ("float", _FLOAT)):
    _CoreLoader.add_implicit_resolver(
        f"{_TAG}{_name}", re.compile(rf"(?:{_pattern.pattern})\Z"), None
    )


def parse_yaml(text: str) -> YamlText:
    """Parse one document. Never raises on bad text: what is wrong is in ``problems``."""
    try:
        root = yaml.compose(text, Loader=_CoreLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _failed(_plain(str(error.problem or error)), mark.line + 1 if mark else 1)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return _failed(f"the character U+{error.character:04X} may not stand in YAML", line)
    except RecursionError:
        return _failed("nested too deeply", 1)
    builder = _Builder()
    value = None if root is None else builder.build(root, ())
    return YamlText(value=value, lines=builder.lines, problems=tuple(builder.problems))


def dump_yaml(value: Any) -> str:
    """Plain values as YAML, keys in the order given."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)


def _failed(message: str, line: int) -> YamlText:
    return YamlText(value=None, problems=(YamlProblem(line=line, path=(), message=message),))


def _plain(problem: str) -> str:
    for pattern, hint in _HINTS.items():
        if re.search(pattern, problem):
            return f"not valid YAML: {hint}"
    return f"not valid YAML: {problem}"


class _Builder:
    """Turns nodes into plain values and remembers where each came from."""

    def __init__(self) -> None:
        self.lines: dict[YamlPath, int] = {}
        self.problems: list[YamlProblem] = []
        self._nodes = 0
        self._open: set[int] = set()
        """Ids of the nodes between the root and here: a reference to one of them never ends."""

    def build(self, node: yaml.Node, path: YamlPath) -> Any:
        self._nodes += 1
        if self._nodes == MAX_NODES + 1:
            self._report(node, (), f"references make more than {MAX_NODES} values of this file")
        if self._nodes > MAX_NODES:
            return None
        if len(path) > MAX_DEPTH:
            self._report(node, path[:3], f"nested more than {MAX_DEPTH} deep")
            return None
        if id(node) in self._open:
            self._report(node, path, "a reference leads back to itself")
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._open.add(id(node))
        value: Any = None
        if isinstance(node, yaml.MappingNode):
            value = self._mapping(node, path)
        elif isinstance(node, yaml.SequenceNode):
            value = self._sequence(node, path)
        self._open.discard(id(node))
        return value

    def _report(self, node: yaml.Node, path: YamlPath, message: str) -> None:
        line = node.start_mark.line + 1
        self.problems.append(YamlProblem(line=line, path=path, message=message))

    def _sequence(self, node: yaml.SequenceNode, path: YamlPath) -> list[Any]:
        self._check_tag(node, path, "seq")
        for index, item in enumerate(node.value):
            self.lines[(*path, index)] = item.start_mark.line + 1
        return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: YamlPath) -> dict[str, Any]:
        self._check_tag(node, path, "map")
        built: dict[str, Any] = {}
        for key_node, item in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._report(key_node, path, "a key must be text, not a list or a section")
                continue
            key = self._text(key_node, path)
            here = (*path, key)
            if key in built:
                self._report(key_node, here, f"stands here twice; first on line {self.lines[here]}")
                continue
            self.lines[here] = key_node.start_mark.line + 1
            built[key] = self.build(item, here)
        return built

    def _check_tag(self, node: yaml.Node, path: YamlPath, kind: str) -> None:
        if node.tag != _TAG + kind:
            self._report(node, path, f"the tag {_short_tag(node)} is not allowed; nothing is run")

    def _text(self, node: yaml.ScalarNode, path: YamlPath) -> str:
        try:
            node.value.encode()
        except UnicodeEncodeError:
            self._report(node, path, "holds half of a character (a lone surrogate)")
            return "?"
        return node.value

    def _scalar(self, node: yaml.ScalarNode, path: YamlPath) -> Any:
        text = self._text(node, path)
        convert = _SCALARS.get(node.tag.removeprefix(_TAG))
        if convert is None:
            self._report(node, path, f"the tag {_short_tag(node)} is not allowed; nothing is run")
            return None
        try:
            return convert(text)
        except ValueError:
            kind = node.tag.removeprefix(_TAG)
            self._report(node, path, f"cannot be read as {kind}: {text[:40]}")
            return None


def _short_tag(node: yaml.Node) -> str:
    return "!!" + node.tag.removeprefix(_TAG) if node.tag.startswith(_TAG) else node.tag


def _boolean(text: str) -> bool:
    if not _BOOLEAN.fullmatch(text):
        raise ValueError(text)
    return text.lower() == "true"


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError(text)
    if text.startswith(("0x", "0o")):
        return int(text, 0)
    return int(text)


def _float(text: str) -> float:
    if not _FLOAT.fullmatch(text):
        raise ValueError(text)
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_SCALARS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "null": lambda text: None,
    "bool": _boolean,
    "int": _integer,
    "float": _float,
}
