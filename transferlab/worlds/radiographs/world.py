"""Made-up chest radiographs with clinical notes, written as DICOM files and one table."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from transferlab.errors import InputError
from transferlab.worlds.radiographs.anatomy import Build, draw_build
from transferlab.worlds.radiographs.dicom import LARGEST, Radiograph, write_dicom
from transferlab.worlds.radiographs.findings import FINDINGS, Finding, draw_finding
from transferlab.worlds.radiographs.image import draw_exposure, take_picture
from transferlab.worlds.radiographs.notes import write_claim, write_note, write_report

COLUMNS = (
    "file",
    "patient_id",
    "age",
    "age_band",
    "sex",
    "view",
    "finding",
    "side",
    "note",
    "report",
    "claim",
    "claim_true",
)

RESOLVED_FRACTION = 0.1
"""How often a later image of a patient no longer shows the finding."""

NEVER_ILL_FRACTION = 0.12
"""Patients without finding; with the resolved ones, they make a sixth of all images."""


def write(folder: Path, *, seed: int, samples: int) -> None:
    """Write ``metadata.csv`` and ``images/*.dcm``: one row per image, one to three per patient.

    Args:
        folder: exists; what it holds under these names is replaced.
        seed: the same seed gives the same bytes, and the first images of a longer table.
        samples: images, at least 1.

    Raises:
        InputError: ``samples`` is below 1 or ``seed`` is negative.
    """
    if samples < 1 or seed < 0:
        raise InputError(
            f"radiographs: samples must be at least 1 and seed at least 0, got {samples} and {seed}"
        )
    images = folder / "images"
    images.mkdir(exist_ok=True)
    rows: list[dict[str, str]] = []
    number = 0
    while len(rows) < samples:
        number += 1
        for row, image in _patient(seed, number):
            if len(rows) == samples:
                break
            write_dicom(images / row["file"], image)
            rows.append(row)
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


@dataclass(frozen=True, kw_only=True)
class Patient:
    """A made-up person; the images of one patient share all of this."""

    identifier: str
    sex: str
    age: int
    build: Build


def _patient(seed: int, number: int) -> Iterator[tuple[dict[str, str], Radiograph]]:
    """The images of one patient, each with its row; they depend on ``seed`` and ``number`` only."""
    rng = np.random.default_rng([seed, number])
    sex = "F" if rng.uniform() < 0.5 else "M"
    patient = Patient(
        identifier=f"SYN{number:05d}",
        sex=sex,
        age=int(np.clip(rng.normal(58, 16), 20, 89)),
        build=draw_build(rng, female=sex == "F"),
    )
    kind = "none" if rng.uniform() < NEVER_ILL_FRACTION else FINDINGS[1 + rng.integers(5)]
    finding = draw_finding(rng, kind)
    for visit in range(1, int(rng.integers(1, 4)) + 1):
        shown = finding if visit == 1 else _later(rng, finding)
        image = _radiograph(rng, patient, shown, visit=visit, seed=seed)
        yield _row(rng, image, shown), image


def _later(rng: np.random.Generator, finding: Finding) -> Finding:
    """The finding at a later visit: gone, or the same one grown or shrunk."""
    if rng.uniform() < RESOLVED_FRACTION:
        return Finding(kind="none")
    return replace(finding, severity=float(np.clip(finding.severity + rng.normal(0, 0.25), 0, 1)))


def _radiograph(
    rng: np.random.Generator, patient: Patient, finding: Finding, *, visit: int, seed: int
) -> Radiograph:
    exposure = draw_exposure(rng)
    film = take_picture(patient.build, finding, exposure, rng=rng)
    # Detectors differ in offset and gain: only the window in the header makes images comparable.
    pixels = np.round(rng.uniform(80, 600) + rng.uniform(2000, 3400) * film)
    pixels = np.clip(pixels, 0, LARGEST).astype(np.uint16)
    low, high = np.percentile(pixels[16:-16, 16:-16], [0.5, 99.5])
    slack = (high - low) * rng.uniform(-0.04, 0.1, size=2)
    return Radiograph(
        pixels=pixels,
        window=(int(low - slack[0]), int(high + slack[1])),
        inverted=bool(rng.uniform() < 0.35),
        patient_id=patient.identifier,
        sex=patient.sex,
        age=patient.age,
        view=exposure.view,
        number=visit,
        seed=seed,
    )


def _row(rng: np.random.Generator, image: Radiograph, finding: Finding) -> dict[str, str]:
    claim, claim_true = write_claim(rng, finding=finding.kind)
    return {
        "file": f"{image.patient_id.lower()}-{image.number}.dcm",
        "patient_id": image.patient_id,
        "age": str(image.age),
        "age_band": "under 50"
        if image.age < 50
        else "50 to 69"
        if image.age < 70
        else "70 or more",
        "sex": image.sex,
        "view": image.view,
        "finding": finding.kind,
        "side": finding.side,
        "note": write_note(rng, finding=finding.kind, age=image.age, sex=image.sex),
        "report": write_report(finding),
        "claim": claim,
        "claim_true": claim_true,
    }
