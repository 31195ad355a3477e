"""A pipeline narrowed to one domain."""

from __future__ import annotations

from transferlab.config.pipeline import PipelineConfig


def alone(config: PipelineConfig, domain: str) -> PipelineConfig:
    """The pipeline with ``domain`` as its stream, and with the tasks it names for that one.

    What it says of other domains goes: a pipeline that names the tasks of a domain it does not use
    is refused.
    """
    tasks = {name: of for name, of in config.data.tasks.items() if name == domain}
    data = config.data.model_copy(update={"tasks": tasks})
    return config.model_copy(update={"stream": [domain], "data": data})
