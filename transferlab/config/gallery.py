"""The pipelines that come with transferlab, and how what a user typed becomes a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from importlib import resources
from itertools import takewhile
from pathlib import Path

from transferlab.config.pipeline import PipelineConfig
from transferlab.config.pretrain import PretrainConfig
from transferlab.config.study import StudyConfig
from transferlab.config.yaml_sections import load_yaml, read_text
from transferlab.config.yaml_text import parse_yaml
from transferlab.core.files import report_disk_errors
from transferlab.core.registry import did_you_mean
from transferlab.errors import InputError, UnknownName

YAML_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, kw_only=True)
class Header:
    """What the comment at the top of a pipeline says of it; empty where it does not.

    The first lines are the title. Lines such as ``# time: 2 minutes`` follow, with the names of the
    fields below; what is indented below such a line goes on with it.
    """

    title: str = ""
    answers: str = ""
    """The question that the pipeline is for."""
    time: str = ""
    """Measured, with what it was measured on."""
    memory: str = ""
    """The measured peak."""
    gave: str = ""
    """What came out, and the page that shows it."""


def read_header(text: str) -> Header:
    """The header of a YAML file's text.

    Raises:
        ValueError: a line is neither of the title nor of a known name.
    """
    names = {field.name for field in fields(Header)} - {"title"}
    found = {"title": ""}
    name = "title"
    for line in _comment_lines(text):
        key, colon, value = line.partition(":")
        if colon and re.fullmatch(r" ?[a-z]+", key) and key.strip() in names:
            name = key.strip()
            found[name] = value.strip()
        elif not line.strip() or name == "title" or line.startswith("  "):
            found[name] = f"{found[name]} {line.strip()}".strip()
        else:
            raise ValueError(f"'{line.strip()}' belongs to nothing; names are {sorted(names)}")
    return Header(**found)


def _comment_lines(text: str) -> Iterator[str]:
    for line in takewhile(lambda line: line.startswith("#"), text.splitlines()):
        yield line.removeprefix("#")


def load_shipped(name: str) -> PipelineConfig | PretrainConfig | StudyConfig:
    """A shipped pipeline, recipe of pretraining, or study.

    Raises:
        UnknownName: no shipped pipeline has that name.
    """
    path = shipped_file(name)
    content = parse_yaml(read_text(path)).value
    if "stages" in content:
        return load_yaml(path, PretrainConfig)
    if "pipeline" in content:
        return load_yaml(path, StudyConfig)
    return load_yaml(path, PipelineConfig)


def copy_shipped(name: str, to: Path | None = None) -> Path:
    """Write a shipped pipeline where it can be edited; returns the file.

    Args:
        name: of the pipeline.
        to: a file, or a folder that there is; None is ``<name>.yaml`` in the working directory.

    Raises:
        UnknownName: no shipped pipeline has that name.
        InputError: the file is there already.
        EnvironmentProblem: it cannot be written.
    """
    text = read_text(shipped_file(name))
    target = to or Path(f"{name}.yaml")
    if target.is_dir():
        target = target / f"{name}.yaml"
    with report_disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with target.open("x", encoding="utf-8") as file:  # never over what is there
                file.write(text)
        except FileExistsError:
            raise InputError(
                f"{target}: is there already; name another file, or take it away"
            ) from None
    return target


def shipped_pipelines() -> dict[str, Path]:
    """The pipelines of the installed package, or of the checkout that it is imported from."""
    package = Path(str(resources.files("transferlab")))
    folders = (package / "content" / "pipelines", package.parent / "pipelines")
    folder = next((found for found in folders if found.is_dir()), None)
    return {} if folder is None else {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def shipped_file(name: str) -> Path:
    """The file of a shipped pipeline.

    Raises:
        UnknownName: no shipped pipeline has that name.
    """
    shipped = shipped_pipelines()
    if name not in shipped:
        known = ", ".join(shipped) or "none"
        raise UnknownName(
            f"there is no shipped pipeline '{name}'.{did_you_mean(name, list(shipped))} "
            f"Known: {known}"
        )
    return shipped[name]


def find_pipeline(given: str) -> Path:
    """The file that a user means: a path, or the bare name of a shipped pipeline.

    Raises:
        InputError: a path to a file that does not exist.
        UnknownName: a name that no shipped pipeline has.
    """
    path = Path(given)
    if path.is_file():
        return path
    shipped = shipped_pipelines()
    looks_like_path = path.suffix in YAML_SUFFIXES or len(path.parts) != 1
    if not looks_like_path and given in shipped:
        return shipped[given]
    if not looks_like_path:
        known = ", ".join(shipped) or "none"
        raise UnknownName(
            f"there is no pipeline '{given}'.{did_you_mean(given, list(shipped))} "
            f"Shipped pipelines: {known}; a file of yours is named by its path"
        )
    if path.stem in shipped:
        raise InputError(
            f"{given}: there is no such file; a pipeline of this name comes with transferlab: "
            f"`transferlab run {path.stem}`"
        )
    raise InputError(f"{given}: there is no such file")
