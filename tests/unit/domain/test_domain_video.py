import numpy as np
import pytest
from domain_cases import frame_numbers, write_film, write_sound

from transferlab.core.records import MediaRef
from transferlab.domain import video
from transferlab.domain.media import check, decode
from transferlab.domain.unreadable import UnreadableMedium


def numbers(path, *, frames, start=0.0, end=None):
    ref = MediaRef(kind="video", path=path, start_seconds=start, end_seconds=end, frames=frames)
    return frame_numbers(decode(ref))


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """40 frames, 10 per second, a keyframe every 12."""
    return write_film(tmp_path_factory.mktemp("film") / "slow.mp4", frames=40, rate=10)


def test_frames_are_the_middles_of_equal_parts(film):
    assert numbers(film, frames=4) == [5, 15, 25, 35]
    assert numbers(film, frames=2, start=1.0, end=2.0) == [13, 18]
    assert numbers(film, frames=1, start=3.0, end=3.2) == [31]


def test_a_segment_beyond_the_end_shows_the_last_frame(film):
    assert numbers(film, frames=2, start=3.0, end=9.0) == [39, 39]


def test_frames_are_rgb_bytes(film):
    (frame,) = decode(MediaRef(kind="video", path=film))
    assert frame.shape == (32, 32, 3)
    assert frame.dtype == np.uint8


def test_length_is_found(film):
    assert check("video", film).length_seconds == pytest.approx(4.0, abs=0.01)


@pytest.fixture
def costly(monkeypatch):
    """Small films count as costly ones, which would take long to make."""
    monkeypatch.setattr(video, "_COSTLY_PIXELS_PER_SECOND", 1)


@pytest.mark.usefixtures("costly")
def test_a_costly_film_gives_frames_of_each_part(tmp_path):
    path = write_film(tmp_path / "hd.mp4", frames=48, rate=60, gop=10)
    found = numbers(path, frames=4)
    for part, number in enumerate(found):
        assert part * 12 <= number <= (part + 1) * 12
    assert found == sorted(found)
    # Keyframes are 0, 10, 20, 30, 40; the parts' middles 6, 18, 30, 42.
    assert found == [0, 20, 30, 40]


@pytest.mark.usefixtures("costly")
def test_a_costly_film_without_keyframes_is_decoded_up_to_the_time(tmp_path):
    path = write_film(tmp_path / "hd.mp4", frames=48, rate=60, gop=100)
    found = numbers(path, frames=4)
    # The first part's keyframe is the film's first frame; no other part has one.
    assert found[0] == 0
    assert found[1:] == pytest.approx([18, 30, 42], abs=2)


def test_sound_alone_and_broken_files_are_refused(tmp_path, film):
    with pytest.raises(UnreadableMedium, match="no picture"):
        check("video", write_sound(tmp_path / "sound.mp4"))
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(UnreadableMedium, match="damaged or not a video"):
        check("video", tmp_path / "noise.mp4")


def test_a_video_with_no_frames_is_refused(tmp_path):
    path = write_film(tmp_path / "none.mkv", frames=0, rate=10)
    with pytest.raises(UnreadableMedium, match="the video has no frames"):
        check("video", path)
    with pytest.raises(UnreadableMedium, match="the video has no frames"):
        decode(MediaRef(kind="video", path=path, frames=3))
