"""Files of DICOM: which of a folder they are, and what their elements say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from transferlab.core.paths import safe_join
from transferlab.domain.base.file_tree import is_dicom, walk
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.base.rows import Row
from transferlab.domain.media.dicom import one_sentence
from transferlab.domain.media.dicom_stream import read_dataset
from transferlab.domain.privacy.dicom_identifiers import stated_identifiers
from transferlab.domain.privacy.known_identifiers import Identifiers
from transferlab.errors import DataError

HEIGHT = "_rows"
"""Where a row holds its picture's height until it is known that there is a picture."""
_INDEX_CLASS = "1.2.840.10008.1.3.10"
"""The SOP class of a DICOMDIR (Media Storage Directory)."""


def list_dicom_files(path: Path, root: Path) -> Iterator[Path]:
    """The DICOM files that a DICOMDIR lists, or those in a folder.

    In a folder they are known by the marker at byte 128; what lacks it counts only when its name
    ends as a DICOM file's does. The index itself is none of them.
    """
    if path.is_dir():
        yield from (one for one in walk(path) if _may_hold_picture(one))
    else:
        yield from _listed(path, root)


def read_elements(
    path: Path, wanted: Mapping[str, BaseTag], *, everything: bool
) -> tuple[Row, Identifiers]:
    """Elements of one file as text, and what all of them state of people.

    Args:
        path: the file; its pixels are not read.
        wanted: the elements by name; "" where the file lacks one, several values with
            ``\\`` between.
        everything: whether it is asked what is stated of people; nothing is, where it is not.

    Raises:
        UnreadableMedium: it is no DICOM file, or is broken.
    """
    only = None if everything else [*wanted.values(), Tag("Rows")]
    with one_sentence(path):
        dataset = read_dataset(path, stop_before_pixels=True, specific_tags=only)
        row = {name: _text(dataset, tag) for name, tag in wanted.items()}
        stated = stated_identifiers(dataset) if everything else Identifiers()
        return row | {HEIGHT: _text(dataset, Tag("Rows"))}, stated


def tag_of(name: str) -> BaseTag | None:
    """The element that a keyword or "ggggeeee" means; None where there is none."""
    if re.fullmatch(r"[0-9A-Fa-f]{8}", name):
        return Tag(int(name, 16))
    number = tag_for_keyword(name)
    return None if number is None else Tag(number)


def _text(dataset: Dataset, tag: BaseTag) -> str:
    if tag not in dataset:
        return ""
    value = dataset[tag].value
    if value is None or isinstance(value, bytes | pydicom.Sequence):
        return ""
    several = isinstance(value, Sequence | pydicom.multival.MultiValue)
    if several and not isinstance(value, str):
        return "\\".join(map(str, value))
    return str(value).strip()


def _may_hold_picture(path: Path) -> bool:
    if path.name.upper().startswith("DICOMDIR") and is_dicom(path):
        return not _is_index(path)
    return is_dicom(path)


def _is_index(path: Path) -> bool:
    try:
        with one_sentence(path):
            meta = pydicom.filereader.read_file_meta_info(path)
    except UnreadableMedium:
        return False  # reading it as a picture will say what is wrong
    return str(meta.get("MediaStorageSOPClassUID", "")) == _INDEX_CLASS


def _listed(path: Path, root: Path) -> Iterator[Path]:
    """The files of a DICOMDIR, in its order; each lies in or below its folder."""
    try:
        with one_sentence(path):
            records = read_dataset(path).get("DirectoryRecordSequence") or []
            named = [record.get("ReferencedFileID") for record in records]
    except UnreadableMedium as error:
        raise DataError(f"{path}: cannot be used as DICOMDIR: {error.reason}") from None
    for parts in filter(None, named):
        relative = parts if isinstance(parts, str) else "/".join(parts)
        try:
            yield safe_join(path.parent, relative)
        except ValueError:
            raise DataError(
                f"{path}: names a file outside its folder; is it what it seems?"
            ) from None
