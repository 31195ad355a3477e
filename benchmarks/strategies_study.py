"""The whole catalogue beside one another on one stream: docs/strategies-study.md.

    python benchmarks/strategies_study.py pipelines/study-strategies.yaml --out runs/study

Five phases, every run of them resumable: given the same ``--out`` again, what is done is read.

1. catalogue: every strategy at one seed on few samples, scored on the validation splits.
2. tuning: naive, joint, EWC, replay, EWC + replay and the three that did best beside them, each
   with the same number of settings, on the validation splits.
3. full: these eight with the settings that did best, at every seed, scored on the test splits.
4. reversed: the same with the stream turned round, at the first seed.
5. the page and its figure: forgetting against cost.

``--set`` overrides a key of the pipeline; ``--phases 1`` runs the first only. ``--few`` and
``--many`` are training samples per task in phases 1 and 2, and from 3 on. ``--jobs`` runs are made
at a time, with the processor's cores shared out among them.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from side_by_side import side_by_side
from strategies_page import Found, draw, page
from strategies_settings import ADAPTERS, ALWAYS, CATALOGUE, CHOSEN, CONTROLS, Setting, settings_of

from transferlab.config.pipeline import PipelineConfig
from transferlab.config.yaml_sections import load_yaml
from transferlab.core.events import ignore
from transferlab.core.records import DomainScore
from transferlab.metrics.controls import best_control
from transferlab.pipeline.run import run
from transferlab.pipeline.stages import score_from_record


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run: a setting, on so much data, scored on a split."""

    setting: Setting
    seed: int
    train: int
    """Training samples per task."""
    split: str
    turned: bool = False
    """The stream in reversed order."""

    @property
    def folder(self) -> Path:
        """Where its result is kept. The joint arm is part of the naive run."""
        setting = self.setting
        name = "naive" if setting.joint else setting.name.replace(" + ", "-")
        rate = [] if setting.learning_rate is None else [f"lr{setting.learning_rate:g}"]
        choice = [str(value) for spec in setting.specs for value in _values(spec)]
        size = f"{self.split}-{self.train}{'-reversed' if self.turned else ''}"
        return Path(size) / "-".join([name, *rate, *choice, f"seed{self.seed}"])


class Study:
    """Runs of one pipeline under different strategies, kept under one folder."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given

    def make(self, plans: Sequence[Plan]) -> list[Found]:
        """What the runs of ``plans`` found; those that are not there yet are made."""
        missing = {plan.folder: plan for plan in plans if self._finished(plan) is None}
        if missing:
            side_by_side(self._run, [(plan,) for plan in missing.values()], jobs=self.given.jobs)
        return [self._found(plan) for plan in plans]

    def _run(self, plan: Plan) -> str:
        run(self.config(plan), self.given.out / plan.folder, listener=ignore)
        return str(plan.folder)

    def _finished(self, plan: Plan) -> dict[str, Any] | None:
        path = self.given.out / plan.folder / "result.json"
        return json.loads(path.read_text("utf-8")) if path.exists() else None

    def _found(self, plan: Plan) -> Found:
        result, joint = self._finished(plan) or {}, plan.setting.joint
        last = "joint" if joint else f"sequential--{len(result['scores']['rows']) - 1}"
        path = self.given.out / plan.folder / "stages" / f"{last}--scores.json"
        record = json.loads(path.read_text("utf-8"))
        scores = {name: score_from_record(one) for name, one in record.items()}
        return found_in(result, scores, joint=joint)

    def config(self, plan: Plan) -> PipelineConfig:
        """The pipeline with what ``plan`` changes."""
        given, setting = self.given, plan.setting
        store = (given.out / "mlflow.db").resolve()
        overrides = [
            f"tracking.uri=sqlite:///{store}",
            *given.overrides,
            f"seed={plan.seed}",
            f"data.max_train_samples={plan.train}",
            f"evaluation.split={plan.split}",
            f"strategy={yaml.safe_dump(setting.specs, default_flow_style=True).strip()}",
        ]
        if setting.specs == ["naive"]:
            # What needs no strategy is measured in these runs: the controls, and joint; for tuning,
            # where both are tried at the same rates, in the same run.
            joint = setting.joint or plan.split == "validation"
            overrides.append(f"arms=[zero_shot{', joint' if joint else ''}]")
            overrides.append(f"evaluation.controls={plan.split == 'test'}")
        if setting.learning_rate is not None:
            overrides.append(f"train.learning_rate={setting.learning_rate}")
        config = load_yaml(given.pipeline, PipelineConfig, overrides=overrides)
        changes = ADAPTERS.get(setting.name)
        if changes:
            adapter = config.backbone.adapter.model_copy(update=changes)
            backbone = config.backbone.model_copy(update={"adapter": adapter})
            config = config.model_copy(update={"backbone": backbone})
        if plan.turned:
            config = config.model_copy(update={"stream": config.stream[::-1]})
        return config


def _values(spec: Any) -> list[Any]:
    return list(next(iter(spec.values())).values()) if isinstance(spec, Mapping) else []


def found_in(result: Mapping[str, Any], scores: Mapping[str, DomainScore], *, joint: bool) -> Found:
    """The numbers of a run; those of its joint arm, which forgets nothing, where that is meant.

    Args:
        scores: after the last step, with the outcome of every sample.
    """
    summary = {name: one["value"] for name, one in result["summary"].items()}
    arm = "joint" if joint else "sequential"
    costs = [one for one in result["cost"] if one["arm"] == arm]
    before = result["scores"]["rows"][0]["values"]
    last = result["scores"]["rows"][-1]["values"]
    if joint:
        last = {name: one["value"] for name, one in result["arms"]["joint"].items()}
    (source,) = (name for name, one in result["domains"].items() if one["role"] == "source")
    controls = {}
    for name, tasks in result["controls"].items():
        best = [best for task in tasks.values() if (best := best_control(task)) is not None]
        controls[name] = statistics.mean(best)
    return Found(
        acc=statistics.mean(score for name, score in last.items() if name != source),
        bwt=0.0 if joint else summary["bwt"],
        forgetting=0.0 if joint else summary["forgetting"],
        retention=last[source] - before[source],
        seconds=sum(one["seconds"] for one in costs),
        strategy_bytes=max(one["strategy_bytes"] for one in costs),
        peak_bytes=max(one["peak_memory_bytes"] for one in costs),
        before=before,
        last=last,
        controls=controls,
        scores={name: scores[name] for name in before},
    )


def goodness(found: Found, domains: int) -> float:
    """What is chosen by: the mean of the last row over all domains, the source's change too."""
    return (found.acc * domains + found.retention) / (domains + 1)


def study(given: argparse.Namespace) -> dict[str, Any]:
    """All phases that are asked for; what ``page`` writes."""
    work, few = Study(given), {"seed": given.seeds[0], "train": given.few, "split": "validation"}
    names = [name for name in CATALOGUE if name in (given.only or CATALOGUE)]
    domains = len(load_yaml(given.pipeline, PipelineConfig, overrides=given.overrides).stream)
    listed = [Setting(name=name, specs=CATALOGUE[name]) for name in names]
    found = work.make([Plan(setting=one, **few) for one in listed])
    done: dict[str, Any] = {"tuned": {}, "full": {}, "reversed": {}}
    done["catalogue"] = {name: [one] for name, one in zip(names, found, strict=True)}
    if "naive" in names:
        joint = Setting(name="joint", specs=["naive"])
        done["catalogue"]["joint"] = work.make([Plan(setting=joint, **few)])
    kept = [name for name in ALWAYS if name in done["catalogue"]]
    others = [name for name in names if name not in (*ALWAYS, *CONTROLS)]
    others.sort(key=lambda name: -goodness(done["catalogue"][name][0], domains))
    kept += others[: CHOSEN - len(ALWAYS)]
    if given.phases >= 2:
        tried = {name: [Plan(setting=one, **few) for one in settings_of(name)] for name in kept}
        found = iter(work.make([plan for plans in tried.values() for plan in plans]))
        for name, plans in tried.items():
            rated = [(goodness(next(found), domains), plan.setting) for plan in plans]
            done["tuned"][name] = max(rated, key=lambda pair: pair[0])[1]
    many = {"train": given.many, "split": "test"}
    chosen = list(done["tuned"].values())
    if given.phases >= 3:
        # By seeds, so that what a stopped study has is complete for some of them.
        plans = [Plan(setting=one, seed=seed, **many) for seed in given.seeds for one in chosen]
        for plan, here in zip(plans, work.make(plans), strict=True):
            done["full"].setdefault(plan.setting.name, []).append(here)
    if given.phases >= 4:
        seed = given.seeds[0]
        plans = [Plan(setting=one, seed=seed, turned=True, **many) for one in chosen]
        found = work.make(plans)
        done["reversed"] = {p.setting.name: [f] for p, f in zip(plans, found, strict=True)}
    return {**done, "given": given}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pipeline", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/study"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--few", type=int, default=24)
    parser.add_argument("--many", type=int, default=48)
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--phases", type=int, choices=(1, 2, 3, 4), default=4)
    parser.add_argument("--only", nargs="+", choices=CATALOGUE, help="these strategies only")
    parser.add_argument("--page", type=Path, default=Path("runs/study/strategies-study.md"))
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    given = parser.parse_args()
    done = study(given)
    figure = given.page.with_suffix(".png")
    figure.parent.mkdir(parents=True, exist_ok=True)
    draw(done["full"] or done["catalogue"], figure)
    given.page.write_text(page(done, figure.name), "utf-8")
    print(given.page)


if __name__ == "__main__":
    main()
