"""YAML on the pages: what is a pipeline, a domain, or a part of one is valid as such."""

from typing import Any

import pytest
from pages import PAGES, Snippet, snippets_of
from pydantic import ValidationError

from transferlab.config.domain import DomainConfig
from transferlab.config.pipeline import PipelineConfig
from transferlab.config.study import StudyConfig
from transferlab.config.yaml_text import parse_yaml
from transferlab.continual.options.compatibility import read_options
from transferlab.continual.options.registry import OPTIONS
from transferlab.errors import InputError

PIPELINE = {"name": "snippet", "stream": ["chest-xray"]}
STUDY = {"name": "snippet", "pipeline": "smoke"}
DOMAIN = {
    "name": "snippet",
    "version": 1,
    "title": "A snippet",
    "field": "examples",
    "licence": "CC0-1.0",
    "source": {
        "kind": "dicom",
        "path": ".",
        "media": {"image": {"kind": "dicom", "path": "{file}"}},
    },
    "group": "row",
    "tasks": {
        "ask": {
            "kind": "answer",
            "prompt": "<image>\nWhat?",
            "answer": "{a}",
            "metrics": ["token_f1"],
        }
    },
}
"""The rest of a domain of which a page shows a part."""
ELLIPSIS = "{...}"
"""Stands on a page for a section that is shown elsewhere."""


def documents(text: str) -> list[Any]:
    """A snippet's values: one, or one for each line where it shows a key in several forms."""
    text = text.replace(ELLIPSIS, "{image: {kind: image, path: '{f}'}}")
    whole = parse_yaml(text)
    if not whole.problems:
        return [] if whole.value is None else [whole.value]
    lines = [parse_yaml(line) for line in text.splitlines() if line.strip()]
    wrong = [one.message for one in whole.problems]
    assert not any(line.problems for line in lines), wrong
    return [line.value for line in lines if line.value is not None]


def problem(content: Any) -> str | None:
    """What is wrong with a pipeline, a domain or a part of one; None where nothing is."""
    if not isinstance(content, dict):
        return "is neither a pipeline nor a domain"
    if content.keys() <= PipelineConfig.model_fields.keys() and not isinstance(
        content.get("source"), dict
    ):
        return _refused(PipelineConfig, PIPELINE | content)
    if content.keys() <= StudyConfig.model_fields.keys():
        return _refused(StudyConfig, STUDY | content)
    if content.keys() <= DomainConfig.model_fields.keys():
        return _refused(DomainConfig, _whole_domain(content))
    return f"is neither a pipeline nor a domain: {sorted(content)}"


def _whole_domain(part: dict[str, Any]) -> dict[str, Any]:
    """With tasks that ask about the media that the part has, where it has media and no tasks."""
    whole = DOMAIN | part
    media = whole["source"].get("media", {})
    if "tasks" not in part and media:
        task = DOMAIN["tasks"]["ask"] | {"prompt": f"<{next(iter(media))}>\nWhat?"}
        whole["tasks"] = {"ask": task}
    return whole


def _refused(
    model: type[PipelineConfig | DomainConfig | StudyConfig], content: dict[str, Any]
) -> str | None:
    try:
        config = model.model_validate(content)
    except ValidationError as error:
        return "; ".join(f"{one['loc']}: {one['msg']}" for one in error.errors())
    if isinstance(config, PipelineConfig):
        for spec in config.strategy:
            if spec.name in OPTIONS:  # else a third party's, of docs/extending.md
                read_options(spec)
    return None


def yaml_snippets() -> list[Snippet]:
    return [one for page in PAGES for one in snippets_of(page) if one.language in ("yaml", "yml")]


def test_snippets_are_found():
    assert len(yaml_snippets()) > 15


@pytest.mark.parametrize("snippet", yaml_snippets(), ids=lambda one: one.place)
def test_a_snippet_is_valid(snippet):
    found = [why for content in documents(snippet.text) if (why := problem(content))]
    assert found == [], snippet.place


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("stream: [lectures]", None),
        ("train: {epoch: 3}", "Extra inputs"),
        ("strategy:\n  - ewc: {strength: auto}", None),
        ("source: {kind: table, path: a.csv, media: {...}}", None),
        ("tasks: {ask: {kind: guess}}", "kind"),
        ("training: {epochs: 3}", "neither"),
        ("grid: {seed: [0, 1]}", None),
        ("grid: {seed: 0}", "valid list"),
        ("- a list", "neither"),
    ],
)
def test_a_wrong_snippet_is_seen(text, wrong):
    (content,) = documents(text)
    found = problem(content)
    assert found is None if wrong is None else wrong in found


def test_forms_of_one_key_are_looked_at_one_by_one():
    assert documents("splits: {column: a}   # or:\nsplits: {manifest: b}\n") == [
        {"splits": {"column": "a"}},
        {"splits": {"manifest": "b"}},
    ]


def test_options_of_a_strategy_are_looked_at():
    with pytest.raises(InputError, match="strenght"):
        problem({"strategy": [{"ewc": {"strenght": 1}}]})
