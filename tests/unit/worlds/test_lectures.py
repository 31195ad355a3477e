"""Generated lectures: the same every time, playable, and the film shows what the table says."""

import csv
from collections import defaultdict
from pathlib import Path

import av
import numpy as np
import pytest
import webvtt
from PIL import Image, ImageDraw

from transferlab.errors import InputError
from transferlab.worlds.lectures.board import Board
from transferlab.worlds.lectures.figures import SUBJECTS
from transferlab.worlds.lectures.slides import DIRECTIONS, HEIGHT, WIDTH, draw_path
from transferlab.worlds.lectures.speech import write_speech
from transferlab.worlds.lectures.video import Cue, write_film, write_transcript
from transferlab.worlds.lectures.world import FRAMES_PER_SECOND, write

SAMPLES = 18


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lectures")
    write(folder, seed=5, samples=SAMPLES)
    return folder


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def lectures_of(folder: Path) -> dict[str, list[dict[str, str]]]:
    lectures = defaultdict(list)
    for row in rows_of(folder):
        lectures[row["lecture_id"]].append(row)
    return lectures


def frames_of(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as film:
        assert film.streams.video[0].codec_context.name == "h264"
        assert film.streams.video[0].average_rate == FRAMES_PER_SECOND
        return [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]


def cues_of(folder: Path, row: dict[str, str]) -> list[Cue]:
    captions = webvtt.read(str(folder / "transcripts" / row["transcript"])).captions
    return [
        Cue(start_seconds=_seconds(c.start), end_seconds=_seconds(c.end), words=c.text)
        for c in captions
    ]


def _seconds(timestamp: str) -> float:
    hours, minutes, seconds = timestamp.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def test_same_seed_same_bytes(written, tmp_path):
    write(tmp_path, seed=5, samples=4)
    assert rows_of(tmp_path) == rows_of(written)[:4]
    for name in ("videos/lecture-0001.mp4", "transcripts/lecture-0001.vtt"):
        assert (tmp_path / name).read_bytes() == (written / name).read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    write(other, seed=6, samples=1)
    first = "videos/lecture-0001.mp4"
    assert (other / first).read_bytes() != (written / first).read_bytes()


def test_there_is_a_row_per_slide_and_lectures_have_three_or_four(written):
    lectures = lectures_of(written)
    assert sum(map(len, lectures.values())) == SAMPLES
    whole = list(lectures.values())[:-1]
    assert {len(rows) for rows in whole} <= {3, 4}
    for rows in lectures.values():
        assert [row["cue"] for row in rows] == [str(n + 1) for n in range(len(rows))]
        assert len({row["subject"] for row in rows}) == 1
        assert all(row["figure"] in SUBJECTS[row["subject"]] for row in rows)


def test_cues_are_in_order_and_within_the_film(written):
    for rows in lectures_of(written).values():
        frames = frames_of(written / "videos" / rows[0]["file"])
        assert frames[0].shape == (HEIGHT, WIDTH, 3)
        cues = cues_of(written, rows[0])
        assert len(cues) == len(rows)
        edges = [time for cue in cues for time in (cue.start_seconds, cue.end_seconds)]
        assert edges == sorted(set(edges))
        # The last slide stays for one more frame after its words.
        assert edges[-1] == pytest.approx((len(frames) - 1) / FRAMES_PER_SECOND)


def test_the_pointer_moves_where_the_row_says_while_the_words_are_spoken(written):
    seen = set()
    for rows in lectures_of(written).values():
        frames = np.stack(frames_of(written / "videos" / rows[0]["file"])).astype(int)
        for row, cue in zip(rows, cues_of(written, rows[0]), strict=True):
            first, last = (
                round(t * FRAMES_PER_SECOND) for t in (cue.start_seconds, cue.end_seconds)
            )
            start, end = _pointer_at_both_ends(frames[first:last])
            moved = end - start
            along = np.array(DIRECTIONS[row["pointer"]])
            assert moved @ along > 30, row
            assert moved @ along > 1.5 * abs(moved @ along[::-1]), row
            seen.add(row["pointer"])
    assert len(seen) >= 3


def _pointer_at_both_ends(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(x, y) of what differs from the slide in the first and in the last of the frames."""
    slide = np.median(frames, axis=0)
    middles = []
    for frame in (frames[0], frames[-1]):
        differs = np.abs(frame - slide).sum(axis=2)
        y, x = np.nonzero(differs > 0.5 * differs.max())
        middles.append(np.array([np.median(x), np.median(y)]))
    return middles[0], middles[1]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_path_stays_on_the_slide_and_its_middle_does_not_tell_the_direction(direction):
    rng = np.random.default_rng(0)
    paths = np.stack([draw_path(rng, direction=direction, frames=11) for _ in range(200)])
    assert paths.min() > 0
    assert (paths < [WIDTH, HEIGHT]).all()
    middle = paths[:, 5].mean(axis=0)
    np.testing.assert_allclose(middle, [WIDTH / 2, HEIGHT / 2], atol=8)


FIGURES = [(name, draw) for figures in SUBJECTS.values() for name, draw in figures.items()]


def drawn(draw, *, seed: int) -> np.ndarray:
    sheet = Image.new("L", (200, 200))
    board = Board(
        pen=ImageDraw.Draw(sheet),
        centre=(100, 100),
        half=70,
        turn_degrees=0,
        line=255,  # type: ignore[arg-type]  (a grey sheet takes one number)
        fill=128,  # type: ignore[arg-type]
        width=3,
    )
    draw(board, np.random.default_rng(seed))
    return np.asarray(sheet)


@pytest.mark.parametrize(("name", "draw"), FIGURES)
def test_figures_fill_their_board_and_vary(name, draw):
    sheets = [drawn(draw, seed=seed) for seed in range(4)]
    for sheet in sheets:
        y, x = np.nonzero(sheet)
        assert max(np.ptp(x), np.ptp(y)) > 90, name
        assert min(x.min(), y.min()) > 5, name
        assert max(x.max(), y.max()) < 195, name
    assert any(not np.array_equal(sheets[0], other) for other in sheets[1:])


def test_figures_have_names_of_their_own():
    names = [name for name, _ in FIGURES]
    assert len(set(names)) == len(names) == 14


def test_words_leave_open_what_is_explained():
    rng = np.random.default_rng(0)
    for subject, figures in SUBJECTS.items():
        for figure in figures:
            for _ in range(30):
                speech = write_speech(rng, subject=subject, figure=figure)
                assert figure not in speech.words
                assert speech.explanation.endswith(figure)
    explained = {}
    for _ in range(400):
        speech = write_speech(rng, subject="geometry", figure="angle")
        explained[speech.explanation] = speech.words
    assert sorted(explained) == [
        "how to draw an angle",
        "how to measure an angle",
        "the parts of an angle",
        "the use of an angle",
    ]


def test_a_film_decodes_to_the_frames_it_was_given(tmp_path):
    frames = [np.full((32, 48, 3), level, np.uint8) for level in (10, 90, 170, 250)]
    write_film(tmp_path / "a.mp4", frames, size=(48, 32), frames_per_second=FRAMES_PER_SECOND)
    levels = [frame.mean() for frame in frames_of(tmp_path / "a.mp4")]
    np.testing.assert_allclose(levels, [10, 90, 170, 250], atol=4)


def test_a_transcript_is_webvtt_with_milliseconds(tmp_path):
    cue = Cue(start_seconds=59.9996, end_seconds=3661.25, words="so, watch")
    write_transcript(tmp_path / "a.vtt", [cue])
    text = (tmp_path / "a.vtt").read_text("utf-8")
    assert text == "WEBVTT\n\n1\n00:01:00.000 --> 01:01:01.250\nso, watch\n"


@pytest.mark.parametrize(("samples", "seed"), [(0, 0), (1, -1)])
def test_impossible_options_are_one_sentence(tmp_path, samples, seed):
    with pytest.raises(InputError, match="samples must be at least 1"):
        write(tmp_path, seed=seed, samples=samples)
