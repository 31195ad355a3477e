"""Scores, summaries, gains and similarities as the plain data of result.json.

Every function returns dicts, lists, strings, booleans, None and finite numbers only. An interval is
``[low, high]`` or None; ``confidence`` stands beside it, and ``interval_reason``, a sentence where
there is no interval and None where there is one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from transferlab.core.records import DomainScore
from transferlab.evaluation.control import Controls
from transferlab.evaluation.summary import Summary
from transferlab.metrics.intervals import Interval, score_interval
from transferlab.metrics.similarity import Similarity
from transferlab.metrics.subgroups import Subgroups
from transferlab.metrics.transfer import Gain


def summary_record(summaries: Mapping[str, Summary]) -> dict[str, Any]:
    """The ``summary`` section.

    Returns:
        By name ``{"value", "interval", "confidence", "interval_reason", "definition"}``.
    """
    return {
        name: {
            "value": None if one.value is None else _number(one.value),
            **_interval(one.interval, one.reason),
            "definition": one.definition,
        }
        for name, one in summaries.items()
    }


def arms_record(
    arms: Mapping[str, Mapping[str, DomainScore]], *, confidence: float
) -> dict[str, Any]:
    """The ``arms`` section.

    Returns:
        By arm and domain ``{"value", "interval", "confidence", "interval_reason", "metric",
        "tasks": {task: {"metric", "value", "interval", "confidence", "interval_reason",
        "metrics": {name: value}, "samples", "groups"}}}``.
    """
    return {
        arm: {
            domain: _with_intervals(score, confidence=confidence)
            for domain, score in scores.items()
        }
        for arm, scores in arms.items()
    }


def _with_intervals(score: DomainScore, *, confidence: float) -> dict[str, Any]:
    record = score_record(score)
    for name, task in score.tasks.items():
        alone = replace(score, value=task.value, metric=task.metric, tasks={name: task})
        record["tasks"][name] |= _interval(*score_interval(alone, confidence=confidence))
    return record | _interval(*score_interval(score, confidence=confidence))


def score_record(score: DomainScore) -> dict[str, Any]:
    """One domain's score: ``{"value", "metric", "tasks"}``; no sample, id or text.

    Closed tasks have ``likelihood`` and ``calibration``, as ``TaskScore`` has them.
    """
    return {
        "value": _number(score.value),
        "metric": score.metric,
        "tasks": {
            name: {
                "metric": task.metric,
                "value": _number(task.value),
                "metrics": _numbers(task.metrics),
                "samples": task.samples,
                "groups": len(set(task.groups)),
                **({"calibration": _numbers(task.calibration)} if task.calibration else {}),
                **({"likelihood": dict(task.likelihood)} if task.likelihood else {}),
            }
            for name, task in score.tasks.items()
        },
    }


def subgroups_record(
    arms: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Subgroups]]]],
) -> dict[str, Any]:
    """The ``subgroups`` section.

    Args:
        arms: by arm, domain, task and attribute.

    Returns:
        By the same ``{"values": {value: {"value", "interval", "confidence", "interval_reason",
        "samples", "groups"}}, "gap": {"best", "worst", "value", "interval", "confidence",
        "interval_reason"}}``; tasks and domains without attributes are left out.
    """
    found: dict[str, Any] = {}
    for arm, domains in arms.items():
        for domain, tasks in domains.items():
            for task, attributes in tasks.items():
                if attributes:
                    by_task = found.setdefault(arm, {}).setdefault(domain, {})
                    by_task[task] = {name: _subgroups(one) for name, one in attributes.items()}
    return found


def _subgroups(one: Subgroups) -> dict[str, Any]:
    return {
        "values": {
            value: {
                "value": None if scored.value is None else _number(scored.value),
                **_interval(scored.interval, scored.reason),
                "samples": scored.samples,
                "groups": scored.groups,
            }
            for value, scored in one.by_value.items()
        },
        "gap": {
            "best": one.gap.best,
            "worst": one.gap.worst,
            "value": None if one.gap.value is None else _number(one.gap.value),
            **_interval(one.gap.interval, one.gap.reason),
        },
    }


def gains_record(gains: Sequence[Gain]) -> list[dict[str, Any]]:
    """The ``gains`` section.

    Returns:
        ``{"domain", "arm", "over", "value", "interval", "confidence", "interval_reason",
        "negative_transfer"}`` each.
    """
    return [
        {
            "domain": gain.domain,
            "arm": gain.arm,
            "over": gain.over,
            "value": _number(gain.value),
            **_interval(gain.interval, gain.reason),
            "negative_transfer": gain.negative_transfer,
        }
        for gain in gains
    ]


def similarity_record(
    measured: Mapping[str, Sequence[Similarity]],
) -> dict[str, list[dict[str, Any]]]:
    """The ``similarity`` section: by target domain, the source's measures against it.

    Returns:
        ``{"name", "features", "value", "baseline_mean", "baseline_std", "p_value", "permutations",
        "source_samples", "target_samples"}`` each.
    """
    return {
        target: [
            {
                "name": one.name,
                "features": one.features,
                "value": _number(one.value),
                "baseline_mean": _number(one.baseline_mean),
                "baseline_std": _number(one.baseline_std),
                "p_value": _number(one.p_value),
                "permutations": one.permutations,
                "source_samples": one.source_samples,
                "target_samples": one.target_samples,
            }
            for one in measures
        ]
        for target, measures in measured.items()
    }


def controls_record(controls: Mapping[str, Mapping[str, Controls]]) -> dict[str, Any]:
    """The ``controls`` section.

    Returns:
        By domain and task ``{"metric", "reasons": {control: why it is None}}``, for retrieval
        ``candidates`` (how many answers there are to choose among), and a score per control in the
        task's primary metric. Ours are, for closed tasks, ``majority``, ``no_image`` and
        ``pixels``, and of learners' answers ``item_mean``, ``learner_mean``, ``item_response``,
        ``answer_counts`` and ``no_history``; for free text ``copied_answer`` and
        ``frequent_answer``; for retrieval ``chance``, ``frequent_answer`` and ``no_image``.
    """
    return {
        domain: {task: _controls_of(one) for task, one in tasks.items()}
        for domain, tasks in controls.items()
    }


def _controls_of(controls: Controls) -> dict[str, Any]:
    ranked = {} if controls.candidates is None else {"candidates": controls.candidates}
    return {
        "metric": controls.metric,
        **ranked,
        **{
            name: None if value is None else _number(value)
            for name, value in controls.values.items()
        },
        "reasons": dict(controls.reasons),
    }


def _interval(interval: Interval | None, reason: str) -> dict[str, Any]:
    if interval is None:
        return {"interval": None, "confidence": None, "interval_reason": reason}
    return {
        "interval": [_number(interval.low), _number(interval.high)],
        "confidence": interval.confidence,
        "interval_reason": None,
    }


def _numbers(values: Mapping[str, float]) -> dict[str, float]:
    return {name: _number(value) for name, value in values.items()}


def _number(value: float) -> float:
    # JSON has no NaN: what is undefined must have been said in words before it comes here.
    if not math.isfinite(value):
        raise ValueError(f"a result must be a finite number, got {value}")
    return float(value)
