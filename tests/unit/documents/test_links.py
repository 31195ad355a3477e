"""Every link of the pages leads somewhere: files, headings, benchmarks, modules."""

import re
from importlib.util import find_spec
from urllib.parse import unquote, urlsplit

import pytest
from pages import PAGES, ROOT, anchors_of, links_of, read, snippets_of


def broken(page: str, target: str) -> str | None:
    """Why a link leads nowhere; None where it is sound, or leads out of the project."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return None
    path = (ROOT / page).parent / unquote(parts.path) if parts.path else ROOT / page
    if not path.exists():
        return f"{target}: there is no such file"
    if not path.resolve().is_relative_to(ROOT):
        return f"{target}: leaves the project"
    if parts.fragment and parts.fragment not in anchors_of(path.read_text("utf-8")):
        return f"{target}: there is no such heading"
    return None


def test_pages_are_found():
    assert {"README.md", "CONTRIBUTING.md", "docs/cli.md"} <= set(PAGES)
    assert sum(len(list(links_of(page))) for page in PAGES) > 100


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    assert [why for target in links_of(page) if (why := broken(page, target))] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page != "CHANGELOG.md"])
def test_programs_that_a_page_names_are_there(page):
    text = "\n".join(one.text for one in snippets_of(page))
    scripts = set(re.findall(r"\bbenchmarks/\w+\.py\b", text))
    assert [one for one in scripts if not (ROOT / one).is_file()] == []
    modules = set(re.findall(r"python -m (transferlab[\w.]*)", text))
    assert [one for one in modules if find_spec(one) is None] == []


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("docs/nowhere.md", "there is no such file"),
        ("docs/cli.md#nowhere", "there is no such heading"),
        ("#nowhere", "there is no such heading"),
        ("../elsewhere", "there is no such file"),
        ("docs/cli.md#--set", None),
        ("https://example.org/nowhere", None),
    ],
)
def test_a_dead_link_is_seen(target, why):
    found = broken("README.md", target)
    assert found == (why and f"{target}: {why}")


def test_anchors_are_githubs():
    text = "# Rows that `need` code, _really_\n\n## A\n\ntext\n\n## A\n\n### --set\n"
    assert anchors_of(text) == {"rows-that-need-code-really", "a", "a-1", "--set"}
    assert "lets-say" in anchors_of("# Let's say\n")
    assert read("README.md").startswith("# transferlab")
