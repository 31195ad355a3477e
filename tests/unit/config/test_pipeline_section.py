"""The pipeline's own section: defaults of a real backbone."""

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
