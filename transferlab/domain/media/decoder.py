"""Media on disk turned into pixels; the decoder of a kind is imported when it is first needed."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from transferlab.core.records import Frames, MediaKind, MediaRef
from transferlab.core.registry import Registry
from transferlab.domain.base.archive_members import size_bytes
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.media.media_info import MediaInfo

DECODERS = Registry(
    "medium",
    {
        "image": "transferlab.domain.media.image:decode_image",
        "dicom": "transferlab.domain.media.dicom:decode_dicom",
        "video": "transferlab.domain.media.video:decode_video",
    },
)

CHECKS = Registry(
    "medium",
    {
        "image": "transferlab.domain.media.image:check_image",
        "dicom": "transferlab.domain.media.dicom:check_dicom",
        "video": "transferlab.domain.media.video:check_video",
        "sound": "transferlab.domain.media.audio:check_audio",
    },
)

CheckKind = MediaKind | Literal["sound"]
"""What a file is looked at as: a medium, or the sound track of a film."""


def decode(ref: MediaRef) -> Frames:
    """The frames of a medium: (H, W, 3) uint8 each, one for a picture, ``ref.frames`` for a video.

    Raises:
        DataError: the file is missing, broken or empty, or the text on it was to be masked and none
            was found; the message is one sentence with its path, or its alias where it has one.
        MissingExtra: text is to be masked, and the library that finds it is missing.
    """
    try:
        _require_file(ref.path)
        frames: Frames = DECODERS.get(ref.kind)(ref)
        return _masked(ref, frames) if ref.mask_text else frames
    except UnreadableMedium as error:
        if not ref.alias:
            raise
        raise UnreadableMedium(ref.alias, error.reason) from None


def _masked(ref: MediaRef, frames: Frames) -> Frames:
    from transferlab.domain.privacy.burned_in_text import masked

    clean, boxes = masked(frames)
    if not boxes:
        raise UnreadableMedium(
            ref.path, "it says that text is burned in, and none was found to be masked"
        )
    return clean


def check(kind: CheckKind, path: Path, *, hashed: bool = False) -> MediaInfo:
    """Find out, as cheaply as can be done reliably, whether a file can be decoded.

    Args:
        kind: what it is taken for.
        path: the file.
        hashed: whether a picture's perceptual hash is wanted too.

    Raises:
        UnreadableMedium: it cannot be decoded, or nothing can be seen on it.
    """
    _require_file(path)
    inspect: Callable[..., MediaInfo] = CHECKS.get(kind)
    return inspect(path, hashed=hashed)


def _require_file(path: Path) -> None:
    try:
        size = size_bytes(path)
    except tarfile.TarError:
        raise UnreadableMedium(path, "its shard is damaged; copy it again") from None
    except OSError as error:  # a name that is too long, or a folder that may not be entered
        raise UnreadableMedium(path, f"the file cannot be reached ({error.strerror})") from None
    if size is None:
        raise UnreadableMedium(path, "the file is missing")
    if size == 0:
        raise UnreadableMedium(path, "the file is empty (0 bytes)")
