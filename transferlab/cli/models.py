"""``transferlab models`` and ``transferlab export``: which models a run has, and out with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from transferlab.cli.options import AsJson, Debug, Domains, TrustRemoteCode
from transferlab.cli.output.terminal import output, say, say_json


def models(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="The directory of a finished run.")],
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List the models of a finished run: what each was trained on, and how it scored.

    Example: transferlab models runs/radiology
    """
    from transferlab.pipeline.exports.models import trained_models
    from transferlab.pipeline.result import read_result

    result = read_result(run)
    found = [(one, one.scores(result)) for one in trained_models(result)]
    if as_json:
        say_json([
            {
                "name": one.name,
                "arm": one.arm,
                "step": one.step,
                "domain": one.domain,
                "trained_on": list(one.trained_on),
                "scores": {
                    name: {"value": scored["value"], "interval": scored.get("interval")}
                    for name, scored in scores.items()
                },
            }
            for one, scores in found
        ])  # fmt: skip
        return
    _show(result, found)


def _show(result: Mapping[str, Any], found: list[tuple[Any, dict[str, Mapping[str, Any]]]]) -> None:
    from rich.table import Table

    from transferlab.cli.output.tables import number
    from transferlab.pipeline.exports.models import mean_best_control

    table = Table("arm", "step", "domain", "score", "interval", "controls", box=None)
    for one, scores in found:
        arm, step = one.arm, f"{one.step or ''}"
        for domain, scored in scores.items():
            bounds = scored.get("interval")
            table.add_row(
                arm,
                step,
                domain,
                number(scored["value"]),
                "-" if bounds is None else f"{bounds[0]:.3f} to {bounds[1]:.3f}",
                number(mean_best_control(result, domain)),
            )
            arm = step = ""
    output().print(table)
    say("controls: mean over the domain's tasks of the best control")
    say("to export one: --step STEP, or --arm ARM and, of single and scratch, --domain DOMAIN")
    for sentence in result.get("answer") or []:
        if sentence["about"] == "model":
            say(sentence["text"])


def export(
    runs: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Directories of runs.")],
    to: Annotated[
        Path | None, typer.Option(help="Where to; default: exports/ in each run's directory.")
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--as", metavar="FORMAT", help="adapter (default), merged or mlflow; repeatable."
        ),
    ] = None,
    arm: Annotated[
        str | None,
        typer.Option(help="sequential (default), single, joint or scratch."),
    ] = None,
    domain: Annotated[
        str | None,
        typer.Option(help="The model of this domain: of --arm single, or after its step."),
    ] = None,
    step: Annotated[
        int | None, typer.Option(min=1, help="The model after this step of the stream.")
    ] = None,
    best: Annotated[
        bool,
        typer.Option("--best", help="Of the arm that scores highest, on --domain or on all."),
    ] = False,
    trust_remote_code: TrustRemoteCode = False,
    domains: Domains = None,
    debug: Debug = False,
) -> None:
    """Write tuned models of finished runs, and load each again to compare it.

    Example: transferlab export runs/radiology --arm single --domain chest-xray --as merged
    """
    from transferlab.cli.inputs import export_targets

    targets = export_targets(runs, to)
    from transferlab.pipeline.exports.of_result import export_result

    for folder, target in targets.items():
        written = export_result(
            folder,
            target,
            kinds=list(dict.fromkeys(formats or ["adapter"])),
            arm=arm,
            domain=domain,
            step=step,
            best=best,
            domains=domains or [],
            trust_remote_code=trust_remote_code,
        )
        for one in written:
            say(one)
