"""What the lecturer says over a slide, and what it comes to."""

from dataclasses import dataclass

import numpy as np

ASPECTS: dict[str, tuple[str, ...]] = {
    "the parts of {thing}": ("let us name its parts", "look at what it is made of"),
    "how to measure {thing}": ("this is how we measure it", "now we find out how large it is"),
    "how to draw {thing}": ("watch how you draw it", "try to sketch this yourself"),
    "the use of {thing}": ("here is what it is good for", "this is where people use it"),
}
"""By what is explained: ways to say so that leave open what "it" is; only the slide shows that."""

OPENINGS = ("", "well, ", "so, ", "next, ", "in {subject}, ")
"""Now and then the subject is named, as lecturers do."""


@dataclass(frozen=True, kw_only=True)
class Speech:
    """The words over one slide."""

    words: str
    explanation: str
    """What is explained, of what: it takes the words and the slide to tell."""


def write_speech(rng: np.random.Generator, *, subject: str, figure: str) -> Speech:
    """What is said about a figure, without naming it."""
    aspect = list(ASPECTS)[rng.integers(len(ASPECTS))]
    saying = ASPECTS[aspect][rng.integers(len(ASPECTS[aspect]))]
    opening = OPENINGS[rng.integers(len(OPENINGS))].format(subject=subject)
    thing = figure if figure in ("orbits", "supply and demand") else f"{_article(figure)} {figure}"
    return Speech(words=opening + saying, explanation=aspect.format(thing=thing))


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"
