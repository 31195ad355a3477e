"""Closed questions without files: which choice a model finds likeliest, over pictures in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional
from transformers import LlavaForConditionalGeneration

from transferlab.core.batch import IGNORE_INDEX
from transferlab.tiny.language_stage import Conversations, Example, supervised_logits


@dataclass(frozen=True, kw_only=True)
class ClosedQuestion:
    """Pictures, a question about them and the answers to choose from."""

    images: tuple[np.ndarray, ...]
    """(112, 112, 3) uint8 each; empty to ask the text-only control."""
    text: str
    choices: tuple[str, ...]


@torch.no_grad()
def choose(
    model: LlavaForConditionalGeneration,
    conversations: Conversations,
    questions: Sequence[ClosedQuestion],
    *,
    batch_samples: int,
) -> list[str]:
    """For each question the choice with the highest summed log-likelihood, end token included.

    Args:
        batch_samples: question-choice pairs per forward pass, about.
    """
    was_training = model.training
    model.eval()
    chosen: list[str] = []
    waiting: list[ClosedQuestion] = []
    for question in questions:
        # Pictures must be equally many within a batch; without any, the tower is not run at all.
        if waiting and len(waiting[0].images) != len(question.images):
            chosen += _choose_batch(model, conversations, waiting)
            waiting = []
        waiting.append(question)
        if sum(len(one.choices) for one in waiting) >= batch_samples:
            chosen += _choose_batch(model, conversations, waiting)
            waiting = []
    if waiting:
        chosen += _choose_batch(model, conversations, waiting)
    model.train(was_training)
    return chosen


def _choose_batch(
    model: LlavaForConditionalGeneration,
    conversations: Conversations,
    questions: Sequence[ClosedQuestion],
) -> list[str]:
    pairs = [(question, choice) for question in questions for choice in question.choices]
    batch = conversations.collate(
        [Example(images=q.images, turns=((q.text, choice),)) for q, choice in pairs]
    )
    logits = supervised_logits(model, batch)
    supervised = batch["labels"] != IGNORE_INDEX
    losses = functional.cross_entropy(logits, batch["labels"][supervised], reduction="none")
    rows = supervised.nonzero()[:, 0]
    totals = torch.zeros(len(pairs)).index_add_(0, rows, losses)
    chosen, at = [], 0
    for question in questions:
        best = int(totals[at : at + len(question.choices)].argmin())
        chosen.append(question.choices[best])
        at += len(question.choices)
    return chosen
