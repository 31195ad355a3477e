"""The pipeline's own section: defaults of a real backbone."""

import pytest
from pydantic import ValidationError

from transferlab.config.pipeline import PipelineConfig

PIPELINE = {"name": "p", "stream": ["door"]}
REAL = {"model": "org/real"}


def pipeline(**keys) -> PipelineConfig:
    return PipelineConfig.model_validate(PIPELINE | keys)


def test_scratch_is_a_default_of_the_embedded_backbone_only():
    assert "scratch" in pipeline().arms
    assert "scratch" in pipeline(backbone={"dtype": "float32"}).arms
    assert pipeline(backbone=REAL).arms == ["zero_shot", "single", "joint"]
    assert pipeline(backbone=REAL, arms=["scratch"]).arms == ["scratch"]
    assert pipeline(arms=["single"]).arms == ["single"]


def test_defaults_are_those_of_a_real_backbone():
    config = pipeline(backbone=REAL)
    assert config.train.learning_rate <= 2e-4
    assert config.evaluation.batch_samples <= 8
    assert config.train.mixed_precision == "auto"


def precisions(dtype, mixed, **keys):
    backbone = REAL | {"dtype": dtype} | keys.pop("backbone", {})
    return pipeline(backbone=backbone, train={"mixed_precision": mixed}, **keys)


FULL = {"adapter": None}
VERA = {"adapter": {"kind": "vera"}}


@pytest.mark.parametrize(
    ("dtype", "mixed", "keys", "words"),
    [
        ("bfloat16", "float16", {}, r"float16 does not go with backbone\.dtype: bfloat16"),
        ("float16", "bfloat16", {}, r"bfloat16 does not go with backbone\.dtype: float16"),
        ("float16", "float16", {"backbone": FULL}, r"parts\.vision is trained itself"),
        (
            "float16",
            "float16",
            {"backbone": {"parts": {"projector": {"mode": "full"}}}},
            r"parts\.projector is trained itself",
        ),
        ("float16", "float16", {"arms": ["scratch"]}, "the arm 'scratch' trains all"),
        ("float16", "auto", {"backbone": VERA}, "auto is bfloat16 on a GPU.*kind: vera"),
    ],
)
def test_precisions_that_torch_refuses_are_refused(dtype, mixed, keys, words):
    with pytest.raises(ValidationError, match=words):
        precisions(dtype, mixed, **keys)


@pytest.mark.parametrize(
    ("dtype", "mixed", "keys"),
    [
        *((dtype, mixed, {}) for dtype in ("bfloat16", "float16") for mixed in ("auto", "none")),
        ("float32", "float16", {"backbone": FULL}),
        ("float16", "float16", {}),
        ("bfloat16", "bfloat16", {"backbone": FULL}),
        ("float16", "none", {"backbone": FULL}),
        ("float16", "auto", {"backbone": VERA | {"device": "cpu"}}),
    ],
)
def test_precisions_that_go_together_are_taken(dtype, mixed, keys):
    assert precisions(dtype, mixed, **keys).backbone.dtype == dtype
