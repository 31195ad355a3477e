"""Answers of a backbone: the likelihood of each choice, and greedy generation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from transformers import GenerationConfig, PreTrainedModel

from transferlab.backbone.inference.choices import ChoiceReader
from transferlab.backbone.model.view import TrainableView
from transferlab.backbone.processing.collator import Collator
from transferlab.core.batch import Batch
from transferlab.core.records import Prediction, Sample

MAX_CANDIDATES = 200
"""Answers at most among which a sample's own is sought: each is read with each sample, so that a
thousand samples and a thousand answers would be a million answers to read at every scoring."""
ROWS_PER_SAMPLE = 8
"""Choices scored at once, per sample of a batch: bounds the memory that copied prompts take."""


@torch.no_grad()
def score_choices(
    reader: ChoiceReader,
    view: TrainableView,
    collator: Collator,
    samples: Sequence[Sample],
    *,
    batch_samples: int,
) -> list[Prediction]:
    """The log-likelihood of every choice of every sample, end token included.

    Raises:
        ValueError: a sample has no choices.
    """
    if not all(sample.closed for sample in samples):
        raise ValueError("only samples with choices can be scored by likelihood")
    predictions: dict[int, Prediction] = {}
    equal_image_counts = view.inputs.family.equal_image_counts
    for positions in _groups(
        samples, collator, batch_samples=batch_samples, equal_image_counts=equal_image_counts
    ):
        chosen = [samples[position] for position in positions]
        values = reader.log_likelihoods(chosen, batch_samples=batch_samples)
        flat = iter(values.tolist())
        for position, sample in zip(positions, chosen, strict=True):
            own = tuple(next(flat) for _ in sample.choices)
            best = max(range(len(own)), key=own.__getitem__)
            predictions[position] = Prediction(
                sample=sample,
                text=sample.choices[best],
                log_likelihoods=own,
                choice_tokens=tuple(len(collator.answer(sample, one)) for one in sample.choices),
            )
    return [predictions[position] for position in range(len(samples))]


def score_candidates(
    reader: ChoiceReader,
    view: TrainableView,
    collator: Collator,
    samples: Sequence[Sample],
    candidates: Sequence[str],
    *,
    batch_samples: int,
) -> np.ndarray:
    """The log-likelihood of every candidate as the answer to every sample, (N, C) float32.

    A candidate's likelihood is that of all its tokens, so that short and common ones have an
    advantage, whatever the picture shows: the control without the image says how large it is.
    """
    at_once = ROWS_PER_SAMPLE * batch_samples
    parts = []
    for start in range(0, len(candidates), at_once):
        some = tuple(candidates[start : start + at_once])
        # What is asked is scored with each choice; which of them is right plays no part in it.
        questions = [replace(sample, choices=some, answer=some[0]) for sample in samples]
        found = score_choices(reader, view, collator, questions, batch_samples=batch_samples)
        parts.append(np.array([one.log_likelihoods for one in found], np.float32))
    return np.concatenate(parts, axis=1)


def _groups(
    samples: Sequence[Sample], collator: Collator, *, batch_samples: int, equal_image_counts: bool
) -> list[list[int]]:
    """Positions of samples of like length, at most so many samples and choices at a time.

    With ``equal_image_counts`` those of a group have as many pictures each.
    """
    lengths, pictures = [], []
    for sample in samples:
        prompt = collator.prompt(sample)
        lengths.append(len(prompt.ids))
        pictures.append(sum(prompt.frames) if equal_image_counts else 0)
    order = sorted(range(len(samples)), key=lambda at: (pictures[at], lengths[at]))
    groups: list[list[int]] = []
    choices = 0
    for position in order:
        more = len(samples[position].choices)
        full = groups and len(groups[-1]) == batch_samples
        other = groups and pictures[groups[-1][0]] != pictures[position]
        if not groups or full or other or choices + more > ROWS_PER_SAMPLE * batch_samples:
            groups.append([])
            choices = 0
        groups[-1].append(position)
        choices += more
    return groups


@torch.no_grad()
def generate(
    model: PreTrainedModel,
    view: TrainableView,
    collator: Collator,
    samples: Sequence[Sample],
    *,
    batch_samples: int,
    max_new_tokens: int,
) -> list[Prediction]:
    """Greedy answers, cut at the end token, special tokens removed."""
    device = next(model.parameters()).device
    order = sorted(range(len(samples)), key=lambda at: len(collator.prompt(samples[at]).ids))
    texts: dict[int, str] = {}
    for start in range(0, len(order), batch_samples):
        positions = order[start : start + batch_samples]
        batch = collator.prompts([samples[position] for position in positions]).to(device)
        answers = _greedy(model, view, collator, batch, max_new_tokens=max_new_tokens)
        texts.update(zip(positions, answers, strict=True))
    return [Prediction(sample=sample, text=texts[at]) for at, sample in enumerate(samples)]


def _greedy(
    model: PreTrainedModel,
    view: TrainableView,
    collator: Collator,
    batch: Batch,
    *,
    max_new_tokens: int,
) -> list[str]:
    # Every setting that could make decoding other than greedy is set: a model's own defaults
    # would fill what is left out.
    config = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        num_beams=1,
        temperature=1.0,
        top_p=1.0,
        top_k=50,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        eos_token_id=list(collator.chat.end_ids),
        pad_token_id=batch.pad_id,
    )
    output_ids = generated(model, view, batch, config=config)
    return [collator.chat.decode(row) for row in output_ids]


def generated(
    model: PreTrainedModel, view: TrainableView, batch: Batch, *, config: GenerationConfig
) -> list[list[int]]:
    """Per sample of a batch of prompts, the tokens that the model says."""
    output_ids: dict[int, list[int]] = {}
    for rows, part in view.inputs.prompts(batch):
        # transformers types generate() by a mixin that its models take in at run time.
        whole = cast("Any", model).generate(**view.inputs(part), generation_config=config)
        # A decoder's own sequence begins with the token that starts it.
        questions = part.size(1) if view.inputs.start_id is None else 1
        output_ids.update(zip(rows, whole[:, questions:].tolist(), strict=True))
    return [output_ids[row] for row in range(len(batch))]
