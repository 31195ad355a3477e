"""Tables that are no CSV: Parquet, JSON, several parts; films with SRT; frames per second."""

import json
from datetime import date

import pyarrow as pa
import pytest
from domain_cases import toy_rows, write_domain, write_film, write_settings
from pyarrow import parquet

from transferlab.core.records import SPLITS
from transferlab.domain.loader import load_domain
from transferlab.domain.tables.reader import read_table
from transferlab.errors import DataError, InputError

ROW = {"a": "NA", "b": 3, "c": None, "d": 1.5, "e": ["x", "y"], "f": True}
TEXT = {"a": "NA", "b": "3", "c": "", "d": "1.5", "e": '["x", "y"]', "f": "true"}


def without_where(rows):
    return [{key: value for key, value in row.items() if key != "_where"} for row in rows]


def test_parquet_and_json_give_text_as_jsonl_does(tmp_path):
    parquet.write_table(pa.Table.from_pylist([ROW, ROW]), tmp_path / "t.parquet")
    (tmp_path / "t.json").write_text(json.dumps([ROW, ROW]))
    (tmp_path / "t.jsonl").write_text(json.dumps(ROW) + "\n" + json.dumps(ROW))
    for name in ("t.parquet", "t.json", "t.jsonl"):
        assert without_where(read_table(tmp_path / name)) == [TEXT, TEXT], name
    assert read_table(tmp_path / "t.parquet")[1]["_where"] == "t.parquet row 2"


def test_an_object_of_objects_keeps_its_names(tmp_path):
    (tmp_path / "t.json").write_text(json.dumps({"p1": {"a": 1}, "p2": {"a": 2}}))
    assert without_where(read_table(tmp_path / "t.json")) == [
        {"key": "p1", "a": "1"},
        {"key": "p2", "a": "2"},
    ]


def test_dates_of_parquet_are_written_as_iso(tmp_path):
    parquet.write_table(pa.Table.from_pylist([{"d": date(2020, 1, 2)}]), tmp_path / "t.parquet")
    assert without_where(read_table(tmp_path / "t.parquet")) == [{"d": "2020-01-02"}]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.parquet", b"PAR1 nothing", "not a valid Parquet file"),
        ("t.json", b'{"a": 1}', "must be a list of objects"),
        ("t.json", b"[1]", "item 1 is not a JSON object"),
        ("t.xlsx", b"x", "must end with"),
    ],
)
def test_a_malformed_table_is_one_sentence(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=says):
        read_table(tmp_path / name)


def test_pictures_inside_parquet_are_refused_with_what_to_do(tmp_path):
    parquet.write_table(pa.Table.from_pylist([{"image": {"bytes": b"x"}}]), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="write the pictures out as files"):
        read_table(tmp_path / "t.parquet")


def test_parts_may_be_the_splits(tmp_path):
    write_domain(tmp_path / "d")
    for part, patients in (("train", "01234"), ("test", "56789")):
        rows = [row for row in toy_rows() if row["patient"][1:] in patients]
        (tmp_path / "d" / f"{part}.json").write_text(json.dumps(rows))
    media = {"image": {"kind": "image", "path": "{file}"}}
    parts = {"train": "train.json", "test": "test.json"}
    entry = write_settings(
        tmp_path / "d",
        source={"kind": "table", "parts": parts, "media": media},
        splits={"column": "part"},
    )
    data = load_domain(entry)
    assert {side: len(data.splits[side]) for side in SPLITS} == {
        "train": 10,
        "validation": 0,
        "test": 10,
    }
    with pytest.raises(InputError, match="instead of path"):
        write_settings(tmp_path / "d", source={"kind": "table", "parts": parts, "path": "x.csv"})


SRT = "1\n00:00:00,000 --> 00:00:01,000\n<i>Hello</i>\n\n2\n00:00:01,000 --> 00:00:02,000\nall\n"


def film_domain(folder, **medium):
    clip = {"kind": "video", "path": "{file}", "start": "cue_start", "end": "cue_end", "frames": 8}
    task = {
        "kind": "describe",
        "prompt": "<clip>What is said?",
        "answer": "{cue_text}",
        "where": {"cue_text": ["*"]},
        "metrics": ["token_f1"],
    }
    return write_settings(
        folder,
        source={
            "kind": "video",
            "path": ".",
            "media": {"clip": clip | medium},
            "transcript": {"path": "{transcript}", "optional": True},
        },
        group="name",
        attributes=[],
        tasks={"say": task},
    )


def test_a_folder_of_films_with_their_transcripts(tmp_path):
    for number in range(4):
        write_film(tmp_path / f"talk {number}.mp4", frames=20, rate=10)
    for number, name in enumerate(["talk 0.srt", "talk 1.en.srt", "words/talk 2.srt"]):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(SRT.replace("all", f"all {number}"))
    data = load_domain(film_domain(tmp_path))
    samples = [one for side in SPLITS for one in data.splits[side]]
    assert sorted(one.answer for one in samples) == ["Hello"] * 3 + ["all 0", "all 1", "all 2"]
    assert {(one.media[0].start_seconds, one.media[0].end_seconds) for one in samples} == {
        (0.0, 1.0),
        (1.0, 2.0),
    }
    assert len({one.group for one in samples}) == 3


@pytest.mark.parametrize(("rate", "frames"), [(2.0, 2), (0.1, 1), (100.0, 8)])
def test_frames_per_second_are_kept_between_one_and_the_most(tmp_path, rate, frames):
    for number in range(3):
        write_film(tmp_path / f"{number}.mp4", frames=20, rate=10)
        (tmp_path / f"{number}.srt").write_text(SRT)
    data = load_domain(film_domain(tmp_path, frames_per_second=rate))
    assert {one.media[0].frames for one in data.splits["train"]} == {frames}


def test_a_folder_without_films(tmp_path):
    (tmp_path / "x.txt").touch()
    with pytest.raises(DataError, match="holds no film"):
        load_domain(film_domain(tmp_path))
