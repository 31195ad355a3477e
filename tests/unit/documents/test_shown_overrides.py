"""Every ``--set key=value`` that a page shows changes a pipeline, or a recipe of pretraining."""

import re

import pytest
from pages import PAGES, snippets_of

from transferlab.config.gallery import find_pipeline
from transferlab.config.pipeline import PipelineConfig
from transferlab.config.pretrain import PretrainConfig
from transferlab.config.yaml_sections import load_yaml
from transferlab.errors import InputError

CHANGE = re.compile(r"--set '?([\w.]+=[^\s'`]+)")
PLACEHOLDERS = {"KEY=VALUE", "dotted.key=value"}
FILES = {"radiology": PipelineConfig, "pretrain-tiny": PretrainConfig}


def changes() -> list[str]:
    """Each once, without a bracket that closes a synopsis."""
    found = {
        change.removesuffix("]...") if "[" not in change else change
        for page in PAGES
        for snippet in snippets_of(page)
        for change in CHANGE.findall(snippet.text)
    }
    return sorted(found - PLACEHOLDERS)


def refusal(change: str) -> str | None:
    """Why neither file takes a change; None where one does."""
    reasons = []
    for name, model in FILES.items():
        try:
            load_yaml(find_pipeline(name), model, overrides=[change])
        except InputError as error:
            reasons.append(str(error))
        else:
            return None
    return " / ".join(reasons)


def test_changes_are_found():
    assert {"train.epochs=5", "strategy.ewc.strength=10"} <= set(changes())


@pytest.mark.parametrize("change", changes())
def test_a_change_is_taken(change):
    assert refusal(change) is None


def test_a_wrong_change_is_seen():
    assert "train.epoch" in (refusal("train.epoch=5") or "")
