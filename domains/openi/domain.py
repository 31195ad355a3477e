"""OpenI's reports, one XML file each, as one row per image."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree


def rows(rows: Iterable[dict[str, str]], root: Path) -> Iterator[dict[str, str]]:
    """A report without an image gives no row: there are some."""
    for row in rows:
        try:
            report = ElementTree.parse(root / row["file"]).getroot()
        except ElementTree.ParseError as error:
            raise ValueError(f"{row['file']} is not XML") from error
        sections = {
            text.get("Label", ""): " ".join((text.text or "").split())
            for text in report.iter("AbstractText")
        }
        headings = [" ".join((one.text or "").lower().split()) for one in report.iter("major")]
        finding = "" if not headings else "normal" if headings == ["normal"] else "abnormal"
        for number, image in enumerate(report.iter("parentImage"), start=1):
            yield {
                "report": row["name"],
                "image": image.get("id", ""),
                "finding": finding,
                "indication": sections.get("INDICATION", ""),
                "findings": sections.get("FINDINGS", ""),
                "impression": sections.get("IMPRESSION", ""),
                "_where": f"{row['_where']}, image {number}",
            }
