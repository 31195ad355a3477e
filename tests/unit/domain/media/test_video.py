import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from domain_cases import frame_numbers, write_film, write_sound

from transferlab.core.libav import open_input
from transferlab.core.records import MediaRef
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.media import video
from transferlab.domain.media.decoder import check, decode


def numbers(path, *, frames, start=0.0, end=None):
    ref = MediaRef(kind="video", path=path, start_seconds=start, end_seconds=end, frames=frames)
    return frame_numbers(decode(ref))


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """40 frames, 10 per second, a keyframe every 12."""
    return write_film(tmp_path_factory.mktemp("film") / "slow.mp4", frames=40, rate=10)


def test_frames_are_the_middles_of_equal_parts(film):
    assert numbers(film, frames=4) == [5, 15, 25, 35]
    assert numbers(film, frames=2, start=1.0, end=2.0) == [12, 17]
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


def test_a_film_that_lies_on_its_side_is_shown_upright(tmp_path):
    pixels = np.zeros((32, 64, 3), np.uint8)
    pixels[:16, :32] = 200  # the upper left quarter
    path = tmp_path / "lying.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode())
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 4 + 20 + 8 + 8  # ISO 14496-12, 8.3.2, version 0
    # What phones write for a picture that is to be turned by a quarter clockwise.
    content[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    (frame,) = decode(MediaRef(kind="video", path=path))
    assert frame.shape == (64, 32, 3)
    assert frame[8, 24].mean() > 150, "the upper right quarter now"
    assert frame[8, 8].mean() < 50
    assert frame[56, 24].mean() < 50


def test_frames_of_a_film_without_a_steady_rate_are_found_by_their_time(tmp_path):
    path, times = tmp_path / "uneven.mkv", [0, 100, 200, 2000, 2100, 4000]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.options = {"crf": "1", "preset": "ultrafast"}
        for number, milliseconds in enumerate(times):
            frame = av.VideoFrame.from_ndarray(
                np.full((32, 32, 3), 16 + 4 * number, np.uint8), "rgb24"
            )
            frame.pts, frame.time_base = milliseconds, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    ref = MediaRef(kind="video", path=path, end_seconds=4.2, frames=4)
    assert frame_numbers(decode(ref)) == [2, 2, 4, 4]
    early = MediaRef(kind="video", path=path, start_seconds=0.05, end_seconds=0.25, frames=2)
    assert frame_numbers(decode(early)) == [1, 2]


def test_a_clip_with_fewer_frames_than_are_asked_for_shows_them_again(tmp_path):
    path = write_film(tmp_path / "short.mp4", frames=3, rate=10)
    numbers = frame_numbers(decode(MediaRef(kind="video", path=path, frames=8)))
    assert len(numbers) == 8
    assert numbers == sorted(numbers)
    assert set(numbers) == {0, 1, 2} or set(numbers) == {1, 2}


def write_streams(path, *, picture_from=0.0, cover=False, seconds=4):
    """A film of 10 numbered frames per second beside a sound that begins at 0."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        stream.options = {"crf": "1", "preset": "ultrafast", "g": "12"}
        sound = container.add_stream("aac", rate=48_000, layout="mono")
        silent = np.zeros((1, 48_000 * seconds), np.float32)
        frame = av.AudioFrame.from_ndarray(silent, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, 0
        packets = [*sound.encode(frame), *sound.encode()]
        for number in range(10 * seconds):
            pixels = np.full((32, 32, 3), 16 + 4 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = number + round(10 * picture_from), Fraction(1, 10)
            packets += stream.encode(frame)
        for packet in [*packets, *stream.encode()]:
            container.mux(packet)
    return path


@pytest.mark.parametrize("ending", ["ts", "flv", "mkv", "mov"])
def test_frames_of_every_container_are_found(tmp_path, ending):
    path = write_streams(tmp_path / f"film.{ending}")
    assert check("video", path).length_seconds == pytest.approx(4.0, abs=0.3)
    ref = MediaRef(kind="video", path=path, frames=4, end_seconds=4.0)
    assert frame_numbers(decode(ref)) == pytest.approx([5, 15, 25, 35], abs=1)


def test_time_counts_from_the_beginning_of_the_file_and_not_of_its_pictures(tmp_path):
    path = write_streams(tmp_path / "late.mkv", picture_from=2.0)
    ref = MediaRef(kind="video", path=path, start_seconds=2.5, end_seconds=3.2)
    assert frame_numbers(decode(ref)) == [8]  # on screen at 2.85 s, 0.85 s after the first
    early = MediaRef(kind="video", path=path, start_seconds=0.0, end_seconds=1.0)
    assert frame_numbers(decode(early)) == [0]


def test_a_slide_is_on_screen_until_the_next_one(tmp_path):
    path = write_film(tmp_path / "slides.mp4", frames=4, rate=Fraction(1, 8))
    wanted = [MediaRef(kind="video", path=path, start_seconds=t, end_seconds=t + 2) for t in (1, 9)]
    assert [frame_numbers(decode(ref)) for ref in wanted] == [[0], [1]]


class Shown:
    """A frame whose pixels say where they are, and how the file says it is shown."""

    def __init__(self, matrix):
        self.side_data = {} if matrix is None else {video.DISPLAY_MATRIX: self.packed(matrix)}

    @staticmethod
    def packed(matrix):
        a, b, c, d = (value << 16 for value in matrix)
        return np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], np.int32).tobytes()

    def to_ndarray(self, format):
        return np.repeat(np.arange(6, dtype=np.uint8).reshape(2, 3, 1), 3, axis=2)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        (None, [[0, 1, 2], [3, 4, 5]]),
        ((1, 0, 0, 1), [[0, 1, 2], [3, 4, 5]]),
        ((-1, 0, 0, 1), [[2, 1, 0], [5, 4, 3]]),  # mirrored
        ((1, 0, 0, -1), [[3, 4, 5], [0, 1, 2]]),  # upside down, mirrored
        ((-1, 0, 0, -1), [[5, 4, 3], [2, 1, 0]]),  # turned by half
        ((0, 1, -1, 0), [[3, 0], [4, 1], [5, 2]]),  # turned by a quarter, clockwise
        ((0, -1, 1, 0), [[2, 5], [1, 4], [0, 3]]),  # and anticlockwise
        ((0, 1, 1, 0), [[0, 3], [1, 4], [2, 5]]),  # transposed
    ],
)
def test_pictures_are_turned_and_mirrored_as_the_file_says(matrix, expected):
    assert video._upright(Shown(matrix))[..., 0].tolist() == expected


def test_messages_that_somebody_turned_on_are_off_while_films_are_read(film):
    # With them FFmpeg's threads wait for Python's lock, which the closing thread holds for ever.
    av.logging.set_level(av.logging.DEBUG)
    try:
        decode(MediaRef(kind="video", path=film))
        assert av.logging.get_level() is None
    finally:
        av.logging.set_level(None)


def test_frames_that_would_fill_the_memory_are_refused(tmp_path, monkeypatch):
    path = write_film(tmp_path / "large.mp4", frames=3, rate=1, size=(640, 480))
    check("video", path)
    monkeypatch.setattr(video, "MAX_PIXELS", 640 * 480 - 1)
    for read in (check, lambda kind, one: decode(MediaRef(kind=kind, path=one))):
        with pytest.raises(UnreadableMedium, match="frames have more than 307,199 pixels"):
            read("video", path)


def test_the_decoder_refuses_frames_larger_than_the_container_states(film):
    """The bound is the decoder's too: what a container states can be anything."""
    with video._open(film) as (_, stream):
        assert stream.codec_context.options["max_pixels"] == str(video.MAX_PIXELS)
    with open_input(film) as container:  # and that is the decoder's word for it
        stream = container.streams.video[0]
        stream.codec_context.options = {"max_pixels": "1000"}
        with pytest.raises(av.FFmpegError):
            next(container.decode(stream))


def test_a_title_in_another_encoding_is_no_reason_to_refuse_a_film(tmp_path):
    path = tmp_path / "x.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Thorax, fruher"
        stream = container.add_stream("mpeg4", rate=2)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        shown = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 90, np.uint8), format="rgb24")
        for packet in [*stream.encode(shown), *stream.encode()]:
            container.mux(packet)
    content = path.read_bytes()
    assert b"fruher" in content
    path.write_bytes(content.replace(b"fruher", "früher".encode("cp1252")))
    (frame,) = decode(MediaRef(kind="video", path=path, frames=1))
    assert frame.mean() == pytest.approx(90, abs=4)
