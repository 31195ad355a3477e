"""The sections of a report beside the scores: data, similarity, costs, models, how to reproduce."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from transferlab.core.records import SPLITS
from transferlab.core.text.sanitizers import escape_json
from transferlab.export.card import non_commercial
from transferlab.reporting.document import Cell, Figure, Listing, Section, Table
from transferlab.reporting.figures import similarity_figure
from transferlab.reporting.labels import ARMS, significant

Result = Mapping[str, Any]
WHERE_ONLY = ("tracking", "data_root")
"""Settings that say where something lies on one machine, and decide no number."""
PLOTTED_MEASURE = ("frechet", "joint")
PLOTTED_GAINS = (("single", "scratch"), ("single", "zero_shot"), ("sequential", "zero_shot"))
"""The first that was measured is drawn beside the distance."""
MIB, GIB = 2**20, 2**30


def data_section(result: Result) -> Section:
    """Domains with versions, licences and counts; never a row of theirs."""
    quantity, domains = result["data_quantity"], result["domains"]
    rows: list[list[Cell | str]] = []
    for name, one in domains.items():
        used = quantity.get(name)
        rows.append(
            [
                Cell(text=name, note=f"{one['title']}; digest {one['digest'][:12]}"),
                one["role"],
                str(one["version"]),
                one["licence"],
                " / ".join(f"{one['samples'].get(split, 0):,}" for split in SPLITS),
                "-" if used is None else f"{used['train_samples']:,}",
                "-" if used is None else f"{used['train_tokens']:,}",
            ]
        )
    head = ["domain", "role", "version", "licence", " / ".join(SPLITS)]
    notes = [
        "trained on: the distinct samples that training reached; tokens: their answers' in one pass"
    ]
    barred = [name for name, one in domains.items() if non_commercial(one["licence"])]
    if barred:
        notes.append(f"Not for commercial use: the licence of {', '.join(barred)} forbids it.")
    for name, one in domains.items():
        if one["quarantined"]:
            notes.append(f"{name}: {one['quarantined']} row(s) could not be used")
        if one.get("removed"):
            kinds = ", ".join(f"{kind} {count}" for kind, count in one["removed"].items())
            notes.append(f"{name}: removed from its texts for privacy: {kinds}")
    table = Table(head=[*head, "trained on", "tokens"], rows=rows, text_columns=4, notes=notes)
    return Section(title="Data", blocks=[table])


def similarity_section(result: Result) -> Section:
    """Source against each domain, each measure beside what no difference would look like."""
    source, measured = result["pipeline"].get("source"), result["similarity"]
    if not source or not any(measured.values()):
        return Section(
            title="Similarity",
            paragraphs=["Nothing was compared: the run names no source, or had too few samples."],
        )
    text = (
        f"How far each domain is from the source {source}. These measures are distances: higher "
        "means less similar. Beside each stands the mean of random splits of the same samples, "
        "which is what no difference would look like, and the share of splits that reach the value "
        "(p)."
    )
    later = result.get("similarity_adapted") or {}
    if any(later.values()):
        text += (
            " All domains are compared on the backbone before any adaptation, and once more after "
            "the last step, which is what adapting did to them."
        )
    if any(_of_labels(one) for rows in measured.values() for one in rows):
        text += (
            " How well a domain's own features tell its labels is no distance: higher is better, "
            "and what stands beside it is the mean over shuffled labels."
        )
    tables = []
    for domain, rows in measured.items():
        after = later.get(domain) or []
        apart = [one for one in rows if not _of_labels(one)]
        told = [one for one in rows if _of_labels(one)]
        tables += [_distances(domain, apart, after)] if apart else []
        tables += [_labels(domain, told, after)] if told else []
    return Section(title="Similarity", paragraphs=[text], blocks=[*tables, *_against_gain(result)])


def _of_labels(measured: Mapping[str, Any]) -> bool:
    """Whether it is of the domain's features and labels alone; such has no samples of a source."""
    return not measured["source_samples"]


def _measure_rows(
    measured: Sequence[Mapping[str, Any]], later: Sequence[Mapping[str, Any]]
) -> list[list[Cell | str]]:
    after = {(one["name"], one["features"]): one for one in later}
    return [
        [
            f"{one['name'].replace('_', ' ')} ({one['features']})",
            Cell(text=significant(one["value"]), emphasis=one["p_value"] <= 0.05),
            f"{significant(one['baseline_mean'])} ± {significant(one['baseline_std'])}",
            f"{one['p_value']:.3f}",
            *([_later(after.get((one["name"], one["features"])))] if after else []),
        ]
        for one in measured
    ]


def _distances(
    domain: str, measured: Sequence[Mapping[str, Any]], later: Sequence[Mapping[str, Any]]
) -> Table:
    sizes = sorted({(one["source_samples"], one["target_samples"]) for one in measured})
    compared = "; ".join(f"{first} and {second}" for first, second in sizes)
    return Table(
        title=domain,
        head=["measure", "value", "no difference", "p", *(["after adapting"] if later else [])],
        rows=_measure_rows(measured, later),
        notes=[
            f"samples of the source and of the domain that were compared: {compared}; "
            f"{measured[0]['permutations']} random splits, so p is never below "
            f"{1 / (1 + measured[0]['permutations']):.3f}; bold: p at most 0.05"
        ],
        card=True,
    )


def _labels(
    domain: str, measured: Sequence[Mapping[str, Any]], later: Sequence[Mapping[str, Any]]
) -> Table:
    samples = "; ".join(map(str, sorted({one["target_samples"] for one in measured})))
    return Table(
        title=f"Labels of {domain}",
        head=["measure", "value", "shuffled labels", "p", *(["after adapting"] if later else [])],
        rows=_measure_rows(measured, later),
        notes=[
            f"samples, one of each group and task: {samples}; {measured[0]['permutations']} "
            "shuffles of the labels; bold: p at most 0.05, the features tell them"
        ],
        card=True,
    )


def _later(one: Mapping[str, Any] | None) -> Cell:
    """A value after adaptation, with what no difference would look like there."""
    if one is None:
        return Cell(text="-")
    return Cell(text=significant(one["value"]), note=f"({significant(one['baseline_mean'])})")


def _against_gain(result: Result) -> Iterator[Figure]:
    """One figure, where two domains or more have both a distance and a gain."""
    distances = {
        domain: one["value"]
        for domain, measured in result["similarity"].items()
        for one in measured
        if (one["name"], one["features"]) == PLOTTED_MEASURE
    }
    for arm, over in PLOTTED_GAINS:
        gains = {
            one["domain"]: one
            for one in result["gains"]
            if (one["arm"], one["over"]) == (arm, over) and one["domain"] in distances
        }
        if len(gains) >= 2:
            yield similarity_figure(
                {name: distances[name] for name in gains},
                gains,
                measure=f"{PLOTTED_MEASURE[0]} distance ({PLOTTED_MEASURE[1]} features)",
                gain=f"{ARMS[arm]} over {ARMS[over]}",
            )
            return


def cost_section(result: Result) -> Section:
    """What each training took."""
    rows: list[list[Cell | str]] = [
        [
            ARMS.get(one["arm"], one["arm"]),
            one["domain"],
            f"{one['steps']:,}",
            f"{one['samples_seen']:,}",
            duration(one["seconds"]),
            significant(one["samples_per_second"]),
            size(one["peak_memory_bytes"]),
            size(one["strategy_bytes"]) if one["strategy_bytes"] else "-",
            duration(one["strategy_seconds"]) if one["strategy_bytes"] else "-",
        ]
        for one in result["cost"]
    ]
    head = ["arm", "domain", "steps", "samples seen", "time", "samples/s", "peak memory"]
    table = Table(
        head=[*head, "strategy keeps", "strategy's time"],
        rows=rows,
        text_columns=2,
        notes=["time is that of training alone; scoring, controls and similarity are not in it"],
    )
    total = sum(one["seconds"] for one in result["cost"])
    return Section(
        title="Costs", paragraphs=[f"Training took {duration(total)} in all."], blocks=[table]
    )


def models_section(result: Result) -> Section:
    """What was exported, and how near a loaded copy comes to the trained model."""
    exports = result["exports"]
    if not exports:
        text = "The run exported no model; transferlab export writes it from the run's directory."
        return Section(title="Models", paragraphs=[text])
    rows: list[list[Cell | str]] = [
        [
            one["kind"],
            one["path"],
            Cell(text=one["status"], warning=one["status"] == "failed", note=one["reason"]),
            size(one["total_bytes"]) if "total_bytes" in one else "-",
            f"{one['max_logit_difference']:.2g}" if "max_logit_difference" in one else "-",
        ]
        for one in exports
    ]
    head = ["export", "in the run's directory", "status", "size", "greatest difference of a logit"]
    note = "an export is loaded again and compared with the trained model before it is called done"
    table = Table(head=head, rows=rows, text_columns=3, notes=[note])
    return Section(title="Models", blocks=[table])


def reproduction_section(result: Result, *, digest: str) -> Section:
    """The command, the settings, and what decided the numbers.

    Args:
        digest: of result.json, as it stands there.
    """
    settings = {key: value for key, value in result["pipeline"].items() if key not in WHERE_ONLY}
    name = result["pipeline"]["name"]
    environment = result.get("environment") or {}
    rows: list[list[Cell | str]] = [
        ["seed", str(result["seed"])],
        ["rules of scoring", f"version {result['scoring']['version']}"],
        *_pairs({key.replace("_", " "): value for key, value in environment.items()}),
        *_pairs(
            {
                f"data of {domain}": f"version {one['version']}, SHA-256 {one['digest']}"
                for domain, one in result["domains"].items()
            }
        ),
        ["result.json", f"SHA-256 {digest}"],
    ]
    notes = [] if environment else ["the run did not write down the versions of its libraries"]
    listing = escape_json(json.dumps(settings, indent=2, ensure_ascii=False))
    return Section(
        title="How to reproduce",
        paragraphs=[
            "Save the settings below as pipeline.yaml (JSON is YAML), and give the command; a "
            "domain of your own must be on the search path, and its data where its domain.yaml "
            "says."
        ],
        blocks=[
            Listing(title="Command", text=f"transferlab run pipeline.yaml --out runs/{name}"),
            Table(head=["what", "value"], rows=rows, text_columns=2, notes=notes),
            Listing(title="All settings, defaults included", text=listing, folded=True),
        ],
    )


def _pairs(values: Mapping[str, str]) -> Iterator[list[Cell | str]]:
    """One row each."""
    for label, value in values.items():
        yield [label, value]


def duration(seconds: float) -> str:
    """As people say it: 4.2 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def size(count: int) -> str:
    """Bytes as people read them."""
    return f"{count / GIB:,.2f} GiB" if count >= GIB else f"{count / MIB:,.1f} MiB"
