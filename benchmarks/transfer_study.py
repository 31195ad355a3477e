"""What pretraining is worth on X-rays, by the number of samples: docs/transfer-study.md.

    python benchmarks/transfer_study.py pipelines/study-transfer.yaml --out runs/transfer

For every domain of the pipeline, number of training samples per task, and seed: the pretrained
backbone, tuned, beside the same architecture from random weights, with as many steps. Beside both
stand classifiers of one kind (logistic regression on 20 principal components, the pixels control)
that see raw pixels, or what the vision tower makes of the picture: of the pretrained tower and of
random ones, its mean over places or all places.

How many steps each arm gets is chosen on the validation split for each domain, from ``--steps``, at
the first seed and ``--tuned-at`` samples. Every run is resumable: given the same ``--out`` again,
what is done is read. ``--set`` overrides a key of the pipeline. ``--jobs`` runs are made at a time.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alone import alone
from side_by_side import side_by_side
from transfer_page import Row, page
from transfer_probes import Probes

from transferlab.config.pipeline import PipelineConfig
from transferlab.config.yaml_sections import load_yaml
from transferlab.core.events import ignore
from transferlab.core.records import DomainScore
from transferlab.pipeline.run import run
from transferlab.pipeline.stages import score_from_record

ARMS = {"pretrained": "sequential--1--scores", "scratch": "scratch--{domain}--scores"}
"""The file in which a run keeps the scores of an arm."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run: both arms on one domain."""

    domain: str
    samples: int
    """Training samples per task."""
    steps: int
    seed: int
    split: str

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        name = f"{self.split}-{self.samples}-steps{self.steps}-seed{self.seed}"
        return Path(self.domain) / name


class Study:
    """Runs under one folder; what is there is not made again."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.pipeline = load_yaml(given.pipeline, PipelineConfig, overrides=given.overrides)

    def config(self, plan: Plan) -> PipelineConfig:
        """The pipeline with what ``plan`` changes."""
        store = (self.given.out / "mlflow.db").resolve()
        overrides = [
            f"tracking.uri=sqlite:///{store}",
            *self.given.overrides,
            f"seed={plan.seed}",
            f"train.max_steps={plan.steps}",
            f"data.max_train_samples={plan.samples}",
            f"evaluation.split={plan.split}",
            f"evaluation.controls={str(plan.split == 'test').lower()}",
        ]
        config = load_yaml(self.given.pipeline, PipelineConfig, overrides=overrides)
        return alone(config, plan.domain)

    def make(self, plans: Iterable[Plan]) -> None:
        """The runs of ``plans`` that are not there yet."""
        missing = [(plan,) for plan in dict.fromkeys(plans) if not self._path(plan).exists()]
        if missing:
            side_by_side(self._run, missing, jobs=self.given.jobs)

    def _run(self, plan: Plan) -> str:
        run(self.config(plan), self.given.out / plan.folder, listener=ignore)
        return str(plan.folder)

    def _path(self, plan: Plan) -> Path:
        return self.given.out / plan.folder / "result.json"

    def result(self, plan: Plan) -> Mapping[str, Any]:
        """What a finished run wrote."""
        return json.loads(self._path(plan).read_text("utf-8"))

    def score(self, plan: Plan, arm: str) -> DomainScore:
        """The score of one arm, with the outcome of every sample."""
        name = ARMS[arm].format(domain=plan.domain)
        path = self.given.out / plan.folder / "stages" / f"{name}.json"
        return score_from_record(json.loads(path.read_text("utf-8"))[plan.domain])

    def chosen_steps(self) -> dict[tuple[str, str], int]:
        """By domain and arm: the steps that did best on the validation split."""
        given, domains = self.given, self.pipeline.stream
        if len(given.steps) == 1:
            return {(domain, arm): given.steps[0] for domain in domains for arm in ARMS}
        plans = {
            domain: [
                Plan(
                    domain=domain,
                    samples=given.tuned_at,
                    steps=steps,
                    seed=given.seeds[0],
                    split="validation",
                )
                for steps in given.steps
            ]
            for domain in domains
        }
        self.make(plan for several in plans.values() for plan in several)
        return {
            (domain, arm): max(several, key=lambda plan: self.score(plan, arm).value).steps
            for domain, several in plans.items()
            for arm in ARMS
        }


def rows_of(study: Study) -> list[Row]:
    """A row for every domain, task and number of samples."""
    given, steps = study.given, study.chosen_steps()
    plans: dict[tuple[str, int, str], list[Plan]] = {
        (domain, size, arm): [
            Plan(domain=domain, samples=size, steps=chosen, seed=seed, split="test")
            for seed in given.seeds
        ]
        for (domain, arm), chosen in steps.items()
        for size in given.sizes
    }
    # By seeds, so that what a stopped study has is complete for some of them.
    study.make(several[at] for at in range(len(given.seeds)) for several in plans.values())
    rows, probes = [], Probes(given.seeds)
    for domain in study.pipeline.stream:
        for size in given.sizes:
            arms = {arm: plans[domain, size, arm] for arm in ARMS}
            scores = {a: [study.score(p, a) for p in several] for a, several in arms.items()}
            first = arms["pretrained"][0]
            probed = probes.scores(study.config(first), domain)
            rows += _rows(study, first, scores, probed, {a: steps[domain, a] for a in ARMS})
    return rows


def _rows(
    study: Study,
    plan: Plan,
    scores: Mapping[str, Sequence[DomainScore]],
    probes: Mapping[str, Mapping[str, float]],
    steps: Mapping[str, int],
) -> list[Row]:
    controls = study.result(plan)["controls"][plan.domain]
    return [
        Row(
            domain=plan.domain,
            task=task,
            samples=plan.samples,
            metric=one.metric,
            scores={arm: tuple(several) for arm, several in scores.items()},
            majority=controls[task]["majority"],
            pixels=controls[task]["pixels"],
            probes=probes[task],
            steps=steps,
        )
        for task, one in scores["pretrained"][0].tasks.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pipeline", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/transfer"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[25, 50, 100, 200])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, nargs="+", default=[100, 300])
    parser.add_argument("--tuned-at", type=int, default=100, help="samples when steps are chosen")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--page", type=Path, default=Path("runs/transfer/transfer-study.md"))
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    given = parser.parse_args()
    rows = rows_of(Study(given))
    given.page.parent.mkdir(parents=True, exist_ok=True)
    length = "`steps` are those of the pretrained arm and of scratch"
    if len(given.steps) > 1:
        tried = " or ".join(map(str, given.steps))
        length += f", chosen from {tried} by validation at {given.tuned_at} samples"
    given.page.write_text(page(rows, seeds=len(given.seeds), length=f"{length}."), "utf-8")
    print(given.page)


if __name__ == "__main__":
    main()
