"""Figures of a run, drawn from the records of result.json. No pyplot: nothing global is touched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

from transferlab.metrics.controls import control_values, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by every common kind of colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
ARMS = ("zero_shot", "scratch", "single", "sequential", "joint")
"""In the order in which they are drawn; each keeps its colour in every figure."""
CONTROL_LINES: tuple[Any, ...] = (
    *(":", "--", "-", "-.", (0, (1, 3)), (0, (5, 5))),
    *((0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)), (0, (2, 2, 6, 2)), (0, (1, 6))),
)
"""Line styles, in the order of the controls' names; they are drawn in black over the arms' bars."""
DARK = COLOURS[:3]
"""Bars of these colours are dark enough for white figures."""
DARK_BELOW = 0.55
"""Cells below this share of the scale are dark enough for white figures."""


def score_matrix(scores: Mapping[str, Any]) -> Figure:
    """The score matrix: a row per step, a column per domain, the step that learned it outlined.

    Args:
        scores: ``{"columns": [{"domain", "metric"}], "rows": [{"after", "values"}]}``; ``values``
            are scores in [0, 1] by domain.
    """
    from matplotlib.patches import Rectangle

    domains = [column["domain"] for column in scores["columns"]]
    steps = [row["after"] for row in scores["rows"]]
    values = [[row["values"][domain] for domain in domains] for row in scores["rows"]]
    figure, axes = _figure(2.6 + 1.45 * len(domains), 1.9 + 0.62 * len(steps))
    image = axes.imshow(values, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for at, row in enumerate(values):
        for column, value in enumerate(row):
            colour = "white" if value < DARK_BELOW else "black"
            axes.text(column, at, f"{value:.3f}", ha="center", va="center", color=colour, size=11)
            if steps[at] == domains[column]:
                edge = Rectangle((column - 0.47, at - 0.45), 0.94, 0.9, fill=False)
                edge.set(edgecolor="#D55E00", linewidth=2.5)
                axes.add_patch(edge)
    axes.set_xticks(range(len(domains)), [_broken(name) for name in domains])
    axes.set_yticks(
        range(len(steps)), [f"after {name}" if at else name for at, name in enumerate(steps)]
    )
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("Score on each domain after each step", loc="left", pad=10)
    axes.set_xlabel("outlined: the domain that the step learned", size=9, color="0.35")
    figure.colorbar(image, ax=axes, label="score", fraction=0.05, pad=0.03)
    return figure


def forgetting_curves(scores: Mapping[str, Any]) -> Figure:
    """The score of every domain over the steps; a star marks the step that learned it.

    Args:
        scores: as in ``score_matrix``.
    """
    steps = [row["after"] for row in scores["rows"]]
    figure, axes = _figure(2.6 + 1.5 * len(steps), 4.2)
    for at, column in enumerate(scores["columns"]):
        domain = column["domain"]
        values = [row["values"][domain] for row in scores["rows"]]
        colour, marker = COLOURS[at % len(COLOURS)], MARKERS[at % len(MARKERS)]
        axes.plot(values, color=colour, marker=marker, linewidth=2, markersize=6, label=domain)
        if domain in steps:
            learned = steps.index(domain)
            axes.plot(
                learned, values[learned], marker="*", markersize=17, color=colour, mec="white"
            )
    axes.set_xticks(range(len(steps)), [_broken(name) for name in steps])
    axes.set_xlabel("after (a star: the step that learned the domain)")
    axes.set_xlim(-0.2, len(steps) - 0.8)
    _finish(axes, "What each step did to every domain")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, title="domain")
    return figure


def arms_chart(
    arms: Mapping[str, Mapping[str, Any]], controls: Mapping[str, Mapping[str, Any]]
) -> Figure:
    """Every arm's score on every task, with the controls as lines across the task's bars.

    Args:
        arms: ``{arm: {domain: {"tasks": {task: {"metric", "value"}}}}}``; a task may have an
            ``interval`` of two numbers.
        controls: ``{domain: {task: {control: score or None}}}``, as result.json has them.
    """
    groups = _task_groups(arms)
    names = [arm for arm in ARMS if arm in arms] + sorted(set(arms) - set(ARMS))
    figure, axes = _figure(2.8 + 0.34 * (len(names) + 1.5) * len(groups), 4.4)
    width = 0.84 / len(names)
    for at, arm in enumerate(names):
        positions, values, errors = _bars(
            arms[arm], groups, offset=(at - (len(names) - 1) / 2) * width
        )
        colour = COLOURS[(ARMS.index(arm) if arm in ARMS else at) % len(COLOURS)]
        axes.bar(positions, values, width * 0.94, color=colour, label=arm.replace("_", " "))
        axes.errorbar(positions, values, yerr=errors, fmt="none", ecolor="0.25", capsize=2.5, lw=1)
        for position, value in zip(positions, values, strict=True):
            axes.text(
                position, 0.012, f"{value:.2f}", ha="center", va="bottom", size=8, rotation=90,
                color="white" if colour in DARK else "black",
            )  # fmt: skip
    _draw_controls(axes, groups, controls)
    labels = [f"{domain}\n{task}\n({metric})" for domain, task, metric in groups]
    axes.set_xticks(range(len(groups)), labels, size=9)
    _finish(axes, "Ways to get a model, and controls that need no understanding")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return figure


def similarity_and_gain(
    distances: Mapping[str, float],
    gains: Mapping[str, Mapping[str, Any]],
    *,
    measure: str,
    gain: str,
) -> Figure:
    """Each domain's distance from the source against its transfer gain.

    Args:
        distances: by domain, in the unit of ``measure``.
        gains: by domain, ``{"value", "interval": [low, high] | None}``, in the score's unit.
        measure: names the horizontal axis.
        gain: names the vertical axis, e.g. "single over scratch".
    """
    figure, axes = _figure(5.6, 4.2)
    for at, domain in enumerate(name for name in distances if name in gains):
        value, interval = gains[domain]["value"], gains[domain]["interval"]
        # Rounding may put the bounds of a gain that does not vary on one side of it.
        error = [[max(0, value - interval[0])], [max(0, interval[1] - value)]] if interval else None
        axes.errorbar(
            distances[domain], value, yerr=error, fmt=MARKERS[at % len(MARKERS)], capsize=3,
            color=COLOURS[at % len(COLOURS)], markersize=8,
        )  # fmt: skip
        axes.annotate(
            f"{domain} ({value:+.3f})", (distances[domain], value), xytext=(9, 7),
            textcoords="offset points", size=9,
        )  # fmt: skip
    axes.axhline(0, color="0.3", linewidth=1)
    axes.margins(x=0.3, y=0.2)
    axes.set(xlabel=f"{measure} (source to domain)", ylabel=f"gain: {gain}")
    axes.set_title("Distance from the source and transfer gain", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _finish(axes: Axes, title: str) -> None:
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("score")
    axes.set_title(title, loc="left")
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _broken(name: str) -> str:
    """A long name on two lines, broken at a hyphen near its middle."""
    if len(name) <= 12 or "-" not in name:
        return name
    cuts = [at for at, letter in enumerate(name) if letter == "-"]
    cut = min(reversed(cuts), key=lambda at: abs(at - len(name) / 2))
    return f"{name[: cut + 1]}\n{name[cut + 1 :]}"


def _task_groups(arms: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """(domain, task, metric) of the tasks that every arm was scored on: the source is left out
    where an arm never met it, since there is nothing to compare."""
    by_arm = [
        {
            (domain, task, record["metric"]): None
            for domain, scored in by_domain.items()
            for task, record in scored["tasks"].items()
        }
        for by_domain in arms.values()
    ]
    return [group for group in by_arm[0] if all(group in other for other in by_arm)]


def _bars(
    by_domain: Mapping[str, Any], groups: Sequence[tuple[str, str, str]], *, offset: float
) -> tuple[list[float], list[float], list[list[float]]]:
    """Places, heights and two rows of error lengths of an arm's bars.

    A length is NaN, which is not drawn, where there is no interval.
    """
    records = [by_domain[domain]["tasks"][task] for domain, task, _ in groups]
    values = [record["value"] for record in records]
    intervals = [record.get("interval") or (math.nan, math.nan) for record in records]
    below = [value - low for value, (low, _) in zip(values, intervals, strict=True)]
    above = [high - value for value, (_, high) in zip(values, intervals, strict=True)]
    return [at + offset for at in range(len(groups))], values, [below, above]


def _draw_controls(
    axes: Axes, groups: Sequence[tuple[str, str, str]], controls: Mapping[str, Mapping[str, Any]]
) -> None:
    measured = {
        (domain, task): control_values(one)
        for domain, tasks in controls.items()
        for task, one in tasks.items()
    }
    names = sorted({name for one in measured.values() for name in one})
    for control, style in zip(names, cycle(CONTROL_LINES), strict=False):
        label = f"control: {title(control)}"
        for at, (domain, task, _) in enumerate(groups):
            value = measured.get((domain, task), {}).get(control)
            if value is not None:
                axes.hlines(
                    value, at - 0.46, at + 0.46, color="black", ls=style, lw=1.6, label=label
                )
                label = "_again"  # one entry in the legend
