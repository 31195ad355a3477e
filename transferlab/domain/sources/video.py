"""A folder of films: one row per file, with the transcript that belongs to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
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
    videos = [path for path in files if path.suffix.lower() in FILM_SUFFIXES]
    if not videos:
        raise DataError(f"{folder}: holds no film; known are {', '.join(sorted(FILM_SUFFIXES))}")
    rows = []
    for number, path in enumerate(videos, start=1):
        words = _transcript(path, transcripts.get(path.stem, []))
        rows.append(
            {
                "file": path.relative_to(base).as_posix(),
                "name": path.stem,
                "folder": path.parent.relative_to(base).as_posix(),
                "transcript": words.relative_to(base).as_posix() if words else "",
                WHERE: f"film {number} of {len(videos)}",
            }
        )
    return rows


def _transcript(video: Path, named_alike: list[Path]) -> Path | None:
    siblings = sorted({path for path in named_alike if path.parent == video.parent})
    for path in siblings:
        if path.stem == video.stem:
            return path
    if siblings:
        return siblings[0]
    elsewhere = set(named_alike)
    return elsewhere.pop() if len(elsewhere) == 1 else None
