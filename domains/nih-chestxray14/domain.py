"""NIH ChestX-ray14's labels as answers, and the folder that each image was published in."""

from collections.abc import Iterable, Iterator
from pathlib import Path


def rows(rows: Iterable[dict[str, str]], root: Path) -> Iterator[dict[str, str]]:
    folders = {
        path.name: f"{path.parent.relative_to(root).as_posix()}/"
        for pattern in ("images_*/images/*.png", "images/*.png")
        for path in root.glob(pattern)
    }
    for row in rows:
        labels = [one.replace("_", " ").lower() for one in row["Finding Labels"].split("|")]
        normal = labels == ["no finding"]
        yield row | {
            # Data_Entry_2017_v2020.csv calls the column by another name.
            "Patient Gender": row.get("Patient Gender") or row.get("Patient Sex", ""),
            # An image that is in none of the folders keeps its name, and is told as missing.
            "folder": folders.get(row["Image Index"], "images/"),
            "finding": "normal" if normal else "abnormal",
            "only": labels[0] if len(labels) == 1 and not normal else "",
        }
