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
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom import pixels
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue

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
_GREY_ELEMENTS = frozenset(
    [
        *("PhotometricInterpretation", "BitsAllocated", "BitsStored", "PixelRepresentation"),
        *("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "RescaleType"),
        *("VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction"),
        *("PixelPaddingValue", "PixelPaddingRangeLimit"),
        *("RedPaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData"),
        *("GreenPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableData"),
        *("BluePaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableData"),
        *("AlphaPaletteColorLookupTableDescriptor", "AlphaPaletteColorLookupTableData"),
        *("SegmentedRedPaletteColorLookupTableData", "PaletteColorLookupTableUID"),
        *("SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData"),
    ]
)
"""What decides how stored values become grey or colour."""
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
        # Not the library's own text, for the same reason as above; which elements it names may be
        # said, as those are words of the standard.
        named = [
            word for word in re.findall(r"[A-Z][A-Za-z]+", str(error)) if tag_for_keyword(word)
        ]
        about = f"; it is about {', '.join(dict.fromkeys(named))}" if named else ""
        raise UnreadableMedium(
            path,
            "the DICOM file cannot be decoded: it is damaged, or its encoding is not supported "
            f"({type(error).__name__}{about})",
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


NEEDED = ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated")


def _refuse_incomplete(path: Path, dataset: Dataset) -> None:
    """
    Raises:
        UnreadableMedium: an element is missing without which pixels mean nothing, or nothing here
            decodes them; the message names it.
    """
    register_plugin()
    missing = [name for name in NEEDED if dataset.get(name) in (None, "")]
    if missing:
        raise UnreadableMedium(
            path, f"the DICOM file lacks {', '.join(missing)}, without which pixels mean nothing"
        )
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        raise UnreadableMedium(
            path, "the DICOM file lacks TransferSyntaxUID, which says how its pixels are encoded"
        )
    if not syntax.is_transfer_syntax or syntax.is_private:
        raise UnreadableMedium(
            path,
            f"the DICOM file's TransferSyntaxUID {syntax} is no transfer syntax of the standard",
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


def _render(dataset: Dataset, index: int) -> np.ndarray:
    stored = _without_overlays(pixels.pixel_array(dataset, index=index), dataset)
    dataset = _of_frame(dataset, index)
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


def _without_overlays(stored: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Stored values without what stands in the bits above them (PS3.5 8.1.1)."""
    kept, allocated = int(dataset.get("BitsStored") or 0), int(dataset.BitsAllocated)
    if stored.ndim != 2 or not np.issubdtype(stored.dtype, np.integer) or not 0 < kept < allocated:
        return stored
    high = int(dataset.get("HighBit") or kept - 1)
    if high != kept - 1:
        return stored
    values = stored.astype(np.int64) & ((1 << kept) - 1)
    if int(dataset.get("PixelRepresentation") or 0):
        values = np.where(values >= 1 << (kept - 1), values - (1 << kept), values)
    return values.astype(stored.dtype)


def _of_frame(dataset: Dataset, index: int) -> Dataset:
    """The elements with a frame's own rescale and window where pydicom's functions look for them.

    Enhanced multi-frame objects keep them in functional groups (PS3.3 C.7.6.16), those of the frame
    before those of all frames. Nothing of one frame is left for the next.
    """
    own = Dataset()
    own.update({element.tag: element for element in dataset if element.keyword in _GREY_ELEMENTS})
    for name, number in (
        ("SharedFunctionalGroupsSequence", 0),
        ("PerFrameFunctionalGroupsSequence", index),
    ):
        for group in (dataset.get(name) or [])[number : number + 1]:
            for part in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
                own.update({one.tag: one for one in (group.get(part) or [Dataset()])[0]})
    return own


def _grey(stored: np.ndarray, dataset: Dataset) -> np.ndarray:
    """(H, W) stored values to (H, W) uint8, before any inversion."""
    values = _modality_values(stored, dataset)
    if dataset.get("VOILUTSequence"):
        bits = dataset.VOILUTSequence[0].LUTDescriptor[2]
        return _to_8_bits(pixels.apply_voi(values, dataset), 0, 2**bits - 1)
    ends = _window_ends(dataset)
    if ends is not None:
        # The window's own ends, not the image's: else a picture that does not reach them would be
        # stretched, and two exposures of one patient would look alike.
        if isinstance(ends, tuple):
            return _to_8_bits(values, *ends)
        windowed = pixels.apply_windowing(values, dataset)
        return _to_8_bits(windowed, float(ends[0]), float(ends[1]))
    if dataset.get("BitsStored", 0) == 8 and values is stored and stored.dtype == np.uint8:
        return stored
    seen = values[~_is_padding(stored, dataset) & np.isfinite(values)]
    if not seen.size:
        seen = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    return _to_8_bits(values, float(seen.min()), float(seen.max()))


def _modality_values(stored: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Stored values by the modality's table or rescale; a table may have any number of bits."""
    if not dataset.get("ModalityLUTSequence"):
        return pixels.apply_modality_lut(stored, dataset)
    item = dataset.ModalityLUTSequence[0]
    count, first, bits = (int(value) for value in item.LUTDescriptor)
    data = item.LUTData
    if isinstance(data, bytes):
        kind = "<u1" if bits <= 8 and len(data) < 2 * (count or 65_536) else "<u2"
        data = np.frombuffer(data, kind)
    table = np.asarray(data).astype(np.int64) & ((1 << bits) - 1)
    if int(dataset.get("PixelRepresentation") or 0) and first > 32_767:
        first -= 65_536  # written as if it were unsigned
    return table[np.clip(stored.astype(np.int64) - first, 0, len(table) - 1)]


def _window_ends(dataset: Dataset) -> tuple[float, float] | np.ndarray | None:
    """Where the window ends: in modality values, or, as an array, in what pydicom makes of them.

    None without a usable window, as of a width that is 0 or negative: the full range is then shown.
    A width between 0 and 1, of values that are no whole numbers, is taken as it stands.
    """
    if "WindowCenter" not in dataset or "WindowWidth" not in dataset:
        return None
    centre, width = _first_number(dataset.WindowCenter), _first_number(dataset.WindowWidth)
    if width <= 0:
        return None
    if width < 1:
        return centre - width / 2, centre + width / 2
    return pixels.apply_windowing(np.array([-_FAR, _FAR]), dataset)


def _first_number(value: Any) -> float:
    several = isinstance(value, MultiValue | list)
    return float(value[0] if several else value)


def _is_padding(stored: np.ndarray, dataset: Dataset) -> np.ndarray:
    """(H, W) bool: what PixelPaddingValue, up to PixelPaddingRangeLimit, says is no picture."""
    ends = [dataset.get(name) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    given = [int(end) for end in ends if end is not None]
    if not given or ends[0] is None:
        return np.zeros(stored.shape, bool)
    if int(dataset.get("PixelRepresentation") or 0):
        # Often written as unsigned beside signed pixels.
        allocated = int(dataset.get("BitsAllocated") or 16)
        given = [end - (1 << allocated) if end >= 1 << (allocated - 1) else end for end in given]
    return (stored >= min(given)) & (stored <= max(given))


def _to_8_bits(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """``low`` to ``high`` spread over 0 to 255; a constant image becomes black."""
    if high <= low:
        return np.zeros(values.shape, dtype=np.uint8)
    # Imported here: it brings torch, and a table of pictures needs neither.
    from monai.transforms import ScaleIntensityRange

    scale = ScaleIntensityRange(a_min=low, a_max=high, b_min=0, b_max=255, clip=True)
    finite = np.nan_to_num(values.astype(np.float32), nan=low, posinf=high, neginf=low)
    scaled = np.asarray(scale(finite))
    return scaled.round().astype(np.uint8)
