"""What `domains check` costs: pictures per second, and memory by the number of rows.

    python benchmarks/domain_check.py [--pictures 500] [--rows 10000 100000] [--kinds csv dicom ...]

Speed is measured on 512-pixel grey JPEGs of 40 to 60 KB. Memory is measured for each kind of
source: every row of csv has a picture of its own, of 24 pixels; rows of jsonl, json and chat share
100 of them; files of dicom differ in identifiers alone, and are joined with a table of reports.
Every measurement runs in a process of its own; the peak is that of its resident memory.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

SHARED = 100
"""Pictures that the rows of a table share, where it is the rows that are measured."""
PER_FOLDER = 1000
LABELS = ["round", "square"]
IMAGE = {"image": {"kind": "image", "path": "{file}"}}


def settings(source: dict[str, Any], *, mark: str, asked: str, group: str) -> dict[str, Any]:
    """The content of a domain.yaml."""
    task = {
        "kind": "classify",
        "prompt": f"<{mark}>\n{asked}: which shape?",
        "answer": "{shape}",
        "choices": LABELS,
        "metrics": ["accuracy"],
    }
    return {
        "name": "bench",
        "version": 1,
        "title": "Benchmark",
        "field": "testing",
        "licence": "CC0-1.0",
        "source": source,
        "group": group,
        "tasks": {"shape": task},
    }


def write_pictures(folder: Path, *, count: int, side: int) -> None:
    """Pictures of ``side`` pixels, each unlike the others."""
    (folder / "images").mkdir(parents=True)
    generator = np.random.default_rng(0)
    for number in range(count):
        coarse = generator.integers(0, 256, (16, 16), np.uint8)
        picture = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
        if side > 64:
            noise = generator.integers(-12, 13, (side, side))
            picture = Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype("uint8"))
        picture.save(folder / "images" / f"{number}.jpg", quality=90)


def rows_of(rows: int, pictures: int) -> Iterator[dict[str, str]]:
    """A table's: two pictures are one owner's."""
    for number in range(rows):
        shown = number % pictures
        yield {
            "number": str(number),
            "file": f"images/{shown}.jpg",
            "owner": f"o{shown // 2}",
            "shape": LABELS[shown % 2],
        }


def write_csv(folder: Path, rows: int, *, side: int = 24) -> dict[str, Any]:
    write_pictures(folder, count=rows, side=side)
    with (folder / "rows.csv").open("w") as table:
        table.write("number,file,owner,shape\n")
        table.writelines(",".join(row.values()) + "\n" for row in rows_of(rows, rows))
    source = {"kind": "table", "path": "rows.csv", "media": IMAGE}
    return settings(source, mark="image", asked="{number}", group="owner")


def write_jsonl(folder: Path, rows: int) -> dict[str, Any]:
    write_pictures(folder, count=SHARED, side=24)
    with (folder / "rows.jsonl").open("w") as table:
        table.writelines(json.dumps(row) + "\n" for row in rows_of(rows, SHARED))
    source = {"kind": "table", "path": "rows.jsonl", "media": IMAGE}
    return settings(source, mark="image", asked="{number}", group="owner")


def write_json(folder: Path, rows: int) -> dict[str, Any]:
    write_pictures(folder, count=SHARED, side=24)
    (folder / "rows.json").write_text(json.dumps(list(rows_of(rows, SHARED))))
    source = {"kind": "table", "path": "rows.json", "media": IMAGE}
    return settings(source, mark="image", asked="{number}", group="owner")


def write_chat(folder: Path, rows: int) -> dict[str, Any]:
    write_pictures(folder, count=SHARED, side=24)
    items = [
        {
            "id": row["number"],
            "image": row["file"],
            "conversations": [
                {"from": "human", "value": f"<image>\n{row['number']}: which shape?"},
                {"from": "gpt", "value": row["shape"]},
            ],
        }
        for row in rows_of(rows, SHARED)
    ]
    (folder / "talks.json").write_text(json.dumps(items))
    media = {"image": {"kind": "image", "path": "{path}"}}
    made = settings({"kind": "chat", "path": "talks.json", "media": media}, mark="", asked="",
                    group="about")  # fmt: skip
    made["tasks"]["shape"] |= {"prompt": "{prompt}", "answer": "{answer}"}
    return made


def write_dicom(folder: Path, rows: int) -> dict[str, Any]:
    """One file's bytes with other identifiers of the same length in it."""
    import pydicom

    dataset = pydicom.Dataset()
    dataset.update({"PatientID": "P0000000", "AccessionNumber": "A0000000", "Modality": "DX"})
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.826.0.1"
    dataset.Rows = dataset.Columns = 24
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 7, 0, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = np.random.default_rng(0).integers(0, 256, (24, 24), np.uint8).tobytes()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    one = folder / "one.dcm"
    folder.mkdir(parents=True)
    dataset.save_as(one, enforce_file_format=True)
    content = one.read_bytes()
    one.unlink()
    with (folder / "reports.csv").open("w") as table:
        table.write("accession,number,shape\n")
        for row in range(rows):
            place = folder / "archive" / f"{row // PER_FOLDER:04}" / f"{row:07}"
            place.parent.mkdir(parents=True, exist_ok=True)
            patient = content.replace(b"P0000000", f"P{row // 2:07}".encode())
            place.write_bytes(patient.replace(b"A0000000", f"A{row:07}".encode()))
            table.write(f"A{row:07},{row},{LABELS[row % 2]}\n")
    source = {
        "kind": "dicom",
        "path": "archive",
        "reports": {"path": "reports.csv", "column": "accession", "tag": "AccessionNumber"},
        "media": {"xray": {"kind": "dicom", "path": "{file}"}},
    }
    return settings(source, mark="xray", asked="{number}", group="PatientID")


KINDS = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "json": write_json,
    "chat": write_chat,
    "dicom": write_dicom,
}


def write(folder: Path, kind: str, rows: int, **options: Any) -> Path:
    """A domain of ``rows`` rows."""
    made = KINDS[kind](folder, rows, **options)
    (folder / "domain.yaml").write_text(yaml.safe_dump(made))
    return folder


def peak_mb() -> float:
    """The most resident memory of this program so far.

    Linux only: ``ru_maxrss`` would count what the process that started this one had.
    """
    status = Path("/proc/self/status").read_text()
    return (
        int(next(one for one in status.splitlines() if one.startswith("VmHWM")).split()[1]) / 1024
    )


def measure(folder: Path) -> dict[str, float]:
    """Check a domain in this process."""
    from transferlab.domain.catalog import read_entry
    from transferlab.domain.validation.domain_check import check_domain

    entry = read_entry(folder)
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    report = check_domain(entry)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "rows": report.rows,
        "files": report.media,
        "errors": len(report.errors),
        "seconds": seconds,
        "cpu_seconds": cpu,
        "peak_mb": peak_mb(),
    }


def apart(folder: Path) -> dict[str, float]:
    """``measure`` in a process of its own."""
    command = [sys.executable, __file__, "--measure", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=500, help="of 512 pixels; 0 leaves it out")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--measure", type=Path)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure)))
        return
    with tempfile.TemporaryDirectory() as place:
        if given.pictures:
            folder = write(Path(place) / "speed", "csv", given.pictures, side=512)
            size = sum(f.stat().st_size for f in (folder / "images").iterdir())
            found = apart(folder)
            print(
                f"{given.pictures} JPEGs of 512 px, {size / given.pictures / 1000:.0f} KB each: "
                f"{found['files'] / found['cpu_seconds']:.0f} per CPU second, "
                f"{found['files'] / found['seconds']:.0f} per second"
            )
        for kind in given.kinds:
            for rows in given.rows:
                found = apart(write(Path(place) / f"{kind}{rows}", kind, rows))
                print(
                    f"{kind}, {rows} rows: peak {found['peak_mb']:.0f} MB, "
                    f"{found['cpu_seconds']:.1f} CPU s, {found['errors']} errors",
                    flush=True,
                )


if __name__ == "__main__":
    main()
