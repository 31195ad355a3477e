"""The schema for editors and the reference page say what the loader does."""

from pathlib import Path

from transferlab.config.pipeline import PipelineConfig
from transferlab.config.schema import pipeline_reference, pipeline_schema

PAGE = Path(__file__).parents[3] / "docs" / "pipeline-yaml.md"


def test_the_reference_page_is_made_from_the_schema():
    assert PAGE.read_text("utf-8") == pipeline_reference(), (
        "the schema has changed: python -m transferlab.config.schema > docs/pipeline-yaml.md"
    )


def test_every_key_is_in_the_reference():
    page = pipeline_reference()
    missing = [key for key in PipelineConfig.model_fields if f"| `{key}` |" not in page]
    assert missing == []
    assert "`backbone.adapter`" in page


def test_strategies_may_be_written_as_people_write_them():
    schema = pipeline_schema()
    short, keyed, _ = schema["$defs"]["StrategySpec"]["anyOf"]
    assert short == {"type": "string"}
    assert (keyed["minProperties"], keyed["maxProperties"]) == (1, 1)
    assert schema["additionalProperties"] is False
