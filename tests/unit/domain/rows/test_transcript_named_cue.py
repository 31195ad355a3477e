"""A table may name the one cue of a transcript that a row is about."""

from pathlib import Path

import pytest

from transferlab.config.source import TranscriptSection
from transferlab.domain.base.rows import WHERE, BadRow
from transferlab.domain.rows.transcript import explode

SECTION = TranscriptSection(path="{file}", cue="number")
TEXT = """WEBVTT

00:00:00.200 --> 00:00:01.800
first words

00:00:02.200 --> 00:00:04.400
second words
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a.vtt").write_text(TEXT, encoding="utf-8")
    return tmp_path


def row(number: str) -> dict[str, str]:
    return {"file": "a.vtt", "number": number, WHERE: "metadata.csv row 1"}


def test_a_row_stays_one_row_with_the_words_of_its_cue(root):
    assert list(explode(row("2"), SECTION, root)) == [
        row("2") | {"cue_text": "second words", "cue_start": "2.200", "cue_end": "4.400"}
    ]


@pytest.mark.parametrize("number", ["0", "3", "-1", "", "two"])
def test_a_cue_that_does_not_exist_makes_a_bad_row(root, number):
    with pytest.raises(BadRow, match="a number from 1 to 2"):
        list(explode(row(number), SECTION, root))
