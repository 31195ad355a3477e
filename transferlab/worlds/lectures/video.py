"""The files of a lecture: an H.264 film and its WebVTT transcript."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from transferlab.core.libav import open_output
from transferlab.errors import EnvironmentProblem


@dataclass(frozen=True, kw_only=True)
class Cue:
    """Words and when they are spoken, in seconds from the film's beginning."""

    start_seconds: float
    end_seconds: float
    words: str


def write_film(
    path: Path, frames: Iterable[np.ndarray], *, size: tuple[int, int], frames_per_second: int
) -> None:
    """Encode (H, W, 3) uint8 frames as H.264 in an MP4 file.

    Args:
        path: of the file.
        frames: in time order, all of one size.
        size: their width and height in pixels, both even.
        frames_per_second: how fast they follow one another.

    Raises:
        EnvironmentProblem: the installed PyAV has no H.264 encoder.
    """
    try:
        av.Codec("libx264", "w")
    except av.codec.codec.UnknownCodecError as error:
        raise EnvironmentProblem(
            "the installed PyAV has no H.264 encoder (libx264); install its wheel: pip install av"
        ) from error
    # Without the last option, x264 chooses among algorithms that do not give the same bytes twice.
    options = {
        "preset": "veryfast",
        "crf": "23",
        "g": str(2 * frames_per_second),
        "x264-params": "cpu-independent=1",
    }
    with open_output(path) as container:
        stream = container.add_stream("libx264", rate=frames_per_second, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))


def write_transcript(path: Path, cues: Sequence[Cue]) -> None:
    """Write a WebVTT file with numbered cues."""
    blocks = ["WEBVTT"]
    for number, cue in enumerate(cues, start=1):
        times = f"{_timestamp(cue.start_seconds)} --> {_timestamp(cue.end_seconds)}"
        blocks.append(f"{number}\n{times}\n{cue.words}")
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8", newline="\n")


def _timestamp(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
