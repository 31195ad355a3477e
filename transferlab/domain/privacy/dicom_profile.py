"""The Basic Application Level Confidentiality Profile of DICOM PS3.15 for elements that are read.

Which element is removed, replaced or kept stands in table E.1-1 of the standard, which
dicom-anonymizer carries edition by edition. Only elements are treated here: no DICOM file is
written.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from typing import Literal

from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.tag import BaseTag, Tag

from transferlab.domain.base.rows import Row
from transferlab.domain.privacy.key import PrivacyKey

Treatment = Literal["keep", "remove", "pseudonym", "uid", "date", "age"]

EDITION = "dicomfields_2026c"
_CHARACTERISTICS = ("PatientSex", "PatientAge", "PatientSize", "PatientWeight")
"""Of the option "Retain Patient Characteristics" (PS3.15 E.3.4), what models are trained on."""
_PSEUDONYMS = ("PatientID", "AccessionNumber", "StudyID")
"""Elements that the profile lets have a dummy value, and that say what belongs together."""
_IDENTIFIERS = (
    "PatientID", "OtherPatientIDs", "AccessionNumber", "StudyID", "AdmissionID", "PatientAddress",
    "PatientTelephoneNumbers", "InstitutionName", "InstitutionAddress",
)  # fmt: skip
SHIFT_DAYS = 3650
"""Dates move back by 1 to so many days, the same for all of one patient."""
OLDEST_YEARS = 89
"""Older ages identify (45 CFR 164.514(b)(2)(i)(C)): they become one class."""
_DAY_CHARACTERS = 8


def identifying_elements() -> dict[str, BaseTag]:
    """Elements whose values must not stand in a text: names of persons, numbers, addresses."""
    found = {keyword: _tag(keyword) for keyword in _IDENTIFIERS}
    for pair in _table():
        if len(pair) == 2 and is_person_name(Tag(pair)):
            found[str(Tag(pair))] = Tag(pair)
    return found


def is_person_name(tag: BaseTag) -> bool:
    """Whether an element's values are names of persons."""
    return _vr(tag) == "PN"


def treatment(tag: BaseTag, *, keep: Sequence[str] = ()) -> Treatment:
    """What becomes of an element's value.

    Args:
        tag: the element.
        keep: the profile's options: ``patient_characteristics``.
    """
    vr, action = _vr(tag), _action(tag)
    if tag.is_private:
        return "remove"
    if action is None:
        return "keep"
    if tag in map(_tag, _CHARACTERISTICS) and "patient_characteristics" in keep:
        return "age" if tag == _tag("PatientAge") else "keep"
    if tag in map(_tag, _PSEUDONYMS):
        return "pseudonym"
    if vr == "UI":
        return "uid" if "U" in action else "remove"
    if vr in ("DA", "DT") and tag != _tag("PatientBirthDate"):
        return "date"
    return "remove"


def deidentify(row: Row, treatments: dict[str, Treatment], *, patient: str, key: PrivacyKey) -> Row:
    """A row whose columns are treated as ``treatments`` says; others stay, removed ones are gone.

    Args:
        row: elements as text.
        treatments: by column.
        patient: the original PatientID; where there is none, dates are removed.
        key: behind pseudonyms, UIDs and the shift of dates.
    """
    changed = {}
    for column, value in row.items():
        what = treatments.get(column, "keep")
        if what == "keep":
            changed[column] = value
        elif what == "pseudonym":
            changed[column] = _pseudonym(value, key)
        elif what == "uid":
            changed[column] = "\\".join(_uid(one, key) for one in value.split("\\"))
        elif what == "date":
            changed[column] = "\\".join(_shifted(v, patient, key) for v in value.split("\\"))
        elif what == "age":
            changed[column] = _age(value)
    return changed


def _pseudonym(value: str, key: PrivacyKey) -> str:
    return key.digest(["pseudonym", value.strip()]).hex()[:16] if value.strip() else ""


def _uid(value: str, key: PrivacyKey) -> str:
    """A UID under 2.25, made of 122 bits of the keyed hash as a UUID is (PS3.5 B.2)."""
    if not value.strip():
        return ""
    return f"2.25.{int.from_bytes(key.digest(['uid', value.strip()])[:16], 'big') >> 6}"


def _shifted(value: str, patient: str, key: PrivacyKey) -> str:
    """A date as many days earlier as the patient's others; the time of day is dropped."""
    try:
        day = date.fromisoformat(value.strip()[:_DAY_CHARACTERS])
    except ValueError:
        return ""
    if not patient.strip():
        return ""
    number = int.from_bytes(key.digest(["shift", patient.strip()])[:8], "big")
    try:
        return (day - timedelta(days=1 + number % SHIFT_DAYS)).strftime("%Y%m%d")
    except OverflowError:
        return ""


def _age(value: str) -> str:
    years = value.strip().upper().removesuffix("Y")
    return f"{OLDEST_YEARS + 1:03d}Y" if years.isdecimal() and int(years) > OLDEST_YEARS else value


def _action(tag: BaseTag) -> str | None:
    """The table's code of an element, such as "X" or "Z_D"; None where the table lacks it."""
    exact = _table().get((tag.group, tag.element))
    if exact is not None:
        return exact
    for entry, action in _table().items():
        if len(entry) == 4:  # a repeating group: (group, element, mask, mask)
            group, element, group_mask, element_mask = entry
            if (
                tag.group & group_mask == group
                and tag.element & element_mask == element & element_mask
            ):
                return action
    return None


@cache
def _table() -> dict[tuple[int, ...], str]:
    lists = dicom_anonymization_database_selector(EDITION)
    return {
        tuple(tag): name.removesuffix("_TAGS")
        for name, tags in lists.items()
        if name != "ALL_TAGS"
        for tag in tags
    }


@cache
def _tag(keyword: str) -> BaseTag:
    number = tag_for_keyword(keyword)
    assert number is not None, f"{keyword} is no keyword of DICOM"
    return Tag(number)


def _vr(tag: BaseTag) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return ""
