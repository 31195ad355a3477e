"""Nothing that came from data, from a library or from an address is obeyed or given away."""

import ast
import json
import logging
import sys
import unicodedata
import warnings
from pathlib import Path

import pytest
import yaml
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "domain"))
from domain_cases import toy_rows, write_domain

from transferlab.cli import inputs
from transferlab.cli.output import terminal
from transferlab.core.events import StageFinished, StageStarted, Warned
from transferlab.errors import DataError, EnvironmentProblem, TransferlabWarning

PACKAGE = Path(__file__).parents[3] / "transferlab"
HOSTILE = "\x1b[2J\x1b]0;own\x07\x9b31m\x08\r\u202etxt.exe\u2066[bold red]:warning:"
CALLS = {"print", "Console", "typer.echo", "sys.stdout.write", "sys.stderr.write", "typer.secho"}
DOORS = {
    "cli/output/terminal.py",
    "config/schema.py",  # writes pages of the documentation, from our own texts
    "tracking/ui.py",  # sanitizes its only line
}


def obeyed(text: str) -> list[str]:
    """Characters that a terminal obeys, or that turn the direction of writing."""
    return [
        one
        for one in text
        if (unicodedata.category(one) in ("Cc", "Cf", "Cs") and one not in "\n\t\u200c\u200d")
    ]


def calls(path: Path) -> set[str]:
    found = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return {ast.unparse(node.func) for node in found}


def test_everything_goes_through_the_one_door():
    files = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    assert len(files) > 100
    assert {name for name, path in files.items() if calls(path) & CALLS} <= DOORS


@pytest.fixture
def hostile_domain(tmp_path):
    rows = toy_rows(12)
    for number, row in enumerate(rows):
        row["note"] = f"{HOSTILE}{number}"
        row["finding"] = {"nodule": HOSTILE}.get(row["finding"], row["finding"])
        row[f"column {HOSTILE}"] = "x"
    rows[3]["file"] = f"images/{HOSTILE}.png"
    rows[5]["patient"] = ""
    task = {
        "kind": "classify", "prompt": f"<image>\n{HOSTILE} {{note}}", "answer": "{finding}",
        "metrics": ["accuracy"],
    }  # fmt: skip
    entry = write_domain(
        tmp_path / "mine" / "toy", rows=rows, title=HOSTILE, licence=HOSTILE, field=HOSTILE,
        tasks={"finding": task},
    )  # fmt: skip
    (entry.folder / rows[7]["file"]).write_bytes(b"broken")
    return entry.folder


@pytest.mark.parametrize("more", [[], ["--json"]])
@pytest.mark.parametrize("name", ["list", "show", "check"])
def test_commands_show_hostile_domains_as_they_are(command, hostile_domain, name, more):
    where = {"list": [], "show": ["toy"], "check": [hostile_domain]}[name]
    folders = [] if name == "check" else ["--domains", hostile_domain.parent]
    done = command("domains", name, *where, *folders, *more)
    assert obeyed(done.out + done.err) == []
    assert "txt.exe" in done.out
    if more:
        assert HOSTILE in json.dumps(json.loads(done.out), ensure_ascii=False).replace(
            r"\u001b", "\x1b"
        ).replace(r"\u0007", "\x07").replace(r"\b", "\x08").replace(r"\r", "\r")
    else:
        assert r"\x1b[2J" in done.out
        assert ":warning:" in done.out, "rich must not make a picture of it"


def test_a_file_name_that_is_no_utf8_is_shown(command, tmp_path):
    done = command("domains", "check", f"{tmp_path}/n\udcff\x1b[1mo")
    assert obeyed(done.err) == []
    assert r"n\udcff\x1b[1mo" in done.err


@pytest.mark.parametrize(
    "lines", ["{key}: 1\nname: x", "name: {key}", "stream: {key}", "tracking: {key}"]
)
def test_a_hostile_pipeline_cannot_add_lines_of_its_own(command, tmp_path, lines):
    text = "a\x1b[2J\ntransferlab: all is well\n"
    path = tmp_path / "p.yaml"
    path.write_text(lines.format(key=json.dumps(text)))
    done = command("validate", path)
    assert done.code == 2
    assert obeyed(done.err) == []
    assert not [line for line in done.err.splitlines() if line == "transferlab: all is well"]


def test_a_label_with_a_line_feed_adds_no_line_of_ours(command, monkeypatch, capsys):
    def fail(*_, **__):
        raise DataError("label 'a\ntransferlab: all is well' is bad\n  row 1: no")

    monkeypatch.setattr(inputs, "checked_pipeline", fail)
    assert command("validate", "radiology").err == (
        "transferlab: label 'a\n  transferlab: all is well' is bad\n  row 1: no\n"
    )


@pytest.mark.parametrize("arguments", [[], ["--debug"]])
def test_errors_warnings_and_logs(command, monkeypatch, caplog, arguments):
    def fail(*_, **__):
        # As the interpreter does it; pytest takes the warnings of tests for itself.
        for kind in (TransferlabWarning, UserWarning):
            print(warnings.formatwarning(kind(f"warned {HOSTILE}"), kind, "x", 1), file=sys.stderr)
        logging.getLogger("a.library").warning("logged %s of %s", HOSTILE, "http://me:hush@host")
        raise DataError(f"failed {HOSTILE} at postgresql://me:hu/sh@db/x?token=hush")

    monkeypatch.setattr(inputs, "checked_pipeline", fail)
    done = command("validate", "radiology", *arguments)
    said = done.err + caplog.text
    assert obeyed(said) == []
    # With --debug the line of this file that raises is shown: its own text, not a value.
    values = [line for line in said.splitlines() if not line.startswith(" ")]
    assert not [line for line in values if "hush" in line]
    assert "postgresql://me:***@db/x?token=***" in said
    assert "transferlab: warning: warned" in said
    assert "http://me:***@host" in caplog.text


def test_an_unexpected_error_is_harmless_too(command, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError(f"no {HOSTILE} http://me:hush@host/?sig=hush")

    monkeypatch.setattr(inputs, "checked_pipeline", fail)
    done = command("validate", "radiology")
    assert obeyed(done.err) == []
    assert "hush" not in done.err


def test_tables_and_bars(capsys, monkeypatch):
    from transferlab.cli.output.progress import Bars, PlainLines

    console = terminal.output()
    table = Table(title=HOSTILE, caption=HOSTILE)
    table.add_column(HOSTILE)
    table.add_row(HOSTILE)
    console.print(table)
    for listener in (PlainLines(console), Bars(console)):
        for event in (
            StageStarted(stage=HOSTILE, total_steps=2),
            Warned(text=HOSTILE),
            StageFinished(stage=HOSTILE, seconds=1.0),
        ):
            listener(event)
    said = capsys.readouterr().out
    assert obeyed(said) == []
    assert said.count(r"\x1b[2J") >= 8


def test_our_own_colours_stay(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal.SafeConsole(width=80).print("done", style="green")
    assert capsys.readouterr().out == "\x1b[32mdone\x1b[0m\n"


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://me:hush@db/x",
        "postgresql://me:hu/hush@127.0.0.1:1/x",
        "postgresql://127.0.0.1:1/x?password=hush",
        "http://127.0.0.1:1/?token=hush",
        "https://hush@127.0.0.1:1",
        "ftp://me:hush@host",
    ],
)
def test_a_run_that_cannot_reach_its_store_gives_nothing_away(
    command, domain_folder, tmp_path, monkeypatch, uri
):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "p.yaml"
    settings = {
        "name": "animals", "stream": ["cats"], "tracking": {"uri": uri, "artifacts": uri},
    }  # fmt: skip
    path.write_text(yaml.safe_dump(settings))
    done = command("run", path, "--domains", domain_folder, "--debug")
    sentence = [line for line in done.err.splitlines() if line.startswith("transferlab: ")]
    assert done.code in (2, 5)
    assert "***" in sentence[0]
    everything = done.out + done.err
    assert "hush" not in everything


def test_a_value_of_the_wrong_kind_gives_nothing_away(command, tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("name: x\nstream: [cats]\ntracking: postgresql://me:hush@db/x?token=hush\n")
    done = command("validate", path)
    assert done.code == 2
    assert "hush" not in done.err
    assert EnvironmentProblem.exit_code == 5
