"""DICOM files as pydicom opens them, but for those that would fill the memory when unpacked."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from transferlab.domain.base.archive_members import open_medium, readable
from transferlab.domain.base.media_error import UnreadableMedium

MAX_INFLATED_BYTES = 1 << 30
"""Of a file whose elements are deflated as a whole; a mammogram has 2^26 bytes, packed or not."""
_META_BEGIN = 132
"""After the preamble and the marker."""
_META_BYTES = 4096
_ELEMENT = struct.Struct("<HH2sH")
"""Group, element, VR and length, as PS3.10 has them in the meta group (2)."""
_LONG_VRS = (b"OB", b"UN", b"UT")
"""Their length is in the four bytes after those."""
_CHUNK_BYTES = 1 << 20


def read_dataset(path: Path, **options: Any) -> Dataset:
    """``pydicom.dcmread`` of a file or of a member of an archive.

    Args:
        options: those of pydicom.

    Raises:
        UnreadableMedium: its elements are deflated, and are larger than ``MAX_INFLATED_BYTES``.
        Exception: what pydicom raises.
    """
    with open_medium(path) as file:
        head = file.read(_META_BYTES)
        if str(DeflatedExplicitVRLittleEndian).encode() in head:
            _check_inflated(path, file, head)
    return pydicom.dcmread(readable(path), **options)


def _check_inflated(path: Path, file: BinaryIO, head: bytes) -> None:
    """Unpack the elements piece by piece, and keep none."""
    file.seek(_end_of_meta(head))
    unpacker, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while piece := unpacker.unconsumed_tail or file.read(_CHUNK_BYTES):
        size += len(unpacker.decompress(piece, _CHUNK_BYTES))
        if size > MAX_INFLATED_BYTES:
            raise UnreadableMedium(
                path,
                f"the DICOM file's elements are more than {MAX_INFLATED_BYTES >> 20:,} MiB when "
                "unpacked, which is implausible",
            )
        if unpacker.eof:
            return


def _end_of_meta(head: bytes) -> int:
    """Where the meta group ends and what is deflated begins."""
    at = _META_BEGIN
    while at + _ELEMENT.size + 4 <= len(head):
        group, _, kind, length = _ELEMENT.unpack_from(head, at)
        if group != 2:
            break
        at += _ELEMENT.size
        if kind in _LONG_VRS:
            length = int.from_bytes(head[at : at + 4], "little")
            at += 4
        at += length
    return at
