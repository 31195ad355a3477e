"""Nothing that came from data is obeyed by what shows it."""

import json
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transferlab.core.text.sanitizers import (
    escape_json,
    sanitize_html,
    sanitize_line,
    sanitize_markdown,
    sanitize_terminal,
)

ANY = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("a\rb\x08c\x7f", r"a\rb\x08c\x7f"),
        ("\x9b31m\x90", r"\x9b31m\x90"),
        ("user\u202egpj.exe", r"user\u202egpj.exe"),
        ("\u2066x\u2069\u200f\u061c", r"\u2066x\u2069\u200f\u061c"),
        ("file-\udcff", r"file-\udcff"),
        ("\U000e0041", r"\U000e0041"),
        ("two\nlines\tand", "two\nlines\tand"),
        ("Müller 李雷 👩‍⚕️ می‌خواهم", "Müller 李雷 👩‍⚕️ می‌خواهم"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text, shown):
    assert sanitize_terminal(text) == shown
    assert sanitize_line(text) == shown.replace("\n", r"\n").replace("\t", r"\t")


@given(ANY)
def test_no_terminal_obeys_what_is_left(text):
    shown = sanitize_terminal(text)
    shown.encode()
    assert not [one for one in shown if unicodedata.category(one) == "Cc" and one not in "\n\t"]
    assert not [one for one in shown if unicodedata.bidirectional(one) in BIDI]
    assert len(sanitize_line(text).splitlines()) <= 1


BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, attrs))

    def handle_data(self, data):
        self.text += data


@given(ANY)
def test_a_browser_sees_text(text):
    parser = Tags()
    parser.feed(f'<p title="{sanitize_html(text)}">{sanitize_html(text)}</p>')
    parser.close()
    assert parser.found == [("p", [("title", sanitize_terminal(text))])]
    assert parser.text == sanitize_terminal(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[x](javascript:alert(1))", r"\[x\](javascript:alert(1))"),
        ("![x](http://a/b.png)", r"\!\[x\](http://a/b.png)"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("<javascript:alert(1)>", "&lt;javascript:alert(1)&gt;"),
        ("&#x6a;", r"&amp;\#x6a;"),
        ("a | b", r"a \| b"),
        (r"a \| b", r"a \\\| b"),
        ("x\n\n# heading", r"x  \# heading"),
        ("`code` *b* __b__ ~~s~~ $x$", r"\`code\` \*b\* \_\_b\_\_ \~\~s\~\~ \$x\$"),
        ("chest_xray", "chest_xray"),
        ("CC-BY-4.0", "CC-BY-4.0"),
        ("a\x1b[1m\u202eb", r"a\\x1b\[1m\\u202eb"),
    ],
)
def test_markdown_shows_what_is_there(text, shown):
    assert sanitize_markdown(text) == shown


@given(ANY)
def test_json_keeps_its_content(text):
    document = escape_json(json.dumps({text: [text]}, ensure_ascii=False, indent=1))
    assert json.loads(document) == {text: [text]}
    assert sanitize_terminal(document) == document
