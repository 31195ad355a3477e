"""``transferlab similarity``: how far domains are from each other before anything is adapted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from transferlab.cli.options import Debug, Domains
from transferlab.cli.output.terminal import SafeConsole, complain, output, say_json
from transferlab.errors import InputError
from transferlab.reporting.labels import significant

if TYPE_CHECKING:
    from transferlab.metrics.similarity import Similarity
    from transferlab.pipeline.similarity.matrix import SimilarityMatrix

NO_DIFFERENCE = 0.05
"""A p-value above which no difference is shown."""


Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="DOMAIN", help="Names, or folders with a domain.yaml."),
]
Every = Annotated[
    bool, typer.Option("--all", help="All domains on the search path whose data are there.")
]
Model = Annotated[
    str, typer.Option(help="Whose features are compared: a Hugging Face id or a path.")
]
MaxSamples = Annotated[int, typer.Option(min=4, help="Per domain, of its training split.")]
Permutations = Annotated[
    int, typer.Option(min=1, help="Random splits that say what no difference looks like.")
]
Measures = Annotated[
    list[str] | None,
    typer.Option("--measure", metavar="NAME", help="Only this measure; repeatable."),
]
FeatureKinds = Annotated[
    list[str] | None,
    typer.Option(
        "--features",
        metavar="KIND",
        help="Show image, text, joint or words; repeatable; JSON has all.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Of splits, folds and projections.")]
DataRoot = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of the data packs; default: $TRANSFERLAB_DATA."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def similarity(
    names: Names = None,
    every: Every = False,
    backbone: Model = "transferlab/tiny",
    max_samples: MaxSamples = 200,
    permutations: Permutations = 199,
    measures: Measures = None,
    features: FeatureKinds = None,
    seed: Seed = 0,
    data_root: DataRoot = None,
    domains: Domains = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Say how far domains are from each other on a backbone's features.

    Every value stands beside what random splits of the same samples give. Example: transferlab
    similarity scenes chest-xray lectures --features image
    """
    from transferlab.cli.output.progress import progress
    from transferlab.domain.catalog import find_domains, find_entry

    if every == bool(names):
        raise InputError("name two domains or more, or give --all, and not both")
    shown = _shown_features(features)
    folders = domains or []
    entries = [find_entry(name, folders) for name in names or []]
    if every:
        entries = list(find_domains(folders).values())
    # Standard output has the answer alone, also where it is piped.
    with progress(SafeConsole(stderr=True)) as listener:
        from transferlab.pipeline.similarity.matrix import MatrixSettings, measure_matrix

        settings = MatrixSettings(
            model=backbone,
            max_samples=max_samples,
            permutations=permutations,
            measures=measures,
            seed=seed,
            data_root=data_root,
        )
        found = measure_matrix(entries, settings, leave_out=every, listener=listener)
    for name, reason in found.left_out.items():
        complain(f"{name} is left out: {reason}")
    if as_json:
        say_json(found.to_record())
    else:
        _show(found, shown)


def _shown_features(given: list[str] | None) -> tuple[str, ...]:
    """The kinds of features whose measures are shown; of two domains all are, unless asked.

    Raises:
        InputError: there is no such kind.
    """
    from transferlab.metrics.pool import FEATURE_KINDS, WORDS

    known = (*FEATURE_KINDS, WORDS)
    for name in given or ():
        if name not in known:
            raise InputError(f"--features {name}: there is no such kind; known: {', '.join(known)}")
    return tuple(given or ())


def _show(found: SimilarityMatrix, shown: Sequence[str]) -> None:
    from transferlab.pipeline.similarity.matrix import SHOWN_FEATURES

    console, names = output(), [one.name for one in found.domains]
    if len(names) == 2:
        console.print(_pair_table(found, names, shown))
    else:
        for table in _matrices(found, names, shown or SHOWN_FEATURES):
            console.print(table)
    labels = _label_table(found, shown if len(names) == 2 else shown or SHOWN_FEATURES)
    if labels.row_count:
        console.print(labels)
    for one in found.domains:
        bad = f", {one.quarantined} row(s) could not be used" if one.quarantined else ""
        console.print(f"{one.name}: version {one.version}, {one.samples} samples{bad}", style="dim")
    sentences = [
        "distances: higher means less similar; in brackets the mean over random splits of the same "
        "samples, which is what no difference would look like",
        f"= no difference is shown: p above {NO_DIFFERENCE}",
    ]
    if labels.row_count:
        sentences.append(
            "labels: how well a domain's own features tell its answers; no distance, and higher is "
            "better; in brackets the mean over shuffled answers, one sample of each group; = no "
            "better than those is shown"
        )
    for sentence in sentences:
        console.print(sentence, style="dim")


def _pair_table(found: SimilarityMatrix, names: Sequence[str], shown: Sequence[str]) -> Table:
    """Every measure of two domains."""
    table = Table(title=" and ".join(names), title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("measure")
    for heading in ("value", "(no difference)", "p", "samples"):
        table.add_column(heading, justify="right")
    for one in found.of_pair(names[0], names[1]):
        if not shown or one.features in shown:
            table.add_row(
                f"{one.name} ({one.features})",
                significant(one.value) + _mark(one),
                f"({significant(one.baseline_mean)})",
                f"{one.p_value:.3f}",
                f"{one.source_samples}, {one.target_samples}",
            )
    return table


def _label_table(found: SimilarityMatrix, shown: Sequence[str]) -> Table:
    """What was measured of each domain alone; without rows where no domain has labels."""
    table = Table(title="labels", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("domain")
    table.add_column("measure")
    for heading in ("value", "(shuffled)", "p", "samples"):
        table.add_column(heading, justify="right")
    for name, measured in found.labels.items():
        for one in measured:
            if not shown or one.features in shown:
                table.add_row(
                    name,
                    f"{one.name} ({one.features})",
                    significant(one.value) + _mark(one),
                    f"({significant(one.baseline_mean)})",
                    f"{one.p_value:.3f}",
                    str(one.target_samples),
                )
    return table


def _matrices(
    found: SimilarityMatrix, names: Sequence[str], shown: Sequence[str]
) -> Iterator[Table]:
    """A matrix per measure and kind of features; a dash where a pair has too few samples."""
    kinds = dict.fromkeys(
        (one.name, one.features)
        for measured in found.pairs.values()
        for one in measured
        if one.features in shown
    )
    for measure, features in kinds:
        table = Table(title=f"{measure} ({features})", title_justify="left", box=box.SIMPLE_HEAD)
        table.add_column("")
        for name in names[1:]:
            table.add_column(name, justify="right")
        for row, one in enumerate(names[:-1]):
            cells = [_cell(found, one, other, measure, features) for other in names[row + 1 :]]
            table.add_row(one, *([""] * row), *cells)
        yield table


def _cell(found: SimilarityMatrix, one: str, other: str, measure: str, features: str) -> str:
    for measured in found.of_pair(one, other):
        if (measured.name, measured.features) == (measure, features):
            value = significant(measured.value) + _mark(measured)
            return f"{value} ({significant(measured.baseline_mean)})"
    return "-"


def _mark(measured: Similarity) -> str:
    return "=" if measured.p_value > NO_DIFFERENCE else ""
