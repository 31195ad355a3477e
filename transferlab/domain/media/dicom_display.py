"""Stored values of DICOM frames as a radiologist would see them, in 8 bits.

Grey images go the way the standard lays down (PS3.3 C.11): modality transformation, VOI
transformation (table or window), then MONOCHROME1 inversion; a MONAI transform scales the result
to 8 bits. Neither pydicom's ``pixel_array`` nor MONAI's reader does all of these by itself.
"""

from __future__ import annotations

import math

import numpy as np
from pydicom import pixels
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

_GREY_ELEMENTS = frozenset(
    [
        *("PhotometricInterpretation", "BitsAllocated", "BitsStored", "PixelRepresentation"),
        *("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "RescaleType"),
        *("VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction"),
        *("PixelPaddingValue", "PixelPaddingRangeLimit"),
        *("FloatPixelPaddingValue", "FloatPixelPaddingRangeLimit"),
        *("DoubleFloatPixelPaddingValue", "DoubleFloatPixelPaddingRangeLimit"),
        *("RedPaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData"),
        *("GreenPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableData"),
        *("BluePaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableData"),
        *("AlphaPaletteColorLookupTableDescriptor", "AlphaPaletteColorLookupTableData"),
        *("SegmentedRedPaletteColorLookupTableData", "PaletteColorLookupTableUID"),
        *("SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData"),
    ]
)
"""What decides how stored values become grey or colour."""
_FAR = 1e12
"""Beyond any stored value: shows where a window ends."""
_WINDOW_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def render_frame(stored: np.ndarray, dataset: Dataset, index: int) -> np.ndarray:
    """(H, W, 3) uint8: one frame, windowed, MONOCHROME1 inverted.

    Args:
        stored: (H, W) or (H, W, 3) values of the frame as pydicom decodes them, any number type.
        dataset: the file's elements.
        index: of the frame, from 0.
    """
    stored = _without_overlays(stored, dataset)
    own = _elements_of_frame(dataset, index)
    photometric = own.PhotometricInterpretation
    if photometric == "PALETTE COLOR":
        stored = pixels.apply_color_lut(stored, own)
        return _to_8_bits(stored, 0, np.iinfo(stored.dtype).max)
    if stored.ndim == 3:
        return _to_8_bits(stored, 0, 2**own.BitsStored - 1)
    grey = _grey(stored, own)
    if photometric == "MONOCHROME1":
        grey = 255 - grey
        grey[np.isnan(stored)] = 0  # no value is background, whichever end is bright
    return np.repeat(grey[:, :, None], 3, axis=2)


def describe_fallback(dataset: Dataset, index: int) -> str | None:
    """What a frame says of its display that cannot be obeyed, for a message; None if nothing."""
    own = _elements_of_frame(dataset, index)
    notes = []
    if not _has_usable_rescale(own):
        notes.append(f"RescaleSlope is {own.RescaleSlope}: stored values are shown as they are")
    if own.get("VOILUTSequence") or not {"WindowCenter", "WindowWidth"} <= set(own.dir()):
        return "; ".join(notes) or None
    _, width = _window(own)
    if _window_ends(own) is None:
        notes.append(f"WindowWidth is {width:g}: the full range of its values is shown")
    elif own.get("VOILUTFunction", "LINEAR") not in _WINDOW_FUNCTIONS:
        notes.append("VOILUTFunction is none of the standard's: the window is taken as LINEAR")
    return "; ".join(notes) or None


def _without_overlays(stored: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Stored values without what stands in the bits above them (PS3.5 8.1.1)."""
    stored_bits, allocated = int(dataset.get("BitsStored") or 0), int(dataset.BitsAllocated)
    if (
        stored.ndim != 2
        or not np.issubdtype(stored.dtype, np.integer)
        or not 0 < stored_bits < allocated
    ):
        return stored
    if int(dataset.get("HighBit") or stored_bits - 1) != stored_bits - 1:
        return stored
    values = stored.astype(np.int64) & ((1 << stored_bits) - 1)
    if int(dataset.get("PixelRepresentation") or 0):
        values = np.where(values >= 1 << (stored_bits - 1), values - (1 << stored_bits), values)
    return values.astype(stored.dtype)


def _elements_of_frame(dataset: Dataset, index: int) -> Dataset:
    """The elements with a frame's own rescale and window where pydicom's functions look for them.

    Enhanced multi-frame objects keep them in functional groups (PS3.3 C.7.6.16), those of the frame
    before those of all frames. Nothing of one frame is left for the next.
    """
    own = Dataset()
    own.update({dataset[name].tag: dataset[name] for name in _GREY_ELEMENTS if name in dataset})
    for name, number in (
        ("SharedFunctionalGroupsSequence", 0),
        ("PerFrameFunctionalGroupsSequence", index),
    ):
        for group in (dataset.get(name) or [])[number : number + 1]:
            for part in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
                for given in (group.get(part) or [])[:1]:
                    own.update({one.tag: one for one in given if not one.is_empty})
    return own


def _grey(stored: np.ndarray, own: Dataset) -> np.ndarray:
    """(H, W) stored values to (H, W) uint8, before any inversion."""
    values = _modality_values(stored, own)
    if own.get("VOILUTSequence"):
        item = own.VOILUTSequence[0]
        return _to_8_bits(_look_up(values, item, own), 0, 2 ** _bits_of_table(item) - 1)
    ends = _window_ends(own)
    if ends is not None:
        # The window's own ends, not the image's: else a picture that does not reach them would be
        # stretched, and two exposures of one patient would look alike.
        windowed = values if _is_narrow(own) else _apply_window(values, own)
        return _to_8_bits(windowed, *ends)
    if own.get("BitsStored", 0) == 8 and values is stored and stored.dtype == np.uint8:
        return stored
    valid = values[~_is_padding(stored, own) & np.isfinite(values)]
    if not valid.size:
        valid = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    return _to_8_bits(values, float(valid.min()), float(valid.max()))


def _modality_values(stored: np.ndarray, own: Dataset) -> np.ndarray:
    """Stored values by the modality's table or rescale."""
    if own.get("ModalityLUTSequence"):
        return _look_up(stored, own.ModalityLUTSequence[0], own)
    return pixels.apply_modality_lut(stored, own) if _has_usable_rescale(own) else stored


def _has_usable_rescale(own: Dataset) -> bool:
    """False where a rescale would make every value the same or none."""
    if own.get("ModalityLUTSequence") or "RescaleSlope" not in own:
        return True
    slope = float(own.RescaleSlope)
    return math.isfinite(slope) and slope != 0


def _look_up(values: np.ndarray, item: Dataset, own: Dataset) -> np.ndarray:
    """Values by a table of any number of bits; those before its first or after its last entry get
    that entry's (PS3.3 C.11.1.1.1)."""
    count, first, _ = (int(value) for value in item.LUTDescriptor)
    bits, data = _bits_of_table(item), item.LUTData
    if isinstance(data, bytes):
        kind = "<u1" if bits <= 8 and len(data) < 2 * (count or 65_536) else "<u2"
        data = np.frombuffer(data, kind)
    table = np.atleast_1d(np.asarray(data)).astype(np.int64) & ((1 << bits) - 1)
    signed = int(own.get("PixelRepresentation") or 0) or values.min() < 0
    if signed and first > 32_767:
        first -= 65_536  # written as if it were unsigned
    return table[np.clip(values.astype(np.int64) - first, 0, len(table) - 1)]


def _bits_of_table(item: Dataset) -> int:
    return int(item.LUTDescriptor[2]) or 16


def _window_ends(own: Dataset) -> tuple[float, float] | None:
    """Between which values ``_apply_window`` spreads a window; a narrow one's own ends.

    None without a usable window, as of a width that is 0 or negative: the full range is then shown.
    """
    if "WindowCenter" not in own or "WindowWidth" not in own:
        return None
    centre, width = _window(own)
    if not (math.isfinite(centre) and math.isfinite(width) and width > 0):
        return None
    if _is_narrow(own):
        return centre - width / 2, centre + width / 2
    low, high = _apply_window(np.array([-_FAR, _FAR]), own)
    return float(low), float(high)


def _is_narrow(own: Dataset) -> bool:
    """A linear window of less than one value, which PS3.3 C.11.2.1.2 does not define: it is taken
    as LINEAR_EXACT would, for values that are no whole numbers."""
    return own.get("VOILUTFunction", "LINEAR") not in _WINDOW_FUNCTIONS[1:] and _window(own)[1] < 1


def _apply_window(values: np.ndarray, own: Dataset) -> np.ndarray:
    if own.get("VOILUTFunction", "LINEAR") not in _WINDOW_FUNCTIONS:
        own = Dataset({one.tag: one for one in own if one.keyword != "VOILUTFunction"})
    return pixels.apply_windowing(values, own)


def _window(own: Dataset) -> tuple[float, float]:
    """The centre and the width of the first window."""
    centre, width = (
        value[0] if isinstance(value, MultiValue | list) else value
        for value in (own.WindowCenter, own.WindowWidth)
    )
    return float(centre), float(width)


def _is_padding(stored: np.ndarray, own: Dataset) -> np.ndarray:
    """(H, W) bool: what the padding value, up to its range limit, says is no picture."""
    kind = {"f4": "Float", "f8": "DoubleFloat"}.get(stored.dtype.str[1:], "")
    value = own.get(f"{kind}PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, bool)
    limit = own.get(f"{kind}PixelPaddingRangeLimit")
    given = [value] if limit is None else [value, limit]
    if not kind and int(own.get("PixelRepresentation") or 0):
        # Often written as unsigned beside signed pixels.
        size = 1 << 8 * stored.dtype.itemsize
        given = [int(end) - size if int(end) >= size // 2 else int(end) for end in given]
    return (stored >= min(given)) & (stored <= max(given))


def _to_8_bits(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """``low`` to ``high`` spread over 0 to 255; a constant image becomes black."""
    if high <= low:
        return np.zeros(values.shape, dtype=np.uint8)
    # Imported here: it brings torch, and a table of pictures needs neither.
    from monai.transforms import ScaleIntensityRange

    scale = ScaleIntensityRange(a_min=low, a_max=high, b_min=0, b_max=255, clip=True)
    finite = np.nan_to_num(values.astype(np.float32), nan=low, posinf=high, neginf=low)
    return np.asarray(scale(finite)).round().astype(np.uint8)
