"""The vision tower alone, before any language: every closed question of a picture at once.

A language model that starts from random weights learns the commonest answer long before it learns
to look. Here each question has a vector of its own that attends to the picture's features and picks
one of the choices, so that the tower gets a gradient from every question of every picture.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from transferlab.errors import ModelError

HEADS = 4
_NEVER = -1e4


@dataclass(frozen=True, kw_only=True)
class QuestionAnswer:
    """One closed question about a picture."""

    task: str
    text: str
    answer: str
    choices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class VisionExample:
    """A picture and all that is asked about it."""

    image: np.ndarray
    """(H, W, 3) uint8."""
    questions: tuple[QuestionAnswer, ...]


class QuestionVocabulary:
    """Numbers for questions and answers, and which answers a question allows."""

    def __init__(self, examples: Sequence[VisionExample]) -> None:
        self._questions: dict[str, int] = {}
        self._answers: dict[str, int] = {}
        allowed: list[tuple[str, ...]] = []
        for pair in (one for example in examples for one in example.questions):
            if pair.text not in self._questions:
                self._questions[pair.text] = len(allowed)
                allowed.append(pair.choices)
                for choice in pair.choices:
                    self._answers.setdefault(choice, len(self._answers))
        mask = torch.full((len(allowed), len(self._answers)), _NEVER)
        for row, choices in enumerate(allowed):
            mask[row, [self._answers[choice] for choice in choices]] = 0
        self.mask = mask
        """(questions, answers) float32: 0 where the question allows the answer."""

    def batch(self, examples: Sequence[VisionExample]) -> dict[str, Tensor]:
        """Tensors of one step.

        pixel_values: (B, 3, H, W) float32 in [-1, 1]; picture, question, answer: (n,) int64;
        weight: (n,) float32, 1 in sum for each task of each picture.

        Raises:
            ModelError: a question or an answer that the vocabulary does not have.
        """
        rows, weights = [], []
        for number, example in enumerate(examples):
            tasks = [pair.task for pair in example.questions]
            for pair in example.questions:
                if pair.text not in self._questions or pair.answer not in self._answers:
                    raise ModelError(
                        f"the question '{pair.text}' with the answer '{pair.answer}' was never"
                        " drawn when the vocabulary was made; draw more scenes for it"
                    )
                rows.append((number, self._questions[pair.text], self._answers[pair.answer]))
                weights.append(1 / tasks.count(pair.task))
        pixels = torch.from_numpy(np.stack([example.image for example in examples])).permute(
            0, 3, 1, 2
        )
        picture, question, answer = torch.tensor(rows).T
        return {
            "pixel_values": pixels.float() / 127.5 - 1,
            "picture": picture,
            "question": question,
            "answer": answer,
            "weight": torch.tensor(weights),
        }


class VisionClassifier(nn.Module):
    """A vision tower with one attention pool for all questions on top."""

    def __init__(
        self, tower: nn.Module, vocabulary: QuestionVocabulary, *, width: int, positions: int
    ) -> None:
        super().__init__()
        questions, answers = vocabulary.mask.shape
        self.tower = tower
        self.positions = nn.Parameter(0.5 * torch.randn(positions, width))
        self.queries = nn.Embedding(questions, width)
        self.keys, self.values = nn.Linear(width, width), nn.Linear(width, width)
        self.answers = nn.Sequential(
            nn.Linear(2 * width, 2 * width), nn.GELU(), nn.Linear(2 * width, answers)
        )
        self.register_buffer("mask", vocabulary.mask, persistent=False)

    def forward(self, pixels: Tensor, picture: Tensor, question: Tensor) -> Tensor:
        """(n, answers): logits of question ``question[i]`` about picture ``picture[i]``."""
        features = self.tower(pixel_values=pixels, output_hidden_states=True).hidden_states[-1]
        features = features + self.positions
        samples, positions, width = features.shape
        split = (samples, positions, HEADS, width // HEADS)
        embedded = self.queries(question)
        keys, values = self.keys(features).view(split), self.values(features).view(split)
        query = embedded.view(-1, 1, HEADS, width // HEADS)
        weights = (keys[picture] * query).sum(-1).div(math.sqrt(width // HEADS)).softmax(1)
        attended = (weights.unsqueeze(-1) * values[picture]).sum(1).flatten(1)
        return (
            self.answers(torch.cat([attended, embedded], dim=-1))
            + self.get_buffer("mask")[question]
        )

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Mean cross-entropy in nats; each task of each picture counts alike."""
        logits = self(batch["pixel_values"], batch["picture"], batch["question"])
        each = functional.cross_entropy(logits, batch["answer"], reduction="none")
        return (each * batch["weight"]).sum() / batch["weight"].sum()
