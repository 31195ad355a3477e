"""MIMIC-CXR-JPG's tables joined, with the reports of MIMIC-CXR where they are there."""

import csv
import gzip
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

METADATA = "mimic-cxr-2.0.0-metadata.csv.gz"
CHEXPERT = "mimic-cxr-2.0.0-chexpert.csv.gz"
NO_LABELS = ("subject_id", "study_id", "No Finding", "Support Devices")


SECTION = re.compile(r"^\s*([A-Z][A-Z /]+):", flags=re.MULTILINE)


def _section(report: str, name: str) -> str:
    """The words of one section of a report, "" where it has none."""
    parts = SECTION.split(report)
    for heading, text in zip(parts[1::2], parts[2::2], strict=True):
        if heading.strip() == name:
            return " ".join(text.split())
    return ""


def rows(rows: Iterable[dict[str, str]], root: Path) -> Iterator[dict[str, str]]:
    views = {one["dicom_id"]: one["ViewPosition"] for one in _table(root / METADATA)}
    labels = {one["study_id"]: one for one in _table(root / CHEXPERT)}
    for row in rows:
        patient, study = row["subject_id"], row["study_id"]
        folder = f"files/p{patient[:2]}/p{patient}/s{study}"
        report = root / f"{folder}.txt"
        text = report.read_text("utf-8", errors="replace") if report.is_file() else ""
        yield row | {
            "study": folder,
            "ViewPosition": views[row["dicom_id"]],
            "finding": _finding(labels.get(study, {})),
            "impression": _section(text, "IMPRESSION"),
        }


def _finding(labels: dict[str, str]) -> str:
    """Normal or abnormal; "" where the labeller found neither, or was not sure."""
    if labels.get("No Finding") == "1.0":
        return "normal"
    present = any(value == "1.0" for name, value in labels.items() if name not in NO_LABELS)
    return "abnormal" if present else ""


def _table(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
