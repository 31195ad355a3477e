"""Generated radiographs: the same every time, valid DICOM, and what the table says is visible."""

import csv
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_voi_lut

from transferlab.errors import InputError
from transferlab.worlds.radiographs.anatomy import draw_build
from transferlab.worlds.radiographs.dicom import LARGEST, Radiograph, uid, write_dicom
from transferlab.worlds.radiographs.findings import FINDINGS, ONE_SIDED, Finding
from transferlab.worlds.radiographs.image import draw_exposure, take_picture
from transferlab.worlds.radiographs.notes import (
    CLAIMS,
    COMPLAINTS,
    write_claim,
    write_note,
    write_report,
)
from transferlab.worlds.radiographs.world import write

REQUIRED = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "PresentationIntentType",
    "PatientID",
    "PatientName",
    "PatientSex",
    "PatientAge",
    "PatientBirthDate",
    "StudyDate",
    "ImageType",
    "InstanceNumber",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelIntensityRelationship",
    "PixelIntensityRelationshipSign",
    "RescaleIntercept",
    "RescaleSlope",
    "RescaleType",
    "PresentationLUTShape",
    "LossyImageCompression",
    "BurnedInAnnotation",
    "WindowCenter",
    "WindowWidth",
    "ImageLaterality",
    "AnatomicRegionSequence",
    "PatientOrientation",
    "ViewPosition",
    "ViewCodeSequence",
    "DetectorType",
    "ImagerPixelSpacing",
    "AcquisitionContextSequence",
)
"""Type 1 and 2 attributes of the DX object that apply to a chest image for presentation."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("radiographs")
    write(folder, seed=3, samples=24)
    return folder


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def picture(finding: Finding, *, seed: int = 0) -> np.ndarray:
    """One patient's image; for one seed, images differ in nothing but the finding."""
    rng = np.random.default_rng(seed)
    build = draw_build(rng, female=False)
    exposure = replace(draw_exposure(rng), rotation_degrees=0.0, shift=(0.0, 0.0), scale=1.0)
    return take_picture(build, finding, exposure, rng=rng)


def test_same_seed_same_bytes_and_a_shorter_table_is_a_beginning(written, tmp_path):
    write(tmp_path, seed=3, samples=5)
    long, short = contents(written), contents(tmp_path)
    assert rows_of(tmp_path) == rows_of(written)[:5]
    images = [name for name in short if name.endswith(".dcm")]
    assert len(images) == 5
    assert all(short[name] == long[name] for name in images)


def test_another_seed_gives_other_images(written, tmp_path):
    write(tmp_path, seed=4, samples=1)
    assert contents(tmp_path)["images/syn00001-1.dcm"] != contents(written)["images/syn00001-1.dcm"]


def test_every_file_is_a_dx_image_that_agrees_with_its_row(written):
    rows = rows_of(written)
    photometrics, instances = Counter(), set()
    for row in rows:
        image = pydicom.dcmread(written / "images" / row["file"])
        assert [name for name in REQUIRED if name not in image] == []
        assert image.SOPClassUID.name == "Digital X-Ray Image Storage - For Presentation"
        assert (image.BitsAllocated, image.BitsStored, image.HighBit) == (16, 12, 11)
        assert (image.RescaleSlope, image.RescaleIntercept) == (1, 0)
        assert image.PatientID == row["patient_id"]
        assert image.PatientAge == f"{int(row['age']):03d}Y"
        assert (image.PatientSex, image.ViewPosition) == (row["sex"], row["view"])
        pixels = image.pixel_array
        assert pixels.shape == (256, 256)
        assert pixels.max() <= LARGEST
        assert np.ptp(pixels) > 1000
        assert np.ptp(apply_voi_lut(pixels, image)) > 1000
        photometrics[image.PhotometricInterpretation] += 1
        instances.add(image.SOPInstanceUID)
    assert len(instances) == len(rows) == 24
    assert set(photometrics) == {"MONOCHROME1", "MONOCHROME2"}
    assert {row["view"] for row in rows} == {"PA", "AP"}


def test_monochrome1_is_the_inversion_and_its_window_too(tmp_path):
    film = picture(Finding(kind="nodule", side="left"))
    image = Radiograph(
        pixels=np.round(300 + 3000 * film).astype(np.uint16),
        window=(401, 3200),
        inverted=False,
        patient_id="SYN1",
        sex="F",
        age=50,
        view="PA",
        number=1,
        seed=0,
    )
    shown = {}
    for name, inverted in (("MONOCHROME2", False), ("MONOCHROME1", True)):
        write_dicom(tmp_path / name, replace(image, inverted=inverted))
        read = pydicom.dcmread(tmp_path / name)
        assert read.PhotometricInterpretation == name
        shown[name] = (read.pixel_array.astype(int), apply_voi_lut(read.pixel_array, read))
    stored, windowed = shown["MONOCHROME2"]
    inverted, inverted_windowed = shown["MONOCHROME1"]
    assert np.array_equal(stored, image.pixels)
    assert np.array_equal(inverted, LARGEST - stored)
    np.testing.assert_allclose(LARGEST - inverted_windowed, windowed, atol=1e-6 * LARGEST)


def test_uids_are_valid_and_depend_on_their_parts_only():
    assert uid("a", 1) == uid("a", 1) != uid("a", 2)
    assert uid("a", 1).is_valid


@pytest.mark.parametrize("kind", ONE_SIDED)
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_finding_changes_the_half_of_the_picture_where_its_side_is(kind, side):
    healthy = picture(Finding(kind="none"))
    ill = picture(Finding(kind=kind, side=side, severity=0.0, across=0.65, depth=0.5))
    change = np.abs(ill - healthy)
    # The patient faces us: the patient's left is on the right of the picture.
    left, right = change[:, 128:].sum(), change[:, :128].sum()
    here, there = (left, right) if side == "left" else (right, left)
    assert here > 5 * there
    # The smallest ones are still visible: over a block of 12 pixels, well above the noise.
    blocks = (ill - healthy)[:252, :252].reshape(21, 12, 21, 12).mean(axis=(1, 3))
    assert np.abs(blocks).max() > 0.08


def test_pneumothorax_is_darker_and_the_others_are_brighter():
    healthy = picture(Finding(kind="none"))
    for kind in ONE_SIDED:
        finding = Finding(kind=kind, side="right", severity=0.7, across=0.6, depth=0.5)
        change = picture(finding) - healthy
        outside = change[40:150, :128].ravel()[np.abs(change[40:150, :128].ravel()) > 0.1]
        assert outside.size > 20, kind
        if kind == "pneumothorax":
            assert np.quantile(outside, 0.1) < -0.1
        else:
            assert np.median(outside) > 0.1, kind


def test_cardiomegaly_is_a_heart_over_half_the_chest():
    healthy = picture(Finding(kind="none"))
    change = picture(Finding(kind="cardiomegaly", severity=0.0)) - healthy
    assert change[120:190, 60:200].max() > 0.15
    assert change.sum() > 0


def test_patients_have_one_to_three_images_and_stay_themselves(written):
    by_patient = defaultdict(list)
    for row in rows_of(written):
        by_patient[row["patient_id"]].append(row)
    assert set(map(len, by_patient.values())) == {1, 2, 3}
    for rows in by_patient.values():
        assert len({(row["age"], row["sex"]) for row in rows}) == 1
        assert len({row["finding"] for row in rows} - {"none"}) <= 1


def test_side_report_and_claim_agree_with_the_finding(written):
    for row in rows_of(written):
        assert (row["side"] != "") == (row["finding"] in ONE_SIDED)
        assert row["report"].endswith("no finding" if row["finding"] == "none" else row["finding"])
        assert row["side"] in row["report"]
        same = CLAIMS.get(row["finding"]) == row["claim"]
        assert row["claim_true"] == ("yes" if same else "no")


def test_report_grades_the_severity():
    def report(severity: float) -> str:
        return write_report(Finding(kind="effusion", side="left", severity=severity))

    assert [report(s) for s in (0.0, 0.5, 1.0)] == [
        "small left effusion",
        "moderate left effusion",
        "large left effusion",
    ]


def test_notes_hint_at_the_finding_without_giving_it_away():
    rng = np.random.default_rng(0)
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for finding in FINDINGS:
        for _ in range(500):
            note = write_note(rng, finding=finding, age=50, sex="M")
            counts[note.split(", ")[1]][finding] += 1
    assert set(counts) == {text for texts in COMPLAINTS.values() for text in texts}
    # Whoever guesses the commonest finding of each complaint is right this often.
    best = sum(max(by_finding.values()) for by_finding in counts.values()) / 3000
    assert 0.3 < best < 0.55
    assert all(len(by_finding) == len(FINDINGS) for by_finding in counts.values())


def test_claims_are_as_often_true_as_not():
    rng = np.random.default_rng(0)
    said = Counter(write_claim(rng, finding=FINDINGS[i % 6])[1] for i in range(3000))
    assert 0.45 < said["yes"] / 3000 < 0.55


@pytest.mark.parametrize(("samples", "seed"), [(0, 0), (1, -1)])
def test_impossible_options_are_one_sentence(tmp_path, samples, seed):
    with pytest.raises(InputError, match="samples must be at least 1"):
        write(tmp_path, seed=seed, samples=samples)
