"""A pipeline with its strategy and with naive fine-tuning, over several seeds, side by side.

    python benchmarks/seeds.py pipelines/radiology.yaml --seeds 0 1 2 --out runs/seeds

Each run is resumable: a seed that is already in ``--out`` is not trained again. Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from report import arms_table, gains_table, matrix_table, summary_table

from transferlab.config.pipeline import PipelineConfig
from transferlab.config.yaml_sections import load_yaml
from transferlab.core.events import ignore
from transferlab.pipeline.run import run

NAIVE = ("strategy=[naive]", "arms=[zero_shot]", "export=[]", "evaluation.controls=false")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pipeline", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/seeds"))
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    given = parser.parse_args()
    runs: dict[str, list[dict[str, Any]]] = {"configured": [], "naive": []}
    for seed in given.seeds:
        for label, extra in (("configured", ()), ("naive", NAIVE)):
            overrides = [*given.overrides, *extra, f"seed={seed}"]
            config = load_yaml(given.pipeline, PipelineConfig, overrides=overrides)
            out = given.out / f"{config.name}-{label}-{seed}"
            runs[label].append(run(config, out, listener=ignore))
            print(f"{label}, seed {seed}: done", file=sys.stderr, flush=True)
    print(f"Seeds {', '.join(map(str, given.seeds))}: mean ± sample standard deviation\n")
    print(summary_table(runs), end="\n\n")
    for label, results in runs.items():
        print(f"{label}\n\n{matrix_table(results)}", end="\n\n")
    print(arms_table(runs["configured"]), end="\n\n")
    print(gains_table(runs["configured"]))


if __name__ == "__main__":
    main()
