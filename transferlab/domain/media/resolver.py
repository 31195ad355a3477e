"""The media of a domain: resolved inside its root, checked once each, and fingerprinted."""

from __future__ import annotations

import hashlib
import io
import math
from pathlib import Path
from typing import cast

from transferlab.config.privacy import PrivacySection
from transferlab.config.source import MediaSection
from transferlab.core.paths import data_path
from transferlab.core.records import MediaKind, MediaRef
from transferlab.domain.base.archive_members import open_medium
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.base.rows import WHERE, BadRow, Row
from transferlab.domain.base.template import fill, value
from transferlab.domain.media.decoder import CheckKind, check, decode
from transferlab.domain.media.probe_cache import FileProbe, InMemoryProbeCache, ProbeCache

BURNED_IN = (
    "its BurnedInAnnotation is YES, so text may stand in its pixels; leave it out, or set "
    "privacy.burned_in: mask"
)


class MediaResolver:
    """Turns a row's media into references. A file that many rows share is checked once."""

    def __init__(
        self,
        root: Path,
        *,
        hashed: bool = False,
        privacy: PrivacySection | None = None,
        probes: ProbeCache | None = None,
        label: str = "",
    ) -> None:
        """
        Args:
            root: the domain's folder.
            hashed: keep pictures' perceptual hashes, by which near-duplicates are found.
            privacy: what the domain asks; None asks nothing.
            probes: keeps what was found out about files; None means a cache of its own.
            label: tells the files of several domains with one cache apart.
        """
        self._label = label
        self._root, self._hashed = root, hashed
        self._privacy = privacy or PrivacySection()
        self._base = root.resolve()
        self._probes = probes or InMemoryProbeCache()
        self.files = 0
        """How many files were looked at."""

    def reference(self, section: MediaSection, row: Row) -> MediaRef:
        """The medium that a row means.

        Raises:
            BadRow: it points outside the domain's folder, cannot be decoded, its segment makes no
                sense, or the row lacks a column.
        """
        try:
            path = data_path(self._root, fill(section.path, row))
        except ValueError as error:
            raise BadRow(f"it is {error}") from None
        found = self._probe(section.kind, path)
        if found.reason is None and section.sound:
            sound = self._probe("sound", path)
            found = found if sound.reason is None else sound
        if found.reason is not None:
            raise BadRow(found.reason)
        start = _seconds(row, section.start) or 0.0
        end = _seconds(row, section.end)
        if end is not None and end <= start:
            raise BadRow(f"its segment ends at {end:g} s, not after its start, {start:g} s")
        if found.length_seconds is not None and start >= found.length_seconds:
            raise BadRow(
                f"its segment begins at {start:g} s, the video is {found.length_seconds:g} s long"
            )
        return MediaRef(
            kind=section.kind,
            path=path,
            start_seconds=start,
            end_seconds=end,
            frames=_frames(section, start, end, found.length_seconds),
            sound=section.sound,
            alias=row[WHERE],
            mask_text=found.mask_text,
            digest=found.fingerprint,
        )

    def identity(self, ref: MediaRef) -> str:
        """What distinguishes the medium, the same on every machine."""
        relative = ref.path.relative_to(self._base).as_posix()
        part = f"{ref.start_seconds:.3f}-{ref.end_seconds or 0:.3f}/{ref.frames}"
        return f"{relative}@{part}" + ("+sound" if ref.sound else "")

    def fingerprint(self, ref: MediaRef) -> str:
        """SHA-256 of the file's bytes, in hex."""
        return self._probe(ref.kind, ref.path).fingerprint

    def key(self, kind: CheckKind, path: Path) -> str:
        """The text by which the cache knows a file."""
        return f"{self._label}:{kind}:{path}"

    def _probe(self, kind: CheckKind, path: Path) -> FileProbe:
        key = self.key(kind, path)
        known = self._probes.get(key)
        if known is None:
            known = self._inspect(kind, path)
            self._probes.put(key, known)
            self.files += kind != "sound"
        return known

    def _inspect(self, kind: CheckKind, path: Path) -> FileProbe:
        try:
            info = check(kind, path, hashed=self._hashed)
        except UnreadableMedium as error:
            return FileProbe(reason=error.reason)
        with open_medium(path) as file:
            digest = hashlib.file_digest(cast("io.BufferedReader", file), "sha256").hexdigest()
        masked = kind != "sound" and info.burned_in and self._privacy.dicom is not None
        return FileProbe(
            reason=self._why_burned_in(kind, path) if masked and kind != "sound" else None,
            mask_text=masked,
            length_seconds=info.length_seconds,
            picture_hash=info.picture_hash,
            brightness=info.brightness,
            fingerprint=digest,
            note=info.note,
            persons=info.persons,
            instance=info.instance,
        )

    def _why_burned_in(self, kind: MediaKind, path: Path) -> str | None:
        """Why a picture that says it holds text cannot be used; None when it can be masked."""
        if self._privacy.burned_in == "refuse":
            return BURNED_IN
        try:
            decode(MediaRef(kind=kind, path=path, mask_text=True))
        except UnreadableMedium as error:
            return error.reason
        return None


def _frames(section: MediaSection, start: float, end: float | None, length: float | None) -> int:
    """How many frames of a segment are shown."""
    rate = section.frames_per_second
    if rate is None:
        return section.frames
    until = min(one for one in (end, length, math.inf) if one is not None)
    if math.isinf(until):
        raise BadRow("nothing says how long the video is, which frames_per_second needs")
    return max(1, min(section.frames, math.ceil((until - start) * rate)))


def _seconds(row: Row, column: str | None) -> float | None:
    if column is None or (column in row and not row[column].strip()):
        return None  # an empty one means the film's own beginning or end
    try:
        seconds = float(value(row, column))
    except ValueError:
        raise BadRow(f"its column '{column}' is not a number of seconds") from None
    if not math.isfinite(seconds) or seconds < 0:
        raise BadRow(f"its column '{column}' is not a number of seconds from 0 on")
    return seconds
