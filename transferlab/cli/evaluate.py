"""``transferlab evaluate``: any model's scores on a domain, beside its controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from transferlab.cli.options import (
    AdapterBase,
    AsJson,
    BatchSamples,
    Debug,
    Device,
    Domains,
    TrustRemoteCode,
)
from transferlab.cli.output.terminal import output, say, say_json

Split = Annotated[str, typer.Option(help="test, or validation for choosing.")]
MaxSamples = Annotated[
    int | None, typer.Option(min=1, help="Per task, spread over groups; default: all.")
]
Controls = Annotated[
    bool, typer.Option("--controls/--no-controls", help="Measure what needs no understanding.")
]
AnswerTokens = Annotated[
    int | None,
    typer.Option(min=1, help="Of a free answer; default: the longest reference in training."),
]


def evaluate(
    model: Annotated[str, typer.Argument(help="Folder of an exported model, or a Hub id.")],
    on: Annotated[str, typer.Option("--on", metavar="DOMAIN", help="A domain's name or folder.")],
    task: Annotated[list[str] | None, typer.Option(help="Score this task; repeatable.")] = None,
    split: Split = "test",
    max_samples: MaxSamples = None,
    controls: Controls = True,
    backbone: AdapterBase = None,
    device: Device = "auto",
    batch_samples: BatchSamples = 8,
    max_new_tokens: AnswerTokens = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what controls draw.")] = 0,
    trust_remote_code: TrustRemoteCode = False,
    as_json: AsJson = False,
    domains: Domains = None,
    debug: Debug = False,
) -> None:
    """Score an exported or a stranger's model on a domain, beside its controls.

    Example: transferlab evaluate exports/merged --on chest-xray
    """
    from transferlab.cli.inputs import evaluation_section
    from transferlab.cli.output.progress import progress
    from transferlab.core.events import ignore
    from transferlab.pipeline.use.evaluating import evaluate as measure
    from transferlab.pipeline.use.opening import find_model

    section = evaluation_section(
        split=split,
        max_test_samples=max_samples,
        controls=controls,
        batch_samples=batch_samples,
        max_new_tokens=max_new_tokens,
    )
    named = find_model(model, backbone=backbone, device=device, trust_remote_code=trust_remote_code)
    console = output()

    how: dict[str, Any] = {"tasks": task, "domains": domains or [], "data_root": None, "seed": seed}

    if as_json:
        say_json(measure(named, on, section, **how, listener=ignore))
        return
    with progress(console) as listener:
        found = measure(named, on, section, **how, listener=listener)
    _show(console, found)


def _show(console: Any, found: Mapping[str, Any]) -> None:
    from rich.table import Table

    from transferlab.cli.output.tables import number
    from transferlab.metrics.controls import best_control, is_understood

    table = Table("task", "metric", "score", "interval", "best control", "n", "groups", box=None)
    losing = False
    for name, scored in found["scores"]["tasks"].items():
        control = found["controls"].get(name) or {}
        best = best_control(control)
        lost = best is not None and not is_understood(scored, control)
        losing |= lost
        bounds = scored["interval"]
        table.add_row(
            name,
            scored["metric"],
            number(scored["value"]) + ("*" if lost else ""),
            "-" if bounds is None else f"{bounds[0]:.3f} to {bounds[1]:.3f}",
            number(best),
            str(scored["samples"]),
            str(scored["groups"]),
        )
    domain = found["domain"]
    version = f"version {domain['version']}, {found['split']} split"
    say(f"{found['model']} on {domain['name']} ({version}): {_history(found)}")
    console.print(table)
    if losing:
        say("* not above the best control by its interval: nothing is shown there")
    scored = found["scores"]
    bounds = scored["interval"]
    within = "" if bounds is None else f" [{bounds[0]:.3f}, {bounds[1]:.3f}]"
    say(f"mean {scored['value']:.3f}{within}: {scored['metric']}")


def _history(found: Mapping[str, Any]) -> str:
    """What the model says of itself and these data."""
    if not found["trained"]:
        return "was not trained on it, as far as it says"
    if found["same_data"]:
        return "was trained on its training split"
    return "was trained on other data of that name: what is tested may have been trained on"
