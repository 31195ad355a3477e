"""Video files, read with PyAV: a few frames of a segment, without decoding the rest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideData
from av.stream import Disposition
from av.video.stream import VideoStream

from transferlab.core.libav import open_input
from transferlab.core.records import Frames, MediaRef
from transferlab.domain.base.archive_members import readable
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.media.image import MAX_PIXELS
from transferlab.domain.media.media_info import FLAT, MediaInfo

_SMOOTH_RATE = 24
"""Frames per second from which a frame or two to the side does not change what is seen."""
_COSTLY_PIXELS_PER_SECOND = 1280 * 720 * 48
"""From here on (720p at 48 frames per second) decoding up to a wanted frame takes a CPU core about
as long as the film runs."""
_BEYOND_SECONDS = 3600.0
"""Past the end of a film by any estimate of it: a search from there finds the last keyframe."""
DISPLAY_MATRIX = SideData.DISPLAYMATRIX
_TAIL_SECONDS, _TAIL_SHARE = 1.0, 0.05
"""How much earlier than stated a film's pictures may end: the last one may be shown for a while."""


def decode_video(ref: MediaRef) -> Frames:
    """``ref.frames`` (H, W, 3) uint8 frames: one for each of as many equal parts of the segment.

    It is the frame that is on screen at the part's middle: before the first picture that one, after
    the last one that. Times count from the file's beginning, where sound may begin before pictures.
    At 24 frames per second and more, frames that no other frame refers to are not decoded, so it
    may be a few hundredths of a second early. Of films from 720p at 48 frames per
    second on, a keyframe within the part is taken instead where there is one: it costs one decoded
    frame and not hundreds.

    Raises:
        UnreadableMedium: there is no picture, no frame in the segment, or the file is broken.
    """
    with _open(ref.path) as (container, stream):
        end = ref.end_seconds if ref.end_seconds is not None else _length(container, stream)
        begin = ref.start_seconds
        # A file that does not say how long it is shows its first frame.
        part = max(0.0, (begin if end is None else end) - begin) / ref.frames
        rate = float(stream.average_rate or 0)
        if rate >= _SMOOTH_RATE:
            stream.codec_context.skip_frame = "NONREF"
        costly = stream.width * stream.height * rate >= _COSTLY_PIXELS_PER_SECOND
        video = _Film(ref.path, container, stream)
        found: Frames = []
        for i in range(ref.frames):
            middle = begin + (i + 0.5) * part
            frame = video.keyframe(middle, within_seconds=part / 2) if costly else None
            found.append(_upright(frame or video.frame_at(middle)))
        return found


def check_video(path: Path, *, hashed: bool = False) -> MediaInfo:
    """Decode the first frame, one about the middle and the end, and find out how long the film is.

    Args:
        path: the film.
        hashed: without effect; films are compared by their bytes.

    Raises:
        UnreadableMedium: there is no picture, no frame, the file is broken or breaks off, or what
            was looked at is all one value.
    """
    with _open(path) as (container, stream):
        first = next(container.decode(stream), None)
        if first is None:
            raise UnreadableMedium(path, "the video has no frames")
        length = _length(container, stream)
        video = _Film(path, container, stream)
        last = video.frame_at((length or 0.0) + _BEYOND_SECONDS)
        seconds = video.seconds(last)
        _check_end(path, seconds, stated=video.stated_seconds)
        # Any frame will do there, and one after a keyframe's interval costs seconds in long films.
        middle = video.keyframe(seconds / 2, within_seconds=seconds) or video.frame_at(seconds / 2)
        values = {_one_value(frame) for frame in (first, middle, last)}
        if len(values) == 1 and None not in values:
            raise UnreadableMedium(path, FLAT)
        return MediaInfo(length_seconds=length)


def _check_end(path: Path, seconds: float, *, stated: float | None) -> None:
    """Compare when the last frame is shown with how long the film says it is."""
    if stated is not None and stated - seconds > max(_TAIL_SECONDS, _TAIL_SHARE * stated):
        raise UnreadableMedium(
            path,
            f"the video breaks off: it says {stated:.1f} s and its pictures end at "
            f"{seconds:.1f} s; copy it again",
        )


def _one_value(frame: av.VideoFrame) -> int | None:
    """The value that every pixel of the frame has; None where they differ."""
    pixels = frame.to_ndarray(format="gray")
    return int(pixels.flat[0]) if pixels.min() == pixels.max() else None


@contextmanager
def _open(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    try:
        with open_input(readable(path)) as container:
            stream = _pictures(container)
            if stream is None:
                raise UnreadableMedium(path, "the file has no picture, only sound or data")
            _bound_frames(path, stream)
            stream.thread_type = "AUTO"
            yield container, stream
    except av.EOFError as error:
        raise UnreadableMedium(path, "the video has no frames: it ends before the first") from error
    except av.FFmpegError as error:
        raise UnreadableMedium(
            path, f"the video is damaged or not a video ({type(error).__name__}); copy it again"
        ) from error


def _bound_frames(path: Path, stream: VideoStream) -> None:
    """Refuse frames of more than ``MAX_PIXELS``: those that the container states, and, in the
    decoder, those that turn out to be so; each is in memory several times."""
    context = stream.codec_context
    if context.width * context.height > MAX_PIXELS:
        raise UnreadableMedium(
            path,
            f"the video's frames have more than {MAX_PIXELS:,} pixels; make them smaller first",
        )
    context.options = {"max_pixels": str(MAX_PIXELS)}


def _pictures(container: InputContainer) -> VideoStream | None:
    """The film's own pictures: a cover beside them is a picture attached to the file."""
    moving = [
        one
        for one in container.streams.video
        if not Disposition.attached_pic & one.disposition and one.codec_context is not None
    ]
    best = container.streams.best("video")
    return best if best in moving else next(iter(moving), None)


def _length(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / av.time_base


class _Film:
    """An open video in which frames are looked up by time, in seconds from its beginning."""

    def __init__(self, path: Path, container: InputContainer, stream: VideoStream) -> None:
        self._path, self._container, self._stream = path, container, stream
        self._base = stream.time_base or Fraction(1, av.time_base)
        start = container.start_time
        own = stream.start_time or 0
        self._first: int = own if start is None else round(start / av.time_base / self._base)

    def keyframe(self, seconds: float, *, within_seconds: float) -> av.VideoFrame | None:
        """The keyframe before ``seconds``, else the one after it, if it is near enough."""
        target = self._ticks(seconds)
        for before in (True, False):
            try:
                self._container.seek(target, stream=self._stream, backward=before)
            except av.PermissionError:
                continue  # what FFmpeg says where no keyframe follows
            frame = next(self._container.decode(self._stream), None)
            if frame is None or frame.pts is None:
                continue
            if abs(float((frame.pts - target) * self._base)) <= within_seconds:
                return frame
        return None

    def frame_at(self, seconds: float) -> av.VideoFrame:
        """The frame on screen at ``seconds``; before the first one that, after the last one that.

        Of some containers nothing comes after a search near or past the end, or it ends at a later
        keyframe than the one before; it is then begun earlier, at the beginning at last.
        """
        target = self._ticks(seconds)
        length = self.stated_seconds
        target_tick = target if length is None else min(target, self._ticks(length))
        for earlier in (0.0, 5.0, 60.0, math.inf):
            start = self._first if math.isinf(earlier) else target_tick - int(earlier / self._base)
            with suppress(av.PermissionError):  # what FFmpeg says where it finds no keyframe
                self._container.seek(max(self._first, start), stream=self._stream, backward=True)
            shown = self._last_until(target)
            too_late = shown is not None and (shown.pts or 0) > target
            if shown is not None and (not too_late or math.isinf(earlier)):
                return shown
        raise UnreadableMedium(self._path, "the video has no frames")

    def _last_until(self, target: int) -> av.VideoFrame | None:
        """Of the frames from here on, the last one that is shown by ``target``, else the first."""
        shown = None
        for frame in self._container.decode(self._stream):
            if frame.pts is not None and frame.pts > target:
                return shown or frame
            shown = frame
        return shown

    def seconds(self, frame: av.VideoFrame) -> float:
        """When a frame is shown."""
        return float(((frame.pts or 0) - self._first) * self._base)

    @property
    def stated_seconds(self) -> float | None:
        """How long the pictures last by the file's own word; a file's length may be its sound's."""
        if self._stream.duration is not None:
            return float(self._stream.duration * self._base)
        sounds = self._container.streams.audio
        if sounds or self._container.duration is None:
            return None
        return self._container.duration / av.time_base

    def _ticks(self, seconds: float) -> int:
        return self._first + int(seconds / self._base)


def _upright(frame: av.VideoFrame) -> np.ndarray:
    pixels = frame.to_ndarray(format="rgb24")
    matrix: Any = frame.side_data.get(DISPLAY_MATRIX)  # type: ignore[call-overload]  # as PyAV does
    if matrix is None:
        return np.ascontiguousarray(pixels)
    # Phones store the picture lying or mirrored, with the way it is shown beside it: a pixel (p, q)
    # is shown at x = a p + c q, y = b p + d q, each of the four 0 or of size 1.
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5]
    if abs(int(a)) < abs(int(b)):
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
