"""DICOM files as frames, and what keeps one from being shown."""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import pixels
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from transferlab.core.records import Frames, MediaRef
from transferlab.domain.base.archive_members import open_medium
from transferlab.domain.base.join_keys import person_number
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.media.dicom_display import describe_fallback, render_frame
from transferlab.domain.media.dicom_stream import read_dataset
from transferlab.domain.media.jpeg_extended import register_plugin
from transferlab.domain.media.media_info import FLAT, MediaInfo, mean_brightness, picture_hash
from transferlab.domain.privacy.folding import fold
from transferlab.domain.privacy.known_identifiers import name_words

# What pydicom and its decoders raise on files that break off, contradict themselves or need a
# codec that is not there; they have no common base class.
_BROKEN = (
    ArithmeticError,
    AttributeError,
    BytesLengthException,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)
_PIXEL_ELEMENTS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_OFTEN_EMPTY = ("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth")
_NEEDED = ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated")
_NEEDED_OF_INTEGERS = ("BitsStored", "PixelRepresentation")
_PHOTOMETRIC = (
    *("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB"),
    *("YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "YBR_PARTIAL_420", "YBR_PARTIAL_422"),
)
MAX_VALUES = 1 << 28
"""Of one frame: a mammogram has 2^24, the largest pathology tiles less."""


def decode_dicom(ref: MediaRef) -> Frames:
    """(H, W, 3) uint8 frames as a radiologist would see them: windowed, MONOCHROME1 inverted.

    Of a multi-frame file, ``ref.frames`` evenly spaced frames; one means the middle one.

    Raises:
        UnreadableMedium: the file is no DICOM file, has no pixels, is truncated, or is encoded in a
            way that cannot be decoded.
    """
    with one_sentence(ref.path):
        dataset = _read(ref.path)
        indices = _indices(ref.path, dataset, ref.frames)
        return [_frame(ref.path, dataset, index) for index in indices]


def _frame(path: Path, dataset: Dataset, index: int) -> np.ndarray:
    try:
        stored = pixels.pixel_array(dataset, index=index)
    except RuntimeError:  # what pydicom makes of whatever its decoders raised
        syntax = dataset.file_meta.TransferSyntaxUID
        raise UnreadableMedium(
            path,
            f"the DICOM file's pixels cannot be decoded as {syntax.name}: they are damaged, or "
            "written in a form of it that is not supported",
        ) from None
    return render_frame(stored, dataset, index)


def _indices(path: Path, dataset: Dataset, wanted: int) -> list[int]:
    """Of evenly spaced frames, as many as wanted and there."""
    total = int(dataset.get("NumberOfFrames") or 1)
    if total < 1:
        raise UnreadableMedium(path, f"the DICOM file says that it has {total} frames")
    wanted = min(wanted, total)
    return [int((i + 0.5) * total / wanted) for i in range(wanted)]


def check_dicom(path: Path, *, hashed: bool = False) -> MediaInfo:
    """Decode one frame: only that shows whether compressed pixels are complete.

    Args:
        path: the DICOM file.
        hashed: whether the frame's perceptual hash is wanted too.

    Raises:
        UnreadableMedium: as ``decode_dicom``, or the frame is all one value.
    """
    with one_sentence(path):
        dataset = _read(path)
        (middle,) = _indices(path, dataset, 1)
        frame, note = _frame(path, dataset, middle), describe_fallback(dataset, middle)
        persons = tuple(_persons(dataset)) if hashed else ()
        instance = str(dataset.get("SOPInstanceUID") or "") if hashed else ""
    if frame.min() == frame.max():
        raise UnreadableMedium(path, FLAT)
    grey = Image.fromarray(frame).convert("L") if hashed else None
    return MediaInfo(
        picture_hash=picture_hash(grey) if grey else None,
        brightness=mean_brightness(grey) if grey else None,
        burned_in=_says_burned_in(path),
        persons=persons,
        instance=instance,
        note=note,
    )


def _persons(dataset: Dataset) -> Iterator[str]:
    """Whom the file shows: by the number that one issuer gave, and by name with date of birth."""
    number, issuer = (
        str(dataset.get(name) or "").strip() for name in ("PatientID", "IssuerOfPatientID")
    )
    if number:
        yield person_number(f"{issuer} {number}" if issuer else number)
    name, born = (
        str(dataset.get(one) or "").strip() for one in ("PatientName", "PatientBirthDate")
    )
    if name.strip("^=") and born:
        # In any order and writing: WEISS^ANNA is Anna Weiß.
        words = sorted(fold(word) for word in name_words(name.partition("=")[0] or name))
        yield f"name {' '.join(words)}, born {born}"


def _says_burned_in(path: Path) -> bool:
    with one_sentence(path):
        detail = read_dataset(path, stop_before_pixels=True, specific_tags=["BurnedInAnnotation"])
        return str(detail.get("BurnedInAnnotation") or "").strip().upper() == "YES"


@contextmanager
def one_sentence(path: Path) -> Iterator[None]:
    try:
        # pydicom's warnings quote the values of odd elements, which may be a patient's name.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UnreadableMedium:
        raise
    except InvalidDicomError:
        raise UnreadableMedium(path, _describe_unmarked(path)) from None
    except _BROKEN as error:
        # Not the library's own text, for the same reason as above; which elements it names may be
        # said, as those are words of the standard.
        words = re.findall(r"[A-Z][A-Za-z]+", str(error))
        named = [word for word in words if tag_for_keyword(word)]
        about = f"; it is about {', '.join(dict.fromkeys(named))}" if named else ""
        raise UnreadableMedium(
            path,
            "the DICOM file cannot be decoded: it is damaged, or its encoding is not supported "
            f"({type(error).__name__}{about})",
        ) from error


def _describe_unmarked(path: Path) -> str:
    """Why a file without the marker cannot be read: it may be the bare elements of an image."""
    with open_medium(path) as file:
        start = file.read(2)
    if start in (b"\x02\x00", b"\x08\x00"):
        return (
            "the file holds DICOM elements without the preamble, the marker 'DICM' and "
            "TransferSyntaxUID, which says how pixels are encoded; write it anew with these"
        )
    return "the file is not a DICOM file (the marker 'DICM' is missing)"


def describe_modality(value: str) -> str:
    """A modality for a message: one of the standard's codes, as a broken file may hold any text."""
    return f"modality {value}" if re.fullmatch(r"[A-Z]{2,12}", value) else "modality not stated"


def _read(path: Path) -> Dataset:
    dataset = read_dataset(path)
    # Some devices write these elements without a value, which means the same as leaving them out.
    for name in _OFTEN_EMPTY:
        if name in dataset and dataset[name].VM == 0:
            del dataset[name]
    present = [name for name in _PIXEL_ELEMENTS if name in dataset]
    if not present:
        modality = describe_modality(str(dataset.get("Modality") or ""))
        raise UnreadableMedium(
            path,
            f"the DICOM file has no pixels ({modality}); leave it out of the table",
        )
    _refuse_incomplete(path, dataset)
    size = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel
    if size > MAX_VALUES:
        raise UnreadableMedium(
            path, f"the DICOM file says that a frame has {size:,} values, which is implausible"
        )
    if present[0] == "PixelData" and not dataset.file_meta.TransferSyntaxUID.is_compressed:
        expected = pixels.utils.get_expected_length(dataset)
        if len(dataset.PixelData) < expected:
            raise UnreadableMedium(
                path,
                f"the DICOM file is truncated: {len(dataset.PixelData)} of {expected} bytes of "
                "pixels; copy it again",
            )
    return dataset


def _refuse_incomplete(path: Path, dataset: Dataset) -> None:
    """
    Raises:
        UnreadableMedium: an element is missing without which pixels mean nothing, holds what it
            cannot, or nothing here decodes the pixels; the message names it.
    """
    register_plugin()
    needed = _NEEDED if "PixelData" not in dataset else (*_NEEDED, *_NEEDED_OF_INTEGERS)
    missing = [name for name in needed if dataset.get(name) in (None, "")]
    if missing:
        raise UnreadableMedium(
            path, f"the DICOM file lacks {', '.join(missing)}, without which pixels mean nothing"
        )
    photometric = str(dataset.PhotometricInterpretation)
    if photometric not in _PHOTOMETRIC:
        detail = f" '{photometric}'" if re.fullmatch(r"[A-Z0-9_ ]{1,16}", photometric) else ""
        raise UnreadableMedium(
            path,
            f"the DICOM file's PhotometricInterpretation{detail} is none of the standard's that "
            f"are pictures: {', '.join(_PHOTOMETRIC)}",
        )
    for name, allowed in _allowed(dataset).items():
        if dataset[name].VM != 1 or int(dataset[name].value) not in allowed:
            given = "several" if dataset[name].VM != 1 else int(dataset[name].value)
            raise UnreadableMedium(
                path, f"the DICOM file's {name} is {given}, where {_choices(allowed)} can be"
            )
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        raise UnreadableMedium(
            path, "the DICOM file lacks TransferSyntaxUID, which says how its pixels are encoded"
        )
    if not syntax.is_transfer_syntax or syntax.is_private:
        detail = f" {syntax}" if re.fullmatch(r"[0-9.]{1,64}", syntax) else ""
        raise UnreadableMedium(
            path,
            f"the DICOM file's TransferSyntaxUID{detail} is no transfer syntax of the standard",
        )
    if not syntax.is_compressed:
        return
    try:
        known = pixels.get_decoder(syntax).is_available
    except NotImplementedError:
        known = False
    if not known:
        raise UnreadableMedium(
            path,
            f"the DICOM file's pixels are encoded as {syntax.name}, which nothing here decodes; "
            "write it uncompressed or as JPEG 2000",
        )


def _allowed(dataset: Dataset) -> dict[str, range | tuple[int, ...]]:
    """What the numbers that describe pixels can be, by element."""
    most = 1 << 16
    allowed: dict[str, range | tuple[int, ...]] = {
        "Rows": range(1, most),
        "Columns": range(1, most),
        "SamplesPerPixel": (1, 3),
        "BitsAllocated": (1, 8, 16, 32, 64),
    }
    if "PixelData" in dataset:
        allocated = int(dataset.BitsAllocated)
        allowed |= {"BitsStored": range(1, allocated + 1), "PixelRepresentation": (0, 1)}
    return allowed


def _choices(allowed: range | tuple[int, ...]) -> str:
    if isinstance(allowed, range):
        return f"{allowed.start} to {allowed.stop - 1}"
    return f"{', '.join(map(str, allowed[:-1]))} or {allowed[-1]}"
