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


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n%%EndComments\nshowpage\n"


@pytest.mark.parametrize("name", ["picture.jpg", "picture.eps", "picture.png"])
def test_postscript_starts_no_program_whatever_it_is_called(tmp_path, monkeypatch, name):
    def started(*arguments, **options):
        raise AssertionError("a program was started")

    monkeypatch.setattr("subprocess.Popen", started)
    monkeypatch.setattr("subprocess.check_call", started)
    (tmp_path / name).write_bytes(POSTSCRIPT)
    with pytest.raises(UnreadableMedium, match=r"not a picture of a kind that is read \(JPEG"):
        check("image", tmp_path / name)
    with pytest.raises(UnreadableMedium, match="not a picture of a kind that is read"):
        decode(MediaRef(kind="image", path=tmp_path / name))


@pytest.mark.parametrize("kind", ["PCX", "ICO", "SGI", "TGA", "PDF", "EPS"])
def test_other_formats_of_pillow_are_not_opened(tmp_path, kind):
    path = tmp_path / "picture.png"
    Image.fromarray(np.arange(3072, dtype=np.uint8).reshape(32, 32, 3)).save(path, kind)
    with pytest.raises(UnreadableMedium, match="not a picture of a kind that is read"):
        check("image", path)


@pytest.mark.parametrize(
    "kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000", "MPO"]
)
def test_the_formats_of_data_are_opened_by_content(tmp_path, kind):
    path = tmp_path / "picture.dat"
    values = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(values).save(path, kind)
    assert pixels_of(path).shape == (32, 32, 3)
    check("image", path)


def test_a_picture_of_too_many_pixels_is_refused_by_its_header(tmp_path):
    Image.new("1", (9000, 9000)).save(tmp_path / "large.png")
    for look in (
        lambda path: check("image", path),
        lambda path: decode(MediaRef(kind="image", path=path)),
    ):
        with pytest.raises(UnreadableMedium, match="more than 64,000,000 pixels"):
            look(tmp_path / "large.png")
