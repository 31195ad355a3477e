"""What benchmarks/strategies_study.py found, as a page with tables and a figure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from report import table


@dataclass(frozen=True, kw_only=True)
class Found:
    """One run in numbers."""

    acc: float
    bwt: float
    forgetting: float
    retention: float
    seconds: float
    strategy_bytes: int
    peak_bytes: int


T_95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}
"""Student's t by the number of seeds, for 95 %."""


def spread(values: Sequence[float]) -> str:
    """The mean, and the half width of its 95 % interval over seeds where there are several."""
    mean = statistics.mean(values)
    if len(values) == 1:
        return f"{mean:.3f}"
    factor = T_95.get(len(values), 1.96)
    return f"{mean:.3f} ± {factor * statistics.stdev(values) / math.sqrt(len(values)):.3f}"


def rows_of(runs: Mapping[str, Sequence[Found]]) -> str:
    head = ["strategy", "ACC", "BWT", "forgetting", "source", "seconds", "kept (MB)", "peak (MB)"]
    rows = []
    for name, found in runs.items():
        columns = [[getattr(one, key) for one in found] for key in Found.__dataclass_fields__]
        acc, bwt, forgetting, retention, seconds, kept, peak = columns
        cells = [spread(one) for one in (acc, bwt, forgetting, retention)]
        cells += [f"{statistics.mean(seconds):.0f}"]
        cells += [f"{statistics.mean(one) / 2**20:.1f}" for one in (kept, peak)]
        rows.append([name, *cells])
    return table(head, rows)


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
    parts = [
        "# Strategies, measured",
        "Made by `python benchmarks/strategies_study.py`; source `scenes`, stream "
        f"{', '.join(done['stream'])}. ACC, BWT and forgetting as in "
        "[result-json.md](result-json.md); source: change of the source domain's score; seconds: "
        "of training, evaluation left out; kept: what the strategy keeps between domains.",
        "## The whole catalogue",
        f"Seed {done['seeds'][0]}, {done['few']} training samples per task, validation splits, "
        "settings as the script lists them; nothing is tuned.",
        rows_of(done["catalogue"]),
    ]
    full = (
        f"Seeds {', '.join(map(str, done['seeds']))}, {done['many']} training samples per task, "
        "test splits; mean and 95 % interval over seeds. Each was tuned on the validation splits "
        "over three settings."
    )
    turned = f"Seed {done['seeds'][0]}, the same settings."
    for key, title, text in (
        ("full", "The most telling", full),
        ("reversed", "Reversed order", turned),
    ):
        if done[key]:
            parts += [f"## {title}", text, rows_of(done[key])]
    if done["tuned"]:
        chosen = [[n, f"`{s.specs}`", str(s.learning_rate or "")] for n, s in done["tuned"].items()]
        parts += ["Chosen settings:", table(["strategy", "options", "learning rate"], chosen)]
    return "\n\n".join([*parts, f"![Forgetting against cost]({figure})"]) + "\n"
