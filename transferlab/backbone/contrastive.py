"""Backbones that compare pictures with texts (CLIP, SigLIP), trained and asked by contrast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from transferlab.backbone.base.model_type import cannot_write
from transferlab.backbone.hf import HFBackbone
from transferlab.backbone.model.view import TrainableView, innermost
from transferlab.backbone.processing.candidate_collator import GIVEN, TEXTS, CandidateCollator
from transferlab.core.batch import Batch
from transferlab.core.records import Features, Prediction, Sample
from transferlab.errors import ModelError

NEVER = -1e4
"""The logit of what is no candidate; finite, so that its gradient is 0 in any precision."""


class ContrastView(TrainableView):
    """``view(batch)``: one row of logits per sample over candidates, (B, candidates).

    A sample with choices is compared with these. One with nothing but its answer is compared with
    that first, and then with the other such answers of the batch, texts like its own left out: the
    softmax over pictures of CLIP's loss (Radford et al. 2021). Without pictures all logits are 0.
    """

    @property
    def output_layer(self) -> nn.Module:
        raise ModelError(
            "a backbone that compares pictures with texts has no layer from hidden states to a "
            "vocabulary, which the strategy needs; choose another strategy"
        )

    def forward_count(self, batch: Batch) -> int:
        """Pictures and texts go through apart, and samples are compared with one another."""
        return 2

    def forward(self, batch: Batch) -> Tensor:
        """(B, candidates) logits on the batch's device."""
        texts, given = batch.extra_inputs[TEXTS], batch.extra_inputs[GIVEN].bool()
        distinct, which = texts[given].unique(dim=0, return_inverse=True)
        number = which.new_full(given.shape, -1)
        number[given] = which
        scores = self.scale() * self.pictures(batch) @ self.texts(distinct).T
        logits = scores.gather(1, number.clamp(min=0)).masked_fill(~given, NEVER)
        alone = (given.sum(dim=1) == 1).nonzero()[:, 0]
        if len(alone) < 2:
            return logits
        answers = number[alone, 0]
        others = scores[alone][:, answers].masked_fill(answers[:, None] == answers, NEVER)
        more = logits.new_full((len(batch), len(alone)), NEVER).index_copy(0, alone, others)
        return torch.cat([logits, more], dim=1)

    def scale(self) -> Tensor:
        """By what cosines are multiplied."""
        return innermost(self._model).get_parameter("logit_scale").exp()

    def pictures(self, batch: Batch) -> Tensor:
        """(B, D): the mean over a sample's pictures, of length 1; zeros without any."""
        model: Any = innermost(self._model)
        if not any(batch.media_rows):
            width = self.texts(batch.input_ids[:1]).shape[1]
            return torch.zeros(len(batch), width, dtype=model.dtype, device=batch.device)
        made = _unit(_pooled(model.get_image_features(**batch.media)))
        owner = torch.arange(len(batch), device=batch.device).repeat_interleave(
            torch.tensor(batch.media_rows, device=batch.device)
        )
        return _unit(made.new_zeros(len(batch), made.shape[1]).index_add(0, owner, made))

    def texts(self, ids: Tensor) -> Tensor:
        """(N, D) of length 1, of (N, length) token ids."""
        model: Any = innermost(self._model)
        return _unit(_pooled(model.get_text_features(input_ids=ids)))


class ContrastBackbone(HFBackbone):
    """CLIP or SigLIP; see ``transferlab.core.protocols.Backbone``."""

    collator: CandidateCollator
    module: ContrastView
    view = ContrastView
    writes = False
    max_candidates = None

    @torch.no_grad()
    def score_choices(self, samples: Sequence[Sample], *, batch_samples: int) -> list[Prediction]:
        """Zero-shot classification: log of the softmax over the choices, and the likeliest.

        Raises:
            ValueError: a sample has no choices.
        """
        if not all(sample.closed for sample in samples):
            raise ValueError("only samples with choices can be scored by likelihood")
        found = []
        with self._evaluation_mode():
            for start in range(0, len(samples), batch_samples):
                chosen = samples[start : start + batch_samples]
                batch = self.collator.collate(chosen).to(self.device)
                for sample, row in zip(chosen, self.module(batch).float(), strict=True):
                    values = row[: len(sample.choices)].log_softmax(dim=0)
                    text = sample.choices[int(values.argmax())]
                    found.append(
                        Prediction(sample=sample, text=text, log_likelihoods=tuple(values.tolist()))
                    )
        return found

    def generate(
        self, samples: Sequence[Sample], *, batch_samples: int, max_new_tokens: int
    ) -> list[Prediction]:
        """
        Raises:
            ModelError: always, where there are samples.
        """
        if samples:
            raise ModelError(
                f"task '{samples[0].task}' of '{samples[0].domain}': "
                f"{cannot_write(self.name, kind=samples[0].kind)}"
            )
        return []

    @torch.no_grad()
    def features(self, samples: Sequence[Sample], *, batch_samples: int) -> Features:
        """Image and text features of length 1 and, as the joint one, their mean."""
        parts: list[tuple[Tensor, Tensor]] = []
        with self._evaluation_mode():
            for start in range(0, len(samples), batch_samples):
                chosen = samples[start : start + batch_samples]
                batch = self.collator.collate(chosen).to(self.device)
                pieces = [self.collator.words(sample) for sample in chosen]
                text_features = self.module.texts(torch.cat(pieces).to(self.device)).float()
                each = text_features.split([len(piece) for piece in pieces])
                text = _unit(torch.stack([piece.mean(dim=0) for piece in each]))
                parts.append((self.module.pictures(batch).float(), text))
        images, texts = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
        return Features(image=images, text=texts, joint=(images + texts) / 2)

    @torch.no_grad()
    def score_candidates(
        self, samples: Sequence[Sample], candidates: Sequence[str], *, batch_samples: int
    ) -> np.ndarray:
        """Retrieval: the cosine of each sample's pictures and each candidate, (N, C) float32.

        A candidate is read once for all samples; where the caption holds the prompt, once for each
        prompt. Samples without pictures have 0 with all of them.
        """
        found = np.empty((len(samples), len(candidates)), np.float32)
        with self._evaluation_mode():
            for group in self._group_by_question(samples):
                ids = self.collator.candidates(samples[group[0]], candidates).to(self.device)
                text_features = torch.cat(
                    [self.module.texts(some) for some in ids.split(batch_samples)]
                )
                for start in range(0, len(group), batch_samples):
                    some = group[start : start + batch_samples]
                    batch = self.collator.collate([samples[at] for at in some]).to(self.device)
                    scores = self.module.pictures(batch) @ text_features.T
                    found[some] = scores.float().cpu().numpy()
        return found

    def _group_by_question(self, samples: Sequence[Sample]) -> list[list[int]]:
        """Positions of samples for which a candidate is the same text."""
        groups: dict[str, list[int]] = {}
        for at, sample in enumerate(samples):
            groups.setdefault(self.collator.question_of(sample), []).append(at)
        return list(groups.values())


def _pooled(output: Any) -> Tensor:
    return output if isinstance(output, Tensor) else output.pooler_output


def _unit(rows: Tensor) -> Tensor:
    return torch.nn.functional.normalize(rows, dim=-1)
