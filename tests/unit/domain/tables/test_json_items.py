"""JSON read item by item: the same values and the same mistakes as when it is read at once."""

import io
import json

import pytest

from transferlab.domain.tables import json_items
from transferlab.domain.tables.json_items import NoItems, stream_items

SOUND = [
    "[]", " [ ] \n", "{}", '[1, 2.5, -3e2, null, true, "x"]', '[{"a": [1, {"b": "]"}]}, "\\"," ]',
    '{"a": {"b": 1}, "": [2], "a": 3}', '["\\ud83d\\ude00", "\\ud800", "é"]', "[NaN, 12345678901]",
    "[" + "[" * 50 + "]" * 50 + "]", '[1234567, 12, "' + "long " * 50 + '"]',
]  # fmt: skip
BROKEN = [
    "", "[", "[1", "[1,", "[1,]", "[1 2]", "[1] x", "{", '{"a"', '{"a" 1}', '{"a":1,}', "{1: 2}",
    "nul", '["open', "[01]", "[2.]", "[1e]", '["a\nb"]',
]  # fmt: skip


@pytest.fixture(params=[1, 3, 5, 1 << 16])
def read(request, monkeypatch):
    monkeypatch.setattr(json_items, "_AT_ONCE", request.param)
    return lambda text: list(stream_items(io.StringIO(text)))


def test_items_are_those_of_the_whole(read):
    for text in SOUND:
        whole = json.loads(text, object_pairs_hook=list)
        names = [n for n, _ in whole] if text.strip().startswith("{") else [None] * len(whole)
        assert [name for name, _ in read(text)] == names
        again = json.loads(text)
        if isinstance(again, list):
            assert repr([item for _, item in read(text)]) == repr(again)
        else:
            assert dict(read(text)) == again


def test_what_is_wrong_with_the_whole_is_wrong_here(read):
    for text in BROKEN:
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)
        with pytest.raises(json.JSONDecodeError):
            read(text)
    for text in ('"abc"', "5", "null"):
        with pytest.raises(NoItems):
            read(text)
    with pytest.raises(RecursionError):
        read("[" * 100_000)
    with pytest.raises(ValueError, match="digits"):
        read("[" + "1" * 5000 + "]")


def test_the_file_is_not_read_further_than_needed():
    file = io.StringIO("[" + ", ".join(['"' + "x" * 1000 + '"'] * 1000) + "]")
    items = stream_items(file)
    for _ in range(10):
        next(items)
    assert file.tell() <= json_items._AT_ONCE
