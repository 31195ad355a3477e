"""What a DICOM file states about people anywhere in it: in sequences and private elements too."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.valuerep import PersonName

from transferlab.domain.privacy.dicom_profile import identifying_elements, is_person_name
from transferlab.domain.privacy.known_identifiers import Identifiers, name_words

_TEXT = ("LO", "SH", "LT", "ST", "UT", "UC", "PN", "UN")
"""Value representations of private elements that may hold a name."""
_LONGEST_NAME = 200
"""Characters; longer texts are no names."""
_LONGEST_BYTES = 65536
_WORDS_OF_NAME = range(2, 5)
_CARET_NAME = re.compile(r"[^\W\d_][\w .'’-]*(?:\^[\w .'’-]*)+")


def stated_identifiers(dataset: Dataset) -> Identifiers:
    """Names, numbers and addresses in a file's elements, those of nested items included.

    Args:
        dataset: read without pixels.

    Names are all values of person names, and those texts of private elements that look like one:
    with a caret, or two to four capitalised words.
    """
    names, values = list[str](), list[str]()
    identifying = set(identifying_elements().values())
    for owner, element in _elements(dataset):
        tag = element.tag
        if element.VR == "PN" or is_person_name(tag):
            names += _person_names(owner, tag)
        elif tag in identifying:
            values += _texts(owner, element)
        elif tag.is_private and element.VR in _TEXT:
            names += [one for text in _texts(owner, element) for one in _names_in(text)]
    return Identifiers(tuple(dict.fromkeys(names)), tuple(dict.fromkeys(values)))


def _elements(dataset: Dataset) -> Iterator[tuple[Dataset, DataElement | RawDataElement]]:
    """Every element with the dataset that holds it; values are not converted unless needed, so that
    a number that is written wrongly somewhere is nobody's trouble here."""
    for tag in list(dataset.keys()):
        element = dataset.get_item(tag)
        vr = element.VR or _vr_of(tag)
        if vr == "SQ" or isinstance(element.value, Sequence):
            for item in dataset[tag].value or ():
                yield from _elements(item)
        elif isinstance(element, RawDataElement):
            yield dataset, element._replace(VR=vr)
        else:
            yield dataset, element


def _vr_of(tag: BaseTag) -> str:
    """Of an element that does not state its own (implicit VR)."""
    try:
        return "UN" if tag.is_private else dictionary_VR(tag)
    except KeyError:
        return "UN"


def _person_names(dataset: Dataset, tag: BaseTag) -> list[str]:
    value = dataset[tag].value
    several = value if isinstance(value, list | tuple) or hasattr(value, "append") else [value]
    names = []
    for one in filter(None, several):
        names.append(str(one))
        # Written in UTF-8 by a file that does not say so.
        raw = getattr(one, "original_string", b"") if isinstance(one, PersonName) else b""
        names += [text for text in [_utf8(raw)] if text and text != str(one)]
    return names


def _utf8(raw: object) -> str:
    if not isinstance(raw, bytes) or raw.isascii():
        return ""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return ""


def _texts(dataset: Dataset, element: DataElement | RawDataElement) -> list[str]:
    value = element.value
    if isinstance(element, RawDataElement) and element.VR != "UN":
        value = dataset[element.tag].value
    if isinstance(value, bytes):
        value = _utf8(value[:_LONGEST_BYTES]) or value[:_LONGEST_BYTES].decode("latin-1")
    several = [value] if isinstance(value, str) else value or []
    parts = [part for one in several for part in str(one).split("\\")]
    return [part.strip(" \0") for part in parts if part.strip(" \0")]


def _names_in(text: str) -> list[str]:
    """Names in the text of a private element."""
    if "^" in text:
        return [match[0] for match in _CARET_NAME.finditer(text) if len(match[0]) < _LONGEST_NAME]
    words = name_words(text)
    if len(text) > _LONGEST_NAME or len(words) not in _WORDS_OF_NAME:
        return []
    plain = all(not any(map(str.isdigit, word)) and not word[0].islower() for word in words)
    return [text] if plain else []
