"""The encoding of a table that nobody has described."""

import pytest
from domain_cases import write_film

from transferlab.config.source import TranscriptSection
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.base.rows import WHERE
from transferlab.domain.onboarding.proposal import propose
from transferlab.domain.onboarding.survey import guess_encoding, read_as_found
from transferlab.domain.rows.transcript import explode, read_cues

TEXTS = {
    "cp1252": "Müller und Söhne, Straße 5, café déjà vu, naïve façade",
    "cp1251": "Описание снимка: затемнение справа, сердце не увеличено",
    "shift_jis": "胸部エックス線写真に異常は認められません。心臓の大きさは正常です。",
    "gb18030": "胸部X光片未见异常,心影大小正常,双肺纹理清晰,肋膈角锐利。",
}


@pytest.mark.parametrize("encoding", TEXTS)
def test_the_text_is_read_as_it_was_written(tmp_path, encoding):
    table = tmp_path / "t.csv"
    lines = [f"{number}.png;{TEXTS[encoding]}" for number in range(8)]
    table.write_bytes("\n".join(["file;text", *lines]).encode(encoding))
    rows, found = read_as_found(table)
    assert rows[0]["text"] == TEXTS[encoding]
    assert found == guess_encoding(table)


@pytest.mark.parametrize("encoding", ["cp1252", "cp1251", "utf-16"])
def test_films_with_subtitles_of_another_encoding_are_registered_as_they_read(tmp_path, encoding):
    words = TEXTS.get(encoding, TEXTS["cp1252"])
    for number in range(3):
        write_film(tmp_path / f"talk{number}.mp4", frames=4, rate=2)
        own = words if number else "Plain words"
        (tmp_path / f"talk{number}.srt").write_bytes(
            f"1\n00:00:00,000 --> 00:00:01,500\n{own}\n".encode(encoding)
        )
    proposal = propose(tmp_path, name="talks", licence="none")
    transcript = proposal.settings["source"]["transcript"]
    notes = [note for note in proposal.notes if "transcript.encoding" in note]
    if encoding == "utf-16":  # its mark says what it is
        assert "encoding" not in transcript
        assert notes == []
    else:
        assert notes[0].startswith(
            f"source.transcript.encoding: 2 of 3 transcripts are not UTF-8 and read best as "
            f'{transcript["encoding"]}, such as "{words[:40]}"'
        )
    section = TranscriptSection(**transcript)
    films = [{"transcript": f"talk{number}.srt", WHERE: "x"} for number in range(3)]
    rows = [row for film in films for row in explode(film, section, tmp_path)]
    assert [row["cue_text"] for row in rows] == ["Plain words", words, words]


def test_subtitles_of_another_encoding_are_refused_with_advice(tmp_path):
    path = tmp_path / "talk.srt"
    path.write_bytes(f"1\n00:00:00,000 --> 00:00:01,500\n{TEXTS['cp1252']}\n".encode("cp1252"))
    with pytest.raises(UnreadableMedium, match=r"name its encoding in source.transcript.encoding"):
        read_cues(path)
    with pytest.raises(UnreadableMedium, match="not UTF-8 text and not ascii; save it"):
        read_cues(path, encoding="ascii")
