"""Small domains, DICOM files and films, written where a test wants them."""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import yaml
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from transferlab.domain.catalog import DomainEntry, find_domains

DX_IMAGE = "1.2.840.10008.5.1.4.1.1.1.1.1"


def domain_settings(**changes: object) -> dict[str, object]:
    """A sound domain.yaml over pictures, as keys and values."""
    return {
        "name": "toy",
        "version": 1,
        "title": "Toy pictures",
        "field": "testing",
        "licence": "CC0-1.0",
        "source": {
            "kind": "table",
            "path": "metadata.csv",
            "media": {"image": {"kind": "image", "path": "{file}"}},
        },
        "group": "patient",
        "splits": {"train": 0.6, "validation": 0.2, "test": 0.2, "seed": 0},
        "attributes": ["sex"],
        "tasks": {
            "finding": {
                "kind": "classify",
                "prompt": "<image>\nNote: {note}\nWhich finding?",
                "answer": "{finding}",
                "metrics": ["accuracy"],
            }
        },
    } | changes


def toy_rows(patients: int = 10, *, per_patient: int = 2) -> list[dict[str, str]]:
    """Rows of a sound table; patients are called P0, P1 and so on."""
    return [
        {
            "file": f"images/{p}_{i}.png",
            "patient": f"P{p}",
            "sex": "FM"[p % 2],
            "note": "None" if i else "cough",
            "finding": ["none", "nodule"][(p + i) % 2],
        }
        for p in range(patients)
        for i in range(per_patient)
    ]


def write_table(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_domain(
    folder: Path, *, rows: list[dict[str, str]] | None = None, **changes: object
) -> DomainEntry:
    """A domain whose data lie beside its domain.yaml; every picture is there."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = toy_rows() if rows is None else rows
    write_table(folder / "metadata.csv", rows)
    for number, row in enumerate(rows):
        path = folder / row.get("file", "")
        if path.suffix == ".png":
            path.parent.mkdir(exist_ok=True)
            write_picture(path, number)
    return write_settings(folder, **changes)


def picture(number: int, *, side: int = 8) -> Image.Image:
    """A grey picture of its own for every number, unlike all the others."""
    small = np.random.default_rng(number).integers(0, 256, (8, 8), np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.NEAREST)


def write_picture(path: Path, number: int, *, side: int = 8, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(number, side=side).save(path, **options)
    return path


def write_settings(folder: Path, **changes: object) -> DomainEntry:
    folder.mkdir(parents=True, exist_ok=True)
    settings = domain_settings(**changes)
    (folder / "domain.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return find_domains([folder])[str(settings["name"])]


def write_dicom(path: Path, stored: np.ndarray, **elements: object) -> Path:
    """A DX image of uint16 or uint8 ``stored`` values, (H, W); ``elements`` by DICOM keyword."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DX_IMAGE
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    bits = 8 * stored.dtype.itemsize
    settings = {
        "SOPClassUID": DX_IMAGE,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "Modality": "DX",
        "PatientName": "Secret^Sally",
        "Rows": stored.shape[0],
        "Columns": stored.shape[1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": 0,
        "PixelData": stored.tobytes(),
    } | elements
    for keyword, value in settings.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    return path


def write_film(
    path: Path, *, frames: int, rate: int, size: tuple[int, int] = (32, 32), gop: int = 12
) -> Path:
    """An H.264 film whose n-th frame is grey of brightness 16 + 4n, so that a frame tells its n."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate))
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.options = {"crf": "1", "g": str(gop), "sc_threshold": "0", "preset": "ultrafast"}
        container.start_encoding()  # else a film without frames would be no file at all
        for number in range(frames):
            pixels = np.full((size[1], size[0], 3), 16 + 4 * number, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def frame_numbers(frames: list[np.ndarray]) -> list[int]:
    """Which frames of ``write_film`` these are."""
    return [round((float(frame.mean()) - 16) / 4) for frame in frames]


def write_sound(path: Path) -> Path:
    """A file with a tenth of a second of silence and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        for packet in [*stream.encode(frame), *stream.encode()]:
            container.mux(packet)
    return path
