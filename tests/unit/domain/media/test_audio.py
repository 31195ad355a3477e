"""The sound track of films: resampled, in time with the pictures, and refused where it is none."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from domain_cases import toy_rows, write_domain, write_film

from transferlab.core.records import MediaRef
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.media.audio import RATE, check_audio, decode_audio
from transferlab.domain.media.video import check_video, decode_video
from transferlab.domain.validation.domain_check import check_domain

VIDEOS = Path(os.environ.get("TRANSFERLAB_DATA", "../shared/data")) / "education" / "videos"
LOUD_FROM, LOUD_TO, SECONDS = 1.0, 1.5, 3


def write_sounding(path, *, rate=44_100):
    """Three seconds of film in stereo: silent but for 440 Hz from 1.0 to 1.5 s on one side."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libx264", rate=Fraction(10))
        pictures.width, pictures.height, pictures.pix_fmt = 32, 32, "yuv420p"
        sound = container.add_stream("aac", rate=rate, layout="stereo")
        for number in range(10 * SECONDS):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 5 * number, np.uint8), "rgb24")
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode())
        time = np.arange(rate * SECONDS) / rate
        loud = np.sin(2 * np.pi * 440 * time) * ((time >= LOUD_FROM) & (time < LOUD_TO))
        both = np.stack([loud, 0 * loud]).astype(np.float32)
        for at in range(0, both.shape[1], 1024):
            piece = np.ascontiguousarray(both[:, at : at + 1024])
            frame = av.AudioFrame.from_ndarray(piece, "fltp", "stereo")
            frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
            container.mux(sound.encode(frame))
        container.mux(sound.encode())
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_sounding(tmp_path_factory.mktemp("sound") / "film.mp4")


def loudness(samples):
    """Of every tenth of a second."""
    return np.abs(samples[: len(samples) // 1600 * 1600].reshape(-1, 1600)).mean(1)


def part(path, begin, end):
    return decode_audio(MediaRef(kind="video", path=path, start_seconds=begin, end_seconds=end))


def test_all_of_it_at_sixteen_kilohertz_on_one_channel(film):
    samples = decode_audio(MediaRef(kind="video", path=film))
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(SECONDS * RATE, abs=RATE // 10)
    loud = loudness(samples) > 0.1
    assert loud[10:15].all()
    assert loud.sum() <= 6
    spectrum = np.abs(np.fft.rfft(samples[RATE : RATE + 4000]))
    assert spectrum.argmax() * RATE / 4000 == pytest.approx(440, abs=RATE / 4000)


@pytest.mark.parametrize("begin", [0.0, 0.9, 1.3])
def test_a_segment_sounds_as_that_part_of_the_whole(film, begin):
    whole = decode_audio(MediaRef(kind="video", path=film))
    samples = part(film, begin, begin + 0.5)
    assert len(samples) == RATE // 2
    expected = whole[int(begin * RATE) :][: RATE // 2]
    assert np.abs(samples - expected).mean() < 0.01


def test_beyond_the_end_there_is_silence(film):
    samples = part(film, SECONDS - 0.5, SECONDS + 2.0)
    assert len(samples) == 2.5 * RATE
    assert not samples[RATE:].any()
    assert not part(film, 100.0, 101.0).any()


def test_films_without_sound_and_broken_ones_are_refused(tmp_path, film):
    silent = write_film(tmp_path / "silent.mp4", frames=10, rate=10)
    with pytest.raises(UnreadableMedium, match="has no sound track"):
        check_audio(silent)
    (tmp_path / "broken.mp4").write_bytes(film.read_bytes()[:900])
    with pytest.raises(UnreadableMedium, match="its sound track is damaged"):
        decode_audio(MediaRef(kind="video", path=tmp_path / "broken.mp4"))


def test_a_domain_that_sounds(tmp_path, film):
    rows = [row | {"film": "film.mp4"} for row in toy_rows(6)]
    rows[3]["film"] = "silent.mp4"
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "film.mp4").write_bytes(film.read_bytes())
    write_film(folder / "silent.mp4", frames=10, rate=10)
    clip = {"kind": "video", "path": "{film}", "sound": True}
    task = {"kind": "describe", "prompt": "<clip>", "answer": "{note}", "metrics": ["token_f1"]}
    source = {"kind": "table", "media": {"clip": clip}}
    report = check_domain(write_domain(folder, rows=rows, source=source, tasks={"say": task}))
    (one,) = [problem for problem in report.errors if problem.kind == "medium"]
    assert (one.where, report.media) == ("metadata.csv row 5", 2)
    assert "no sound track" in one.reason


real = pytest.mark.skipif(not VIDEOS.is_dir(), reason=f"the real videos are not in {VIDEOS}")


@real
def test_the_sound_of_real_films():
    heard, deaf = 0, set()
    for path in sorted(VIDEOS.iterdir()):
        ref = MediaRef(kind="video", path=path, start_seconds=1.0, end_seconds=2.0)
        try:
            samples = decode_audio(ref)
        except UnreadableMedium as error:
            deaf.add(error.reason)
        else:
            assert samples.shape == (RATE,)
            heard += bool(np.abs(samples).max() > 1e-3)
    assert deaf == {"the film has no sound track; set sound: false"}
    assert heard >= 8


@real
@pytest.mark.parametrize("frames", [1, 3])
def test_real_films_cut_short_are_told_and_whole_ones_show_every_part(tmp_path, frames):
    small = sorted(VIDEOS.glob("*.webm"), key=lambda path: path.stat().st_size)[:3]
    for path in small:
        try:
            length = check_video(path).length_seconds
        except UnreadableMedium:
            continue  # sound alone
        ref = MediaRef(kind="video", path=path, frames=frames, end_seconds=length)
        assert len(decode_video(ref)) == frames
        cut = tmp_path / path.name
        cut.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
        with pytest.raises(UnreadableMedium):
            check_video(cut)
