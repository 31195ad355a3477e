"""``domains preview`` and ``domains split``: one page, one manifest."""

import base64
import hashlib
import html
import io
import json
import re
import sys
import wave
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "domain"))
from domain_cases import toy_rows, write_domain, write_settings


@pytest.fixture
def toys(tmp_path):
    rows = toy_rows(12)
    rows[0]["note"] = "<b>bold & brash</b>"
    write_domain(tmp_path / "toys", rows=rows)
    (tmp_path / "toys" / rows[3]["file"]).write_bytes(b"broken")
    return tmp_path / "toys"


def test_the_page_shows_what_the_backbone_sees(command, toys, tmp_path):
    page = tmp_path / "out" / "page.html"
    done = command("domains", "preview", toys, "--out", page, "--samples", "40")
    assert (done.code, done.err) == (0, "")
    text = page.read_text()
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert len(pictures) == 23
    with Image.open(io.BytesIO(base64.b64decode(pictures[0]))) as first:
        assert first.size == (112, 112)
        assert np.ptp(np.asarray(first)) > 100
    seen = html.unescape(text)
    assert "metadata.csv row 5: medium 'image': the file is not a picture" in seen
    assert "&lt;b&gt;bold &amp; brash&lt;/b&gt;" in text
    assert "<b>bold" not in text
    assert "Labels of finding" in text
    assert "://" not in re.sub(r"data:image[^\"]+", "", text), "the page must need no network"


def test_the_page_shows_the_turns_of_a_conversation_with_their_roles(command, tmp_path):
    said = [("system", "Be short."), ("human", "What is it?"), ("gpt", "A heart."),
            ("human", "Is it large?"), ("gpt", "No.")]  # fmt: skip
    turns = [{"from": role, "value": text} for role, text in said]
    task = {"kind": "answer", "prompt": "{prompt}", "answer": "{answer}", "metrics": ["token_f1"]}
    source = {"kind": "chat", "path": "chat.jsonl", "options": {"answers": "all"}}
    folder = tmp_path / "talks"
    write_settings(folder, source=source, group="id", attributes=[], tasks={"talk": task})
    items = [json.dumps({"id": str(n), "conversations": turns}) for n in range(12)]
    (folder / "chat.jsonl").write_text("\n".join(items))
    page = tmp_path / "page.html"
    assert command("domains", "preview", folder, "--out", page, "--samples", "1").code == 0
    text = page.read_text()
    shown = text[text.index('class="card"') : text.index('class="answer"')]
    assert re.findall(r'class="(?:quiet|prompt)">([^<]+)<', shown) == [
        *("system", "Be short.", "user", "What is it?"),
        *("assistant, learned", "A heart.", "user", "Is it large?"),
    ]


class Page(HTMLParser):
    """Which tags a page has, and what its policy is."""

    def __init__(self):
        super().__init__()
        self.tags, self.policy, self.style, self._in_style = [], "", "", False

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, set(given)))
        self._in_style = tag == "style"
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]

    def handle_endtag(self, tag):
        self._in_style = False

    def handle_data(self, data):
        if self._in_style:
            self.style += data


def test_nothing_of_the_data_is_obeyed_by_a_browser(command, tmp_path):
    hostile = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>\x1b\u202e</style>{{ 1 }}"
    rows = toy_rows(12)
    for row in rows:
        row["note"] = hostile
        row["finding"] = {"nodule": hostile}.get(row["finding"], row["finding"])
    folder = write_domain(tmp_path / "toys", rows=rows).folder
    file = folder / "domain.yaml"
    settings = yaml.safe_load(file.read_text())
    settings |= {"title": hostile, "licence": hostile}
    file.write_text(json.dumps(settings))
    done = command("domains", "preview", folder, "--out", tmp_path / "page.html")
    assert (done.code, done.err) == (0, "")
    text, page = (tmp_path / "page.html").read_text(), Page()
    page.feed(text)
    assert {tag for tag, _ in page.tags} <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "table", "tr", "th",
        "td", "ul", "li", "div", "img", "span", "audio", "progress",
    }  # fmt: skip
    assert not [names for _, names in page.tags if any(one.startswith("on") for one in names)]
    assert not [names for _, names in page.tags if "style" in names]
    assert "\x1b" not in text
    assert "\u202e" not in text
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert page.policy.split("; ") == [
        "default-src 'none'", f"style-src 'sha256-{digest}'", "img-src data:", "media-src data:",
        "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip


def test_a_page_that_cannot_be_written(command, toys, tmp_path):
    (tmp_path / "file").touch()
    done = command("domains", "preview", toys, "--out", tmp_path / "file" / "page.html")
    assert done.code == 5
    assert "choose another --out" in done.err


def test_the_manifest_is_written_and_said(command, toys, tmp_path):
    # toy_rows: the fourth row is patient 1's second picture, which the fixture broke.
    (toys / "images" / "1_1.png").write_bytes((toys / "images" / "1_0.png").read_bytes())
    out = tmp_path / "splits.json"
    done = command("domains", "split", toys, "--out", out, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["digest"] == json.loads(out.read_text())["digest"]


def test_sound_is_put_into_the_page_as_a_wave_file():
    from transferlab.pipeline.preview import _as_sound

    kind, content = _as_sound(np.array([0, 0.5, -1], np.float32)).split(",")
    assert kind == "data:audio/wav;base64"
    with wave.open(io.BytesIO(base64.b64decode(content))) as file:
        assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
        assert np.frombuffer(file.readframes(3), "<i2").tolist() == [0, 16383, -32767]
