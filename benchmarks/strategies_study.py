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
``--many`` are training samples per task in phases 1 and 2, and from 3 on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from strategies_page import Found, draw, page

from transferlab.config.load import load_yaml
from transferlab.config.pipeline import PipelineConfig
from transferlab.core.events import ignore
from transferlab.pipeline.run import run

Specs = list[Any]
"""A ``strategy:`` list."""

CATALOGUE: dict[str, Specs] = {
    "naive": ["naive"],
    "replay": [{"replay": {"memory_samples": 200, "batch_ratio": 0.5}}],
    "ewc": [{"ewc": {"strength": "auto", "fisher_samples": 64}}],
    "ewc + replay": [
        {"ewc": {"strength": "auto", "fisher_samples": 64}},
        {"replay": {"memory_samples": 200, "batch_ratio": 0.5}},
    ],
    "si": [{"si": {}}],
    "mas": [{"mas": {}}],
    "rwalk": [{"rwalk": {}}],
    "l2": [{"l2": {}}],
    "lwf": [{"lwf": {}}],
    "feature_distillation": [{"feature_distillation": {}}],
    "er_ace": [{"er_ace": {}}],
    "der": [{"der": {"memory_batch_samples": 8}}],
    "mir": [{"mir": {"candidate_samples": 16, "memory_batch_samples": 8}}],
    "gss": [{"gss": {"batch_ratio": 0.5}}],
    "agem": [{"agem": {"memory_batch_samples": 8}}],
    "gem": [{"gem": {"memory_batch_samples": 4}}],
    "self_distillation": [{"self_distillation": {"memory_batch_samples": 8, "max_new_tokens": 24}}],
    "pseudo_replay": [{"pseudo_replay": {"memory_batch_samples": 8, "max_new_tokens": 24}}],
    "per_domain": [{"per_domain": {}}],
    "o_lora": [{"o_lora": {"rank_per_domain": 4}}],
    "ema": [{"ema": {}}],
    "interpolate": [{"interpolate": {}}],
    "merge": [{"merge": {}}],
    "gdumb": [{"gdumb": {}}],
    "cumulative": [{"cumulative": {}}],
    "from_scratch": [{"from_scratch": {}}],
}
ALWAYS = ("naive", "joint", "ewc", "replay", "ewc + replay")
CONTROLS = ("cumulative", "gdumb", "from_scratch")
"""Not among the eight: bounds, as joint is."""
CHOSEN = 8
KNOBS: dict[str, tuple[str, list[Any]]] = {
    "ewc": ("units", [0.1, 1.0, 10.0]),
    "si": ("units", [0.1, 1.0, 10.0]),
    "mas": ("units", [0.1, 1.0, 10.0]),
    "rwalk": ("units", [0.1, 1.0, 10.0]),
    "l2": ("units", [0.1, 1.0, 10.0]),
    "replay": ("batch_ratio", [0.25, 0.5, 1.0]),
    "gss": ("batch_ratio", [0.25, 0.5, 1.0]),
    "lwf": ("strength", [0.3, 1.0, 3.0]),
    "feature_distillation": ("strength", [0.3, 3.0, 30.0]),
    "er_ace": ("memory_batch_samples", [4, 8, 16]),
    "der": ("logit_weight", [0.03, 0.1, 0.3]),
    "mir": ("memory_batch_samples", [4, 8, 16]),
    "agem": ("memory_batch_samples", [8, 16, 32]),
    "gem": ("margin", [0.0, 0.5, 1.0]),
    "self_distillation": ("weight", [0.3, 1.0, 3.0]),
    "pseudo_replay": ("weight", [0.1, 0.3, 1.0]),
    "per_domain": ("start", ["first", "latest"]),
    "o_lora": ("strength", [0.05, 0.5, 5.0]),
    "ema": ("decay", [0.9, 0.98, 0.995]),
    "interpolate": ("new_share", [0.3, 0.5, 0.7]),
    "merge": ("method", ["linear", "ties", "dare_ties"]),
}
RATES = [1e-3, 2e-3, 4e-3]
"""What naive and joint are tuned over: they have no setting of their own."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A strategy with its options and its learning rate."""

    name: str
    specs: Specs
    learning_rate: float | None = None

    @property
    def joint(self) -> bool:
        return self.name == "joint"


class Study:
    """Runs of one pipeline under different strategies, kept under one folder."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.seconds = 0.0
        """Of the runs that this process made."""

    def run(
        self,
        phase: str,
        setting: Setting,
        *,
        seed: int,
        train: int,
        split: str,
        turned: bool = False,
    ) -> Found:
        given = self.given
        # The joint arm is part of the naive run.
        name = f"{'naive' if setting.joint else setting.name.replace(' + ', '-')}-{seed}"
        rate = [] if setting.learning_rate is None else [f"lr{setting.learning_rate:g}"]
        choice = [str(value) for spec in setting.specs for value in _values(spec)]
        out = given.out / phase / "-".join([name, *rate, *choice])
        result = self._finished(out)
        if result is None:
            started = time.monotonic()
            config = self._config(setting, seed=seed, train=train, split=split, turned=turned)
            result = run(config, out, listener=ignore)
            self.seconds += time.monotonic() - started
            print(f"{phase}: {out.name}: done", file=sys.stderr, flush=True)
        return found_in(result, joint=setting.joint)

    def _finished(self, out: Path) -> dict[str, Any] | None:
        path = out / "result.json"
        return json.loads(path.read_text("utf-8")) if path.exists() else None

    def _config(
        self, setting: Setting, *, seed: int, train: int, split: str, turned: bool
    ) -> PipelineConfig:
        given = self.given
        store = (given.out / "mlflow.db").resolve()
        overrides = [
            f"tracking.uri=sqlite:///{store}",
            *given.overrides,
            f"seed={seed}",
            f"data.max_train_samples={train}",
            f"evaluation.split={split}",
            f"strategy={yaml.safe_dump(setting.specs, default_flow_style=True).strip()}",
        ]
        if setting.specs == ["naive"]:
            overrides.append("arms=[zero_shot, joint]")
        if setting.learning_rate is not None:
            overrides.append(f"train.learning_rate={setting.learning_rate}")
        config = load_yaml(given.pipeline, PipelineConfig, overrides=overrides)
        if setting.name == "o_lora":  # trains ranks, and token embeddings have none
            adapter = config.backbone.adapter.model_copy(update={"train_embeddings": False})
            backbone = config.backbone.model_copy(update={"adapter": adapter})
            config = config.model_copy(update={"backbone": backbone})
        if turned:
            config = config.model_copy(update={"stream": config.stream[::-1]})
        return config


def _values(spec: Any) -> list[Any]:
    return list(next(iter(spec.values())).values()) if isinstance(spec, Mapping) else []


def found_in(result: Mapping[str, Any], *, joint: bool) -> Found:
    """The numbers of a run; those of its joint arm, which forgets nothing, where that is meant."""
    summary = {name: one["value"] for name, one in result["summary"].items()}
    arm = "joint" if joint else "sequential"
    costs = [one for one in result["cost"] if one["arm"] == arm]
    acc, retention = summary["acc"], summary["source_retention"]
    if joint:
        source = next(n for n, one in result["domains"].items() if one["role"] == "source")
        scores = {name: one["value"] for name, one in result["arms"]["joint"].items()}
        before = result["scores"]["rows"][0]["values"][source]
        retention = scores.pop(source) - before
        acc = statistics.mean(scores.values())
    return Found(
        acc=acc,
        bwt=0.0 if joint else summary["bwt"],
        forgetting=0.0 if joint else summary["forgetting"],
        retention=retention,
        seconds=sum(one["seconds"] for one in costs),
        strategy_bytes=max(one["strategy_bytes"] for one in costs),
        peak_bytes=max(one["peak_memory_bytes"] for one in costs),
    )


def goodness(found: Found, domains: int) -> float:
    """What is chosen by: the mean of the last row over all domains, the source's change too."""
    return (found.acc * domains + found.retention) / (domains + 1)


def settings_of(name: str) -> list[Setting]:
    """What a strategy is tuned over: the same number of settings for each."""
    if name in ("naive", "joint"):
        return [Setting(name=name, specs=["naive"], learning_rate=rate) for rate in RATES]
    last = CATALOGUE[name][0]
    ((key, options),) = last.items()
    knob, values = KNOBS[key]
    rest = CATALOGUE[name][1:]
    return [Setting(name=name, specs=[{key: {**options, knob: value}}, *rest]) for value in values]


def study(given: argparse.Namespace) -> dict[str, Any]:
    """All phases that are asked for; what ``page`` writes."""
    work, few = Study(given), {"seed": given.seeds[0], "train": given.few, "split": "validation"}
    names = given.only or list(CATALOGUE)
    stream = load_yaml(given.pipeline, PipelineConfig, overrides=given.overrides).stream
    rank = {}
    done: dict[str, Any] = {"catalogue": {}, "tuned": {}, "full": {}, "reversed": {}}
    for name in names:
        setting = Setting(name=name, specs=CATALOGUE[name])
        done["catalogue"][name] = [work.run("catalogue", setting, **few)]
        rank[name] = goodness(done["catalogue"][name][0], len(stream))
    others = sorted((n for n in names if n not in (*ALWAYS, *CONTROLS)), key=lambda n: -rank[n])
    kept = [name for name in ALWAYS if name == "joint" or name in names]
    kept += others[: CHOSEN - len(ALWAYS)]
    for name in kept if given.phases >= 2 else ():
        tried = [(work.run("tuning", one, **few), one) for one in settings_of(name)]
        done["tuned"][name] = max(tried, key=lambda pair: goodness(pair[0], len(stream)))[1]
    many = {"train": given.many, "split": "test"}
    for name, setting in done["tuned"].items():
        if given.phases >= 3:
            done["full"][name] = [
                work.run("full", setting, seed=seed, **many) for seed in given.seeds
            ]
        if given.phases >= 4:
            turned = work.run("reversed", setting, seed=given.seeds[0], turned=True, **many)
            done["reversed"][name] = [turned]
    print(f"{work.seconds / 3600:.2f} hours in this call's runs", file=sys.stderr)
    return {**done, "stream": stream, "seeds": given.seeds, "few": given.few, "many": given.many}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pipeline", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/study"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--few", type=int, default=40)
    parser.add_argument("--many", type=int, default=100)
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
