"""Frames of DICOM files by the standard's formulas alone: bytes, NumPy, and pydicom's parser.

Shares no code with the package, and of pydicom's pixel functions only those that decompress.
"""

import warnings

import numpy as np
import pydicom
from pydicom import pixels
from pydicom.dataset import Dataset


def frames_of(path):
    """(H, W, 3) float64 in [0, 255] for every frame of a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path)
        stored = _decompressed(dataset) if _is_compressed(dataset) else _stored(dataset)
        return [_shown(values, dataset, number) for number, values in enumerate(stored)]


def _is_compressed(dataset):
    return dataset.file_meta.TransferSyntaxUID.is_encapsulated


def _decompressed(dataset):
    values = pixels.pixel_array(dataset)
    frames = values if int(dataset.get("NumberOfFrames") or 1) > 1 else values[None]
    if dataset.SamplesPerPixel == 1:
        return _without_high_bits(frames, dataset)
    dataset.PhotometricInterpretation = "RGB"
    return frames


def _stored(dataset):
    rows, columns, samples = dataset.Rows, dataset.Columns, dataset.SamplesPerPixel
    count, bits = int(dataset.get("NumberOfFrames") or 1), dataset.BitsAllocated
    order = ">" if dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.2" else "<"
    if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
        kind, data = ("f4", "FloatPixelData") if bits == 32 else ("f8", "DoubleFloatPixelData")
        return np.frombuffer(dataset[data].value, order + kind).reshape(count, rows, columns)
    data = dataset.PixelData
    if bits == 1:
        bytes_ = np.frombuffer(data, "u1")
        # The first pixel is the lowest bit; of big endian files too, whose words hold two bytes.
        flat = np.unpackbits(bytes_, bitorder="little")
        return flat[: count * rows * columns].reshape(count, rows, columns)
    if bits == 8 and order == ">" and dataset["PixelData"].VR == "OW":
        data = np.frombuffer(data, "u2").byteswap().tobytes()  # bytes stand in words
    kind = f"{order}{'i' if dataset.PixelRepresentation else 'u'}{bits // 8}"
    if dataset.PhotometricInterpretation == "YBR_FULL_422":
        four = np.frombuffer(data, "u1")[: count * rows * columns * 2].reshape(count, rows, -1, 4)
        luma = four[..., :2].reshape(count, rows, columns)
        blue, red = (np.repeat(four[..., channel], 2, axis=-1) for channel in (2, 3))
        return np.stack([luma, blue, red], -1)
    values = np.frombuffer(data, kind)[: count * rows * columns * samples]
    if samples == 1:
        return _without_high_bits(values.reshape(count, rows, columns), dataset)
    if dataset.PlanarConfiguration:
        return values.reshape(count, samples, rows, columns).transpose(0, 2, 3, 1)
    return values.reshape(count, rows, columns, samples)


def _without_high_bits(values, dataset):
    kept = dataset.BitsStored
    lowest = (values.astype(np.int64) >> (dataset.HighBit + 1 - kept)) % 2**kept
    return np.where(
        (lowest >= 2 ** (kept - 1)) & bool(dataset.PixelRepresentation), lowest - 2**kept, lowest
    )


def _shown(stored, dataset, number):
    photometric = dataset.PhotometricInterpretation
    if photometric == "PALETTE COLOR":
        return _palette(stored, dataset)
    if stored.ndim == 3:
        full = 2.0**dataset.BitsStored - 1
        if photometric.startswith("YBR_FULL"):
            y, b, r = (stored[..., channel].astype(float) for channel in range(3))
            b, r = b - 128, r - 128
            rgb = np.stack([y + 1.402 * r, y - 0.344136 * b - 0.714136 * r, y + 1.772 * b], -1)
            return np.clip(rgb, 0, 255)
        return stored * (255 / full)
    own = _of(dataset, number)
    grey = _spread(*_grey(stored, own))
    grey = np.where(np.isnan(stored), 0, 255 - grey if photometric == "MONOCHROME1" else grey)
    return np.repeat(grey[..., None], 3, -1)


def _of(dataset, number):
    """The elements of a frame: its own group's before the shared one's before the object's."""
    own = dict.fromkeys(
        [
            *("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth"),
            *("VOILUTFunction", "ModalityLUTSequence", "VOILUTSequence"),
        ]
    )
    groups = [dataset]
    for name, place in (
        ("SharedFunctionalGroupsSequence", 0),
        ("PerFrameFunctionalGroupsSequence", number),
    ):
        if name in dataset and place < len(dataset[name].value):
            group = dataset[name].value[place]
            groups += [
                item
                for macro in ("PixelValueTransformationSequence", "FrameVOILUTSequence")
                for item in group.get(macro, [])[:1]
            ]
    for group in groups:
        for name in own:
            if group.get(name) not in (None, ""):
                own[name] = group[name].value
    for name in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        sort = {64: "DoubleFloat", 32: "Float"}.get(dataset.BitsAllocated, "")
        sort = sort if f"{sort}PixelData" in dataset else ""
        own[name] = dataset.get(sort + name)
    keys = ("PixelRepresentation", "BitsStored", "BitsAllocated")
    return own | {name: dataset.get(name) for name in keys}


def _grey(stored, own):
    """Values, and what becomes 0 and 255."""
    values = stored.astype(float)
    if own["ModalityLUTSequence"]:
        values = _table(stored, own["ModalityLUTSequence"][0])
    elif own["RescaleSlope"] is not None and float(own["RescaleSlope"]) != 0:
        values = values * float(own["RescaleSlope"]) + float(own["RescaleIntercept"] or 0)
    if own["VOILUTSequence"]:
        item = own["VOILUTSequence"][0]
        return _table(values, item), 0, 2 ** item.LUTDescriptor[2] - 1
    centre, width = _first(own["WindowCenter"]), _first(own["WindowWidth"])
    if centre is not None and width is not None and width > 0:
        function = own["VOILUTFunction"] or "LINEAR"
        if function == "SIGMOID":
            return 1 / (1 + np.exp(-4 * (values - centre) / width)), 0, 1
        if function == "LINEAR" and width >= 1:  # PS3.3 C.11.2.1.2.1
            centre, width = centre - 0.5, max(width - 1, 1e-9)
        return values, centre - width / 2, centre + width / 2
    raw = own["RescaleSlope"] is None and not own["ModalityLUTSequence"]
    if raw and own["BitsStored"] == 8 and not own["PixelRepresentation"]:
        return values, 0, 255
    seen = np.isfinite(values) & ~_padding(stored, own)
    some = values[seen] if seen.any() else np.nan_to_num(values)
    return values, some.min(), some.max()


def _padding(stored, own):
    value, limit = own["PixelPaddingValue"], own["PixelPaddingRangeLimit"]
    if value is None:
        return np.zeros(stored.shape, bool)
    ends = sorted([value, value if limit is None else limit])
    if own["PixelRepresentation"]:
        half = 2 ** (own["BitsAllocated"] - 1)
        ends = sorted((end + half) % (2 * half) - half for end in ends)
    return (stored >= ends[0]) & (stored <= ends[1])


def _table(values, item: Dataset):
    count, first, bits = item.LUTDescriptor
    first = first - 65536 if first > 32767 and values.min() < 0 else first
    data = item.LUTData
    if isinstance(data, bytes):
        data = np.frombuffer(data, "<u2" if len(data) > (count or 65536) else "u1")
    entries = np.array(data, np.int64) % 2**bits
    places = np.clip(np.trunc(values).astype(np.int64) - first, 0, len(entries) - 1)
    return entries[places].astype(float)


def _palette(stored, dataset):
    channels = []
    for colour in ("Red", "Green", "Blue"):
        count, first, bits = dataset[f"{colour}PaletteColorLookupTableDescriptor"].value
        data = dataset[f"{colour}PaletteColorLookupTableData"].value
        wide = len(data) >= 2 * (count or 65536)
        entries = np.frombuffer(data, "<u2" if wide else "u1")
        # Eight bits may stand in words of sixteen (PS3.3 C.7.6.3.1.6).
        entries = entries.astype(float) / (255 if entries.max() < 256 and wide else 2**bits - 1)
        channels.append(entries[np.clip(stored.astype(int) - first, 0, len(entries) - 1)] * 255)
    return np.stack(channels, -1)


def _spread(values, low, high):
    if high <= low:
        return np.zeros(values.shape)
    return np.clip((np.nan_to_num(values, nan=low) - low) / (high - low), 0, 1) * 255


def _first(value):
    if value is None or isinstance(value, (float, int, str)):
        return None if value is None else float(value)
    return float(value[0])
