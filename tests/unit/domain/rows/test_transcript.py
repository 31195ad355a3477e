import pytest

from transferlab.config.source import TranscriptSection
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.base.rows import WHERE, BadRow
from transferlab.domain.rows.transcript import explode, read_cues

GOOD = """WEBVTT

1
00:00:00.000 --> 00:00:05.970
Two lines
of words

2
00:05.970 --> 01:09.469
The end.
"""
SWAPPED = GOOD.replace("00:05.970 -->", "00:09.000 -->") + "\n00:07.000 --> 00:08.000\nlate\n"


def write(tmp_path, text):
    path = tmp_path / "talk.vtt"
    path.write_text(text, encoding="utf-8")
    return path


def test_cues_have_words_and_seconds(tmp_path):
    assert read_cues(write(tmp_path, GOOD)) == [
        {"cue_text": "Two lines of words", "cue_start": "0.000", "cue_end": "5.970"},
        {"cue_text": "The end.", "cue_start": "5.970", "cue_end": "69.469"},
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (SWAPPED, "cue 3 of the transcript begins at 7 s, before cue 2"),
        (GOOD.replace("01:09.469", "00:04.000"), "cue 2 of the transcript ends at 4 s"),
        ("no header\n", "not valid WebVTT"),
        ("WEBVTT\n", "holds no cue"),
    ],
)
def test_a_bad_transcript_names_file_and_cue(tmp_path, text, says):
    path = write(tmp_path, text)
    with pytest.raises(UnreadableMedium, match=says) as caught:
        read_cues(path)
    assert str(path) in str(caught.value)


def test_a_row_becomes_one_row_per_cue(tmp_path):
    write(tmp_path, GOOD)
    row = {"file": "talk", WHERE: "t.csv row 1"}
    first, second = explode(row, TranscriptSection(path="{file}.vtt"), tmp_path)
    assert first["file"] == second["file"] == "talk"
    assert second["cue_text"] == "The end."
    assert second[WHERE] == "t.csv row 1, cue 2"


def test_a_row_without_transcript(tmp_path):
    row = {"vtt": "", "cue_start": "3", WHERE: "t.csv row 1"}
    (kept,) = explode(row, TranscriptSection(path="{vtt}", optional=True), tmp_path)
    assert kept == row | {"cue_text": "", "cue_end": ""}
    with pytest.raises(BadRow, match="its transcript is not a path"):
        list(explode(row, TranscriptSection(path="{vtt}"), tmp_path))


def test_a_transcript_outside_the_folder_is_refused(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    write(tmp_path, GOOD)
    row = {"vtt": "../talk.vtt", WHERE: "t.csv row 1"}
    with pytest.raises(BadRow, match="inside the domain's folder"):
        list(explode(row, TranscriptSection(path="{vtt}"), inner))
