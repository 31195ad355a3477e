"""The sound track of films, as backbones that listen take it: 16 kHz, one channel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer

from transferlab.core.libav import open_input
from transferlab.core.records import MediaRef
from transferlab.domain.base.archive_members import readable
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.media.media_info import MediaInfo

RATE = 16_000
"""Samples per second, which speech models are trained on."""
_EARLIER_SECONDS = 1.0
"""How much before a segment decoding begins: codecs need what went before."""


def decode_audio(ref: MediaRef) -> np.ndarray:
    """The sound of a segment, (n,) float32 in [-1, 1] at 16 kHz, channels mixed to one.

    Time counts from the file's beginning, as it does for frames; where there is no sound, before
    the track begins or after it ends, there is silence. Without an end it lasts as long as the
    track.

    Raises:
        UnreadableMedium: the film has no sound track, or it is damaged.
    """
    begin, end = ref.start_seconds, ref.end_seconds
    with _open(ref.path) as (container, stream):
        zero = _zero_seconds(container, stream)
        pieces: list[tuple[int, np.ndarray]] = []
        for seconds, samples in _resampled(container, stream, begin + zero):
            at = round((seconds - zero - begin) * RATE)
            if end is not None and at >= round((end - begin) * RATE):
                break
            if at + len(samples) > 0:
                pieces.append((at, samples))
    whole = max((at + len(samples) for at, samples in pieces), default=0)
    track = np.zeros(whole if end is None else round((end - begin) * RATE), np.float32)
    for at, samples in pieces:
        first, last = max(at, 0), min(at + len(samples), len(track))
        track[first:last] = samples[first - at : last - at]
    return track.clip(-1, 1)


def check_audio(path: Path, *, hashed: bool = False) -> MediaInfo:
    """Decode the first piece of the sound track.

    Args:
        path: the film.
        hashed: without effect.

    Raises:
        UnreadableMedium: there is no sound track, or nothing in it, or it is damaged.
    """
    with _open(path) as (container, stream):
        if next(container.decode(stream), None) is None:
            raise UnreadableMedium(path, "its sound track is empty")
        base = stream.time_base
        if stream.duration is None or base is None:
            return MediaInfo(length_seconds=None)
        return MediaInfo(length_seconds=float(stream.duration * base))


def _resampled(
    container: InputContainer, stream: AudioStream, begin: float
) -> Iterator[tuple[float, np.ndarray]]:
    """When a piece sounds, in the file's own time, and its samples."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    if begin > _EARLIER_SECONDS and stream.time_base:
        target = int((begin - _EARLIER_SECONDS) / stream.time_base)
        container.seek(target, stream=stream, backward=True)
    for frame in container.decode(stream):
        for piece in resampler.resample(frame):
            yield _timed(piece)
    for piece in resampler.resample(None):
        yield _timed(piece)


def _timed(piece: av.AudioFrame) -> tuple[float, np.ndarray]:
    return float(piece.time or 0.0), piece.to_ndarray().reshape(-1)


def _zero_seconds(container: InputContainer, stream: AudioStream) -> float:
    """Where the file's own clock begins."""
    if container.start_time is not None:
        return container.start_time / av.time_base
    if stream.start_time is None or stream.time_base is None:
        return 0.0
    return float(stream.start_time * stream.time_base)


@contextmanager
def _open(path: Path) -> Iterator[tuple[InputContainer, AudioStream]]:
    try:
        with open_input(readable(path)) as container:
            if not container.streams.audio:
                raise UnreadableMedium(path, "the film has no sound track; set sound: false")
            yield container, container.streams.audio[0]
    except av.FFmpegError as error:
        raise UnreadableMedium(
            path, f"its sound track is damaged ({type(error).__name__}); copy it again"
        ) from error
