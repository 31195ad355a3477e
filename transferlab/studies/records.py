"""What a study keeps of its finished runs, cell by cell and as means over seeds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from transferlab.metrics.intervals import Interval
from transferlab.metrics.seeds import difference_over_seeds, mean_over_seeds, student_interval
from transferlab.reporting.comparison import Way
from transferlab.reporting.run_scores import FinishedRun, NotComparable

SEED = "seed"
GAINS = (("single", "scratch"), ("single", "zero_shot"))
"""Which arm over which: whether pretraining, and whether training, was worth it."""
FORGETTING = ("forgetting", "forgetting_corrected")


def cell_record(run: FinishedRun) -> dict[str, Any]:
    """What a study says of one finished run, JSON-safe.

    Returns:
        ``{"seed", "train_samples": {domain: n}, "train_seconds", "arms": {arm: {domain: entry}},
        "gains": [entry with "domain", "arm" and "over"], "forgetting": {name: entry}}``, an entry
        being ``{"value", "interval", "confidence", "interval_reason"}``.
    """
    result = run.result
    quantity = result.get("data_quantity", {})
    return {
        "seed": run.seed,
        "train_samples": {name: one["train_samples"] for name, one in quantity.items()},
        "train_seconds": sum(one["seconds"] for one in result.get("cost", [])),
        "arms": {
            arm: {domain: {"metric": one["metric"], **_entry(one)} for domain, one in row.items()}
            for arm, row in result["arms"].items()
        },
        "gains": [
            {"domain": one["domain"], "arm": one["arm"], "over": one["over"], **_entry(one)}
            for one in result.get("gains", [])
            if (one["arm"], one["over"]) in GAINS
        ],
        "forgetting": {
            name: _entry(result["summary"][name])
            for name in FORGETTING
            if name in result.get("summary", {})
        },
    }


def _entry(found: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("interval", "confidence", "interval_reason")
    return {"value": found["value"], **{key: found.get(key) for key in kept}}


def without_seed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that make cells other than a repetition of one another."""
    return {key: value for key, value in settings.items() if key != SEED}


def group_key(settings: Mapping[str, Any]) -> str:
    """The same for cells that differ in nothing but their seed."""
    return json.dumps(without_seed(settings), sort_keys=True)


def mean_record(settings: Mapping[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
    """Finished cells of the same settings as means over their seeds, with every point.

    Args:
        settings: of one of them.
        folders: their directories, at least two.

    Returns:
        ``{"settings", "seeds", "arms", "gains", "forgetting"}`` as ``cell_record`` has them; an
        entry has ``by_seed``, the values in the order of ``seeds``, too.
    """
    runs = sorted((FinishedRun.read(folder) for folder in folders), key=lambda run: run.seed)
    way = Way(label="", runs=runs)
    scored = [
        (arm, domain)
        for arm, row in runs[0].result["arms"].items()
        for domain in row
        if all(run.has(arm, domain) for run in runs)
    ]
    confidence = float(runs[0].result["pipeline"]["evaluation"]["confidence"])
    arms: dict[str, dict[str, Any]] = {}
    for arm, domain in scored:
        arms.setdefault(arm, {})[domain] = _mean_score(way, arm, domain, confidence)
    gains = [
        {"domain": domain, "arm": arm, "over": over, **_mean_gain(way, arm, over, domain)}
        for arm, over in GAINS
        for domain in runs[0].result["domains"]
        if {(arm, domain), (over, domain)} <= set(scored)
    ]
    return {
        "settings": without_seed(settings),
        "seeds": [run.seed for run in runs],
        "arms": arms,
        "gains": gains,
        "forgetting": _mean_forgetting(runs, confidence),
    }


def single_record(settings: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """One finished cell in the form of ``mean_record``: its entries are those of its run."""
    return {
        "settings": without_seed(settings),
        "seeds": [record["seed"]],
        "arms": {
            arm: {domain: _alone(one) for domain, one in row.items()}
            for arm, row in record["arms"].items()
        },
        "gains": [_alone(one) for one in record["gains"]],
        "forgetting": {
            name: _alone(one)
            for name, one in record["forgetting"].items()
            if one["value"] is not None  # a stream of one domain forgets none
        },
    }


def _alone(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**entry, "by_seed": [entry["value"]]}


def _mean_score(way: Way, arm: str, domain: str, confidence: float) -> dict[str, Any]:
    values = [run.result["arms"][arm][domain]["value"] for run in way.runs]
    try:
        interval, reason = mean_over_seeds(way.scores(arm, domain), confidence=confidence)
    except (NotComparable, ValueError) as problem:
        interval, reason = None, str(problem)
    metric = way.runs[0].result["arms"][arm][domain]["metric"]
    return {"metric": metric, **_mean(values, interval, reason)}


def _mean_gain(way: Way, arm: str, over: str, domain: str) -> dict[str, Any]:
    arms = [run.result["arms"] for run in way.runs]
    values = [one[arm][domain]["value"] - one[over][domain]["value"] for one in arms]
    confidence = float(way.runs[0].result["pipeline"]["evaluation"]["confidence"])
    try:
        interval, reason = difference_over_seeds(
            way.scores(arm, domain), way.scores(over, domain), confidence=confidence
        )
    except (NotComparable, ValueError) as problem:
        interval, reason = None, str(problem)
    return _mean(values, interval, reason)


def _mean_forgetting(runs: Sequence[FinishedRun], confidence: float) -> dict[str, Any]:
    """Means of what each run forgot; those of which one run has no value are left out."""
    found = {}
    for name in FORGETTING:
        values = [run.result.get("summary", {}).get(name, {}).get("value") for run in runs]
        if all(value is not None for value in values):
            found[name] = _mean(values, student_interval(values, confidence=confidence), "")
    return found


def _mean(values: Iterable[float], interval: Interval | None, reason: str) -> dict[str, Any]:
    points = list(values)
    return {
        "value": fmean(points),
        "interval": None if interval is None else [interval.low, interval.high],
        "confidence": None if interval is None else interval.confidence,
        "interval_reason": reason or None,
        "by_seed": points,
    }
