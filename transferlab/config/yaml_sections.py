"""How a YAML file becomes a checked section: every problem at once, each with its place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from transferlab.config.overrides import Applied, apply_overrides, written_path
from transferlab.config.problems import Finding, dotted, explain
from transferlab.config.section import Section
from transferlab.config.yaml_text import YamlPath, YamlText, parse_yaml
from transferlab.core.paths import is_special
from transferlab.errors import InputError

S = TypeVar("S", bound=Section)

MAX_FILE_BYTES = 4 * 1024**2
"""A config is a few kilobytes; a data file given by mistake is not parsed for minutes."""


def load_yaml(path: Path, model: type[S], *, overrides: Sequence[str] = ()) -> S:
    """Read a YAML file as a section.

    Args:
        path: the file, UTF-8.
        model: the section that the whole file is.
        overrides: ``dotted.key=value`` changes, applied in order.

    Returns:
        The section, frozen.

    Raises:
        InputError: the file cannot be read, or holds problems; the message has a line for each,
            "file:line: dotted.path: message", or "--set key: message" for those of an override.
    """
    document = parse_yaml(read_text(path))
    if document.problems:
        raise _problems(
            path, [_line(path, p.line, dotted(p.path), p.message) for p in document.problems]
        )
    tree, applied, problems = apply_overrides(document.value, overrides)
    if document.value is None and not overrides:
        raise InputError(f"{path}: is empty")
    if not isinstance(tree, dict):
        raise InputError(f"{path}: must hold keys and values, such as 'name: my-experiment'")
    try:
        section = model.model_validate_json(json.dumps(tree), strict=True)
    except ValidationError as error:
        found = explain(error.errors(include_url=False), model=model, tree=tree)
        locator = _Locator(path, document, applied)
        found.sort(key=locator.order)
        raise _problems(path, problems + [locator.line(finding) for finding in found]) from None
    if problems:
        raise _problems(path, problems)
    return section


def locate(path: Path, problem: str, *, overrides: Sequence[str] = ()) -> str:
    """``locate_all`` of one problem."""
    return locate_all(path, [problem], overrides=overrides)[0]


def locate_all(path: Path, problems: Sequence[str], *, overrides: Sequence[str] = ()) -> list[str]:
    """Put the place before problems that were found after loading; the file is read once.

    Args:
        path: a file that ``load_yaml`` accepted.
        problems: each "dotted.path: message"; without a dotted path that was written, the file is
            named.
        overrides: as given to ``load_yaml``.

    Returns:
        "file:line: dotted.path: message" or "--set key: message" of each.
    """
    document = parse_yaml(read_text(path))
    tree, applied, _ = apply_overrides(document.value, overrides)
    locator = _Locator(path, document, applied)
    located = []
    for problem in problems:
        head, _, message = problem.partition(": ")
        written, whole = written_path(tree, head)
        if not message or not written:
            located.append(f"{path}: {problem}")
            continue
        finding = Finding(path=written, message=message, crosses_keys=whole)
        located.append(locator.line(finding, shown=head))
    return located


def read_text(path: Path) -> str:
    """The file's text.

    Raises:
        InputError: there is no such file, it cannot be read, is too large, or is not UTF-8.
    """
    try:
        if is_special(path):
            raise InputError(f"{path}: is a pipe or a device; name a file")
        if path.is_file() and path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{path}: is larger than 4 MiB; is it a config file?")
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a directory; name a YAML file in it") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{path}: cannot be read ({reason})") from None


@dataclass(frozen=True)
class _Locator:
    """Knows whether a path was written in the file, and on which line, or by an override."""

    path: Path
    document: YamlText
    applied: Sequence[Applied]

    def line(self, finding: Finding, *, shown: str | None = None) -> str:
        """The problem with its place in front; ``shown`` is the path as somebody wrote it."""
        change = self._change(finding.path)
        if change:
            rest = "".join(f".{part}" for part in finding.path[len(change.path) :])
            return f"--set {change.given}{rest}: {finding.message}"
        message = finding.message
        inside = [c.given for c in self.applied if c.path[: len(finding.path)] == finding.path]
        if finding.crosses_keys and inside:
            message += f" (with --set {', --set '.join(inside)})"
        line = self._line_of(finding.path)
        return _line(self.path, line, shown or dotted(finding.path), message)

    def order(self, finding: Finding) -> int:
        """Overrides first, then down the file."""
        return 0 if self._change(finding.path) else self._line_of(finding.path)

    def _change(self, path: YamlPath) -> Applied | None:
        """The last override that wrote the value at ``path``."""
        hits = [c for c in self.applied if path[: len(c.path)] == c.path]
        return hits[-1] if hits else None

    def _line_of(self, path: YamlPath) -> int:
        """The line of the path, or of the nearest section above it that the file holds."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.document.lines:
                return self.document.lines[path[:length]]
        return 1


def _line(path: Path, line: int, where: str, message: str) -> str:
    return f"{path}:{line}: {where}: {message}" if where else f"{path}:{line}: {message}"


def _problems(path: Path, lines: Sequence[str]) -> InputError:
    if len(lines) == 1:
        return InputError(lines[0])
    return InputError(f"{len(lines)} problems in {path}:\n  " + "\n  ".join(lines))
