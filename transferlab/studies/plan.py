"""The cells of a study, every one of them checked before any is run."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from transferlab.config.gallery import find_pipeline
from transferlab.config.overrides import OverrideProblem, put_value, written_path
from transferlab.config.pipeline import PipelineConfig
from transferlab.config.problems import Finding, dotted, explain
from transferlab.config.study import StudyConfig
from transferlab.config.yaml_sections import load_yaml, locate, read_text
from transferlab.config.yaml_text import YamlPath, parse_yaml
from transferlab.domain.catalog import DomainEntry, find_domains
from transferlab.errors import InputError
from transferlab.pipeline.validation import check

SHOWN_PROBLEMS = 20
"""Of very many problems, those that are shown; the others are counted."""
LABEL_LENGTH = 60
"""Of a cell's settings in the name of its folder; a digest follows."""
_NO_NAMES: Any = {
    "name": True,
    "seed": True,
    "tracking": True,
    "data": {"max_train_samples", "max_source_samples", "max_generated_samples"},
}
"""Settings that name no domain, task, metric or strategy, and fit with all of them."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run of a study."""

    name: str
    """Its folder's and its pipeline's; another configuration has another name."""
    settings: dict[str, Any]
    """What varies, by dotted key."""
    document: str
    """Its pipeline, overrides included, as JSON."""

    @property
    def label(self) -> str:
        """``data.max_train_samples=4, seed=0``."""
        return ", ".join(f"{key}={show_value(value)}" for key, value in self.settings.items())


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """A study in which nothing is known to be wrong."""

    name: str
    file: Path
    pipeline: Path
    varied: tuple[str, ...]
    """The dotted keys that differ from cell to cell, in the order of the file."""
    cells: tuple[Cell, ...]


def show_value(value: Any) -> str:
    """A setting as it may stand in a table: text plain, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def plan_study(file: Path, *, domains: Sequence[Path] = ()) -> StudyPlan:
    """Read a study's file and check the pipeline of every cell.

    Args:
        file: the study's YAML file.
        domains: folders of domains beside the usual search path.

    Raises:
        InputError: with every problem of every cell, each once, under the line that brings it.
    """
    config = load_yaml(file, StudyConfig)
    base = _base_file(file, config.pipeline)
    planner = _Planner(file=file, base=base, study=config.name, domains=domains)
    cells: dict[str, Cell] = {}
    for changes in _combinations(config):
        cell = planner.plan(changes)
        if cell is None:
            continue
        if cell.name in cells:
            place = planner.place(changes[-1].source)
            planner.problems[f"{place}: this cell is there twice ({cell.label})"] = None
        cells[cell.name] = cell
    if planner.problems:
        raise InputError(_all_problems(file, list(planner.problems)))
    listed = dict.fromkeys(key for cell in config.cells for key in cell)
    return StudyPlan(
        name=config.name,
        file=file,
        pipeline=base,
        varied=(*listed, *config.grid),
        cells=tuple(cells.values()),
    )


@dataclass(frozen=True)
class _Change:
    """One setting of one cell, and where the study's file says it."""

    key: str
    value: Any
    source: YamlPath
    varies: bool = True


def _combinations(config: StudyConfig) -> Iterator[list[_Change]]:
    """The changes of each cell, in the order in which they are made."""
    fixed = [
        _Change(key, value, ("overrides", key), varies=False)
        for key, value in config.overrides.items()
    ]
    listed = [
        [_Change(key, value, ("cells", at, key)) for key, value in cell.items()]
        for at, cell in enumerate(config.cells)
    ] or [[]]
    axes = [
        [_Change(key, value, ("grid", key, at)) for at, value in enumerate(values)]
        for key, values in config.grid.items()
    ]
    for cell, point in itertools.product(listed, itertools.product(*axes)):
        yield [*fixed, *cell, *point]


def _base_file(file: Path, given: str) -> Path:
    beside = file.parent / given
    is_path = beside.is_file() or Path(given).suffix or len(Path(given).parts) != 1
    try:
        return find_pipeline(str(beside) if is_path else given)
    except InputError as error:
        raise InputError(locate(file, f"pipeline: {error}")) from None


def _all_problems(file: Path, lines: Sequence[str]) -> str:
    if len(lines) == 1:
        return lines[0]
    more = len(lines) - SHOWN_PROBLEMS
    shown = [*lines[:SHOWN_PROBLEMS], *([f"and {more} more"] if more > 0 else [])]
    return f"{len(lines)} problems in the cells of {file}:\n  " + "\n  ".join(shown)


@dataclass(kw_only=True)
class _Planner:
    """Makes cells of one base pipeline, and collects what is wrong with them."""

    file: Path
    base: Path
    study: str
    domains: Sequence[Path]
    problems: dict[str, None] = field(default_factory=dict)
    """In the order found; a setting that many cells share is one problem."""
    _entries: dict[frozenset[str], dict[str, DomainEntry]] = field(default_factory=dict)
    _checked: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lines = parse_yaml(read_text(self.file)).lines
        document = parse_yaml(read_text(self.base))
        if document.problems:
            first = document.problems[0]
            raise InputError(f"{self.base}:{first.line}: {first.message}")
        if not isinstance(document.value, dict):
            raise InputError(f"{self.base}: must hold keys and values; it is no pipeline")
        # A document without shared parts is copied fastest through its text.
        self._text, self._base_lines = json.dumps(document.value), document.lines

    def place(self, source: YamlPath) -> str:
        """``study.yaml:7: grid.seed.0``."""
        return f"{self.file}:{self._lines[source]}: {dotted(source)}"

    def plan(self, changes: Sequence[_Change]) -> Cell | None:
        """The cell of these changes; None where it cannot be, and ``problems`` says why."""
        tree = json.loads(self._text)
        applied: list[tuple[YamlPath, _Change]] = []
        for change in changes:
            try:
                # A later change may reach into the value of an earlier one.
                path = put_value(tree, change.key, copy.deepcopy(change.value))
            except OverrideProblem as problem:
                reason = str(problem).removeprefix("--set ")
                self.problems[f"{self.place(change.source)}: {reason}"] = None
                return None
            applied.append((path, change))
        try:
            config = PipelineConfig.model_validate_json(json.dumps(tree), strict=True)
        except ValidationError as error:
            errors = error.errors(include_url=False)
            for finding in explain(errors, model=PipelineConfig, tree=tree):
                self._report(finding, applied)
            return None
        found = self._check(config)
        for sentence in found:
            head, _, message = sentence.partition(": ")
            self._report(Finding(path=written_path(tree, head)[0], message=message), applied, head)
        return None if found else self._cell(tree, config, changes)

    def _check(self, config: PipelineConfig) -> list[str]:
        """What ``check`` finds, which is asked once for cells that differ in numbers alone."""
        names = config.model_dump_json(exclude=_NO_NAMES)
        if names not in self._checked:
            entries = self._entries_of(config)
            self._checked[names] = check(config, domains=self.domains, entries=entries)
        return self._checked[names]

    def _entries_of(self, config: PipelineConfig) -> dict[str, DomainEntry]:
        """The domains that there are; their files are read once for cells that use the same."""
        needed = frozenset([*config.stream, *([config.source] if config.source else [])])
        if needed not in self._entries:
            self._entries[needed] = find_domains(self.domains, needed=needed)
        return self._entries[needed]

    def _report(
        self, finding: Finding, applied: Sequence[tuple[YamlPath, _Change]], shown: str = ""
    ) -> None:
        """Name the setting that brings a problem, or the line of the pipeline that has it."""
        key = shown or dotted(finding.path)
        about = [
            change
            for path, change in applied
            if path == finding.path[: len(path)] or finding.path == path[: len(finding.path)]
        ]
        if about and finding.path:
            place = self.place(about[-1].source)
        else:
            known = (finding.path[:n] for n in range(len(finding.path), 0, -1))
            line = next((self._base_lines[one] for one in known if one in self._base_lines), 1)
            place = f"{self.base}:{line}"
        self.problems[f"{place}: {key}: {finding.message}"] = None

    def _cell(
        self, tree: dict[str, Any], config: PipelineConfig, changes: Sequence[_Change]
    ) -> Cell:
        settings = {one.key: one.value for one in changes if one.varies}
        # What a run is called and where it is recorded make no other run of it.
        decisive = config.model_dump_json(exclude={"name", "tracking"})
        digest = hashlib.sha256(decisive.encode()).hexdigest()[:10]
        words = "-".join(f"{k.rpartition('.')[2]}-{show_value(v)}" for k, v in settings.items())
        label = re.sub(r"[^a-z0-9_]+", "-", words.lower())[:LABEL_LENGTH].strip("-_")
        name = f"{label}-{digest}".lstrip("-")
        tree["name"] = name
        if config.tracking.experiment is None:
            tree["tracking"] = {**(tree.get("tracking") or {}), "experiment": self.study}
        return Cell(name=name, settings=settings, document=json.dumps(tree))
