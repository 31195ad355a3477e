"""Ways of fusing picture and text, pretrained alike and compared by what transfers.

    python benchmarks/fusion_study.py pipelines/study-fusion.yaml --out runs/fusion \
        --page docs/fusion-study.md

Four phases, every part of them resumable: given the same ``--out`` again, what is done is read.

1. the vision stage, once; ``--vision FILE`` takes the checkpoint of one that was made before, by
   ``transferlab pretrain`` with the same recipe and seed.
2. each architecture is pretrained from that tower with the same shortened curriculum: ``--steps``
   in all, shared out among the stages of ``--recipe`` as they are there.
3. each is adapted to each domain of the pipeline alone, at every seed, and so is a model of the
   same architecture with random weights; controls beside them.
4. the page.

``--set`` overrides a key of the pipeline, ``--set-recipe`` one of the recipe. ``--jobs`` parts are
made at a time, with the processor's cores shared out among them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from multiprocessing import set_start_method
from pathlib import Path
from typing import Any, get_args

from alone import alone
from fusion_page import Adapted, Plan, Pretrained, page
from joblib import cpu_count
from side_by_side import side_by_side
from transformers import AutoModelForImageTextToText

from transferlab.config.pipeline import PipelineConfig
from transferlab.config.pretrain import Architecture, PretrainConfig
from transferlab.config.yaml_sections import load_yaml
from transferlab.core.checkpoint import load_checkpoint
from transferlab.core.events import Event, TrainStep, ignore
from transferlab.errors import InputError, TransferlabError
from transferlab.pipeline.run import run
from transferlab.tiny.pretraining import VISION, pretrain, pretrain_vision
from transferlab.tracking.tracker import loggable

STUDY = "study.json"
"""Beside a pretrained architecture: what the page says of it."""


class Steps:
    """A listener that times steps, and says every hundredth."""

    def __init__(self, name: str) -> None:
        self._name, self._before = name, time.perf_counter()
        self.seconds: list[float] = []

    def __call__(self, event: Event) -> None:
        now = time.perf_counter()
        if isinstance(event, TrainStep):
            self.seconds.append(now - self._before)
            if event.step % 100 == 0 or event.step == event.total_steps:
                said = f"{self._name}: {event.step} of {event.total_steps}, loss {event.loss:.2f}"
                print(said, file=sys.stderr, flush=True)
        self._before = now


def shortened(recipe: PretrainConfig, *, steps: int, vision_steps: int) -> PretrainConfig:
    """The recipe with ``steps`` in all, each stage with its share, at least one step."""
    stages = [
        stage.model_copy(update={"steps": max(1, round(stage.steps * steps / recipe.total_steps))})
        for stage in recipe.stages
    ]
    vision = recipe.vision and recipe.vision.model_copy(update={"steps": vision_steps})
    return recipe.model_copy(update={"stages": stages, "vision": vision})


class Study:
    """Everything under one folder; what is there is not made again."""

    def __init__(self, given: argparse.Namespace) -> None:
        """
        Raises:
            InputError: recipe or pipeline cannot be used, or ``--vision`` cannot be read.
        """
        self.given = given
        recipe = load_yaml(given.recipe, PretrainConfig, overrides=given.recipe_overrides)
        if recipe.vision is None:
            raise InputError(f"{given.recipe}: it has no vision stage, which all are to share")
        looked = len(load_checkpoint(given.vision)["losses"]) if given.vision else None
        short = shortened(recipe, steps=given.steps, vision_steps=looked or given.vision_steps)
        self.recipe = short.model_copy(update={"held_out_samples": given.held_out})
        self.pipeline = load_yaml(given.pipeline, PipelineConfig, overrides=given.overrides)
        self.domains = given.domains or self.pipeline.stream

    def vision(self) -> Path:
        """The checkpoint of the vision stage that all architectures begin with."""
        folder = self.given.out / f"vision-{self.recipe.vision.steps}"
        made = self.given.vision or folder / VISION
        if made.exists() and len(load_checkpoint(made)["losses"]) == self.recipe.vision.steps:
            return made
        return pretrain_vision(self.recipe, folder, listener=Steps("vision"))

    def pretrained(self) -> dict[Architecture, Pretrained]:
        """Each architecture after the same pretraining."""
        names = self.given.architectures
        missing = [name for name in names if not self._record(name)]
        if missing:
            start = self.vision()
            side_by_side(self._pretrain, [(name, start) for name in missing], jobs=self.given.jobs)
        return {name: Pretrained(**self._record(name)["found"]) for name in names}

    def adapted(self) -> dict[Plan, Adapted]:
        """Each architecture on each domain at each seed."""
        # By seeds, so that what a stopped study has is complete for some of them.
        plans = [
            Plan(architecture=name, domain=domain, seed=seed)
            for seed in self.given.seeds
            for domain in self.domains
            for name in self.given.architectures
        ]
        missing = [(plan,) for plan in plans if self._result(plan) is None]
        if missing:
            side_by_side(self._adapt, missing, jobs=self.given.jobs)
        return {plan: found_in(self._result(plan) or {}, plan.domain) for plan in plans}

    def folder(self, name: Architecture) -> Path:
        """Where a pretrained architecture is."""
        return self.given.out / f"pretrained-{self.recipe.total_steps}" / name

    def _recipe(self, name: Architecture) -> PretrainConfig:
        changes = {"architecture": name, "name": f"tiny-{name.replace('_', '-')}"}
        return self.recipe.model_copy(update=changes)

    def _record(self, name: Architecture) -> dict[str, Any]:
        path = self.folder(name) / STUDY
        record = json.loads(path.read_text("utf-8")) if path.exists() else {}
        same = record.get("recipe") == self._recipe(name).model_dump(mode="json")
        return record if same else {}

    def _pretrain(self, name: Architecture, start: Path) -> str:
        # Pretraining draws its scenes in a forked process; this one was spawned and would spawn.
        set_start_method("fork", force=True)
        out, config = self.folder(name), self._recipe(name)
        out.mkdir(parents=True, exist_ok=True)
        if not (out / VISION).exists():
            shutil.copyfile(start, out / VISION)
        steps = Steps(name)
        scores = pretrain(config, out, listener=steps)
        columns = ("pretrained", "exchanged", "text_only", "random_weights", "majority")
        found = {
            **parameters(out),
            # The first steps fetch and compile; the median leaves them out.
            "step_seconds": statistics.median(steps.seconds) if steps.seconds else None,
            "scenes": {c: statistics.mean(getattr(s, c) for s in scores.values()) for c in columns},
        }
        record = {"recipe": config.model_dump(mode="json"), "found": found}
        (out / STUDY).write_text(json.dumps(record, indent=2) + "\n", "utf-8")
        return str(out)

    def _place(self, plan: Plan) -> Path:
        name = f"{plan.domain}-seed{plan.seed}"
        return self.given.out / f"adapted-{self.recipe.total_steps}" / plan.architecture / name

    def config(self, plan: Plan) -> PipelineConfig:
        """The pipeline for one adaptation."""
        backbone = self.pipeline.backbone.model_copy(
            update={"model": str(self.folder(plan.architecture).resolve())}
        )
        changes = {"backbone": backbone, "seed": plan.seed}
        if "tracking.uri" not in " ".join(self.given.overrides):
            store = f"sqlite:///{(self.given.out / 'mlflow.db').resolve()}"
            changes["tracking"] = self.pipeline.tracking.model_copy(update={"uri": store})
        return alone(self.pipeline.model_copy(update=changes), plan.domain)

    def _adapt(self, plan: Plan) -> str:
        run(self.config(plan), self._place(plan), listener=ignore)
        return str(self._place(plan))

    def _result(self, plan: Plan) -> dict[str, Any] | None:
        path = self._place(plan) / "result.json"
        result = json.loads(path.read_text("utf-8")) if path.exists() else {}
        return result if result.get("pipeline") == loggable(self.config(plan)) else None


def parameters(folder: Path) -> dict[str, int]:
    """How many a pretrained architecture has, and how many of them fuse picture and text."""
    model = AutoModelForImageTextToText.from_pretrained(folder)
    layers = model.model.language_model.layers
    parts = [
        model.model.vision_tower,
        model.model.language_model.embed_tokens,
        model.model.language_model.norm,
        *(layer for layer in layers if hasattr(layer, "self_attn")),
    ]
    shared = sum(p.numel() for part in parts for p in part.parameters())
    total = sum(p.numel() for p in model.parameters())
    return {"parameters": total, "fusing": total - shared}


def found_in(result: dict[str, Any], domain: str) -> Adapted:
    """The numbers of one adaptation: in a stream of one domain the last row is the single arm."""
    arms = {arm: scores[domain]["value"] for arm, scores in result["arms"].items()}
    (cost,) = (one for one in result["cost"] if one["arm"] == "sequential")
    controls = {}
    for name in ("majority", "pixels", "no_image"):
        values = [task.get(name) for task in result["controls"].get(domain, {}).values()]
        known = [value for value in values if value is not None]
        controls[name] = statistics.mean(known) if known else None
    closed = [
        result["arms"]["sequential"][domain]["tasks"][task]["value"]
        for task, of in result["controls"].get(domain, {}).items()
        if of.get("no_image") is not None
    ]
    return Adapted(
        zero_shot=arms["zero_shot"],
        scratch=arms["scratch"],
        tuned=arms["sequential"],
        closed=statistics.mean(closed) if closed else None,
        controls=controls,
        step_seconds=cost["seconds"] / cost["steps"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pipeline", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/fusion"))
    parser.add_argument("--page", type=Path, default=Path("runs/fusion/fusion-study.md"))
    parser.add_argument("--recipe", type=Path, default=Path("pipelines/pretrain-tiny.yaml"))
    parser.add_argument("--steps", type=int, default=900, help="of pretraining after vision")
    parser.add_argument("--vision-steps", type=int, default=700)
    parser.add_argument("--vision", type=Path, help="a vision checkpoint that is there already")
    parser.add_argument("--held-out", type=int, default=60, help="closed questions per task")
    known = get_args(Architecture)
    parser.add_argument("--architectures", nargs="+", choices=known, default=list(known))
    parser.add_argument("--domains", nargs="+", help="these instead of the pipeline's stream")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--jobs", type=int, default=2, help="parts at a time")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--set-recipe", action="append", default=[], dest="recipe_overrides")
    given = parser.parse_args()
    try:
        work = Study(given)
        pretrained, adapted = work.pretrained(), work.adapted()
    except TransferlabError as error:
        sys.exit(f"fusion_study: {error}")
    given.page.parent.mkdir(parents=True, exist_ok=True)
    settings = {
        "recipe": work.recipe,
        "pipeline": work.pipeline,
        "seeds": given.seeds,
        "jobs": given.jobs,
        "cores": cpu_count(),
    }
    given.page.write_text(page(settings, pretrained, adapted), "utf-8")
    print(given.page)


if __name__ == "__main__":
    main()
