"""The pages that people read, taken apart."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[3]
PATTERNS = (
    "*.md",
    "docs/**/*.md",
    "domains/*/README.md",
    "transferlab/**/README.md",
    ".github/**/*.md",
)
PAGES = sorted(
    path.relative_to(ROOT).as_posix() for pattern in PATTERNS for path in ROOT.glob(pattern)
)


@dataclass(frozen=True)
class Snippet:
    """A piece of code on a page."""

    page: str
    line: int
    language: str
    """Empty where the page names none; ``inline`` within a sentence."""
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def tokens_of(text: str) -> Iterator[Token]:
    """All tokens of a page's text in one row, those within paragraphs, headings and cells too."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        yield token
        for child in token.children or []:
            child.map = token.map
            yield child


def read(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def snippets_of(page: str) -> Iterator[Snippet]:
    for token in tokens_of(read(page)):
        line = token.map[0] + 1 if token.map else 1
        if token.type == "fence":
            yield Snippet(page, line, token.info.strip(), token.content)
        elif token.type == "code_inline":
            yield Snippet(page, line, "inline", token.content)


def links_of(page: str) -> Iterator[str]:
    """The targets of links and pictures, as written."""
    for token in tokens_of(read(page)):
        if token.type == "link_open":
            yield str(token.attrGet("href"))
        elif token.type == "image":
            yield str(token.attrGet("src"))


def anchors_of(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    found: set[str] = set()
    for before, token in pairwise(tokens_of(text)):
        if before.type != "heading_open":
            continue
        shown = "".join(
            child.content for child in token.children or [] if child.type in ("text", "code_inline")
        )
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        number, anchor = 0, slug
        while anchor in found:
            number += 1
            anchor = f"{slug}-{number}"
        found.add(anchor)
    return found
