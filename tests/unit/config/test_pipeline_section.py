"""The pipeline's own section: defaults of a real backbone, and what cannot be exported."""

import pytest
from pydantic import ValidationError

from transferlab.config.pipeline import PipelineConfig

PIPELINE = {"name": "p", "stream": ["door"]}
REAL = {"model": "org/real"}


def pipeline(**keys) -> PipelineConfig:
    return PipelineConfig.model_validate(PIPELINE | keys)


@pytest.mark.parametrize(
    "adapter", [None, {"kind": "full"}, {"kind": "lora", "rank": 4, "experts": 2}]
)
def test_what_has_no_adapter_file_is_refused_before_anything_is_trained(adapter):
    backbone = {**REAL, "adapter": adapter}
    with pytest.raises(ValidationError, match=r"export: .* set\s+export: \[\]"):
        pipeline(backbone=backbone, export=["adapter"])
    assert pipeline(backbone=backbone, export=[]).export == []


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
