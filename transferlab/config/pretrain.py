"""The schema of a pretraining recipe: what the embedded backbone is made from."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from transferlab.config.section import MAX_SEED, Section

PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
OptimizerName = Literal["adamw", "muon"]
Precision = Literal["float32", "bfloat16"]
Architecture = Literal["projector", "cross_attention", "resampler"]


class PretrainStage(Section):
    """One part of the curriculum."""

    name: str
    steps: PositiveInt
    kinds: Annotated[dict[str, PositiveFloat], Field(min_length=1)]
    """Kinds of scenes and how often each is drawn; the weights need not sum to 1."""
    describe: Share
    """Share of scenes that are described; of the others, questions are asked."""
    questions: PositiveInt = 3
    """Questions asked one after another about one scene, at most."""
    words: Share = 0.0
    """Share of conversations that end with a sentence to repeat. Scenes name few things; a word
    that was never an answer has an output embedding like every other such word, and an adapter,
    which leaves embeddings alone, can then hardly tell them apart."""


class VisionStage(Section):
    """The vision tower alone, before any language: all closed questions of a picture at once."""

    steps: PositiveInt
    batch_samples: PositiveInt = 64
    kinds: Annotated[dict[str, PositiveFloat], Field(min_length=1)]
    """Kinds of scenes and how often each is drawn; scenes of one picture only."""
    learning_rate: PositiveFloat = 1.0e-3
    tower_slowdown: Annotated[float, Field(gt=0, le=1)] = 0.3
    """What the tower's learning rate is multiplied by afterwards, while language is learned."""


class PretrainConfig(Section):
    """A curriculum over generated scenes, for a backbone with random weights."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0
    architecture: Architecture = "projector"
    """How pictures reach the words: a ``projector`` puts all their places among them, a
    ``resampler`` a few queries that have read the picture, and with ``cross_attention`` gated
    layers of the language model attend to the places (docs/backbones.md). Vision tower and layers
    of self-attention are the same."""
    vocabulary: Annotated[int, Field(ge=600, le=8000)] = 1600
    """Entries of the tokenizer."""
    tokenizer_scenes: PositiveInt = 1800
    """Scenes whose texts the tokenizer is trained on, beside sentences of the target fields."""
    batch_samples: PositiveInt = 64
    learning_rate: PositiveFloat = 1.5e-3
    warmup_steps: Annotated[int, Field(ge=0)] = 60
    decay_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """Share of all steps, the last ones, in which the learning rate falls."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    max_grad_norm: PositiveFloat = 1.0
    checkpoint_steps: PositiveInt = 200
    optimizer: OptimizerName = "adamw"
    precision: Precision = "float32"
    """What products are computed in. Processors with instructions for bfloat16 take half the time
    for it; others take longer than for float32."""
    compile: bool = False
    """Whether the vision tower is compiled, which needs a C++ compiler and takes a minute at each
    start; steps are then faster by a half."""
    vision: VisionStage | None = None
    stages: Annotated[list[PretrainStage], Field(min_length=1)]
    held_out_samples: PositiveInt = 100
    """Closed questions per task, about scenes that training never drew."""

    @model_validator(mode="after")
    def _stages_have_names_of_their_own(self) -> "PretrainConfig":
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError("stages: two stages have the same name")
        return self

    @property
    def total_steps(self) -> int:
        """Optimizer steps of all stages together."""
        return sum(stage.steps for stage in self.stages)
