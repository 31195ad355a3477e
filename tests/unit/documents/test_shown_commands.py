"""Every ``transferlab ...`` that a page shows is a command, with options that it has."""

import re
import shlex
from collections.abc import Iterator
from itertools import product

import pytest
import typer
from pages import PAGES, ROOT, Snippet, snippets_of

from transferlab.cli.app import app
from transferlab.cli.options import Session

SHELLS = ("", "bash", "console", "sh", "inline")
NAMED = re.compile(r"`(?:transferlab ((?!\.)[^`\n]*)|((?:domains|pipelines|strategies) [^`\n]*))`")
"""A command between backticks in the source."""
USAGE_ERROR = typer.BadParameter.__mro__[1]
EXITS = (typer.Exit,)  # of --version, which is done when it is parsed


def command_lines(snippet: Snippet) -> Iterator[str]:
    """What follows ``transferlab`` in a snippet, each time."""
    if snippet.language not in SHELLS:
        return
    for line in snippet.text.replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|;|\|\||(?<= )\|(?= )", line):
            words = part.strip().removeprefix("$ ")
            found = re.match(r"(?:\S*/)?transferlab(?: (.*))?$", words)
            # In a list of commands what they do follows, after a gap; elsewhere after a #.
            if found:
                yield re.split(r"\s{2,}|\s#", found[1] or "")[0]


def expanded(line: str) -> Iterator[list[str]]:
    """A command line without the signs of a synopsis: ``list|show`` is two commands."""
    plain = re.sub(r"\[(-[^\]]*)\]", r"\1", line).replace("...", "")
    alternatives = [
        word.split("|") if re.fullmatch(r"[a-z]+(\|[a-z]+)+", word) else [word]
        for word in shlex.split(plain)
    ]
    yield from map(list, product(*alternatives))


def problem(words: list[str], *, whole: bool) -> str | None:
    """What is wrong with a command line, which is not run; None where nothing is.

    Args:
        words: the arguments.
        whole: an argument that is missing is a mistake; else a command may just be named.
    """
    command = typer.main.get_command(app)
    context = None
    name, rest = "transferlab", words
    try:
        while True:
            context = command.make_context(name, list(rest), parent=context, obj=Session())
            if not hasattr(command, "commands"):
                return None
            rest = [*context._protected_args, *context.args]
            if not rest:
                return None  # a group by itself shows its help
            name, command, rest = command.resolve_command(context, rest)
    except EXITS:
        return None
    except USAGE_ERROR as error:
        if not whole and "Missing" in type(error).__name__:
            return None
        return f"{shlex.join(words)}: {error.format_message()}"


def shown() -> list[tuple[str, list[str], bool]]:
    return [
        (snippet.place, words, snippet.language != "inline")
        for page in PAGES
        for snippet in snippets_of(page)
        for line in command_lines(snippet)
        for words in expanded(line)
    ]


def test_many_commands_are_shown():
    words = {tuple(words[:2]) for _, words, _ in shown()}
    assert len(words) > 30
    assert {("domains", "check"), ("domains", "preview"), ("pipelines", "copy")} <= words


def test_every_command_that_is_shown_can_be_parsed():
    found = [
        f"{place}: {why}" for place, words, whole in shown() if (why := problem(words, whole=whole))
    ]
    assert found == [], "\n".join(found)


def commands_of(command, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command, those of groups below theirs."""
    for name, one in getattr(command, "commands", {}).items():
        yield (*above, name)
        yield from commands_of(one, (*above, name))


def test_every_command_is_on_the_page_of_the_command_line():
    text = (ROOT / "docs" / "cli.md").read_text("utf-8")
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    words = list(commands_of(typer.main.get_command(app)))
    assert ("domains", "check") in words
    missing = [
        " ".join(one)
        for one in words
        if not re.search(
            rf"`{one[-1]}\b|^transferlab {one[-1]}\b",
            sections.get(one[0], "") if len(one) > 1 else text,
            re.M,
        )
    ]
    assert missing == []


def test_every_command_that_the_package_names_can_be_parsed():
    """In messages, docstrings and help: what somebody is told to type."""
    found, seen = [], 0
    for path in sorted((ROOT / "transferlab").rglob("*.py")):
        for line in map("".join, NAMED.findall(path.read_text("utf-8"))):
            for words in expanded(re.sub(r"\{[^}]*\}", "NAME", line)):
                seen += 1
                why = problem(words, whole=False)
                found += [f"{path.name}: {why}"] if why else []
    assert seen > 20, "the search has lost what it looks for"
    assert found == [], "\n".join(found)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "transferlab run X [--set a=1]... [--dry-run]",
            [["run", "X", "--set", "a=1", "--dry-run"]],
        ),
        (
            "transferlab domains check|show NAME  # look",
            [["domains", x, "NAME"] for x in ("check", "show")],
        ),
        ("a && .venv/bin/transferlab ui    the pages", [["ui"]]),
        ("transferlab export DIR...", [["export", "DIR"]]),
        ("pip install transferlab", []),
        ("transferlab", [[]]),
    ],
)
def test_lines_are_taken_apart(line, words):
    snippet = Snippet("page.md", 1, "bash", line)
    assert [one for text in command_lines(snippet) for one in expanded(text)] == words


@pytest.mark.parametrize(
    ("words", "whole", "wrong"),
    [
        (["run", "smoke", "--out", "x"], True, None),
        (["--version"], True, None),
        (["domains"], True, None),
        (["domains", "check"], False, None),
        (["domains", "check"], True, "Missing argument"),
        (["run", "smoke", "--epochs", "3"], True, "No such option"),
        (["runs"], True, "No such command"),
        (["domains", "checks", "x"], True, "No such command"),
    ],
)
def test_a_wrong_command_is_seen(words, whole, wrong):
    found = problem(words, whole=whole)
    assert found is None if wrong is None else wrong in found
