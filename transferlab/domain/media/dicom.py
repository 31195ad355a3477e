"""DICOM files: the only module that imports pydicom and MONAI.

Grey images go the way the standard lays down (PS3.3 C.11): modality transformation, VOI
transformation (table or window), then MONOCHROME1 inversion; a MONAI transform scales the result
to 8 bits. Neither pydicom's ``pixel_array`` nor MONAI's reader does all of these by itself.
"""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom import pixels
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from transferlab.core.records import Frames, MediaRef
from transferlab.domain.base.archive_members import readable
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.media.jpeg_extended import register_plugin
from transferlab.domain.media.media_info import FLAT, MediaInfo, picture_hash

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
MAX_VALUES = 1 << 28
"""Of one frame: a mammogram has 2^24, the largest pathology tiles less."""
_FAR = 1e12
"""Beyond any stored value: shows where a window ends."""


def decode_dicom(ref: MediaRef) -> Frames:
    """(H, W, 3) uint8 frames as a radiologist would see them: windowed, MONOCHROME1 inverted.

    Of a multi-frame file, ``ref.frames`` evenly spaced frames; one means the middle one.

    Raises:
        UnreadableMedium: the file is no DICOM file, has no pixels, is truncated, or is encoded in a
            way that cannot be decoded.
    """
    with one_sentence(ref.path):
        dataset = _read(ref.path)
        total = int(dataset.get("NumberOfFrames") or 1)
        if total < 1:
            raise UnreadableMedium(ref.path, f"the DICOM file says that it has {total} frames")
        wanted = min(ref.frames, total)
        indices = [int((i + 0.5) * total / wanted) for i in range(wanted)]
        return [_render(dataset, index) for index in indices]


def check_dicom(path: Path, *, hashed: bool = False) -> MediaInfo:
    """Decode one frame: only that shows whether compressed pixels are complete.

    Args:
        path: the DICOM file.
        hashed: whether the frame's perceptual hash is wanted too.

    Raises:
        UnreadableMedium: as ``decode_dicom``, or the frame is all one value.
    """
    (frame,) = decode_dicom(MediaRef(kind="dicom", path=path))
    if frame.min() == frame.max():
        raise UnreadableMedium(path, FLAT)
    found = picture_hash(Image.fromarray(frame).convert("L")) if hashed else None
    return MediaInfo(picture_hash=found, burned_in=_says_burned_in(path))


def _says_burned_in(path: Path) -> bool:
    with one_sentence(path):
        said = pydicom.dcmread(
            readable(path), stop_before_pixels=True, specific_tags=["BurnedInAnnotation"]
        )
        return str(said.get("BurnedInAnnotation") or "").strip().upper() == "YES"


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
        raise UnreadableMedium(
            path, "the file is not a DICOM file (the marker 'DICM' is missing)"
        ) from None
    except _BROKEN as error:
        # Not the library's own text, for the same reason as above.
        raise UnreadableMedium(
            path,
            "the DICOM file cannot be decoded: it is damaged, or its encoding is not supported "
            f"({type(error).__name__})",
        ) from error


def describe_modality(value: str) -> str:
    """A modality for a message: one of the standard's codes, as a broken file may hold any text."""
    return f"modality {value}" if re.fullmatch(r"[A-Z]{2,12}", value) else "modality not stated"


def _read(path: Path) -> Dataset:
    dataset = pydicom.dcmread(readable(path))
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


def _render(dataset: Dataset, index: int) -> np.ndarray:
    register_plugin()
    stored = pixels.pixel_array(dataset, index=index)
    _take_from_groups(dataset, index)
    photometric = dataset.PhotometricInterpretation
    if photometric == "PALETTE COLOR":
        stored = pixels.apply_color_lut(stored, dataset)
        return _to_8_bits(stored, 0, np.iinfo(stored.dtype).max)
    if stored.ndim == 3:
        return _to_8_bits(stored, 0, 2**dataset.BitsStored - 1)
    grey = _grey(stored, dataset)
    if photometric == "MONOCHROME1":
        grey = 255 - grey
    return np.repeat(grey[:, :, None], 3, axis=2)


def _take_from_groups(dataset: Dataset, index: int) -> None:
    """Put a frame's own rescale and window where pydicom's functions look for them.

    Enhanced multi-frame objects keep them in functional groups (PS3.3 C.7.6.16), those of the frame
    before those of all frames.
    """
    groups: list[Dataset] = []
    for name, number in (
        ("SharedFunctionalGroupsSequence", 0),
        ("PerFrameFunctionalGroupsSequence", index),
    ):
        items = dataset.get(name) or []
        groups += items[number : number + 1]
    for group in groups:
        for name in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
            for element in (group.get(name) or [Dataset()])[0]:
                dataset[element.tag] = element


def _grey(stored: np.ndarray, dataset: Dataset) -> np.ndarray:
    """(H, W) stored values to (H, W) uint8, before any inversion."""
    values = pixels.apply_modality_lut(stored, dataset)
    if dataset.get("VOILUTSequence"):
        bits = dataset.VOILUTSequence[0].LUTDescriptor[2]
        return _to_8_bits(pixels.apply_voi(values, dataset), 0, 2**bits - 1)
    if "WindowCenter" in dataset and "WindowWidth" in dataset:
        # The window's own ends, not the image's: else a picture that does not reach them would be
        # stretched, and two exposures of one patient would look alike.
        ends = pixels.apply_windowing(np.array([-_FAR, _FAR]), dataset)
        return _to_8_bits(pixels.apply_windowing(values, dataset), ends[0], ends[1])
    if dataset.get("BitsStored", 0) == 8 and values is stored and stored.dtype == np.uint8:
        return stored
    padding = dataset.get("PixelPaddingValue")
    seen = values[stored != padding] if padding is not None else values
    seen = seen if seen.size else values
    return _to_8_bits(values, float(seen.min()), float(seen.max()))


def _to_8_bits(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """``low`` to ``high`` spread over 0 to 255; a constant image becomes black."""
    if high <= low:
        return np.zeros(values.shape, dtype=np.uint8)
    # Imported here: it brings torch, and a table of pictures needs neither.
    from monai.transforms import ScaleIntensityRange

    scale = ScaleIntensityRange(a_min=low, a_max=high, b_min=0, b_max=255, clip=True)
    scaled = np.asarray(scale(values.astype(np.float32)))
    return scaled.round().astype(np.uint8)
