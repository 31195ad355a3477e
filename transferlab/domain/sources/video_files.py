"""A folder of films: one row per file, with the transcript that belongs to it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from transferlab.domain.base.rows import WHERE, Row
from transferlab.domain.sources.files import walk
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


def list_video_files(folder: Path, root: Path) -> list[Row]:
    """The columns file, name, folder and transcript (relative paths; "" where there is none).

    The transcript of ``a/talk.mp4`` is ``a/talk.vtt`` or ``.srt``, also with a language before the
    ending (``talk.en.vtt``), or a file of that name elsewhere in the tree if there is only one.

    Raises:
        DataError: there is no film.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; is source.path right?")
    base = root.resolve()
    files = list(walk(folder))
    transcripts: defaultdict[str, list[Path]] = defaultdict(list)
    for path in files:
        if path.suffix.lower() in TRANSCRIPT_SUFFIXES:
            transcripts[path.stem].append(path)
            transcripts[path.stem.partition(".")[0]].append(path)
    films = [path for path in files if path.suffix.lower() in FILM_SUFFIXES]
    if not films:
        raise DataError(f"{folder}: holds no film; known are {', '.join(sorted(FILM_SUFFIXES))}")
    rows = []
    for number, path in enumerate(films, start=1):
        words = _transcript(path, transcripts.get(path.stem, []))
        rows.append(
            {
                "file": path.relative_to(base).as_posix(),
                "name": path.stem,
                "folder": path.parent.relative_to(base).as_posix(),
                "transcript": words.relative_to(base).as_posix() if words else "",
                WHERE: f"film {number} of {len(films)}",
            }
        )
    return rows


def _transcript(film: Path, named_alike: list[Path]) -> Path | None:
    beside = sorted({path for path in named_alike if path.parent == film.parent})
    for path in beside:
        if path.stem == film.stem:
            return path
    if beside:
        return beside[0]
    elsewhere = set(named_alike)
    return elsewhere.pop() if len(elsewhere) == 1 else None
