"""What a drawn scene is: pictures, one dense description, and questions with closed answers."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Question:
    """One closed question about a scene; its answer can be read off the picture only."""

    task: str
    text: str
    answer: str
    choices: tuple[str, ...]
    others: tuple[str, ...] = ()
    """The same question in other words."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One generated world state and how it looks."""

    kind: str
    images: tuple[np.ndarray, ...]
    """(112, 112, 3) uint8 each; one for a still picture, three in time order for a clip."""
    asks: tuple[str, ...]
    """Ways to ask for the description."""
    description: str
    questions: tuple[Question, ...]


@dataclass(frozen=True, kw_only=True)
class SceneExchange:
    """One prompt about a scene and its answer."""

    images: tuple[np.ndarray, ...]
    prompt: str
    """Begins with one media slot per still picture or frame, then a line break."""
    answer: str
    choices: tuple[str, ...]
    """Empty for a description."""
    task: str
    group: str
    """Names the scene: all exchanges about one scene share it."""
