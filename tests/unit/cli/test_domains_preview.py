"""``domains preview`` and ``domains split``: one page, one manifest."""

import base64
import io
import json
import re
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "domain"))
from domain_cases import toy_rows, write_domain


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
    assert "metadata.csv row 4: medium &#39;image&#39;: the file is not a picture" in text
    assert "&lt;b&gt;bold &amp; brash&lt;/b&gt;" in text
    assert "<b>bold" not in text
    assert "Labels of finding" in text
    assert "http" not in re.sub(r"data:image[^\"]+", "", text), "the page must need no network"


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
