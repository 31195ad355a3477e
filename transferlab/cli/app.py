"""The commands. Each one imports what it needs when it runs, so that --help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transferlab.cli import (
    analysis,
    evaluate,
    models,
    pipelines,
    predict,
    serve,
    similarity,
    strategies,
    studies,
)
from transferlab.cli.doctor import doctor
from transferlab.cli.domains import app as domains
from transferlab.cli.options import Debug, Domains, Overrides, show_version
from transferlab.cli.output.terminal import complain, output, say, say_json
from transferlab.errors import InputError

app = typer.Typer(
    name="transferlab",
    help="Adapt a multimodal LLM to one domain after another, and measure the transfer.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(domains.app, name="domains")
app.add_typer(pipelines.app, name="pipelines")
app.add_typer(strategies.app, name="strategies")
app.command()(models.models)
app.command()(models.export)
app.command()(predict.predict)
app.command()(evaluate.evaluate)
app.command()(serve.serve)
app.command()(analysis.report)
app.command()(analysis.compare)
app.command()(similarity.similarity)
app.command()(studies.study)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        say(context.get_help())


@app.command()
def run(
    context: typer.Context,
    pipeline: Annotated[str, typer.Argument(help="A YAML file, or a shipped pipeline's name.")],
    overrides: Overrides = None,
    out: Annotated[
        Path | None, typer.Option(help="Output directory; default: runs/<name>-<time>.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Run again into a directory that holds a result.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Load data and backbone, show the dry_run, train nothing."),
    ] = False,
    domains: Domains = None,
    debug: Debug = False,
) -> None:
    """Run one experiment and show what was transferred and forgotten.

    A run that was stopped goes on when the same command is given again with the same --out.
    """
    from transferlab.cli.inputs import checked_pipeline, prepare_output
    from transferlab.cli.output.closing_tables import show_closing, show_plan
    from transferlab.cli.output.progress import progress
    from transferlab.config.gallery import find_pipeline

    console, path, folders = output(), find_pipeline(pipeline), domains or []
    config = checked_pipeline(path, overrides=overrides or [], domains=folders)
    if dry_run:
        from transferlab.pipeline.plan import dry_run as plan

        show_plan(console, plan(config, domains=folders, out=out or Path("runs")))
        return
    folder = prepare_output(out, name=config.name, overwrite=overwrite)
    context.find_root().obj.out = folder
    console.print(f"pipeline {config.name} ({path}), output in {folder}", soft_wrap=True)
    with progress(console) as listener:
        # The first import of torch takes seconds; the bars are there by then.
        from transferlab.pipeline.run import run as run_pipeline

        result = run_pipeline(config, folder, listener=listener, domains=folders)
    show_closing(console, result, out=folder, tracking_uri=config.tracking.uri)


@app.command()
def validate(
    pipeline: Annotated[
        str | None, typer.Argument(help="A YAML file, or a shipped pipeline's name.")
    ] = None,
    overrides: Overrides = None,
    domains: Domains = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of pipeline.yaml for editors.")
    ] = False,
    data: Annotated[
        bool,
        typer.Option(
            "--data",
            help="Check its domains' data too, together, and measure all for its backbone.",
        ),
    ] = False,
    debug: Debug = False,
) -> None:
    """Check a pipeline without loading data or models, unless --data asks for it."""
    if schema:
        from transferlab.config.schema import pipeline_schema

        say_json(pipeline_schema())
        return
    if pipeline is None:
        raise InputError("name a pipeline to validate, or ask for the JSON schema with --schema")
    from transferlab.cli.inputs import checked_pipeline
    from transferlab.config.gallery import find_pipeline
    from transferlab.pipeline.validation import notes

    path = find_pipeline(pipeline)
    config = checked_pipeline(path, overrides=overrides or [], domains=domains or [])
    for note in notes(config, domains=domains or []):
        complain(f"note: {note}")
    if data:
        from transferlab.cli.domains.checks import check_pipeline_data

        check_pipeline_data(config, domains=domains or [])
    say(f"{path}: sound ({len(config.stream)} domain(s): {', '.join(config.stream)})")


@app.command()
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="On 127.0.0.1.")] = 5000,
    tracking_uri: Annotated[
        str | None,
        typer.Option(help="The store; default: that of a pipeline without tracking.uri."),
    ] = None,
    debug: Debug = False,
) -> None:
    """Show the runs in the MLflow UI, for this machine only."""
    from transferlab.config.pipeline import TrackingSection
    from transferlab.tracking.ui import serve

    code = serve(tracking_uri or TrackingSection().uri, port)
    raise typer.Exit(code)


@app.command()
def pretrain(
    recipe: Annotated[str, typer.Argument(help="A YAML file, or a shipped recipe's name.")],
    out: Annotated[Path, typer.Option(help="Output directory; one with a checkpoint goes on.")],
    overrides: Overrides = None,
    debug: Debug = False,
) -> None:
    """Pretrain the embedded backbone on the scenes domain."""
    from transferlab.cli.inputs import try_writing
    from transferlab.cli.output.progress import progress
    from transferlab.config.gallery import find_pipeline
    from transferlab.config.pretrain import PretrainConfig
    from transferlab.config.yaml_sections import load_yaml

    console = output()
    config = load_yaml(find_pipeline(recipe), PretrainConfig, overrides=overrides or [])
    try_writing(out)
    with progress(console) as listener:
        from transferlab.tiny.pretraining import pretrain as pretrain_backbone

        pretrain_backbone(config, out, listener=listener)
    console.print(f"backbone written to {out}", soft_wrap=True)


app.command()(doctor)
