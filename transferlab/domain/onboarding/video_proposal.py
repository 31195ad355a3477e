"""A proposal for films with transcripts: what is said while frames are seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.onboarding.survey import Survey, guess_encoding
from transferlab.domain.onboarding.task_proposal import Questions
from transferlab.domain.rows.subtitles import needs_encoding
from transferlab.domain.rows.transcript import read_cues
from transferlab.domain.sources.video import list_video_files
from transferlab.errors import InputError

FRAMES = 4
"""Of a film, or of a cue, until the user says otherwise."""
_SHOWN_CHARACTERS = 40


def propose_video(found: Survey, path: Path) -> tuple[dict[str, Any], Questions]:
    """The source and the question of a folder of films.

    Raises:
        InputError: no film has a transcript.
    """
    rows = list_video_files(found.root / found.folder, found.root)
    spoken = [found.root / row["transcript"] for row in rows if row["transcript"]]
    if not spoken:
        raise InputError(
            f"{path}: none of its {len(rows)} films has a transcript (.vtt or .srt of the same "
            "name), and no table says anything about them: there is nothing to learn"
        )
    notes = ["group: every film is a group of its own; if one lecture has several, name its folder"]
    if len(spoken) < len(rows):
        notes.append(f"{len(rows) - len(spoken)} of {len(rows)} films have no transcript")
    transcript = {"path": "{transcript}", "optional": True}
    encoding, note = _encoding(spoken)
    if encoding is not None:
        transcript["encoding"] = encoding
        notes.append(note)
    source = {
        "kind": "video",
        "path": found.folder,
        "media": {
            "clip": {
                "kind": "video",
                "path": "{file}",
                "frames": FRAMES,
                "start": "cue_start",
                "end": "cue_end",
            }
        },
        "transcript": transcript,
    }
    task = {
        "kind": "describe",
        "prompt": "<clip>\nWhat is said here?",
        "answer": "{cue_text}",
        "where": {"cue_text": ["*"]},
        "metrics": ["token_f1", "exact_match"],
    }
    return source, Questions(group="file", tasks={"say": task}, notes=notes)


def _encoding(transcripts: Sequence[Path]) -> tuple[str | None, str]:
    """In what the transcripts that are not UTF-8 read best, and a note about them; None if all are
    UTF-8, or nothing reads well."""
    guesses = Counter[str]()
    examples: dict[str, str] = {}
    for path in transcripts:
        try:
            if not needs_encoding(path):
                continue
        except OSError:
            continue  # what is wrong with it is said by check
        guess = guess_encoding(path)
        if guess is None:
            continue
        guesses[guess] += 1
        examples.setdefault(guess, _example(path, guess))
    if not guesses:
        return None, ""
    ((encoding, count),) = guesses.most_common(1)
    others = f" (others as {', '.join(sorted(set(guesses) - {encoding}))})" * (len(guesses) > 1)
    return encoding, (
        f"source.transcript.encoding: {count} of {len(transcripts)} transcripts are not UTF-8 and "
        f"read best as {encoding}{others}{examples[encoding]}; see whether their letters come out "
        "right"
    )


def _example(path: Path, encoding: str) -> str:
    """Words that hold a letter beyond ASCII, where there are some."""
    try:
        cues = read_cues(path, encoding=encoding)
    except UnreadableMedium:
        return ""  # what is wrong with it is said by check
    shown = next((cue["cue_text"] for cue in cues if not cue["cue_text"].isascii()), "")
    return f', such as "{shown[:_SHOWN_CHARACTERS]}"' if shown else ""
