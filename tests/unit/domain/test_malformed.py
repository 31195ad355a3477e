"""Whatever a file holds, reading it ends in rows or in one sentence: never in a traceback.

The number of examples is small here; ``--hypothesis-profile=many`` runs ten thousand of each.
"""

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from domain_cases import write_dicom
from hypothesis import given
from hypothesis import strategies as st

from transferlab.config.source import SourceSection
from transferlab.core.paths import safe_join
from transferlab.core.records import MediaRef
from transferlab.domain.media.decoder import decode
from transferlab.domain.onboarding.survey import match_files
from transferlab.domain.rows.chat_keys import MEANINGFUL, READ
from transferlab.domain.rows.transcript import read_cues
from transferlab.domain.sources.chat import read_chat
from transferlab.domain.sources.dicom import read_dicom_tree
from transferlab.domain.tables.reader import read_table
from transferlab.errors import DataError

NAMES_OF_PARTS = ["role", "from", "content", "value", "type", "text", "path", "url"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*sorted(READ), *sorted(MEANINGFUL), *NAMES_OF_PARTS]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)
TURNS = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "assistant", "system", "tool"]),
            "content": st.text(max_size=10) | st.sampled_from(["<image>", "<video><image>"]) | JSON,
        }
    ),
    max_size=5,
)
FILES = st.lists(st.text(max_size=5), max_size=3)
EXCHANGES = st.lists(st.lists(st.text(max_size=8), max_size=3), max_size=3)
CONVERSATION = (
    st.fixed_dictionaries({"messages": TURNS, "images": FILES})
    | st.fixed_dictionaries(
        {"query": st.text(max_size=8), "response": st.text(max_size=8)},
        optional={"history": EXCHANGES, "system": st.text(max_size=8), "images": FILES},
    )
    | st.fixed_dictionaries(
        {"instruction": st.text(max_size=8), "output": st.text(max_size=8)},
        optional={"input": st.text(max_size=8), "history": EXCHANGES, "image": st.text(max_size=5)},
    )
)


def attempt(read):
    """What reading gives; None where it ends in one sentence."""
    try:
        return read()
    except DataError as error:
        sentence = str(error)
    assert "\n" not in sentence
    return None


@given(st.lists(JSON | CONVERSATION, max_size=4), st.booleans())
def test_conversations(tmp_path, items, lines):
    path = tmp_path / "chat.json"
    text = "\n".join(map(json.dumps, items)) if lines else json.dumps(items)
    path.write_text(text, "utf-8")
    rows, bad = attempt(lambda: read_chat(path)) or ([], [])
    for row in rows:
        assert all(isinstance(value, str) for value in row.values())
        assert row["prompt"].count("<image>") == len(json.loads(row["_media"]))
    assert all("\n" not in why for _, why in bad)


@given(
    st.sampled_from(["csv", "tsv", "json", "jsonl", "parquet", "csv.gz"]), st.binary(max_size=300)
)
def test_tables_of_any_bytes(tmp_path, ending, content):
    path = tmp_path / f"t.{ending}"
    path.write_bytes(content)
    rows = attempt(lambda: read_table(path)) or []
    assert all(isinstance(value, str) for row in rows for value in row.values())


CELLS = st.text(max_size=8) | st.sampled_from(['"', '""', '"a', 'a"b', "é", "Ж", "a;b", "\u2028"])
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "cp1251", "shift_jis"]


@given(
    st.lists(st.lists(CELLS, max_size=4), max_size=5),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["", "sep=;\n", "\ufeff", "\n\n"]),
    st.sampled_from(ENCODINGS),
)
def test_tables_of_any_cells_and_encoding(tmp_path, rows, separator, end, before, encoding):
    """Quotes that nobody closes, separators and line ends inside cells, marks before the text."""
    path = tmp_path / "t.csv"
    text = before + end.join(separator.join(row) for row in rows)
    path.write_bytes(text.encode(encoding, "replace"))
    found = attempt(lambda: read_table(path)) or []
    assert all(isinstance(value, str) for row in found for value in row.values())
    assert len({tuple(row) for row in found}) <= 1


TIME = st.builds("{:02}:{:02}:{:02}{}{:03}".format, *[st.integers(0, 99)] * 3,
                 st.sampled_from([",", "."]), st.integers(0, 999))  # fmt: skip
LINES = st.lists(
    st.builds("{} --> {}".format, TIME, TIME) | st.text(max_size=15)
    | st.sampled_from(["", "WEBVTT", "1", "2", "NOTE x", "STYLE", "00:00:00.000 --> "]),
    max_size=15,
)  # fmt: skip


@given(st.sampled_from(["vtt", "srt"]), LINES | st.binary(max_size=200))
def test_subtitles(tmp_path, ending, content):
    path = tmp_path / f"t.{ending}"
    text = content if isinstance(content, bytes) else "\n".join(content).encode("utf-8", "ignore")
    path.write_bytes(text if ending == "srt" else b"WEBVTT\n\n" + text)
    cues = attempt(lambda: read_cues(path)) or []
    assert all(float(cue["cue_start"]) < float(cue["cue_end"]) for cue in cues)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("dicom") / "whole.dcm"
    pixels = np.arange(256, dtype=np.uint16).reshape(16, 16)
    write_dicom(path, pixels, WindowCenter=100, WindowWidth=50, PatientID="P", ImageType=["A", "B"])
    return path.read_bytes()


@given(
    st.lists(st.tuples(st.integers(0, 1200), st.binary(min_size=1, max_size=6)), max_size=6),
    st.integers(0, 1500),
)
def test_dicom_files_with_bytes_changed_and_ends_cut(tmp_path, whole, changes, length):
    content = bytearray(whole)
    for at, piece in changes:
        content[at : at + len(piece)] = piece
    path = tmp_path / "x.dcm"
    path.write_bytes(content[: length or None] or b"\0")
    for frame in attempt(lambda: decode(MediaRef(kind="dicom", path=path))) or []:
        assert frame.dtype == np.uint8
        assert frame.shape[2] == 3
    source = SourceSection(kind="dicom", path=".")
    rows, bad = read_dicom_tree(tmp_path, tmp_path, source, [], file=Path("domain.yaml"))
    assert len(rows) + len(bad) == 1


def test_a_number_of_three_bytes_is_a_bad_file(tmp_path, whole):
    two_bytes, three_bytes = b"(\0\x10\0US\2\0", b"(\0\x10\0US\3\0"
    assert whole.count(two_bytes) == 1
    path = tmp_path / "x.dcm"
    path.write_bytes(whole.replace(two_bytes, three_bytes))
    with pytest.raises(DataError, match="the DICOM file"):
        decode(MediaRef(kind="dicom", path=path))
    source = SourceSection(kind="dicom", path=".")
    rows, bad = read_dicom_tree(tmp_path, tmp_path, source, [], file=Path("domain.yaml"))
    assert (rows, len(bad)) == ([], 1)


def test_no_text_of_a_broken_file_is_repeated(tmp_path, whole):
    path = tmp_path / "x.dcm"
    content = whole.replace(b"CS\2\0DX", b"CS\2\0\n\xe9")
    path.write_bytes(content[: content.index(b"\xe0\x7f\x10\0")])
    with pytest.raises(DataError, match=r"has no pixels \(modality not stated\)"):
        decode(MediaRef(kind="dicom", path=path))


ELEMENTS = {
    "Rows": st.integers(0, 65535),
    "Columns": st.integers(0, 65535),
    "BitsStored": st.integers(0, 65535),
    "BitsAllocated": st.sampled_from([0, 1, 7, 8, 12, 16, 32, 64, 65535]),
    "SamplesPerPixel": st.integers(0, 5),
    "PixelRepresentation": st.integers(0, 3),
    "WindowWidth": st.integers(-(10**6), 10**6),
    "WindowCenter": st.integers(-(10**6), 10**6),
    "RescaleSlope": st.integers(-(10**6), 10**6),
    "PhotometricInterpretation": st.sampled_from(
        ["MONOCHROME1", "RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "", "X"]
    ),
    "NumberOfFrames": st.integers(-5, 10**9),
}


@given(st.fixed_dictionaries({}, optional=ELEMENTS))
def test_dicom_elements_that_contradict_each_other(tmp_path, elements):
    path = tmp_path / "x.dcm"
    try:
        write_dicom(path, np.arange(256, dtype=np.uint16).reshape(16, 16), **elements)
    except (ValueError, OverflowError, struct.error, TypeError):
        return  # pydicom refuses to write some of them
    for frame in attempt(lambda: decode(MediaRef(kind="dicom", path=path))) or []:
        assert frame.dtype == np.uint8


@given(st.text(max_size=30) | st.sampled_from(["../x", "/etc/passwd", "a/../../x", "\0", "~/x"]))
def test_no_path_leaves_the_root(tmp_path, relative):
    try:
        found = safe_join(tmp_path, relative)
    except ValueError:
        return
    assert found.is_relative_to(tmp_path.resolve())


NAMES = st.lists(st.text(max_size=12), max_size=20)


@given(NAMES, NAMES, st.sampled_from(["", "a/", "a/b/"]), st.sampled_from(["", ".png"]))
def test_any_column_may_be_asked_whether_it_holds_files(values, others, folder, ending):
    paths = [*others, *(f"{folder}{value}{ending}" for value in values[::2])]
    found = match_files(values, {"image": paths})
    if found is not None:
        assert any(f"{found.before}{value}{found.after}" in paths for value in values if value)


def test_the_reader_of_bytes_is_not_fooled_by_a_name(tmp_path):
    buffer = io.BytesIO(b"\0" * 128 + b"DICM" + b"\xff" * 100)
    (tmp_path / "x").write_bytes(buffer.getvalue())
    with pytest.raises(DataError):
        decode(MediaRef(kind="dicom", path=tmp_path / "x"))
