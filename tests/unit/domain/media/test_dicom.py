import tracemalloc
import warnings

import numpy as np
import pytest
from domain_cases import write_dicom
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian

from transferlab.core.records import MediaRef
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.media import dicom_stream
from transferlab.domain.media.decoder import check, decode
from transferlab.domain.media.dicom_files import read_elements

RAMP = np.linspace(0, 4095, 64).astype(np.uint16).reshape(8, 8)
TWELVE_BITS = {"BitsStored": 12, "HighBit": 11}


def grey(path):
    (frame,) = decode(MediaRef(kind="dicom", path=path))
    assert frame.dtype == np.uint8
    assert np.ptp(frame, axis=2).max() == 0
    return frame[:, :, 0]


def test_monochrome1_is_the_inverse_of_monochrome2(tmp_path):
    one = grey(write_dicom(tmp_path / "1.dcm", RAMP, PhotometricInterpretation="MONOCHROME1"))
    two = grey(write_dicom(tmp_path / "2.dcm", RAMP))
    assert np.array_equal(one, 255 - two)
    assert (two[0, 0], two[-1, -1]) == (0, 255)


def test_the_window_is_applied_after_the_rescale(tmp_path):
    path = write_dicom(
        tmp_path / "w.dcm", RAMP, **TWELVE_BITS,
        RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=1000.5, WindowWidth=2001,
    )  # fmt: skip
    values = RAMP.astype(float) * 2 - 1000
    # PS3.3 C.11.2.1.2.1: from centre - 0.5 - (width - 1) / 2, here 0, over width - 1, here 2000.
    expected = np.clip(values / 2000, 0, 1) * 255
    assert np.abs(grey(path) - expected).max() <= 0.51


def test_a_picture_that_does_not_reach_its_window_is_not_stretched(tmp_path):
    dim = np.full((4, 4), 1024, np.uint16)
    path = write_dicom(tmp_path / "dim.dcm", dim, WindowCenter=2048.5, WindowWidth=4097)
    assert grey(path)[0, 0] == 64


def test_a_voi_table_goes_before_a_window(tmp_path):
    table = Dataset()
    table.LUTDescriptor = [4, 0, 8]
    table.add_new("LUTData", "US", [0, 200, 100, 255])
    path = write_dicom(
        tmp_path / "lut.dcm",
        np.array([[0, 1], [2, 3]], np.uint16),
        VOILUTSequence=Sequence([table]),
        WindowCenter=1,
        WindowWidth=2,
    )
    assert grey(path).tolist() == [[0, 200], [100, 255]]


def test_eight_bits_without_a_window_stay_as_they_are(tmp_path):
    stored = np.array([[10, 20], [30, 40]], np.uint8)
    assert np.array_equal(grey(write_dicom(tmp_path / "8.dcm", stored)), stored)


def test_elements_without_a_value_count_as_absent(tmp_path):
    plain = write_dicom(tmp_path / "plain.dcm", RAMP)
    empty = write_dicom(
        tmp_path / "empty.dcm", RAMP,
        WindowCenter=None, WindowWidth=None, RescaleSlope=None, RescaleIntercept=None,
    )  # fmt: skip
    assert np.array_equal(grey(empty), grey(plain))


def test_padding_does_not_set_the_contrast(tmp_path):
    stored = np.array([[0, 1000], [1500, 2000]], np.uint16)
    path = write_dicom(tmp_path / "pad.dcm", stored, PixelPaddingValue=0)
    assert grey(path).tolist() == [[0, 0], [128, 255]]


def test_a_constant_image_is_black(tmp_path):
    assert not grey(write_dicom(tmp_path / "flat.dcm", np.full((4, 4), 7, np.uint16))).any()


def test_colour_stays_colour(tmp_path):
    rgb = np.array([[[255, 0, 0], [0, 255, 0]]], np.uint8)
    path = write_dicom(
        tmp_path / "rgb.dcm", rgb, Rows=1, Columns=2, SamplesPerPixel=3,
        PhotometricInterpretation="RGB", PlanarConfiguration=0,
    )  # fmt: skip
    (frame,) = decode(MediaRef(kind="dicom", path=path))
    assert np.array_equal(frame, rgb)


def test_frames_of_a_multi_frame_file_are_spread(tmp_path):
    stack = np.repeat(np.arange(10, 90, 20, dtype=np.uint8), 4).reshape(4, 2, 2)
    path = write_dicom(tmp_path / "m.dcm", stack, Rows=2, Columns=2, NumberOfFrames=4)
    frames = decode(MediaRef(kind="dicom", path=path, frames=2))
    assert [int(frame[0, 0, 0]) for frame in frames] == [30, 70]


@pytest.mark.parametrize("how", ["file", "pixels"])
def test_a_truncated_file_is_one_sentence(tmp_path, how):
    path = write_dicom(tmp_path / "t.dcm", RAMP)
    if how == "file":
        path.write_bytes(path.read_bytes()[:-30])
    else:
        write_dicom(path, RAMP, PixelData=RAMP.tobytes()[:100])
    with pytest.raises(UnreadableMedium, match=r"truncated|damaged") as caught:
        check("dicom", path)
    assert "\n" not in str(caught.value)


def test_a_file_without_pixels_says_so(tmp_path):
    path = write_dicom(tmp_path / "n.dcm", RAMP, Modality="SR")
    whole = path.read_bytes()
    # The pixel data element (7FE0,0010) is the last one.
    path.write_bytes(whole[: whole.index(b"\xe0\x7f\x10\x00")])
    with pytest.raises(UnreadableMedium, match=r"has no pixels \(modality SR\)"):
        check("dicom", path)


def test_other_files_are_refused_and_names_stay_private(tmp_path):
    (tmp_path / "x.dcm").write_text("Secret^Sally " * 40)
    odd = write_dicom(tmp_path / "odd.dcm", RAMP)
    odd.write_bytes(odd.read_bytes().replace(b"MONOCHROME2", b"secret^sall"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # pydicom's quote values
        for path in (tmp_path / "x.dcm", odd):
            with pytest.raises(UnreadableMedium) as caught:
                check("dicom", path)
            assert "sall" not in str(caught.value).lower()


def deflated(path, pixels, **elements):
    write_dicom(path, pixels, **elements)
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    return path


def test_a_deflated_file_is_unpacked_within_bounds(tmp_path, monkeypatch):
    """Elements that unpack to more than a file may hold are refused before they are unpacked."""
    path = deflated(tmp_path / "small.dcm", RAMP)
    assert np.array_equal(grey(path), grey(write_dicom(tmp_path / "plain.dcm", RAMP)))
    large = deflated(tmp_path / "large.dcm", np.zeros((6000, 6000), np.uint16))
    assert large.stat().st_size < 200_000
    monkeypatch.setattr(dicom_stream, "MAX_INFLATED_BYTES", 16 << 20)
    tracemalloc.start()
    with pytest.raises(UnreadableMedium, match="more than 16 MiB when unpacked"):
        check("dicom", large)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
    with pytest.raises(UnreadableMedium, match="more than 16 MiB when unpacked"):
        read_elements(large, {}, everything=False)
    assert check("dicom", path)
