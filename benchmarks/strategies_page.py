"""What benchmarks/strategies_study.py found, as a page with tables and a figure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from report import table
from scipy import stats

from transferlab.config.load import load_yaml
from transferlab.config.pipeline import PipelineConfig


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


def half_width(values: Sequence[float]) -> float | None:
    """Of the 95 % interval (Student's t) of the mean over seeds; None where there is one only."""
    if len(values) == 1:
        return None
    factor = stats.t.ppf(0.975, df=len(values) - 1)
    return float(factor * stats.sem(values))


def spread(values: Sequence[float]) -> str:
    """The mean, and the half width of its 95 % interval over seeds where there are several."""
    half = half_width(values)
    return f"{statistics.mean(values):.3f}" + ("" if half is None else f" ± {half:.3f}")


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
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    for name, found in runs.items():
        at = [
            statistics.mean(getattr(one, key) for one in found) for key in ("seconds", "forgetting")
        ]
        axes.plot(*at, "o", color="tab:blue")
        axes.annotate(name, at, xytext=(4, 4), textcoords="offset points", fontsize=8)
    axes.axhline(0, color="0.7", linewidth=0.8)
    axes.set_xlabel("seconds of training over the whole stream")
    axes.set_ylabel("forgetting (lower is better)")
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def page(done: Mapping[str, Any], figure: str) -> str:
    """Markdown."""
    given = done["given"]
    stream = load_yaml(given.pipeline, PipelineConfig, overrides=given.overrides).stream
    parts = [
        f"Source `scenes`, stream {', '.join(f'`{name}`' for name in stream)}. ACC, BWT and "
        "forgetting as in [result-json.md](result-json.md); source: change of the source domain's "
        "score; seconds: of training and of what the strategy does between domains, scoring left "
        "out; kept: what the strategy keeps between domains; peak: of memory while training.",
        "## The whole catalogue",
        f"Seed {given.seeds[0]}, {given.few} training samples per task, validation splits, "
        "settings as the script lists them; nothing is tuned.",
        rows_of(done["catalogue"]),
    ]
    full = (
        f"Seeds {', '.join(map(str, given.seeds))}, {given.many} training samples per task, test "
        "splits; mean and 95 % interval over seeds (Student's t). Each was tuned on the validation "
        "splits over three settings."
    )
    turned = f"Seed {given.seeds[0]}, the same settings."
    for key, title, text in (
        ("full", "The most telling", full),
        ("reversed", "Reversed order", turned),
    ):
        if done[key]:
            parts += [f"## {title}", text, rows_of(done[key])]
            parts += ["Each domain after the last step:", domains_of(done[key])]
    if done["tuned"]:
        chosen = [[n, f"`{s.specs}`", str(s.learning_rate or "")] for n, s in done["tuned"].items()]
        parts += ["Chosen settings:", table(["strategy", "options", "learning rate"], chosen)]
    return "\n\n".join([*parts, f"![Forgetting against cost]({figure})"]) + "\n"
