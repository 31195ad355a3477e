"""WebVTT and SRT transcripts: a film's row becomes one row per cue, with words and times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from webvtt.errors import MalformedCaptionError, MalformedFileError

from transferlab.config.source import TranscriptSection
from transferlab.core.paths import data_path
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.base.rows import WHERE, BadRow, Row
from transferlab.domain.base.template import fill, value
from transferlab.domain.rows.subtitles import read_subtitles
from transferlab.domain.tables.text_file import UTF8

CUE_COLUMNS = ("cue_text", "cue_start", "cue_end")


def read_cues(path: Path, *, encoding: str = UTF8) -> list[Row]:
    """The cues of a WebVTT or .srt file as columns cue_text, cue_start and cue_end (seconds).

    Args:
        path: the file.
        encoding: of a file that is not UTF-8 and has no byte order mark.

    Raises:
        UnreadableMedium: the file is missing or malformed, holds no cue, or a cue ends before it
            begins or begins before the one above it.
    """
    try:
        found = read_subtitles(path, encoding=encoding)
    except FileNotFoundError:
        raise UnreadableMedium(path, "the transcript is missing") from None
    except UnicodeDecodeError:
        other = "" if encoding == UTF8 else f" and not {encoding}"
        raise UnreadableMedium(
            path,
            f"the transcript is not UTF-8 text{other}; save it as UTF-8, or name its encoding in "
            "source.transcript.encoding (many editors write cp1252)",
        ) from None
    except (MalformedFileError, MalformedCaptionError, OSError) as error:
        raise UnreadableMedium(
            path, f"the transcript is not valid WebVTT or SRT ({type(error).__name__})"
        ) from error
    if not found:
        raise UnreadableMedium(path, "the transcript holds no cue")
    cues: list[Row] = []
    latest = 0.0
    for number, cue in enumerate(found, start=1):
        start, end = cue.start, cue.end
        if start < latest:
            raise UnreadableMedium(
                path,
                f"cue {number} of the transcript begins at {start:g} s, before cue {number - 1} "
                f"({latest:g} s); put the cues in the order of their times",
            )
        if end <= start:
            raise UnreadableMedium(
                path, f"cue {number} of the transcript ends at {end:g} s, not after its beginning"
            )
        latest = start
        cues.append(dict(zip(CUE_COLUMNS, (cue.words, f"{start:.3f}", f"{end:.3f}"), strict=True)))
    return cues


def explode(row: Row, section: TranscriptSection, root: Path) -> Iterator[Row]:
    """The row once per cue of its transcript, or with the one cue that it names.

    Raises:
        BadRow: its transcript is missing, cannot be used, or lies outside ``root``, or has no such
            cue.
    """
    relative = fill(section.path, row)
    if not relative and section.optional:
        # What the domain's own code put into these columns (a segment without words) stays.
        yield dict.fromkeys(CUE_COLUMNS, "") | row
        return
    try:
        cues = read_cues(data_path(root, relative), encoding=section.encoding)
    except ValueError as error:
        raise BadRow(f"its transcript is {error}") from None
    except UnreadableMedium as error:
        raise BadRow(error.reason) from error
    if section.cue is not None:
        yield row | cues[_cue_index(value(row, section.cue), len(cues))]
        return
    for number, cue in enumerate(cues, start=1):
        yield row | cue | {WHERE: f"{row[WHERE]}, cue {number}"}


def _cue_index(number: str, cues: int) -> int:
    """From 0, of the cue that a row names by its number from 1."""
    if not number.isdecimal() or not 1 <= int(number) <= cues:
        raise BadRow(f"it must name a cue of its transcript by a number from 1 to {cues}")
    return int(number) - 1
