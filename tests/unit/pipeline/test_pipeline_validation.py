"""What is wrong with a pipeline beyond its schema is said before anything is loaded."""

import json
import time

import pytest

from transferlab.config.pipeline import PipelineConfig
from transferlab.errors import InputError
from transferlab.pipeline.validation import check, load_pipeline, notes

REAL = {"model": "org/real"}


def problems(**keys):
    given = {"name": "p", "stream": ["chest-xray"], "backbone": REAL} | keys
    return check(PipelineConfig.model_validate(given))


EXPERTS = {"kind": "lora", "rank": 4, "experts": 2}


@pytest.mark.parametrize(
    ("adapter", "advice"),
    [
        (None, "set export: [merged]"),
        ({"kind": "full"}, "set export: [merged]"),
        (EXPERTS, "set export: []"),
    ],
)
def test_what_has_no_adapter_file_is_refused_before_anything_is_trained(adapter, advice):
    backbone = {**REAL, "adapter": adapter}
    (problem,) = problems(backbone=backbone, export=["adapter"])
    assert problem.startswith("export: ")
    assert advice in problem
    assert problems(backbone=backbone, export=[]) == []


@pytest.mark.parametrize("kind", ["merged", "mlflow"])
def test_what_cannot_be_melted_in_is_refused_before_anything_is_trained(kind):
    assert problems(backbone={**REAL, "adapter": None}, export=[kind]) == []
    (problem,) = problems(backbone={**REAL, "adapter": EXPERTS}, export=[kind])
    assert "cannot be melted into weights" in problem
    quantized = {**REAL, "quantization": {"bits": 4}}
    (problem,) = problems(backbone=quantized, export=[kind])
    assert "set export: [adapter]" in problem


def test_names_that_are_not_registered_are_refused_with_the_nearest():
    found = problems(export=["adaptor"], similarity={"measures": ["frechet", "mdd"]})
    assert found == [
        "similarity.measures: Unknown similarity measure 'mdd'. Did you mean 'mmd'? Known: "
        "frechet, mmd, otdd, proxy_a_distance, sliced_wasserstein, target_h_score, "
        "target_logme, vocabulary_js.",
        "export: Unknown export format 'adaptor'. Did you mean 'adapter'? Known: "
        "adapter, merged, mlflow.",
    ]


@pytest.mark.parametrize(
    "name", ["er_ace", "der", "feature_distillation", "self_distillation", "pseudo_replay"]
)
def test_strategies_that_need_a_writer_are_refused_with_a_backbone_that_compares(tmp_path, name):
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    clip = {"model": str(tmp_path), "adapter": {"kind": "lora", "rank": 2}}
    found = [one for one in problems(backbone=clip, strategy=[name]) if "strategy" in one]
    assert len(found) == 1
    assert found[0].startswith(f"strategy.{name}: needs a backbone that writes answers")
    assert not [one for one in problems(backbone=clip, strategy=["ewc"]) if "strategy" in one]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "{kind: table, options: {samples: 3}}",
            "source.options.samples: unknown key",
        ),
        ("{kind: generated, generator: scenes, options: {samples: 9, x: 3}}", "'x'"),
    ],
)
def test_options_of_a_source_are_looked_at_without_its_data(tmp_path, source, said):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "domain.yaml").write_text(
        f"""name: d
version: 1
title: A domain
field: tests
licence: none
source: {source}
group: patient
tasks:
  t: {{kind: classify, prompt: "What?", answer: "{{label}}", choices: [a, b], metrics: [accuracy]}}
"""
    )
    given = {"name": "p", "stream": ["d"], "backbone": REAL, "export": []}
    (problem,) = check(PipelineConfig.model_validate(given), domains=[tmp_path])
    assert problem.startswith("domain 'd': ")
    assert said in problem


def test_one_adapter_of_several_is_not_exported_by_a_run():
    adapter = {**REAL, "adapter": {"kind": "lora", "rank": 2}}
    given = {"backbone": adapter, "strategy": ["per_domain"]}
    (problem,) = [one for one in problems(**given, export=["adapter"]) if "answers each" in one]
    assert problem.startswith("strategy.per_domain: answers each sample with one of several")
    assert not [one for one in problems(**given, export=[]) if "answers each" in one]


def domain_of(kind, metric):
    return {
        "name": "squares", "version": 1, "title": "Squares", "field": "test", "licence": "CC0-1.0",
        "source": {"kind": "table", "media": {"image": {"kind": "image", "path": "{file}.png"}}},
        "group": "file",
        "tasks": {"find": {
            "kind": kind, "prompt": "<image>", "answer": "{says}", "metrics": [metric],
        }},
    }  # fmt: skip


def notes_of(root, *, domain, model="clip", **train):
    (root / "squares").mkdir(exist_ok=True)
    (root / "squares" / "domain.yaml").write_text(json.dumps(domain))
    (root / "config.json").write_text(json.dumps({"model_type": model}))
    given = {"name": "p", "stream": ["squares"], "backbone": {"model": str(root)}, "train": train}
    return notes(PipelineConfig.model_validate(given), domains=[root])


def test_a_contrast_that_accumulation_makes_smaller_is_said_with_the_numbers(tmp_path):
    split = {"batch_samples": 16, "accumulation_steps": 4}
    ranked = domain_of("retrieve", "recall_at_1")
    (note,) = notes_of(tmp_path, domain=ranked, **split)
    assert "'find' of 'squares'" in note
    assert "3 at most with batch_samples 16 in 4 micro-batches, and 15 with" in note
    assert notes_of(tmp_path, domain=ranked, batch_samples=16) == []
    assert notes_of(tmp_path, domain=ranked, model="llava", **split) == []
    assert notes_of(tmp_path, domain=domain_of("classify", "accuracy"), **split) == []


def test_a_thousand_unknown_names_are_told_in_seconds(tmp_path):
    path = tmp_path / "p.yaml"
    names = ", ".join(f"unknown-domain-{number}" for number in range(1000))
    tasks = ", ".join(f"other-{number}: [a]" for number in range(1000))
    path.write_text(
        f"name: p\nstrategy: [naive]\nstream: [{names}]\ndata: {{tasks: {{{tasks}}}}}\n"
    )
    began = time.monotonic()
    with pytest.raises(InputError, match="1021 problems"):
        load_pipeline(path)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("seed", [2**32, 12345678901234567890123456])
def test_a_seed_that_no_generator_takes_is_refused(tmp_path, seed):
    path = tmp_path / "p.yaml"
    path.write_text(f"name: p\nstrategy: [naive]\nstream: [lectures]\nseed: {seed}\n")
    with pytest.raises(InputError, match=r"p\.yaml:4: seed: must be at most 4294967295"):
        load_pipeline(path)
