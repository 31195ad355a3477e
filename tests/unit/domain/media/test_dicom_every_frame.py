"""Every frame of every DICOM file at hand against the formulas of the standard."""

import os
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_oracle import frames_of
from domain_cases import write_dicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from transferlab.core.records import MediaRef
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.media.decoder import check, decode

CHECKOUT = Path(__file__).parents[4]
DATA = Path(os.environ.get("TRANSFERLAB_DATA") or CHECKOUT.parent / "shared" / "data")
CASES = CHECKOUT.parent / "shared" / "cases"
ALL = 10**6


def assert_frames_are_the_standards(path):
    frames = decode(MediaRef(kind="dicom", path=path, frames=ALL))
    expected = frames_of(path)
    assert len(frames) == len(expected)
    for frame, wanted in zip(frames, expected, strict=True):
        apart = np.abs(frame - np.round(wanted))
        # One step where a value lies on the edge between two: single against double precision.
        assert apart.max() <= 1
        assert (apart > 0).mean() < 0.01


def readable(paths):
    for path in paths:
        try:
            decode(MediaRef(kind="dicom", path=path))
        except UnreadableMedium:
            continue
        yield path


@pytest.mark.parametrize(
    ("folder", "pattern", "at_least"),
    [
        (Path(pydicom.__file__).parent / "data" / "test_files", "*.dcm", 59),
        (DATA, "**/*.dcm", 90),
        (CASES, "*dicom*/data/*.dcm", 200),
    ],
    ids=["pydicom", "pack", "cases"],
)
def test_every_frame_of_every_file(folder, pattern, at_least):
    if not folder.is_dir():
        pytest.skip(f"{folder.name} is not here")
    paths = list(readable(sorted(folder.glob(pattern))))
    assert len(paths) >= at_least
    for path in paths:
        try:
            assert_frames_are_the_standards(path)
        except AssertionError as error:
            raise AssertionError(path.name) from error


def item(**elements):
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def table(first, bits, entries, *, as_bytes=False):
    one = item(LUTDescriptor=[len(entries), first, bits], ModalityLUTType="HU")
    if as_bytes:
        one.add_new("LUTData", "OW", np.array(entries, "<u2").tobytes())
    else:
        one.add_new("LUTData", "US", entries)
    return Sequence([one])


CURVE = [int(4095 * (n / 199) ** 1.7) for n in range(200)]
KINDS = {
    "window below one": {"WindowCenter": 0.4, "WindowWidth": 0.5},
    "exact window below one": {
        "WindowCenter": 0.4, "WindowWidth": 0.5, "VOILUTFunction": "LINEAR_EXACT",
    },
    "window of one": {"WindowCenter": 100, "WindowWidth": 1},
    "window of zero": {"WindowCenter": 100, "WindowWidth": 0},
    "negative window": {"WindowCenter": 100, "WindowWidth": -50},
    "narrow sigmoid": {"WindowCenter": 100, "WindowWidth": 0.5, "VOILUTFunction": "SIGMOID"},
    "modality table of 12 bits": {"ModalityLUTSequence": table(20, 12, CURVE)},
    "modality table of 9 bits in bytes": {
        "ModalityLUTSequence": table(0, 9, [n * 2 for n in range(200)], as_bytes=True),
    },
    "modality table, then window": {
        "ModalityLUTSequence": table(20, 12, CURVE), "WindowCenter": 900, "WindowWidth": 1500,
    },
    "voi table of 9 bits": {"VOILUTSequence": table(10, 9, [n * 2 for n in range(200)])},
    "voi table of 14 bits after a rescale": {
        "VOILUTSequence": table(65_436, 14, [n * 80 for n in range(200)]),
        "RescaleSlope": 1, "RescaleIntercept": -100,
    },
    "padding": {"PixelPaddingValue": 0},
    "padding range": {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 60},
    "padding range, backwards": {"PixelPaddingValue": 60, "PixelPaddingRangeLimit": 0},
    "no slope": {"RescaleSlope": 0, "RescaleIntercept": 5},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_kind(tmp_path, kind, photometric):
    stored = np.arange(256, dtype=np.uint16).reshape(16, 16)
    path = write_dicom(
        tmp_path / "x.dcm", stored, PhotometricInterpretation=photometric, **KINDS[kind]
    )
    assert_frames_are_the_standards(path)


def test_padding_of_signed_pixels_that_is_written_as_unsigned(tmp_path):
    stored = np.arange(-128, 128, dtype=np.int16).reshape(16, 16)
    stored[:4] = -2000
    path = write_dicom(tmp_path / "x.dcm", stored, PixelRepresentation=1)
    dataset = pydicom.dcmread(path)
    dataset.add_new("PixelPaddingValue", "US", 65_536 - 2000)
    dataset.save_as(path)
    (frame,) = decode(MediaRef(kind="dicom", path=path))
    assert len(np.unique(frame)) > 150
    assert_frames_are_the_standards(path)


@pytest.mark.parametrize("signed", [False, True])
def test_bits_above_the_pixels_are_not_pixels(tmp_path, signed):
    values = np.arange(256, dtype=np.uint16).reshape(16, 16) * 16
    overlay = np.zeros((16, 16), np.uint16)
    overlay[4:8, 4:8] = 0x8000
    path = write_dicom(
        tmp_path / "x.dcm", values | overlay, BitsStored=12, HighBit=11,
        PixelRepresentation=int(signed),
    )  # fmt: skip
    (frame,) = decode(MediaRef(kind="dicom", path=path))
    plain = write_dicom(
        tmp_path / "y.dcm", values, BitsStored=12, HighBit=11, PixelRepresentation=int(signed)
    )
    assert np.array_equal(frame, decode(MediaRef(kind="dicom", path=plain))[0])
    assert_frames_are_the_standards(path)


def test_what_one_frame_brings_is_not_the_next_ones(tmp_path):
    ramp = np.arange(256, dtype=np.uint16).reshape(1, 16, 16)
    first = item(
        FrameVOILUTSequence=Sequence(
            [item(WindowCenter=50, WindowWidth=60, VOILUTFunction="SIGMOID")]
        ),
        PixelValueTransformationSequence=Sequence([item(RescaleSlope=3, RescaleIntercept=-40)]),
    )
    path = write_dicom(
        tmp_path / "x.dcm", np.concatenate([ramp] * 3), Rows=16, Columns=16, NumberOfFrames=3,
        PerFrameFunctionalGroupsSequence=Sequence([first, item(), item()]),
        SharedFunctionalGroupsSequence=Sequence(
            [item(FrameVOILUTSequence=Sequence([item(WindowCenter=128, WindowWidth=256)]))]
        ),
    )  # fmt: skip
    frames = decode(MediaRef(kind="dicom", path=path, frames=3))
    assert np.array_equal(frames[1], frames[2])
    assert not np.array_equal(frames[0], frames[1])
    assert_frames_are_the_standards(path)


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_values_that_are_no_numbers(tmp_path, hole, photometric):
    stored = np.linspace(-3, 5, 256, dtype=np.float32).reshape(16, 16)
    stored[:2] = hole
    path = write_dicom(tmp_path / "x.dcm", stored, PhotometricInterpretation=photometric)
    dataset = pydicom.dcmread(path)
    dataset.FloatPixelData = dataset.PixelData
    for name in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        del dataset[name]
    dataset.save_as(path)
    (frame,) = decode(MediaRef(kind="dicom", path=path))
    assert len(np.unique(frame[2:])) > 200
    if np.isnan(hole):
        assert not frame[:2].any()
        assert_frames_are_the_standards(path)


@pytest.mark.parametrize(
    ("width", "function", "said"),
    [
        (0, "LINEAR", "WindowWidth is 0: the full range of its values is shown"),
        (-4, "SIGMOID", "WindowWidth is -4: the full range of its values is shown"),
        (40, "CURVED", "VOILUTFunction is none of the standard's: the window is taken as LINEAR"),
        (40, "LINEAR", None),
    ],
)
def test_what_cannot_be_obeyed_is_noted(tmp_path, width, function, said):
    stored = np.arange(256, dtype=np.uint16).reshape(16, 16)
    path = write_dicom(
        tmp_path / "x.dcm", stored, WindowCenter=100, WindowWidth=width, VOILUTFunction=function
    )
    assert check("dicom", path).note == said


@pytest.mark.parametrize(
    "missing",
    [
        *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated"),
        *("BitsStored", "PixelRepresentation"),
    ],
)
def test_a_missing_element_is_named(tmp_path, missing):
    path = write_dicom(tmp_path / "x.dcm", np.zeros((4, 4), np.uint8))
    dataset = pydicom.dcmread(path)
    del dataset[missing]
    dataset.save_as(path)
    with pytest.raises(UnreadableMedium, match=f"lacks {missing}, without which"):
        check("dicom", path)


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        ({"BitsStored": 17}, "BitsStored is 17, where 1 to 8 can be"),
        ({"SamplesPerPixel": 2}, "SamplesPerPixel is 2, where 1 or 3 can be"),
        ({"PixelRepresentation": 3}, "PixelRepresentation is 3, where 0 or 1 can be"),
        ({"Rows": 0}, "Rows is 0, where 1 to 65535 can be"),
        ({"PhotometricInterpretation": "HSV"}, "PhotometricInterpretation 'HSV' is none of"),
    ],
)
def test_an_element_that_holds_what_it_cannot_is_named(tmp_path, elements, said):
    path = write_dicom(tmp_path / "x.dcm", np.zeros((4, 4), np.uint8), **elements)
    with pytest.raises(UnreadableMedium, match=said):
        check("dicom", path)


def test_a_text_in_an_element_is_not_said(tmp_path):
    path = write_dicom(
        tmp_path / "x.dcm", np.zeros((4, 4), np.uint8), PhotometricInterpretation="Sally's"
    )
    with pytest.raises(UnreadableMedium) as caught:
        check("dicom", path)
    assert "Sally" not in str(caught.value)


def with_syntax(path, syntax):
    write_dicom(path, np.arange(16, dtype=np.uint8).reshape(4, 4))
    old = pydicom.dcmread(path).file_meta.TransferSyntaxUID
    content = path.read_bytes()
    new = syntax.ljust(len(old) + len(old) % 2, "\0").encode()
    path.write_bytes(content.replace(old.encode().ljust(len(new), b"\0"), new))
    return path


@pytest.mark.parametrize(
    ("syntax", "said"),
    [
        ("1.2.3.4.5", "TransferSyntaxUID 1.2.3.4.5 is no transfer syntax of the standard"),
        ("1.2.840.113619.5.2", "TransferSyntaxUID 1.2.840.113619.5.2 is no transfer syntax"),
    ],
)
def test_an_unknown_transfer_syntax_is_named(tmp_path, syntax, said):
    with pytest.raises(UnreadableMedium, match=said):
        check("dicom", with_syntax(tmp_path / "x.dcm", syntax))


def test_bare_elements_are_told_from_other_files(tmp_path):
    path = write_dicom(tmp_path / "x.dcm", np.arange(16, dtype=np.uint8).reshape(4, 4))
    content = path.read_bytes()
    path.write_bytes(content[132:])
    with pytest.raises(UnreadableMedium, match=r"without the preamble, .* TransferSyntaxUID"):
        check("dicom", path)
    path.write_bytes(b"hello")
    with pytest.raises(UnreadableMedium, match="is not a DICOM file"):
        check("dicom", path)
