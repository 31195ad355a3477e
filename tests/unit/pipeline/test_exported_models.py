"""Which models a run has, and which of them a command means."""

import pytest

from transferlab.config.pipeline import PipelineConfig
from transferlab.errors import InputError
from transferlab.pipeline.exports import of_result
from transferlab.pipeline.exports.models import (
    best_arm,
    mean_best_control,
    select,
    trained_models,
)

STREAM = ["chest", "films"]


def scored(**values):
    return {name: {"value": value, "interval": [0, 1]} for name, value in values.items()}


def a_result(**changes):
    return {
        "pipeline": {"stream": STREAM, "strategy": [{"name": "ewc"}]},
        "scores": {
            "rows": [
                {"after": "pretrained", "values": {"chest": 0.1, "films": 0.1}},
                {"after": "chest", "values": {"chest": 0.8, "films": 0.2}},
                {"after": "films", "values": {"chest": 0.5, "films": 0.6}},
            ]
        },
        "arms": {
            "zero_shot": scored(chest=0.1, films=0.1),
            "sequential": scored(chest=0.5, films=0.6),
            "single": scored(chest=0.8, films=0.4),
            "joint": scored(chest=0.6, films=0.7),
            "scratch": scored(chest=0.9, films=0.9),
        },
        "controls": {"chest": {"a": {"majority": 0.2, "no_image": 0.4}, "b": {"majority": 0.6}}},
    } | changes


def names(models):
    return [one.name for one in models]


def test_every_model_whose_parameters_are_there():
    found = trained_models(a_result())
    assert names(found) == [
        "sequential-1-chest", "sequential-2-films", "single-chest", "single-films", "joint",
        "scratch-chest", "scratch-films",
    ]  # fmt: skip
    assert [one.stage for one in found] == [
        "sequential/1/chest", "sequential/2/films", "single/chest", "single/films", "joint/all",
        "scratch/chest", "scratch/films",
    ]  # fmt: skip
    assert [one.trained_on for one in found[:5]] == [
        ("chest",), ("chest", "films"), ("chest",), ("films",), ("chest", "films"),
    ]  # fmt: skip
    assert [one.fresh for one in found] == [False] * 5 + [True] * 2


def test_each_has_the_scores_of_its_own_domains():
    first, last, single, _, joint, *_ = trained_models(a_result())
    values = [
        {name: one["value"] for name, one in model.scores(a_result()).items()}
        for model in (first, last, single, joint)
    ]
    assert values == [
        {"chest": 0.8, "films": 0.2}, {"chest": 0.5, "films": 0.6}, {"chest": 0.8},
        {"chest": 0.6, "films": 0.7},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["sequential-2-films"]),
        ({"step": 1}, ["sequential-1-chest"]),
        ({"domain": "chest"}, ["sequential-1-chest"]),
        ({"arm": "single"}, ["single-chest", "single-films"]),
        ({"arm": "single", "domain": "films"}, ["single-films"]),
        ({"arm": "joint"}, ["joint"]),
        ({"arm": "scratch", "domain": "films"}, ["scratch-films"]),
        ({"best": True}, ["joint"]),
        ({"best": True, "domain": "chest"}, ["single-chest"]),
        ({"best": True, "domain": "films"}, ["joint"]),
    ],
)
def test_what_is_asked_for_is_found(asked, found):
    assert names(select(a_result(), **asked)) == found


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"step": 3}, r"--step 3: the run has no such model; it has 1 \(chest\), 2 \(films\)"),
        ({"domain": "scenes"}, "--domain scenes: the run has no such model"),
        ({"arm": "single", "step": 1}, "only the stream has steps"),
        ({"arm": "zero_shot"}, "was not trained"),
        ({"arm": "jiont"}, "use one of sequential, single, joint, scratch"),
        ({"best": True, "arm": "joint"}, "leave out --arm"),
        ({"best": True, "domain": "scenes"}, "no model was scored on it"),
    ],
)
def test_what_there_is_not_is_one_sentence(asked, sentence):
    with pytest.raises(InputError, match=sentence):
        select(a_result(), **asked)


def test_an_arm_that_did_not_run_names_those_that_did():
    result = a_result(arms={"sequential": scored(chest=0.5, films=0.6)})
    with pytest.raises(InputError, match="the run has no such arm; it has sequential"):
        select(result, arm="joint")


def test_a_backbone_that_is_best_untouched_is_not_exported():
    result = a_result()
    result["arms"]["zero_shot"] = scored(chest=0.95, films=0.95)
    with pytest.raises(InputError, match="the backbone as it was scores highest"):
        best_arm(result, None)


def test_of_the_stream_the_best_on_a_domain_is_the_model_that_was_scored():
    """Its score on a domain is that after the last step, not that after the domain's own."""
    result = a_result()
    result["arms"]["sequential"] = scored(chest=0.85, films=0.6, scenes=1.0)
    assert names(select(result, best=True, domain="chest")) == ["sequential-2-films"]
    assert names(select(result, best=True, domain="scenes")) == ["sequential-2-films"]
    routed = result["pipeline"] | {"strategy": [{"name": "per_domain"}]}
    chosen = select(result | {"pipeline": routed}, best=True, domain="chest")
    assert names(chosen) == ["sequential-1-chest"]


def test_an_arm_that_was_the_same_training_is_the_streams_model():
    result = a_result(same_training={"single": "sequential"})
    assert names(select(result, arm="single")) == ["sequential-2-films"]
    assert "single-chest" not in names(trained_models(result))


def test_of_a_routed_run_every_domains_adapter_is_meant():
    result = a_result(pipeline={"stream": STREAM, "strategy": [{"name": "per_domain"}]})
    assert names(select(result)) == ["sequential-1-chest", "sequential-2-films"]


def test_a_model_from_random_values_is_loaded_again_without_adapter_or_quantization():
    """Its lineage says so, too: quantized on loading, it would not be what was trained."""
    backbone = {"model": "transferlab/tiny", "quantization": {"bits": 4}, "dtype": "bfloat16"}
    config = PipelineConfig(name="x", stream=STREAM, strategy=["naive"], backbone=backbone)
    first, *_, scratch = trained_models(a_result())
    assert of_result._config_of(config, first) is config
    own = of_result._config_of(config, scratch).backbone
    assert (own.adapter, own.quantization, own.dtype) == (None, None, "bfloat16")
    assert config.backbone.adapter is not None


def test_folders_tell_them_apart():
    models = trained_models(a_result())
    folders = [one.folder("merged") for one in models]
    assert len(set(folders)) == len(folders)
    assert models[1].folder("merged") == "merged"


def test_controls_of_a_domain_are_the_mean_of_its_tasks_best():
    assert mean_best_control(a_result(), "chest") == pytest.approx(0.5)
    assert mean_best_control(a_result(), "films") is None
