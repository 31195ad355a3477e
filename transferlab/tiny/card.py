"""The model card of a backbone that ``transferlab pretrain`` made."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from transferlab.config.pretrain import PretrainConfig

CURVES = "curves.png"
"""The file of the losses, beside the card."""


@dataclass(frozen=True, kw_only=True)
class PretrainScore:
    """Held-out accuracy on one closed task, in [0, 1], and what it must be compared with."""

    samples: int
    pretrained: float
    exchanged: float
    """The pretrained backbone with the picture of another question of the task."""
    text_only: float
    """The pretrained backbone without the pictures."""
    random_weights: float
    """The same architecture before pretraining, with the pictures."""
    majority: float
    """Always the commonest answer."""


def write_card(
    path: Path, config: PretrainConfig, scores: Mapping[str, PretrainScore], *, parameters: int
) -> None:
    """Write the card: what the backbone is, what it was made from, and what it can do."""
    path.write_text(_card(config, scores, parameters=parameters), "utf-8")


def _card(config: PretrainConfig, scores: Mapping[str, PretrainScore], *, parameters: int) -> str:
    return "\n".join(
        (
            _about(config, parameters=parameters),
            _recipe(config),
            _SCORES_HEAD,
            *(_row(task, score) for task, score in scores.items()),
            _mean_row(scores),
            "",
        )
    )


_FUSION = {
    "projector": "A LLaVA",
    "resampler": "A LLaVA with a Q-Former",
    "cross_attention": "A LLaVA with gated layers that attend to pictures",
}


def _about(config: PretrainConfig, *, parameters: int) -> str:
    stock = config.architecture == "projector"
    name = "transferlab/tiny" if stock else config.name
    loads = "plain" if stock else "`import transferlab.tiny.fusion`, then with"
    return f"""---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
---

# {name}

{_FUSION[config.architecture]} of {parameters / 1e6:.1f} million parameters (FocalNet vision tower,
112 x 112 pixels in 49 places; Llama text model; byte-level tokenizer of {config.vocabulary:,}
entries). It exists so that experiments with transferlab run anywhere without a download. It is no
assistant, and nothing that it says about a medical picture means anything.

It loads with {loads} `AutoProcessor` and `AutoModelForImageTextToText`. A prompt may hold several
pictures; the frames of a clip are pictures.

## Data

Generated pictures only, the `scenes` domain: coloured shapes, characters and words, brightness
patterns and stripes, grey noisy near-symmetric pictures, outlines, simple charts and diagrams, and
clips of three frames. No photograph, no medical picture, no text of others. Generated sentences
with words of medicine and teaching trained the tokenizer; they are repeated where the table below
says "words", so that every word has an embedding of its own.
"""


def _recipe(config: PretrainConfig) -> str:
    rows = [
        f"| {stage.name} | {stage.steps:,} | {_mixture(stage.kinds)} | {stage.describe:.0%} "
        f"| {stage.words:.0%} |"
        for stage in config.stages
    ]
    paragraph = ""
    if config.vision is not None:
        vision = config.vision
        rows.insert(
            0, f"| vision tower alone | {vision.steps:,} | {_mixture(vision.kinds)} | - | - |"
        )
        paragraph = (
            f"\nThe vision tower comes first, alone: {vision.batch_samples} pictures a step at"
            f" {vision.learning_rate:g},\nall closed questions of a picture at once through one"
            " attention pool that is thrown away\nafterwards. Its learning rate is then multiplied"
            f" by {vision.tower_slowdown:g}.\n"
        )
    stages = "\n".join(rows)
    return f"""## Recipe

`transferlab pretrain {config.name} --out DIR` makes it anew. {config.total_steps:,} steps of
{config.batch_samples} scenes (half as many where they are clips), seed {config.seed};
{_OPTIMIZERS[config.optimizer]} at {config.learning_rate:g} with {config.warmup_steps} steps of
warm-up, a plateau, and a linear decay over the last {config.decay_fraction:.0%}; weight decay
{config.weight_decay:g}; products in {config.precision}; loss on answers only.
{paragraph}
| stage | steps | scenes | described | words |
|---|---|---|---|---|
{stages}

Scenes that are not described are asked about, several questions each.

![Losses by step]({CURVES})
"""


_OPTIMIZERS = {
    "adamw": "AdamW",
    "muon": "Muon for the matrices of linear layers and AdamW for the rest",
}

_SCORES_HEAD = """## Held-out closed questions

Accuracy on scenes that training never drew, beside the same model with the picture of another
question, without any, the same architecture with random weights, and the commonest answer.

| task | questions | pretrained | exchanged pictures | text only | random weights | majority |
|---|---|---|---|---|---|---|"""


def _mixture(kinds: Mapping[str, float]) -> str:
    total = sum(kinds.values())
    return ", ".join(f"{kind} {weight / total:.0%}" for kind, weight in kinds.items())


def _row(task: str, score: PretrainScore) -> str:
    return (
        f"| {task} | {score.samples} | {score.pretrained:.2f} | {score.exchanged:.2f} "
        f"| {score.text_only:.2f} | {score.random_weights:.2f} | {score.majority:.2f} |"
    )


def _mean_row(scores: Mapping[str, PretrainScore]) -> str:
    """The unweighted mean over tasks."""
    columns = ("pretrained", "exchanged", "text_only", "random_weights", "majority")
    means = (sum(getattr(s, c) for s in scores.values()) / len(scores) for c in columns)
    return f"| **mean of tasks** | | {' | '.join(f'{mean:.2f}' for mean in means)} |"
