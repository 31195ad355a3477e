"""Captions that belong or do not, and short descriptions, for the education pack's figures."""

import csv
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

QUESTIONS = Path("qa") / "figure_caption_constructed.csv"
TEXT_CHARACTERS = 160
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z(])")


def rows(rows: Iterable[dict[str, str]], root: Path) -> Iterator[dict[str, str]]:
    """Every figure with its chapter, a caption to be judged and a description."""
    with (root / QUESTIONS).open(encoding="utf-8", newline="") as file:
        questions = {question["image"]: question for question in csv.DictReader(file)}
    figures = list(rows)  # read twice: a wrong caption is taken from the same chapter
    captions_of = defaultdict(list)
    for row in figures:
        captions_of[row["book"], row["chapter_no"]].append(_words(row["caption"]))
    true_for = _half(questions)
    for row in figures:
        shown, belongs = "", ""
        if row["file"] in questions:
            question = questions[row["file"]]
            chapter = captions_of[row["book"], row["chapter_no"]]
            shown, belongs = _caption(question, true=row["file"] in true_for, chapter=chapter)
        yield row | {
            "book_chapter": f"{row['book']}, chapter {row['chapter_no']}",
            "shown_caption": _cut(shown),
            "belongs": belongs,
            "description": _description(row),
        }


def _half(names: Iterable[str]) -> set[str]:
    """Half of the names, the same half whatever their order."""
    shuffled = sorted(names, key=_shuffle_key)
    return set(shuffled[: len(shuffled) // 2])


def _caption(question: dict[str, str], *, true: bool, chapter: list[str]) -> tuple[str, str]:
    """A caption and whether it belongs; a wrong one is always of the figure's own chapter."""
    choices = json.loads(question["choices"])
    right = choices[int(question["answer"])]
    if true:
        return right, "yes"
    wrong = [text for text in choices if text != right and _is_of(chapter, text)]
    if not wrong:
        return "", ""
    return min(wrong, key=_shuffle_key), "no"


def _is_of(chapter: list[str], text: str) -> bool:
    # The packer cut credits and long endings off, so a caption is recognised by its beginning.
    beginning = _words(text)[:60]
    return any(caption.startswith(beginning) for caption in chapter)


def _description(row: dict[str, str]) -> str:
    """The first sentence of the alternative text if it is short enough, else of the caption."""
    sentences = [SENTENCE_END.split(row[column].strip())[0] for column in ("alt_text", "caption")]
    short = [sentence for sentence in sentences if len(sentence) <= TEXT_CHARACTERS]
    return short[0] if short else _cut(sentences[0])


def _cut(text: str) -> str:
    """Whole words, up to the length that an answer or a prompt may have."""
    if len(text) <= TEXT_CHARACTERS:
        return text
    return text[:TEXT_CHARACTERS].rpartition(" ")[0]


def _words(text: str) -> str:
    return " ".join(text.split())


def _shuffle_key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
