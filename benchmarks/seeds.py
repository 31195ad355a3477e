"""A pipeline with its strategy and with naive fine-tuning, over several seeds, side by side.

    python benchmarks/seeds.py pipelines/radiology.yaml --seeds 0 1 2 --out runs/seeds

Each run is resumable: a seed that is already in ``--out`` is not trained again. Prints Markdown.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from transferlab.config.load import load_yaml
from transferlab.config.pipeline import PipelineConfig
from transferlab.core.events import ignore
from transferlab.pipeline.run import run

NAIVE = ("strategy=[naive]", "arms=[zero_shot]", "export=[]")
SUMMARY = ("acc", "bwt", "fwt", "forgetting", "source_retention")


def mean_and_spread(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    spread = f" ± {statistics.stdev(known):.3f}" if len(known) > 1 else ""
    return f"{statistics.mean(known):.3f}{spread}"


def summary_table(runs: dict[str, list[dict[str, Any]]]) -> str:
    """Rows are strategies, columns the summary's values: mean ± sample standard deviation."""
    lines = ["| strategy | " + " | ".join(SUMMARY) + " |", "|---" * (len(SUMMARY) + 1) + "|"]
    for label, results in runs.items():
        cells = [
            mean_and_spread(r["summary"].get(key, {}).get("value") for r in results)
            for key in SUMMARY
        ]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def arms_table(results: list[dict[str, Any]]) -> str:
    """Per domain and task: every arm's score beside the controls, mean ± standard deviation."""
    arms = list(results[0]["arms"])
    controls = ("majority", "no_image", "pixels")
    lines = [
        "| domain | task | metric | " + " | ".join([*arms, *controls]) + " |",
        "|---" * (3 + len(arms) + len(controls)) + "|",
    ]
    for domain in results[0]["pipeline"]["stream"]:
        tasks = results[0]["arms"]["sequential"][domain]["tasks"]
        for task, score in tasks.items():
            cells = [
                mean_and_spread(
                    r["arms"][arm].get(domain, {}).get("tasks", {}).get(task, {}).get("value")
                    for r in results
                )
                for arm in arms
            ]
            cells += [
                mean_and_spread(
                    r["controls"].get(domain, {}).get(task, {}).get(control) for r in results
                )
                for control in controls
            ]
            lines.append(f"| {domain} | {task} | {score['metric']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


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
            print(f"{label} seed {seed}: {runs[label][-1]['summary']}", flush=True)
    print(f"\n{len(given.seeds)} seeds, mean ± sample standard deviation\n")
    print(summary_table(runs))
    print()
    print(arms_table(runs["configured"]))


if __name__ == "__main__":
    main()
