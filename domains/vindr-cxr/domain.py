"""VinDr-CXR's labels: of three radiologists in train, and of their consensus in test."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path


def rows(rows: Iterable[dict[str, str]], root: Path) -> Iterator[dict[str, str]]:
    """One row per image; what most of its readers say counts."""
    readings = defaultdict(list)
    for row in rows:
        readings[row["part"], row["image_id"]].append(row)
    for (part, image), read in readings.items():
        yield {
            "part": part,
            "image_id": image,
            "finding": "normal" if _most(read, "No finding") else "abnormal",
            "cardiomegaly": "yes" if _most(read, "Cardiomegaly") else "no",
            "_where": read[0]["_where"],
        }


def _most(readings: list[dict[str, str]], label: str) -> bool:
    return 2 * sum(float(one[label] or 0) for one in readings) > len(readings)
