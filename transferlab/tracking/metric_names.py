"""Records as metric names and values. MLflow's UI groups charts by what stands before a slash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transferlab.core.events import TrainStep
from transferlab.core.records import DomainScore, StepReport
from transferlab.core.text.sanitizers import sanitize_markdown
from transferlab.metrics.similarity import Similarity


def training(event: TrainStep) -> dict[str, float]:
    """``train/<name>``: loss, learning rate, samples per second, memory and the terms."""
    values = {
        "loss": event.loss,
        "learning_rate": event.learning_rate,
        "samples_per_second": event.samples_per_second,
        "memory_bytes": event.memory_bytes,
        **dict(event.extra),
    }
    return {f"train/{name}": value for name, value in values.items()}


def scores(by_domain: Mapping[str, DomainScore]) -> dict[str, float]:
    """``score/<domain>``: the value that the score matrix holds."""
    return {f"score/{name}": score.value for name, score in by_domain.items()}


def tasks(by_domain: Mapping[str, DomainScore]) -> dict[str, float]:
    """``task/<domain>/<task>/<metric>``: every metric of every task, calibration too."""
    return {
        f"task/{domain}/{task}/{metric}": value
        for domain, score in by_domain.items()
        for task, found in score.tasks.items()
        for metric, value in (*found.metrics.items(), *found.calibration.items())
    }


def quantity_and_cost(report: StepReport) -> dict[str, float]:
    """``data/...``: what a training saw; ``cost/...``: seconds, samples per second, bytes."""
    return {
        "data/train_samples": report.train_samples,
        "data/train_tokens": report.train_tokens,
        "data/samples_seen": report.samples_seen,
        "cost/left_out_steps": report.left_out_steps,
        "cost/seconds": report.seconds,
        "cost/samples_per_second": report.samples_per_second,
        "cost/peak_memory_bytes": report.peak_memory_bytes,
        "cost/strategy_bytes": report.strategy_bytes,
        "cost/strategy_seconds": report.strategy_seconds,
    }


def interference(cosines: Mapping[str, float]) -> dict[str, float]:
    """``interference/<past domain>``: the cosine of its gradient and that of the step's domain."""
    return {f"interference/{name}": value for name, value in cosines.items()}


def changes(step: Mapping[str, Any]) -> dict[str, float]:
    """``change/plasticity`` and ``change/stability`` of result.json's steps, where defined."""
    names = ("plasticity", "stability")
    return {f"change/{name}": step[name] for name in names if step[name] is not None}


def similarity(
    measured: Sequence[Similarity], *, under: str = "", series: str = "similarity"
) -> dict[str, float]:
    """``similarity/<measure>_<features>``, and its zero as ``similarity_baseline/...``.

    Measures of the domain's labels alone begin with ``target_``; they are no distances.

    Args:
        measured: one domain's measures.
        under: what stands between the prefix and the name, e.g. "lectures/".
        series: "similarity_adapted" for those on the backbone after the last step.
    """
    values = {}
    for one in measured:
        name = f"{under}{one.name}_{one.features}"
        values[f"{series}/{name}"] = one.value
        values[f"{series}_baseline/{name}"] = one.baseline_mean
    return values


def gains(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """``gain/<domain>/<arm>_over_<arm>`` of result.json's gains.

    An interval's ends go under ``gain_interval/``: among the gains they would drown them.
    """
    values = {}
    for gain in records:
        name = f"{gain['domain']}/{gain['arm']}_over_{gain['over']}"
        values[f"gain/{name}"] = gain["value"]
        if gain["interval"] is not None:
            low, high = gain["interval"]
            values |= {f"gain_interval/{name}_low": low, f"gain_interval/{name}_high": high}
    return values


def summary(record: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """``summary/<name>`` of result.json's summary; what is not defined has no metric."""
    return {
        f"summary/{name}": one["value"] for name, one in record.items() if one["value"] is not None
    }


def summary_note(
    record: Mapping[str, Mapping[str, Any]], answer: Sequence[Mapping[str, Any]] = ()
) -> str:
    """What was found, then the summary as a Markdown table with its definitions: the run's
    description in the UI."""
    found = [f"- {sanitize_markdown(one['text'])}" for one in answer]
    rows = [*found, ""] if found else []
    rows += ["| | value | interval | definition |", "| --- | --- | --- | --- |"]
    for name, one in record.items():
        value = "-" if one["value"] is None else f"{one['value']:.3f}"
        low_high = "" if one["interval"] is None else "[{:.3f}, {:.3f}]".format(*one["interval"])
        reason = one.get("interval_reason") if one["value"] is not None else None
        text = one["definition"] + (f"; no interval: {sanitize_markdown(reason)}" if reason else "")
        rows.append(f"| {sanitize_markdown(name)} | {value} | {low_high} | {text} |")
    return "\n".join(rows)
