"""A folder of films: one row per file, with the transcript that belongs to it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from transferlab.domain.base.file_tree import walk
from transferlab.domain.base.rows import WHERE, Row
from transferlab.domain.rows.source import Source, SourceContext
from transferlab.errors import DataError

FILM_SUFFIXES = frozenset(
    [
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".ogv",
        ".mpg",
        ".mpeg",
        ".ts",
        ".wmv",
        ".flv",
        ".3gp",
    ]
)
TRANSCRIPT_SUFFIXES = (".vtt", ".srt")
_LANGUAGE = re.compile(r"\.([A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,4})*)")
"""As in BCP 47: en, deu, pt-BR, zh_Hans."""


class VideoSource(Source):
    """Films with their transcripts; listed once."""

    name = "video"
    file_columns = frozenset({"file", "stem", "name", "folder", "transcript"})

    def __init__(self, context: SourceContext) -> None:
        super().__init__(context)
        self._rows = list_video_files(context.path(context.section.path), context.root)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)


def list_video_files(folder: Path, root: Path) -> list[Row]:
    """The columns file, name, folder and transcript (relative paths; "" where there is none).

    The transcript of ``a/talk.mp4`` is ``a/talk.vtt`` or ``.srt``, also with a language before the
    ending (``talk.en.vtt``); of several languages, the one that most films have. Otherwise it is
    the one file of that very name elsewhere that belongs to no other film. The column
    transcript_language says which language it was, "" where the name says none.

    Raises:
        DataError: there is no film.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; is source.path right?")
    base = root.resolve()
    files = list(walk(folder))
    videos = [path for path in files if path.suffix.lower() in FILM_SUFFIXES]
    if not videos:
        raise DataError(f"{folder}: holds no film; known are {', '.join(sorted(FILM_SUFFIXES))}")
    subtitles = [path for path in files if path.suffix.lower() in TRANSCRIPT_SUFFIXES]
    words = match_transcripts(videos, subtitles)
    return [
        {
            "file": path.relative_to(base).as_posix(),
            "name": path.stem,
            "folder": path.parent.relative_to(base).as_posix(),
            "transcript": words[path].relative_to(base).as_posix() if path in words else "",
            "transcript_language": (
                _language(path.stem, words[path].stem) or "" if path in words else ""
            ),
            WHERE: f"film {number} of {len(videos)}",
        }
        for number, path in enumerate(videos, start=1)
    ]


def match_transcripts(videos: Sequence[Path], subtitles: Sequence[Path]) -> dict[Path, Path]:
    """The transcript of each film that has one; no transcript is given to two films."""
    siblings = {
        video: [
            one
            for one in sorted(subtitles)
            if one.parent == video.parent and _language(video.stem, one.stem) is not None
        ]
        for video in videos
    }
    languages = Counter(
        _language(video.stem, one.stem) for video, found in siblings.items() for one in found
    )
    taken = {
        video: min(found, key=lambda one: _preference(_language(video.stem, one.stem), languages))
        for video, found in siblings.items()
        if found
    }
    claimed = {one for found in siblings.values() for one in found}
    alone = Counter(video.stem for video in videos if video not in taken)
    for video in videos:
        if video in taken or alone[video.stem] > 1:
            continue
        elsewhere = [one for one in subtitles if one.stem == video.stem and one not in claimed]
        if len(elsewhere) == 1:
            taken[video] = elsewhere[0]
    return taken


def _preference(language: str | None, languages: Counter[str | None]) -> tuple[bool, int, str]:
    """Names without a language first, then the commonest language."""
    return language != "", -languages[language], str(language)


def _language(video: str, transcript: str) -> str | None:
    """What a transcript's name adds to its film's: "", or ".en"; None where it is another's."""
    if transcript == video:
        return ""
    found = _LANGUAGE.fullmatch(transcript.removeprefix(video))
    return found[1] if transcript.startswith(video) and found else None
