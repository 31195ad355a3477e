"""``transferlab domains``: what can be adapted to, and how a user's own data become part of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from transferlab.cli.domains.facts import brief_of, say_either, show_entry, show_files
from transferlab.cli.options import Debug, Domains
from transferlab.cli.output.terminal import output, say, say_json
from transferlab.domain.catalog import find_domains, find_entry
from transferlab.errors import InputError

app = typer.Typer(
    help="What can be adapted to: register, check, look at and list it.", rich_markup_mode=None
)

NameOrPath = Annotated[
    str, typer.Argument(metavar="NAME|PATH", help="A domain, or a folder with a domain.yaml.")
]
DataRoot = Annotated[
    Path | None,
    typer.Option(help="Folder of the data packs; default: $TRANSFERLAB_DATA."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        say(context.get_help())


@app.command("list")
def list_domains(domains: Domains = None, as_json: Json = False, debug: Debug = False) -> None:
    """Every domain on the search path."""
    entries = find_domains(domains or [])
    if as_json:
        say_json([brief_of(entry) for entry in entries.values()])
        return
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("name", no_wrap=True)
    for heading in ("title", "field", "data", "tasks", "licence"):
        table.add_column(heading)
    for entry in entries.values():
        brief = brief_of(entry)
        table.add_row(
            entry.name,
            brief["title"],
            brief["field"],
            brief["data"],
            ", ".join(brief["tasks"]),
            brief["licence"],
        )
    output().print(table)


@app.command("show")
def show_domain(
    name: str,
    row: Annotated[
        str | None,
        typer.Option(
            help="Say which files a message means, e.g. 'DICOM file 12 in the order of paths'."
        ),
    ] = None,
    data_root: DataRoot = None,
    domains: Domains = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """What one domain is made of; none of its data is read, but for --row."""
    entry = find_entry(name, domains or [])
    if row is not None:
        show_files(entry, row, data_root=data_root, as_json=as_json)
        return
    if as_json:
        content = {**entry.config.model_dump(mode="json"), "folder": str(entry.folder)}
        say_json(content)
        return
    show_entry(entry)


@app.command("register")
def register_domain(
    path: Annotated[Path, typer.Argument(help="A folder, a table, or a file of conversations.")],
    name: Annotated[str | None, typer.Option(help="Of the domain; default: the folder's.")] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help="table, dicom, chat, video, webdataset or huggingface; default: found out."
        ),
    ] = None,
    licence: Annotated[str, typer.Option(help="The terms under which the data are used.")] = "",
    to: Annotated[
        Path | None, typer.Option(help="Folder of domains; default: ~/.transferlab/domains.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the proposal; write and check nothing.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Look at a folder, propose a domain.yaml, show it, write it and check it."""
    from transferlab.cli.domains.registration import register
    from transferlab.domain.onboarding.user_domains import propose_new

    proposal = propose_new(path, name=name, kind=kind, licence=licence)
    register(proposal, to=to, dry_run=dry_run, as_json=as_json)


@app.command("preview")
def preview_domain(
    name: NameOrPath,
    out: Annotated[
        Path | None, typer.Option(help="The HTML file; default: <name>-preview.html.")
    ] = None,
    backbone: Annotated[
        str, typer.Option(help="Whose preprocessing is shown: a Hugging Face id or a path.")
    ] = "transferlab/tiny",
    samples: Annotated[int, typer.Option(min=1, max=500, help="How many are shown.")] = 24,
    data_root: DataRoot = None,
    domains: Domains = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write one HTML page: samples as the backbone sees them, labels, groups and lengths."""
    entry = find_entry(name, domains or [])
    from transferlab.pipeline.preview import write_preview

    page = out or Path(f"{entry.name}-preview.html")
    write_preview(entry, page, model=backbone, samples=samples, data_root=data_root)
    say_either({"page": str(page)}, f"written: {page}", as_json=as_json)


@app.command("split")
def split_domain(
    name: NameOrPath,
    out: Annotated[Path, typer.Option(help="The manifest, a JSON file.")],
    data_root: DataRoot = None,
    domains: Domains = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the split manifest: which group is in which split, under salted ids."""
    from transferlab.domain.loader import load_domain
    from transferlab.domain.splits.manifest import split_manifest, write_manifest

    entry = find_entry(name, domains or [])
    manifest = split_manifest(load_domain(entry, data_root=data_root))
    write_manifest(out, manifest)
    brief = {"manifest": str(out), "digest": manifest["digest"], "samples": manifest["samples"]}
    say_either(brief, f"written: {out} ({manifest['digest'][:12]})", as_json=as_json)


@app.command("fetch")
def fetch_domain(
    name: NameOrPath,
    data_root: DataRoot = None,
    domains: Domains = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Download the data of a domain whose licence allows it, verify and unpack them."""
    from transferlab.cli.domains.downloads import fetch_all

    entry = find_entry(name, domains or [])
    done = fetch_all(entry, data_root=data_root)
    if as_json:
        say_json(done)


@app.command("unpack")
def unpack_parquet(
    folder: Annotated[Path, typer.Argument(help="Holds Parquet files with pictures in them.")],
    to: Annotated[Path, typer.Option(help="Gets tables (.jsonl) and the pictures (media/).")],
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the pictures of Parquet files out, as sets on the Hugging Face hub hold them."""
    from transferlab.domain.tables.parquet_images import unpack

    done = unpack(folder, to)
    for name, rows in done.items() if not as_json else ():
        say(f"written: {to / name} ({rows:,} rows)")
    if as_json:
        say_json(done)


@app.command("remove")
def remove_domain(
    name: str, domains: Domains = None, as_json: Json = False, debug: Debug = False
) -> None:
    """Take a registered domain away; its data stay where they are."""
    from transferlab.domain.onboarding.user_domains import remove_domain as remove

    gone = remove(find_entry(name, domains or []))
    say_either({"removed": str(gone)}, f"removed {gone}; the data stay", as_json=as_json)


@app.command("trust")
def trust_domain(
    name: NameOrPath,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take the word back.")] = False,
    domains: Domains = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Say that a domain's own code, as it is now, may run; read it first."""
    from transferlab.domain.rows.code_trust import trust, withdraw_trust

    entry = find_entry(name, domains or [])
    code = withdraw_trust(entry) if withdraw else trust(entry)
    word = "no longer trusted" if withdraw else "trusted"
    text = "\n".join(f"{word}: {one} (SHA-256 {digest[:12]}...)" for one, digest in code.items())
    say_either({word.replace(" ", "_"): code}, text, as_json=as_json)


@app.command("check")
def check_domains(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME|PATH...", help="Domains, or folders with a domain.yaml; a whole stream."
        ),
    ],
    data_root: DataRoot = None,
    backbone: Annotated[
        str | None,
        typer.Option(help="Measure every sample for it too: a Hugging Face id or a path."),
    ] = None,
    max_length_tokens: Annotated[
        int | None,
        typer.Option(min=1, help="With --backbone: the longest sample; default: a pipeline's."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Count warnings as errors.")] = False,
    domains: Domains = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Read every row, decode every medium and compare the splits; train nothing.

    Of several domains, what one trains on and another is scored on is found as well.
    """
    from transferlab.cli.domains.checks import check_and_show

    entries = [find_entry(name, domains or []) for name in names]
    section = None
    if backbone is not None:
        from transferlab.config.pipeline import BackboneSection

        limit = {"max_length_tokens": max_length_tokens} if max_length_tokens else {}
        section = BackboneSection.model_validate({"model": backbone, "adapter": None, **limit})
    elif max_length_tokens is not None:
        raise InputError("--max-length-tokens: needs --backbone, which counts the tokens")
    check_and_show(entries, data_root=data_root, backbone=section, strict=strict, as_json=as_json)
