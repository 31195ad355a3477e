"""What a backbone cannot be asked: refused before the run, or as soon as it is loaded."""

import json
from types import SimpleNamespace

import pytest

from transferlab.config.pipeline import PipelineConfig
from transferlab.core.records import DomainData, Sample
from transferlab.errors import DataError, InputError
from transferlab.pipeline.sample_validation import check_answerable
from transferlab.pipeline.validation import check

TASKS = {
    "note": {"kind": "describe", "answer": "{note}", "metrics": ["token_f1"]},
    "find": {"kind": "retrieve", "answer": "{note}", "metrics": ["recall_at_1"]},
    "label": {"kind": "classify", "answer": "{label}", "metrics": ["accuracy"]},
}


@pytest.fixture
def folders(tmp_path):
    """A domain with a task of each kind, and a model's folder with nothing but its type."""
    domain = {
        "name": "toy", "version": 1, "title": "", "field": "", "licence": "CC0-1.0",
        "source": {"kind": "table", "media": {"image": {"kind": "image", "path": "{f}"}}},
        "group": "g",
        "tasks": {name: {"prompt": "<image>", **task} for name, task in TASKS.items()},
    }  # fmt: skip
    (tmp_path / "domains" / "toy").mkdir(parents=True)
    (tmp_path / "domains" / "toy" / "domain.yaml").write_text(json.dumps(domain))
    (tmp_path / "model").mkdir()
    return tmp_path


def problems(folders, model):
    config = PipelineConfig(name="p", stream=["toy"], backbone={"model": str(model)})
    return check(config, domains=[folders / "domains"])


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_a_comparing_backbone_is_refused_for_tasks_that_must_be_written(folders, kind):
    (folders / "model" / "config.json").write_text(json.dumps({"model_type": kind}))
    (found,) = problems(folders, folders / "model")
    assert found.startswith("domain 'toy': tasks.note: backbone '")
    assert "writes no answers, so a task of kind 'describe' cannot be scored; make it" in found


@pytest.mark.parametrize("content", ['{"model_type": "llava"}', "{}", "[]", "no JSON"])
def test_any_other_backbone_is_left_to_its_loading(folders, content):
    (folders / "model" / "config.json").write_text(content)
    assert problems(folders, folders / "model") == []
    assert problems(folders, "no/such-model") == []
    assert problems(folders, "neither a folder nor an id/at/all") == []


def test_a_model_that_was_downloaded_before_is_known(folders, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folders / "hub"))
    held = folders / "hub" / "models--some--clip"
    snapshot = held / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (held / "refs").mkdir()
    (held / "refs" / "main").write_text("abc")
    (snapshot / "config.json").write_text('{"model_type": "clip"}')
    (found,) = problems(folders, "some/clip")
    assert "backbone 'some/clip' compares pictures with texts" in found


def data_of(kind, answers):
    samples = tuple(
        Sample(id=str(n), domain="toy", task="find", kind=kind, media=(), prompt="?", answer=one)
        for n, one in enumerate(answers)
    )
    splits = {"train": samples[:1], "validation": (), "test": samples}
    data = DomainData(
        name="toy", version=1, title="", licence="", primary_metrics={"find": "mrr"},
        splits=splits, digest="d",
    )  # fmt: skip
    return {"toy": data}


def backbone(**facts):
    return SimpleNamespace(**{"name": "it", "writes": True, "max_candidates": 3} | facts)


def test_too_many_answers_to_read_are_refused_unless_the_backbone_compares():
    check_answerable(backbone(), data_of("retrieve", "abca"), split="test")
    with pytest.raises(InputError, match=r"tasks\.find: there are 4 distinct answers .* 3 is"):
        check_answerable(backbone(), data_of("retrieve", "abcd"), split="test")
    comparing = backbone(writes=False, max_candidates=None)
    check_answerable(comparing, data_of("retrieve", "abcd"), split="test")
    with pytest.raises(DataError, match="have the same answer"):
        check_answerable(comparing, data_of("retrieve", "aaa"), split="test")


def test_a_comparing_backbone_that_was_not_known_before_is_refused_once_loaded():
    with pytest.raises(InputError, match=r"domain 'toy': tasks\.find: backbone 'it' compares"):
        check_answerable(backbone(writes=False), data_of("answer", "ab"), split="test")
    check_answerable(backbone(), data_of("answer", "ab"), split="test")


def test_the_real_backbones_say_what_they_are():
    from transferlab.backbone.contrastive import ContrastBackbone
    from transferlab.backbone.hf import HFBackbone

    assert (HFBackbone.writes, HFBackbone.max_candidates) == (True, 200)
    assert (ContrastBackbone.writes, ContrastBackbone.max_candidates) == (False, None)
