"""What is known about a file that was looked at, and who remembers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class FileProbe:
    """What was found out about one file."""

    reason: str | None = None
    """Why it cannot be used; None when it can."""
    length_seconds: float | None = None
    picture_hash: bytes | None = None
    brightness: float | None = None
    """A picture's mean grey, in [0, 255], where it was asked for."""
    fingerprint: str = ""
    """SHA-256 of its bytes, in hex."""
    mask_text: bool = False
    """Whether it says that text is burned into its pixels, which is to be painted over."""
    persons: tuple[str, ...] = ()
    """Whom it says it shows, where it was asked for; a cache on disk keeps digests alone."""
    instance: str = ""
    """The number that it says is its alone, where it was asked for."""
    note: str | None = None
    """What it says of its display that cannot be obeyed."""


class ProbeCache(Protocol):
    """Keeps what was found out about files, by a text that tells them apart."""

    def get(self, key: str) -> FileProbe | None:
        """What is known; None where the file has not been looked at."""

    def put(self, key: str, probe: FileProbe) -> None:
        """Keep it."""


class InMemoryProbeCache:
    """Keeps it as long as the process lives."""

    def __init__(self) -> None:
        self._known: dict[str, FileProbe] = {}

    def get(self, key: str) -> FileProbe | None:
        return self._known.get(key)

    def put(self, key: str, probe: FileProbe) -> None:
        self._known[key] = probe
