"""Subtitle files as people have them."""

import os
import re

import pytest

from transferlab.domain.rows import subtitles
from transferlab.domain.rows.subtitles import read_subtitles
from transferlab.domain.sources.video import match_transcripts


def write(tmp_path, text, name="talk.vtt"):
    path = tmp_path / name
    path.write_bytes(text.encode("utf-8"))
    return path


def words(path):
    return [cue.words for cue in read_subtitles(path)]


def test_entities_and_tags_are_decoded(tmp_path):
    path = write(
        tmp_path,
        "WEBVTT\n\n00:00.000 --> 00:02.000\n<v One>Questions &amp; answers: is 3 &lt; 5?</v>\n\n"
        "00:02.000 --> 00:04.000\n5&nbsp;euro &#8212; &quot;fair&quot;\n",
    )
    assert words(path) == ["Questions & answers: is 3 < 5?", '5 euro — "fair"']


SRT = (
    "1\n00:00:00,000 --> 00:00:02,000\nFirst line\n\nafter a blank line\n\n"
    "2\n00:00:02,000 --> 00:00:04,000\n\n\n"
    "3\n00:00:04,000 --> 00:00:06,000\n\nBegins with one\n\n"
    "4\n\n00:00:06,000 --> 00:00:08,000\nLast"
)


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_words_after_a_blank_line_belong_to_the_cue_above(tmp_path, ends):
    expected = ["First line after a blank line", "Begins with one", "Last"]
    assert words(write(tmp_path, SRT.replace("\n", ends), "talk.srt")) == expected
    timed = re.sub(r"(?m)^\d\n+(?=\d\d:)", "", SRT).replace(",000", ".000")
    vtt = "WEBVTT\n\n" + timed
    assert words(write(tmp_path, vtt.replace("\n", ends))) == expected


def test_notes_and_styles_are_no_words(tmp_path):
    text = (
        "WEBVTT - a title\nKind: captions\n\nSTYLE\n::cue { color: red }\n\nNOTE made up\n\n"
        "first\n00:00.000 --> 00:02.000\nWords\n\nNOTE more\nof it\n\n"
        "00:02.000 --> 00:03.000\nEnd\n"
    )
    assert words(write(tmp_path, text)) == ["Words", "End"]


def test_captions_that_roll_are_told_once(tmp_path):
    lines = ["welcome to this", "made up lecture", "about waves", "and discs"]
    cues, before = ["WEBVTT"], " "
    for number, line in enumerate(lines):
        start = 2 * number
        cues.append(f"00:0{start}.000 --> 00:0{start + 2}.000\n{before}\n<c>{line}</c>")
        cues.append(f"00:0{start + 2}.000 --> 00:0{start + 2}.010\n{line}\n ")
        before = line
    found = read_subtitles(write(tmp_path, "\n\n".join(cues) + "\n"))
    assert [cue.words for cue in found] == lines
    assert [cue.start for cue in found] == [0, 2, 4, 6]


def test_what_is_said_twice_without_rolling_stays(tmp_path):
    cues = [f"00:0{n}.000 --> 00:0{n + 1}.000\n{line}" for n, line in enumerate("aabbc")]
    assert words(write(tmp_path, "\n\n".join(["WEBVTT", *cues]))) == list("aabbc")


def test_the_headers_clock_moves_the_times(tmp_path):
    head = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:01.000,MPEGTS:900000\n\n"
    (cue,) = read_subtitles(write(tmp_path, head + "00:02.000 --> 00:04.000\nAlpha\n"))
    assert (cue.start, cue.end) == (11.0, 13.0)


def matched(tmp_path, *names):
    paths = [tmp_path / name for name in names]
    films = [one for one in paths if one.suffix == ".mp4"]
    found = match_transcripts(films, [one for one in paths if one.suffix != ".mp4"])
    return {
        film.relative_to(tmp_path).as_posix(): one.relative_to(tmp_path).as_posix()
        for film, one in found.items()
    }


def test_a_transcript_belongs_to_one_film(tmp_path):
    assert matched(tmp_path, "Lecture 1.mp4", "Lecture 1.2.mp4", "Lecture 1.2.vtt") == {
        "Lecture 1.2.mp4": "Lecture 1.2.vtt"
    }
    physics = ("physics/01 intro.mp4", "physics/01 intro.vtt", "biology/01 intro.mp4")
    assert matched(tmp_path, *physics) == {"physics/01 intro.mp4": "physics/01 intro.vtt"}
    assert matched(tmp_path, "a/talk.mp4", "b/talk.mp4", "words/talk.vtt") == {}
    assert matched(tmp_path, "a/talk.mp4", "words/talk.vtt") == {"a/talk.mp4": "words/talk.vtt"}


def test_of_several_languages_the_commonest_is_taken_everywhere(tmp_path):
    names = ("a.mp4", "a.de.vtt", "a.en.vtt", "b.mp4", "b.en.vtt", "c.mp4", "c.vtt", "c.en.srt")
    assert matched(tmp_path, *names) == {"a.mp4": "a.en.vtt", "b.mp4": "b.en.vtt", "c.mp4": "c.vtt"}
    assert matched(tmp_path, "a.mp4", "a.pt-BR.vtt") == {"a.mp4": "a.pt-BR.vtt"}
    assert matched(tmp_path, "a.mp4", "a.notes.vtt") == {}


@pytest.mark.timeout(20)
def test_a_pipe_and_a_huge_file_are_refused(tmp_path):
    os.mkfifo(tmp_path / "a.vtt")
    with (tmp_path / "b.vtt").open("wb") as file:
        file.truncate(2 * subtitles.MAX_BYTES)
    for name in "ab":
        with pytest.raises(OSError, match="no file, or larger than"):
            subtitles.read_subtitles(tmp_path / f"{name}.vtt")
