import numpy as np
import pytest
from PIL import Image

from transferlab.core.records import MediaRef
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.media.decoder import check, decode


def pixels_of(path):
    (frame,) = decode(MediaRef(kind="image", path=path))
    assert frame.dtype == np.uint8
    assert frame.ndim == 3
    return frame


def test_grey_becomes_three_equal_channels(tmp_path):
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(values).save(tmp_path / "grey.png")
    assert np.array_equal(pixels_of(tmp_path / "grey.png"), np.dstack([values] * 3))


def test_exif_orientation_is_applied(tmp_path):
    values = np.zeros((2, 6, 3), np.uint8)
    values[0, 0] = 255
    image = Image.fromarray(values)
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    image.save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(pixels_of(tmp_path / "turned.png"), np.rot90(values, -1))


def test_sixteen_bits_are_spread_over_eight(tmp_path):
    values = np.array([[0, 2048], [1024, 4096]], np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    assert pixels_of(tmp_path / "deep.png")[:, :, 0].tolist() == [[0, 128], [64, 255]]


def test_transparency_is_laid_on_white(tmp_path):
    rgba = np.array([[[10, 20, 30, 0], [10, 20, 30, 255]]], np.uint8)
    Image.fromarray(rgba).save(tmp_path / "clear.png")
    assert pixels_of(tmp_path / "clear.png").tolist() == [[[255, 255, 255], [10, 20, 30]]]


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_truncated_picture_is_found_by_the_check(tmp_path, suffix):
    rng = np.random.default_rng(0)
    whole = tmp_path / f"whole.{suffix}"
    Image.fromarray(rng.integers(0, 255, (200, 200, 3), dtype=np.uint8)).save(whole)
    check("image", whole)
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(UnreadableMedium, match="truncated or damaged"):
        check("image", cut)
    with pytest.raises(UnreadableMedium, match="truncated or damaged"):
        decode(MediaRef(kind="image", path=cut))


def test_missing_empty_and_foreign_files(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture")
    for name, says in (
        ("none.png", "missing"),
        ("empty.png", "0 bytes"),
        ("text.png", "not a pic"),
    ):
        with pytest.raises(UnreadableMedium, match=says) as caught:
            check("image", tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert str(tmp_path) not in caught.value.reason
