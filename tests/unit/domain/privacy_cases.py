"""DICOM files that hold more than they should, and a domain over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from domain_cases import write_dicom, write_settings, write_table

from transferlab.domain.catalog import DomainEntry
from transferlab.domain.privacy.known_identifiers import find_known

SECRET = "0123456789abcdef0123456789abcdef"
PLANTED = {
    "PatientName": "Featherstonehaugh^Ottoline^Q",
    "PatientID": "MRN7734501",
    "PatientBirthDate": "19610304",
    "AccessionNumber": "ACC9981273",
    "StudyDate": "20240229",
    "ReferringPhysicianName": "Zbigniewski^Kasimir",
    "InstitutionName": "Saint Hildegard Infirmary",
    "StudyDescription": "Call Kasimir about Ottoline",
}


def planted(number):
    """The identifiers of one patient, all of them unlike the others'."""
    letters = "abcdefghijkl"[number]
    own = dict(PLANTED)
    own["PatientName"] = f"Featherstonehaugh{letters}^Ottoline{letters}"
    own["PatientID"] += str(number)
    own["AccessionNumber"] += str(number)
    return own


def hospital_settings():
    """domain.yaml of that hospital, as keys and values."""
    task = {"kind": "classify", "answer": "{finding}", "choices": ["normal", "nodule"]}
    return {
        "name": "hospital",
        "source": {
            "kind": "dicom",
            "path": "pacs",
            "reports": {"path": "reports.csv", "column": "acc", "tag": "AccessionNumber"},
            "media": {"xray": {"kind": "dicom", "path": "{file}"}},
        },
        "group": "PatientID",
        "attributes": ["ViewPosition"],
        "tasks": {"finding": task | {"prompt": "<xray>\nWhich finding?", "metrics": ["accuracy"]}},
        "privacy": {"dicom": "deidentify"},
    }


def write_hospital(
    root: Path, *, elements: Callable[[int], Mapping[str, object]] = lambda number: {}, **changes
) -> DomainEntry:
    """12 patients with names in paths, elements and reports; ``changes`` of domain.yaml."""
    rows = []
    for number in range(12):
        own = planted(number)
        path = root / "pacs" / own["PatientName"].replace("^", "_") / f"{own['PatientID']}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16), np.uint8)
        write_dicom(path, pixels, **{**own, **elements(number)})
        report = f"Heart size is normal in {own['PatientName'].split('^')[1]}."
        finding = ["normal", "nodule"][number % 2]
        row = {"acc": own["AccessionNumber"], "report": report, "finding": finding}
        rows.append(row | {"exam": own["StudyDate"]})
    write_table(root / "reports.csv", rows)
    return write_settings(root, **(hospital_settings() | changes))


class KnownOnly:
    """Stands in for Presidio: only what the row itself states is removed."""

    def __init__(self, model):
        pass

    def scrub(self, given, known):
        spans = find_known(given, known)
        for start, end in reversed(spans):
            given = f"{given[:start]}[known]{given[end:]}"
        return given, +Counter(known=len(spans))
