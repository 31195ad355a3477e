import gzip
import os

import pytest

from transferlab.config.source import SourceSection
from transferlab.domain.base.rows import WHERE
from transferlab.domain.tables import json_items, reader, text_file
from transferlab.domain.tables.reader import read_table, stream_table
from transferlab.domain.tables.text_file import WrongEncoding
from transferlab.errors import DataError


def write(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(text.encode("utf-8"))
    return path


def test_words_that_look_like_nothing_stay_words(tmp_path):
    path = write(tmp_path, "t.csv", 'a,b\r\nNone,NA\r\n"two\r\nlines",007\r\n')
    first, second = read_table(path)
    assert (first["a"], first["b"]) == ("None", "NA")
    assert (second["a"], second["b"]) == ("two\r\nlines", "007")
    assert second[WHERE] == "t.csv row 3"


def test_a_unicode_line_separator_does_not_end_a_row(tmp_path):
    (row,) = read_table(write(tmp_path, "t.csv", "a,b\nx\u2028y,z\n"))
    assert row["a"] == "x\u2028y"


def test_tsv_and_byte_order_mark(tmp_path):
    (row,) = read_table(write(tmp_path, "t.tsv", "\ufeffa\tb\n1,5\t2\n"))
    assert (row["a"], row["b"]) == ("1,5", "2")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a;b\n1,5;2\n", {"a": "1,5", "b": "2"}),
        ("a\tb\n1;5\t2\n", {"a": "1;5", "b": "2"}),
        ('"x;y;z",b\n1;5,2\n', {"x;y;z": "1;5", "b": "2"}),
        ("a\n1;5\n", {"a": "1;5"}),
    ],
)
def test_the_header_of_a_csv_says_what_stands_between_cells(tmp_path, text, says):
    (row,) = read_table(write(tmp_path, "t.csv", text))
    assert row == says | {WHERE: "t.csv row 2"}


def test_a_table_is_read_in_the_encoding_that_is_named(tmp_path):
    (tmp_path / "t.csv").write_bytes("a,b\né,1\n".encode("cp1252"))
    (row,) = read_table(tmp_path / "t.csv", encoding="cp1252")
    assert row["a"] == "é"
    with pytest.raises(WrongEncoding, match="is not UTF-16"):
        read_table(write(tmp_path, "u.csv", "a,b\n1,2\n3"), encoding="utf-16")
    with pytest.raises(ValueError, match="there is no encoding 'cp125'"):
        SourceSection(kind="table", encoding="cp125")


def test_jsonl_values_become_text(tmp_path):
    line = '{"a": "x", "n": 3, "none": null, "yes": true, "list": ["é", 1]}'
    (row,) = read_table(write(tmp_path, "t.jsonl", f"\n{line}\n"))
    assert row == {
        "a": "x", "n": "3", "none": "", "yes": "true", "list": '["é", 1]', WHERE: "t.jsonl line 2"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("t.csv", "a,b\n1,2\n3\n", "row 3.*1 cells.*2"),
        ("t.csv", "a,a\n1,2\n", "column 'a' twice"),
        ("t.csv", "a,b\n", "no rows"),
        ("t.csv", "", "no rows"),
        ("t.jsonl", '{"a": 1}\n{"a":\n', "line 2: is not JSON"),
        ("t.jsonl", "[1]\n", "not a JSON object"),
        ("t.xlsx", "a,b\n1,2\n", "must end with"),
    ],
)
def test_a_broken_table_is_one_sentence(tmp_path, name, text, says):
    with pytest.raises(DataError, match=says) as caught:
        read_table(write(tmp_path, name, text))
    assert "\n" not in str(caught.value)


def test_missing_and_wrongly_encoded_files(tmp_path):
    with pytest.raises(DataError, match="there is no such table"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "t.csv").write_bytes(b"a,b\n\xe9,1\n")
    with pytest.raises(DataError, match="not UTF-8 text \\(byte 4\\)"):
        read_table(tmp_path / "t.csv")


def test_an_open_quote_is_an_error_with_its_line(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,"x"\n2,"open\n3,"y"\n4,"z"\n')
    with pytest.raises(DataError, match=r"line 3: is not a valid row .*is a\s+quote opened"):
        read_table(path)
    path.write_text('a,b\n1,"two\nlines"\n2,"say ""so"""\n')
    assert [row["b"] for row in read_table(path)] == ["two\nlines", 'say "so"']
    path.write_text('a,b\n1,x\n2,"never closed\n')
    with pytest.raises(DataError, match=r"line 3: is not a valid row"):
        read_table(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
def test_byte_order_marks_are_obeyed(tmp_path, encoding):
    text = "a\tb\nнорма\tß\n"
    mark = "" if encoding in ("utf-16", "utf-32", "utf-8-sig") else "\ufeff"
    (tmp_path / "t.csv").write_bytes((mark + text).encode(encoding))
    (row,) = read_table(tmp_path / "t.csv")
    assert (row["a"], row["b"]) == ("норма", "ß")


def test_a_line_that_names_the_separator_is_obeyed(tmp_path):
    (tmp_path / "t.csv").write_text("sep=|\na|b,c\n1|2\n")
    (row,) = read_table(tmp_path / "t.csv")
    assert (row["a"], row["b,c"]) == ("1", "2")


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("t.jsonl", '{"a": "x", "a": "y"}', "names the key 'a' twice"),
        ("t.json", '[{"b": {"a": 1, "a": 2}}]', "names the key 'a' twice"),
        ("t.json", '{"one": {"key": "x"}}', "rename one of them"),
        ("t.csv", "a,_where\n1,2\n", "may not be called '_where'"),
        ("t.jsonl", '{"_media": "[]"}', "may not be called '_media'"),
        ("t.csv", "a,b\n1,2\na,b\n3,4\n", "row 3: is the header again"),
    ],
)
def test_what_would_be_lost_is_an_error(tmp_path, name, text, why):
    with pytest.raises(DataError, match=why):
        read_table(write(tmp_path, name, text))


def test_a_packed_table_that_unpacks_to_far_more_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"0,0\n" * 250_000))
    assert next(reader.stream_table(path))["a"] == "0"
    monkeypatch.setattr(text_file, "FREE_UNPACKED_BYTES", 1000)
    with pytest.raises(DataError, match=r"rows\.csv\.gz: unpacks to more than .* times its size"):
        next(reader.stream_table(path))


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_a_line_without_end_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(text_file, "MAX_LINE_BYTES", 1_500_000)
    (tmp_path / name).write_bytes(b"a\n" + b"x" * 4_000_000)
    with pytest.raises(DataError, match="has a line of more than"):
        next(reader.stream_table(tmp_path / name))


def test_an_item_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(json_items, "MAX_ITEM_CHARACTERS", 200_000)
    (tmp_path / "rows.json").write_text('[{"a": "' + "x" * 1_000_000)
    with pytest.raises(DataError, match="an item is larger than 64 MiB"):
        next(reader.stream_table(tmp_path / "rows.json"))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "rows.json", "rows.parquet"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match="is a pipe or a device"):
        next(reader.stream_table(tmp_path / name))


def test_rows_are_counted_as_a_spreadsheet_and_lines_as_an_editor_does(tmp_path):
    """What a message names is what the user sees on opening the file."""
    text = 'sep=;\na;b\n1;"two\nlines"\n\n3;4\n'
    (tmp_path / "t.csv").write_text(text, "utf-8")
    found = [row[WHERE] for row in stream_table(tmp_path / "t.csv")]
    assert found == ["t.csv row 2 (line 3)", "t.csv row 4 (line 6)"]
    for where, line in zip(found, ('1;"two', "3;4"), strict=True):
        number = int(where.split("line ")[1].rstrip(")"))
        assert text.splitlines()[number - 1] == line
    (tmp_path / "t.csv").write_text("a,b\n1,2\n\n3,4\n5\n", "utf-8")
    with pytest.raises(DataError, match=r"t\.csv row 5: has 1 cells"):
        list(stream_table(tmp_path / "t.csv"))
