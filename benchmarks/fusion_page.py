"""What benchmarks/fusion_study.py found, as a page: tables, and sentences that follow from them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from intervals import half_width, spread
from report import filled, table

from transferlab.config.pipeline import TrainSection

TITLES = {
    "projector": "projector (concatenation)",
    "cross_attention": "gated cross-attention",
    "resampler": "Q-Former (resampler)",
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One adaptation."""

    architecture: str
    domain: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """One architecture after pretraining."""

    parameters: int
    fusing: int
    """Of these, those that are neither the vision tower's nor the language model's own."""
    step_seconds: float | None
    """Median over the steps that were made by one process; None where none were."""
    scenes: Mapping[str, float]
    """Held-out accuracy, the mean over tasks: pretrained and its controls."""


@dataclass(frozen=True, kw_only=True)
class Adapted:
    """One architecture on one domain at one seed. Scores are means over tasks."""

    zero_shot: float
    scratch: float
    tuned: float
    closed: float | None
    """Tuned, over the closed tasks only, which the controls are for."""
    controls: Mapping[str, float | None]
    step_seconds: float

    @property
    def gain(self) -> float:
        return self.tuned - self.scratch


Results = Mapping[Plan, Adapted]


def page(
    settings: Mapping[str, Any], pretrained: Mapping[str, Pretrained], adapted: Results
) -> str:
    """Markdown.

    Args:
        settings: ``recipe`` (as shortened), ``pipeline``, ``seeds``, ``jobs``, ``cores``.
        pretrained: by architecture.
        adapted: every architecture on the same domains at the same seeds.
    """
    domains = list(dict.fromkeys(plan.domain for plan in adapted))
    parts = [
        "# Ways of fusing picture and text",
        _about(settings, domains),
        _architectures(pretrained, adapted, domains),
        "## What it shows",
        "\n".join(f"- {one}" for one in _findings(pretrained, adapted, domains)),
        "## Every arm, and the controls",
        _CONTROLS,
        _arms(adapted, domains, list(pretrained)),
        "## What it does not show",
        _LIMITS,
    ]
    return "\n\n".join(map(filled, parts)) + "\n"


_CONTROLS = """Mean over the domain's tasks, and 95 % interval over seeds. Tuned, closed: over the
closed tasks alone, which the three controls beside it are for: the commonest answer, logistic
regression on raw pixels, and the tuned model without the image."""

_LIMITS = """One pretraining per architecture: the intervals are those of adaptation, and another
seed of pretraining may exchange neighbours. All share one learning rate, which was not tuned for
any of them. At this size and budget nothing is said about models of billions of parameters, whose
language model is trained before it sees a picture."""


def _about(settings: Mapping[str, Any], domains: Sequence[str]) -> str:
    recipe, pipeline = settings["recipe"], settings["pipeline"]
    seeds = ", ".join(map(str, settings["seeds"]))
    samples = pipeline.data.max_train_samples or "all"
    return f"""`python benchmarks/fusion_study.py pipelines/study-fusion.yaml` writes this page.

Three tiny backbones with the same vision tower (the same weights after {recipe.vision.steps:,}
steps of the vision stage) and the same layers of self-attention are pretrained on the same scenes
in the same order: {recipe.total_steps:,} steps of {recipe.batch_samples}. They differ in how
pictures reach words ([backbones.md](backbones.md#fusion)). Each is then adapted with LoRA to
{" and to ".join(f"`{name}`" for name in domains)}, alone, on at most {samples} training samples per
task for {_length(pipeline.train)}, seeds {seeds}; so is the same architecture from random
weights, every parameter trained (scratch).

Scenes: accuracy on held-out closed questions, mean over tasks, {recipe.held_out_samples} questions
each; then the same with the picture of another question, and without any. Gain: tuned minus
scratch, in the domain's metric, mean and 95 % interval over seeds (Student's t). Seconds per step:
median of pretraining / mean of adaptation, {settings["jobs"]} parts at a time on
{settings["cores"]} cores."""


def _length(train: TrainSection) -> str:
    return f"{train.epochs} epochs" if train.max_steps is None else f"{train.max_steps} steps"


def _architectures(
    pretrained: Mapping[str, Pretrained], adapted: Results, domains: Sequence[str]
) -> str:
    head = ["architecture", "parameters", "of them fusing", "scenes", "other picture", "text only"]
    head += [f"gain, {domain}" for domain in domains] + ["seconds per step"]
    rows = []
    for name, one in pretrained.items():
        gains = [spread([run.gain for run in of(adapted, name, domain)]) for domain in domains]
        tuning = statistics.mean(
            run.step_seconds for plan, run in adapted.items() if plan.architecture == name
        )
        made = "-" if one.step_seconds is None else f"{one.step_seconds:.2f}"
        rows.append(
            [
                TITLES[name],
                f"{one.parameters:,}",
                f"{one.fusing:,}",
                *(f"{one.scenes[key]:.3f}" for key in ("pretrained", "exchanged", "text_only")),
                *gains,
                f"{made} / {tuning:.2f}",
            ]
        )
    return table(head, rows)


def _arms(adapted: Results, domains: Sequence[str], names: Sequence[str]) -> str:
    head = ["domain", "architecture", "zero-shot", "scratch", "tuned", "tuned, closed"]
    head += ["majority", "pixels", "no image"]
    rows = []
    for domain in domains:
        for name in names:
            runs = of(adapted, name, domain)
            arms = [[getattr(run, arm) for run in runs] for arm in ("zero_shot", "scratch")]
            arms += [[run.tuned for run in runs], [run.closed for run in runs]]
            arms += [[run.controls[key] for run in runs] for key in CONTROLS]
            rows.append([domain, TITLES[name], *map(_cell, arms)])
    return table(head, rows)


CONTROLS = ("majority", "pixels", "no_image")


def _cell(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return spread(known) if known else "-"


def of(adapted: Results, name: str, domain: str) -> list[Adapted]:
    """The runs of an architecture on a domain, by seed."""
    found = [p for p in adapted if (p.architecture, p.domain) == (name, domain)]
    return [adapted[plan] for plan in sorted(found, key=lambda plan: plan.seed)]


def _findings(
    pretrained: Mapping[str, Pretrained], adapted: Results, domains: Sequence[str]
) -> list[str]:
    """Sentences that the numbers decide."""
    ranked = sorted(pretrained, key=lambda name: -pretrained[name].scenes["pretrained"])
    said = ", ".join(f"{TITLES[n]} {pretrained[n].scenes['pretrained']:.3f}" for n in ranked)
    found = [f"Held-out scenes, best first: {said}."]
    for domain in domains:
        gains = {name: [run.gain for run in of(adapted, name, domain)] for name in pretrained}
        found.append(f"`{domain}`, pretrained over scratch: {_signs(gains)}.")
        found.append(f"`{domain}`, tuned scores compared seed by seed: {_pairs(adapted, domain)}.")
        found.append(f"`{domain}`, closed tasks: {_against_controls(adapted, domain, pretrained)}.")
    return found


def _signs(values: Mapping[str, Sequence[float]]) -> str:
    """Which means differ from zero, by their intervals over seeds."""
    found: dict[str, list[str]] = {}
    for name, several in values.items():
        found.setdefault(_sign(several), []).append(f"{TITLES[name]} ({spread(several)})")
    return "; ".join(f"{', '.join(names)}: {sign}" for sign, names in found.items())


def _sign(values: Sequence[float]) -> str:
    half, mean = half_width(values), statistics.mean(values)
    if half is None:
        return "one seed, so no interval"
    if abs(mean) <= half:
        return "the interval holds zero"
    return f"the interval lies {'above' if mean > 0 else 'below'} zero"


def _pairs(adapted: Results, domain: str) -> str:
    names = list(dict.fromkeys(plan.architecture for plan in adapted))
    told = []
    for one, other in combinations(names, 2):
        pairs = zip(of(adapted, one, domain), of(adapted, other, domain), strict=True)
        differences = [first.tuned - second.tuned for first, second in pairs]
        told.append(
            f"{TITLES[one]} over {TITLES[other]} {spread(differences)} ({_sign(differences)})"
        )
    return "; ".join(told) or "one architecture only"


def _against_controls(adapted: Results, domain: str, names: Sequence[str]) -> str:
    told = []
    for name in names:
        runs = of(adapted, name, domain)
        best, differences = "", []
        for key in CONTROLS:
            pairs = [(r.closed, r.controls[key]) for r in runs]
            known = [a - b for a, b in pairs if a is not None and b is not None]
            if known and (not differences or statistics.mean(known) < statistics.mean(differences)):
                best, differences = key.replace("_", " "), known
        if differences:
            told.append(f"{TITLES[name]} over its best control, {best}, {spread(differences)}")
    return "; ".join(told) or "no control applies"
