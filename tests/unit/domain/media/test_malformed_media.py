"""Whatever bytes a picture or a film holds, it is decoded or refused in one sentence.

The number of examples is small here; ``--hypothesis-profile=many`` runs ten thousand of each.
"""

import io
from itertools import pairwise

import numpy as np
import pytest
from domain_cases import picture, write_dicom, write_film
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from transferlab.core.records import MediaRef
from transferlab.domain.media.decoder import check, decode
from transferlab.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")
CHANGES = st.lists(
    st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=6)), min_size=1, max_size=6
)
"""What is written over a file, and where: as a share of its length."""
ENDS = st.floats(0.01, 1)


class Files(dict):
    """Contents by kind; a failure shows the damage and not the whole files."""

    def __repr__(self):
        return f"files of {', '.join(self)}"


@pytest.fixture(scope="module")
def pictures():
    made = Files()
    for name in FORMATS:
        buffer = io.BytesIO()
        picture(1, side=16).convert("RGB").save(buffer, name)
        made[name] = buffer.getvalue()
    return made


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    return Files(
        (ending, write_film(folder / f"x.{ending}", frames=6, rate=2).read_bytes())
        for ending in ("mp4", "mkv", "avi", "ts", "flv")
    )


def damaged(content, changes, end):
    damaged = bytearray(content)
    for share, piece in changes:
        at = int(share * len(damaged))
        damaged[at : at + len(piece)] = piece
    return bytes(damaged[: max(1, int(end * len(damaged)))])


def assert_frames_or_a_sentence(reference):
    """Of looking at a file, as ``check`` does, and of decoding it, as training does."""
    sentences, frames = [], []
    try:
        check(reference.kind, reference.path)
    except DataError as error:
        sentences.append(str(error))
    try:
        frames = decode(reference)
    except DataError as error:
        sentences.append(str(error))
    assert all("\n" not in one for one in sentences)
    assert all(one.dtype == np.uint8 and one.shape[2] == 3 for one in frames)


@given(st.sampled_from(FORMATS), CHANGES, ENDS)
def test_pictures(tmp_path, pictures, name, changes, end):
    path = tmp_path / f"x.{name.lower()}"
    path.write_bytes(damaged(pictures[name], changes, end))
    assert_frames_or_a_sentence(MediaRef(kind="image", path=path))


@given(st.sampled_from(["mp4", "mkv", "avi", "ts", "flv"]), CHANGES, ENDS)
def test_films(tmp_path, films, ending, changes, end):
    path = tmp_path / f"x.{ending}"
    path.write_bytes(damaged(films[ending], changes, end))
    assert_frames_or_a_sentence(MediaRef(kind="video", path=path, frames=2))


def item(**elements):
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


NUMBER = st.sampled_from([None, 0, 1, -1, 0.5, 1e30, -1e30])


@given(
    st.lists(st.tuples(NUMBER, NUMBER, NUMBER), max_size=4),
    st.lists(st.integers(0, 65535), max_size=4),
    NUMBER,
    NUMBER,
)
def test_groups_tables_and_padding_of_dicom_frames(tmp_path, groups, table, padding, limit):
    """More or fewer groups than frames, tables of the wrong length, padding out of range."""
    frames = []
    for slope, width, centre in groups:
        voi = {"WindowWidth": width, "WindowCenter": centre}
        frames.append(
            item(
                PixelValueTransformationSequence=[item(RescaleSlope=slope, RescaleIntercept=0)],
                FrameVOILUTSequence=[item(**voi)],
            )
        )
    entries = np.array(table, "<u2").tobytes()
    elements = {
        "NumberOfFrames": 2,
        "PixelData": np.arange(128, dtype=np.uint16).tobytes(),
        "PerFrameFunctionalGroupsSequence": frames,
        "VOILUTSequence": [item(LUTDescriptor=[4, 0, 16], LUTData=entries)] if table else None,
    }
    for keyword, value in (("PixelPaddingValue", padding), ("PixelPaddingRangeLimit", limit)):
        if value is not None and abs(value) < 60_000:
            elements[keyword] = int(abs(value))
    path = tmp_path / "x.dcm"
    pixels = np.zeros((8, 8), np.uint16)
    write_dicom(path, pixels, **{k: v for k, v in elements.items() if v is not None})
    assert_frames_or_a_sentence(MediaRef(kind="dicom", path=path))


def test_the_damage_reaches_every_part_of_a_file(pictures):
    content = pictures["PNG"]
    for at, after in pairwise((0.0, 0.5, 0.99)):
        assert damaged(content, [(at, b"\0\1\2")], 1) != damaged(content, [(after, b"\0\1\2")], 1)
    assert len(damaged(content, [], 0.5)) == len(content) // 2
