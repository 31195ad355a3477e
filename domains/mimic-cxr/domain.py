"""MIMIC-CXR's records with the sections of their study's report."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

SECTION = re.compile(r"^\s*([A-Z][A-Z /]+):", flags=re.MULTILINE)


def _section(report: str, name: str) -> str:
    """The words of one section of a report, "" where it has none."""
    parts = SECTION.split(report)
    for heading, text in zip(parts[1::2], parts[2::2], strict=True):
        if heading.strip() == name:
            return " ".join(text.split())
    return ""


def rows(rows: Iterable[dict[str, str]], root: Path) -> Iterator[dict[str, str]]:
    for row in rows:
        report = root / f"{row['path'].rpartition('/')[0]}.txt"
        text = report.read_text("utf-8", errors="replace") if report.is_file() else ""
        yield row | {
            "findings": _section(text, "FINDINGS"),
            "impression": _section(text, "IMPRESSION"),
        }
