"""What benchmarks/strategies_study.py found, as a page with tables and a figure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intervals import difference, spread, written
from report import filled, table

from transferlab.config.pipeline import PipelineConfig
from transferlab.config.yaml_sections import load_yaml
from transferlab.core.records import DomainScore
from transferlab.metrics.intervals import Interval

NEAR = 0.02
"""How far below joint a strategy may be to be called as good as joint."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """One run in numbers. The first seven are columns of the tables."""

    acc: float
    bwt: float
    forgetting: float
    retention: float
    seconds: float
    strategy_bytes: int
    peak_bytes: int
    before: Mapping[str, float]
    """Each domain's score before any adaptation, the source's first."""
    last: Mapping[str, float]
    """The same after the last step."""
    controls: Mapping[str, float]
    """Mean over a domain's tasks of its best control; empty where none was measured."""
    scores: Mapping[str, DomainScore]
    """Each domain after the last step with the outcome of every sample, the source's first."""


COLUMNS = ("acc", "bwt", "forgetting", "retention", "seconds", "strategy_bytes", "peak_bytes")


def rows_of(runs: Mapping[str, Sequence[Found]]) -> str:
    head = ["strategy", "ACC", "BWT", "forgetting", "source", "seconds", "kept (MB)", "peak (MB)"]
    rows = []
    for name, found in runs.items():
        columns = [[getattr(one, key) for one in found] for key in COLUMNS]
        acc, bwt, forgetting, retention, seconds, kept, peak = columns
        cells = [spread(one) for one in (acc, bwt, forgetting, retention)]
        cells += [f"{statistics.mean(seconds):.0f}"]
        cells += [f"{statistics.mean(one) / 2**20:.1f}" for one in (kept, peak)]
        rows.append([name, *cells])
    return table(head, rows)


def domains_of(runs: Mapping[str, Sequence[Found]]) -> str:
    """Each domain's score after the last step, beside the pretrained backbone and the controls."""
    first = runs["naive"]
    names = list(first[0].last)
    rows = [["before", *(spread([one.before[name] for one in first]) for name in names)]]
    for strategy, found in runs.items():
        rows.append([strategy, *(spread([one.last[name] for one in found]) for name in names)])
    controls = [[one.controls[name] for one in first if name in one.controls] for name in names]
    rows.append(["best control", *(spread(one) if one else "-" for one in controls)])
    return table(["strategy", *names], rows)


def draw(runs: Mapping[str, Sequence[Found]], path: Path) -> None:
    """Forgetting against the seconds of training, a point per strategy."""
    import matplotlib

    matplotlib.use("Agg")
    from adjustText import adjust_text
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    seconds, forgetting = (
        [statistics.mean(getattr(one, key) for one in found) for found in runs.values()]
        for key in ("seconds", "forgetting")
    )
    axes.plot(seconds, forgetting, "o", color="tab:blue")
    axes.margins(x=0.15)
    names = [
        axes.text(*at, name, fontsize=8)
        for *at, name in zip(seconds, forgetting, runs, strict=True)
    ]
    line = {"arrowstyle": "-", "color": "0.7"}
    adjust_text(names, seconds, forgetting, ax=axes, expand=(1.2, 1.6), arrowprops=line)
    axes.axhline(0, color="0.7", linewidth=0.8)
    axes.set_xlabel("seconds of training over the whole stream")
    axes.set_ylabel("forgetting (lower is better)")
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def compared(runs: Mapping[str, Sequence[Found]]) -> str:
    """Every strategy beside naive and joint, in pairs over test groups and seeds."""
    rows = []
    for name, found in runs.items():
        if name != "naive":
            adapted, source = _beside(found, runs["naive"])
            gap = _beside(found, runs["joint"])[0] if name != "joint" and "joint" in runs else None
            rows.append([name, written(*adapted), written(*source), written(*gap) if gap else "-"])
    return table(["strategy", "ACC over naive", "source over naive", "ACC over joint"], rows)


def _beside(here: Sequence[Found], there: Sequence[Found]) -> list[tuple[float, Interval | None]]:
    """The difference in the stream's domains, and in the source."""
    source = next(iter(here[0].scores))
    kept = [lambda name: name != source, lambda name: name == source]
    return [
        difference(*([_where(run.scores, wanted) for run in found] for found in (here, there)))
        for wanted in kept
    ]


def _where(scores: Mapping[str, DomainScore], wanted: Callable[[str], bool]) -> dict:
    return {name: score for name, score in scores.items() if wanted(name)}


def findings(runs: Mapping[str, Sequence[Found]]) -> list[str]:
    """Sentences that the numbers decide."""
    means = {name: statistics.mean(one.acc for one in found) for name, found in runs.items()}
    others = [name for name in runs if name not in ("naive", "joint")]
    extra_inputs = {name: _beside(runs[name], runs["naive"]) for name in others}
    said = []
    for at, what in enumerate(("ACC", "what is left of the source")):
        better = [n for n in others if (interval := extra_inputs[n][at][1]) and interval.low > 0]
        worse = [n for n in others if (interval := extra_inputs[n][at][1]) and interval.high < 0]
        said.append(
            f"In {what}, better than naive by an interval above zero: {_listed(better)}; worse by "
            f"one below zero: {_listed(worse)}."
        )
    if "joint" in runs:
        near = [name for name in others if means[name] >= means["joint"] - NEAR]
        said.append(f"Within two points of joint's ACC ({means['joint']:.3f}): {_listed(near)}.")
    return said


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def page(done: Mapping[str, Any], figure: str) -> str:
    """Markdown."""
    given = done["given"]
    pipeline = load_yaml(given.pipeline, PipelineConfig, overrides=given.overrides)
    stream = ", ".join(f"`{name}`" for name in pipeline.stream)
    parts = [
        "# Strategies beside one another",
        f"""`python benchmarks/strategies_study.py pipelines/study-strategies.yaml` makes this page;
stopped and started again, it goes on where it was. The embedded backbone, source
`{pipeline.source}`, stream {stream}; {pipeline.train.epochs} epochs of each, scored on at most
{pipeline.evaluation.max_test_samples} samples per task. ACC, BWT and forgetting as in
[result-json.md](result-json.md); source: change of the source domain's score; seconds: of training
and of what the strategy does between domains, scoring left out, {given.jobs} runs at a time; kept:
what the strategy keeps between domains; peak: of memory while training. What each strategy is:
[strategies.md](strategies.md).""",
        *_full(done),
        *_reversed(done),
        "## The whole catalogue",
        f"""Seed {given.seeds[0]}, {given.few} training samples per task, validation splits,
settings as the script lists them; nothing is tuned.""",
        rows_of(done["catalogue"]),
    ]
    drawn = f"![Forgetting against cost]({figure})"
    return "\n\n".join([*map(filled, parts), drawn]) + "\n"


def _full(done: Mapping[str, Any]) -> list[str]:
    given, runs = done["given"], done["full"]
    if not runs:
        return []
    chosen = [[n, f"`{s.specs}`", str(s.learning_rate or "")] for n, s in done["tuned"].items()]
    return [
        "## The most telling",
        f"""Seeds {", ".join(map(str, given.seeds))}, {given.many} training samples per task, test
splits; mean and 95 % interval over seeds (Student's t). Each was tuned over up to three settings,
at {given.few} samples per task, by the mean score over all domains on the validation splits.""",
        rows_of(runs),
        "\n".join(f"- {one}" for one in findings(runs)),
        "Differences, with 95 % intervals over test groups and seeds:",
        compared(runs),
        "Each domain after the last step:",
        domains_of(runs),
        "Chosen settings:",
        table(["strategy", "options", "learning rate"], chosen),
    ]


def _reversed(done: Mapping[str, Any]) -> list[str]:
    if not done["reversed"]:
        return []
    return [
        "## Reversed order",
        f"Seed {done['given'].seeds[0]}, the same settings, the stream turned round.",
        rows_of(done["reversed"]),
        "Each domain after the last step:",
        domains_of(done["reversed"]),
    ]
