"""Damage of what is written and read again is noticed, whatever byte it hits."""

import json

import pytest

from transferlab.core.integrity import DamagedFile, check_seal, seal, set_aside
from transferlab.errors import TransferlabWarning

RECORD = {"value": 0.1, "names": ["a", "é"], "inside": {"b": None, "a": [1, 2.5e-7]}}


def test_a_sealed_record_is_read_back():
    assert check_seal(json.dumps(seal(RECORD)).encode()) == RECORD
    assert check_seal(json.dumps(seal(RECORD), indent=2, ensure_ascii=False).encode()) == RECORD
    assert seal(seal(RECORD)) == seal(RECORD)


def test_no_flipped_bit_is_believed():
    text = json.dumps(seal(RECORD)).encode()
    for at in range(len(text)):
        for bit in range(8):
            flipped = bytearray(text)
            flipped[at] ^= 1 << bit
            try:
                assert check_seal(bytes(flipped)) == RECORD  # such as another kind of blank
            except DamagedFile:
                continue


@pytest.mark.parametrize("text", [b"", b"\0\0\0\0", b"{", b"[]", b"{}", b'"a"', b"[" * 100_000])
def test_what_is_no_sealed_record_is_said(text):
    with pytest.raises(DamagedFile, match=r"empty|not whole JSON|holds no digest"):
        check_seal(text)


def test_what_is_set_aside_is_named_and_replaces_what_was_aside(tmp_path):
    for content in ("old", "new"):
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "file").write_text(content)
        with pytest.warns(TransferlabWarning, match=r"folder: is damaged \(cut off\); it is kept"):
            aside = set_aside(tmp_path / "folder", "cut off")
    assert (aside / "file").read_text() == "new"
    assert [one.name for one in tmp_path.iterdir()] == ["folder.damaged"]
