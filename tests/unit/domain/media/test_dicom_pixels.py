"""Pixels against pydicom's own functions, for every file that pydicom carries for its tests."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from domain_cases import write_dicom
from pydicom import pixels
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from transferlab.core.records import MediaRef
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.media.decoder import decode

FILES = sorted((Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm"))
UNREADABLE = {  # and why each of them can be no picture
    "ExplVR_BigEndNoMeta": "no marker",
    "ExplVR_LitEndNoMeta": "no marker",
    "no_meta": "no marker",
    "JPEG2000-embedded-sequence-delimiter": "no codec here decodes it",
    "MR_truncated": "pixels cut",
    "UN_sequence": "no pixels",
    "badVR": "no pixels",
    "empty_charset_LEI": "no pixels",
    "meta_missing_tsyntax": "no transfer syntax",
    "nested_priv_SQ": "no pixels",
    "no_meta_group_length": "no pixels",
    "priv_SQ": "no pixels",
    "reportsi": "no pixels",
    "reportsi_with_empty_number_tags": "no pixels",
    "rtplan": "no pixels",
    "rtplan_truncated": "no pixels",
    "rtstruct": "no pixels",
    "test-SR": "no pixels",
    "waveform_ecg": "no pixels",
}

READABLE = [path for path in FILES if path.stem not in UNREADABLE]
BROKEN = [path for path in FILES if path.stem in UNREADABLE]
SYNTAXES = (
    "RLE", "JPEG Baseline", "JPEG Extended", "JPEG-LS Lossless", "JPEG-LS Lossy",
    "JPEG 2000 Image Compression (Lossless", "Big Endian", "Implicit", "Deflated",
)  # fmt: skip


def stretched(values, low, high):
    if high <= low:
        return np.zeros(values.shape, np.uint8)
    # In single precision, as a display pipeline computes.
    scaled = (values.astype(np.float64) - low) / (high - low)
    return (np.clip(scaled, 0, 1) * 255).round()


def window_range(dataset):
    """What a window maps to: the range of rescaled values (PS3.3 C.11.2.1.2)."""
    bits = dataset.BitsStored
    if dataset.get("ModalityLUTSequence"):
        return 0, 2 ** dataset.ModalityLUTSequence[0].LUTDescriptor[2] - 1
    low, high = (0, 2**bits - 1) if not dataset.PixelRepresentation else (
        -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    )  # fmt: skip
    slope, intercept = dataset.get("RescaleSlope", 1), dataset.get("RescaleIntercept", 0)
    return low * slope + intercept, high * slope + intercept


def oracle(path):
    """(H, W) or (H, W, 3): the middle frame as pydicom's functions make it, over 0 to 255."""
    dataset = pydicom.dcmread(path)
    frames = int(dataset.get("NumberOfFrames") or 1)
    stored = pixels.pixel_array(dataset, index=frames // 2)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        coloured = pixels.apply_color_lut(stored, dataset)
        return stretched(coloured, 0, np.iinfo(coloured.dtype).max)
    if stored.ndim == 3:
        return stretched(stored, 0, 2**dataset.BitsStored - 1)
    values = pixels.apply_modality_lut(stored, dataset)
    seen = pixels.apply_voi_lut(values, dataset)
    if dataset.get("VOILUTSequence"):
        grey = stretched(seen, 0, 2 ** dataset.VOILUTSequence[0].LUTDescriptor[2] - 1)
    elif dataset.get("WindowWidth") is not None:
        grey = stretched(seen, *window_range(dataset))
    elif dataset.BitsStored == 8 and stored.dtype == np.uint8 and values is stored:
        grey = stored.astype(float)
    else:
        grey = stretched(values, float(values.min()), float(values.max()))
    return 255 - grey if dataset.PhotometricInterpretation == "MONOCHROME1" else grey


def shown(path):
    (frame,) = decode(MediaRef(kind="dicom", path=path))
    assert frame.dtype == np.uint8
    assert frame.shape[2] == 3
    return frame


def assert_same(path):
    frame, expected = shown(path), oracle(path)
    expected = expected if expected.ndim == 3 else np.repeat(expected[:, :, None], 3, axis=2)
    # One step where a value lies on the edge between two: single against double precision.
    apart = np.abs(frame.astype(float) - expected)
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.01


def test_pydicom_brings_its_files():
    assert len(FILES) > 60
    assert set(UNREADABLE) <= {path.stem for path in FILES}


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.stem not in UNREADABLE], ids=lambda p: p.stem
)
def test_pixels_are_pydicoms(path):
    assert_same(path)


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_the_rest_is_one_sentence(path):
    with pytest.raises(UnreadableMedium) as caught:
        shown(path)
    assert "\n" not in str(caught.value)


def test_every_usual_transfer_syntax_is_among_them():
    syntaxes = {
        pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID.name
        for path in READABLE
    }
    for word in SYNTAXES:
        assert any(word in name for name in syntaxes), (word, syntaxes)


def table(first, bits, data):
    item = Dataset()
    item.LUTDescriptor = [len(data), first, bits]
    item.add_new("LUTData", "US", data)
    item.ModalityLUTType = "HU"
    return Sequence([item])


WINDOWS = {
    "linear": {"WindowCenter": 300, "WindowWidth": 500},
    "several": {"WindowCenter": [300, 900], "WindowWidth": [500, 100]},
    "sigmoid": {"WindowCenter": 300, "WindowWidth": 500, "VOILUTFunction": "SIGMOID"},
    "exact": {"WindowCenter": 300, "WindowWidth": 500, "VOILUTFunction": "LINEAR_EXACT"},
    "rescaled": {
        "WindowCenter": 300, "WindowWidth": 500, "RescaleSlope": 1.5, "RescaleIntercept": -200,
    },
    "modality table": {
        "ModalityLUTSequence": table(0, 16, [int(n**1.5) for n in range(256)]),
        "WindowCenter": 900, "WindowWidth": 1500,
    },
    "voi table": {"VOILUTSequence": table(0, 10, [n * 4 for n in range(256)])},
    "none": {},
}  # fmt: skip


@pytest.mark.parametrize("case", WINDOWS)
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [8, 10, 12, 15, 16])
def test_depths_signs_and_windows(tmp_path, case, signed, bits):
    photometric = "MONOCHROME1" if bits in (10, 15) else "MONOCHROME2"
    allocated = np.dtype("int16" if signed else "uint16") if bits > 8 else np.dtype(
        "int8" if signed else "uint8"
    )  # fmt: skip
    low = -(2 ** (bits - 1)) if signed else 0
    stored = np.linspace(low, low + 2**bits - 1, 256).astype(allocated).reshape(16, 16)
    path = write_dicom(
        tmp_path / "x.dcm", stored, BitsStored=bits, HighBit=bits - 1,
        PixelRepresentation=int(signed), PhotometricInterpretation=photometric, **WINDOWS[case],
    )  # fmt: skip
    assert_same(path)


def test_a_frame_of_an_enhanced_object_has_its_own_window(tmp_path):
    def group(name, **elements):
        inner, outer = Dataset(), Dataset()
        for keyword, value in elements.items():
            setattr(inner, keyword, value)
        setattr(outer, name, Sequence([inner]))
        return outer

    ramp = np.arange(16, dtype=np.uint16).reshape(1, 4, 4) * 256
    stack = np.concatenate([ramp, ramp])
    rescale = group("PixelValueTransformationSequence", RescaleSlope=2, RescaleIntercept=0)
    windows = [
        group("FrameVOILUTSequence", WindowCenter=centre, WindowWidth=1024)
        for centre in (1024, 6000)
    ]
    path = write_dicom(
        tmp_path / "e.dcm", stack, Rows=4, Columns=4, NumberOfFrames=2,
        SharedFunctionalGroupsSequence=Sequence([rescale]),
        PerFrameFunctionalGroupsSequence=Sequence(windows),
    )  # fmt: skip
    first, second = decode(MediaRef(kind="dicom", path=path, frames=2))
    assert int((first[:, :, 0] == 255).sum()) == 13
    assert int((second[:, :, 0] == 0).sum()) == 11
