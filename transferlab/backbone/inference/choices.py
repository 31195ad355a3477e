"""Log-likelihoods of choices: prompts and pictures are read once, each choice after them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from transferlab.backbone.inference.shared_vision import shared_vision
from transferlab.backbone.model.parts import vision_towers
from transferlab.backbone.model.view import TrainableView, innermost
from transferlab.backbone.processing.collator import Collator
from transferlab.core.batch import Batch, on_device
from transferlab.core.peak_memory import is_out_of_memory
from transferlab.core.records import Sample

MAX_COPY_BYTES = 256 * 2**20
"""What the copies of prompts' caches and the logits of one pass over answers may take."""
TOLERANCE = 1e-3
"""Between log-likelihoods after a cache and read whole, in nats; float32 differs by 1e-5."""
_PROBED_CHOICES = 3


class _NotContinuedError(Exception):
    """The model has no cache, or its forward pass wants more than the cache and new tokens."""


@dataclass(frozen=True)
class _Answers:
    """The choices of a batch of samples, sample after sample."""

    rows: Tensor
    """(C,) int64: whose choice each is."""
    tokens: Tensor
    """(C, longest) int64, padded on the right."""
    mask: Tensor
    """(C, longest) int64: 0 on padding."""

    def __getitem__(self, some: slice) -> _Answers:
        mask = self.mask[some]
        longest = int(mask.sum(dim=1).max())
        return _Answers(self.rows[some], self.tokens[some, :longest], mask[:, :longest])


class ChoiceReader:
    """Scores choices of one model by the way that is exact for it.

    A choice costs its own few tokens where the model can go on from a prompt's cache. Whether it
    can is measured at the first samples of a kind (without pictures, with one, with several), whose
    choices are read both ways. A model that cannot reads a prompt with each of its choices, and its
    vision tower sees the sample's pictures once all the same.
    """

    def __init__(self, model: PreTrainedModel, view: TrainableView, collator: Collator) -> None:
        self._model, self._view, self._collator = model, view, collator
        self.continues: dict[tuple[int, bool], bool] = {}
        """By pictures (none, one, several) and whether an answer has several tokens: whether the
        model goes on from its cache. Models of one architecture and adapter may share it."""
        # They keep how far time, height and width have run ahead of the words in a prompt.
        self._rotary: list[Any] = [one for one in model.modules() if hasattr(one, "rope_deltas")]

    def log_likelihoods(self, samples: Sequence[Sample], *, batch_samples: int) -> Tensor:
        """(total choices,) float32: sample after sample, in the order of their choices.

        Args:
            samples: with choices; such as may go through the model together.
            batch_samples: prompts at once where each choice is read with its prompt.
        """
        if self._can_continue(samples):
            return self._after_prompts(samples)
        return self.whole_log_likelihoods(samples, batch_samples=batch_samples)

    @torch.no_grad()
    def whole_log_likelihoods(self, samples: Sequence[Sample], *, batch_samples: int) -> Tensor:
        """The same, the prompt read with every choice and pictures once per sample."""
        towers = vision_towers(innermost(self._model))
        parts = []
        for sample in samples:
            for start in range(0, len(sample.choices), batch_samples):
                choices = sample.choices[start : start + batch_samples]
                batch = self._collator.choices([sample] * len(choices), choices)
                batch = batch.to(self._device)
                with shared_vision(towers, copies=len(choices)):
                    log_probabilities = self._view(batch).float().log_softmax(dim=-1)
                of_tokens = log_probabilities.gather(-1, batch.targets().unsqueeze(-1)).squeeze(-1)
                owner = on_device(batch.answer_positions()[0], batch.device)
                parts.append(of_tokens.new_zeros(len(batch)).index_add(0, owner, of_tokens))
        return torch.cat(parts)

    @property
    def _device(self) -> torch.device:
        return next(self._model.parameters()).device

    def _can_continue(self, samples: Sequence[Sample]) -> bool:
        pictures = {id(one): sum(self._collator.prompt(one).frames) for one in samples}
        ordered = sorted(samples, key=lambda one: pictures[id(one)])
        longer = any(len(self._collator.answer(s, c)) > 1 for s in samples for c in s.choices)
        kind = (min(2, pictures[id(ordered[-1])]), longer)
        if kind not in self.continues:
            probed = [ordered[0], ordered[-1]] if len(ordered) > 1 else ordered
            self.continues[kind] = self._is_exact([self._with_few_choices(one) for one in probed])
        return self.continues[kind]

    def _with_few_choices(self, sample: Sample) -> Sample:
        """The sample with its longest choice and some others."""
        longest = max(sample.choices, key=lambda one: len(self._collator.answer(sample, one)))
        others = [one for one in sample.choices if one != longest]
        few = (longest, *others[: _PROBED_CHOICES - 1])
        return replace(sample, choices=few, answer=few[0])

    def _is_exact(self, samples: Sequence[Sample]) -> bool:
        """Whether going on from the cache gives what reading the whole gives."""
        try:
            after = self._after_prompts(samples)
        except _NotContinuedError:
            return False
        whole = self.whole_log_likelihoods(samples, batch_samples=_PROBED_CHOICES)
        apart = (after - whole).abs()
        if bool((apart <= TOLERANCE * whole.abs().clamp(min=1)).all()):
            return True
        if self._epsilon() < TOLERANCE / 2:
            return False
        # Coarse precisions differ by about as much with another batch of the same prompts.
        noise = (self.whole_log_likelihoods(samples, batch_samples=1) - whole).abs().max()
        return bool(apart.max() <= 2 * (noise + self._epsilon() * whole.abs().max()))

    def _epsilon(self) -> float:
        """Of the precision in which the model computes now; 0.0078 for bfloat16."""
        kind = self._device.type
        # Quantized weights are stored as integers.
        dtype = next(one.dtype for one in self._model.parameters() if one.is_floating_point())
        if torch.is_autocast_enabled(kind):
            dtype = torch.get_autocast_dtype(kind)
        return torch.finfo(dtype).eps

    @torch.no_grad()
    def _after_prompts(self, samples: Sequence[Sample]) -> Tensor:
        batch = self._collator.prompts(samples).to(self._device)
        answers = self._answers(samples, pad_id=batch.pad_id)
        start_id = self._view.inputs.start_id
        if start_id is not None:
            return self._after_encoder(batch, answers, start_id=start_id)
        for module in self._rotary:
            module.rope_deltas = None
        arguments = self._view.inputs(batch)
        read = self._model(**arguments, use_cache=True, **self._view.inputs.last_logits(1))
        first = read.logits[:, -1].float().log_softmax(dim=-1)
        found = first[answers.rows, answers.tokens[:, 0]]
        if answers.tokens.shape[1] == 1:
            return found
        cache = read.get(self._cache_name)
        if cache is None:
            raise _NotContinuedError
        passes = _passes(answers, per_row=_bytes_per_row(cache, len(batch)), logits=read.logits)
        rest = [self._continued(cache, batch, arguments, answers[some]) for some in passes]
        return found + torch.cat(rest)

    def _continued(
        self, cache: Any, batch: Batch, arguments: dict[str, Tensor], answers: _Answers
    ) -> Tensor:
        """(C,) float32: of each answer's tokens after its first."""
        steps = answers.tokens.shape[1] - 1
        if steps == 0:
            return torch.zeros(len(answers.rows), device=self._device)
        mask = torch.cat([batch.attention_mask[answers.rows], answers.mask[:, :-1]], dim=1)
        read = self._go_on(
            input_ids=answers.tokens[:, :-1],
            attention_mask=mask,
            use_cache=True,
            **{self._cache_name: _rows_of(cache, answers.rows)},
            **self._positions(mask, answers.rows, steps),
            **_crossed(arguments, answers.rows, steps),
        )
        return _summed(read.logits, answers.tokens[:, 1:], answers.mask[:, 1:])

    def _positions(self, mask: Tensor, rows: Tensor, steps: int) -> dict[str, Tensor]:
        """Where the model does not count on by itself from a cache of other rows."""
        positions = (mask.cumsum(dim=1) - 1)[:, -steps:]
        deltas = [one.rope_deltas for one in self._rotary if one.rope_deltas is not None]
        if deltas:  # of time, height and width, which are one for words
            moved = positions + deltas[0][rows].to(positions)
            return {"position_ids": moved.unsqueeze(0).expand(3, -1, -1)}
        counted = self._view.inputs.family.positions_count_padding
        return {"position_ids": positions} if counted else {}

    def _after_encoder(self, batch: Batch, answers: _Answers, *, start_id: int) -> Tensor:
        """Of a decoder that reads what an encoder has made of the prompt."""
        arguments = self._view.inputs(batch)
        starts = torch.full((len(batch), 1), start_id, device=self._device)
        read = self._model(**arguments, decoder_input_ids=starts, use_cache=False)
        states = read.get("encoder_last_hidden_state")
        if states is None:
            raise _NotContinuedError
        per_row = states[0].numel() * states.element_size()
        parts = []
        for some in _passes(answers, per_row=per_row, logits=read.logits):
            part = answers[some]
            said = torch.cat([starts[part.rows], part.tokens[:, :-1]], dim=1)
            logits = self._go_on(
                encoder_outputs=BaseModelOutput(last_hidden_state=states[part.rows]),
                attention_mask=arguments["attention_mask"][part.rows],
                decoder_input_ids=said,
                use_cache=False,
            ).logits
            parts.append(_summed(logits, part.tokens, part.mask))
        return torch.cat(parts)

    def _answers(self, samples: Sequence[Sample], *, pad_id: int) -> _Answers:
        ids = [self._collator.answer(s, choice) for s in samples for choice in s.choices]
        tokens = torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(one) for one in ids], batch_first=True, padding_value=pad_id
        )
        lengths = torch.tensor([len(one) for one in ids])
        rows = torch.tensor([at for at, s in enumerate(samples) for _ in s.choices])
        mask = (torch.arange(tokens.shape[1]) < lengths[:, None]).long()
        return _Answers(*(one.to(self._device) for one in (rows, tokens, mask)))

    def _go_on(self, **arguments: Any) -> Any:
        """The forward pass of new tokens after what was read.

        Raises:
            _NotContinuedError: the model cannot do it.
        """
        try:
            return self._model(**arguments)
        # Whatever of its arguments a model misses, it says in one of these.
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError) as error:
            if is_out_of_memory(error):
                raise
            raise _NotContinuedError from error

    @property
    def _cache_name(self) -> str:
        return "cache" if "cache" in self._view.inputs.parameters else "past_key_values"


def _passes(answers: _Answers, *, per_row: int, logits: Tensor) -> list[slice]:
    """The answers that are read together, so that copies and logits stay within bounds.

    Args:
        answers: of all samples of a batch.
        per_row: bytes that are copied for each answer.
        logits: of any position; their last dimension is the vocabulary.
    """
    # Logits, and their logarithms in float32.
    of_logits = 2 * 4 * logits.shape[-1] * answers.tokens.shape[1]
    at_once = max(1, MAX_COPY_BYTES // (per_row + of_logits))
    return [slice(at, at + at_once) for at in range(0, len(answers.rows), at_once)]


def _summed(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    """(C,) float32: log-probabilities of tokens, (C, T), where the mask is 1."""
    log_probabilities = logits.float().log_softmax(dim=-1)
    return (log_probabilities.gather(-1, tokens.unsqueeze(-1)).squeeze(-1) * mask).sum(dim=1)


def _rows_of(cache: Any, rows: Tensor) -> Any:
    """A cache of these rows of another, which stays as it is."""
    copied = copy.copy(cache)
    copied.layers = [copy.copy(layer) for layer in cache.layers]
    copied.reorder_cache(rows)
    return copied


def _crossed(arguments: dict[str, Tensor], rows: Tensor, steps: int) -> dict[str, Tensor]:
    """An answer's words see the pictures that the prompt's last word sees."""
    found: dict[str, Tensor] = {}
    for name in ("cross_attention_mask", "image_attention_mask"):
        if name in arguments:
            mask = arguments[name][rows]
            found[name] = torch.cat([mask, mask[:, -1:].expand(-1, steps, *mask.shape[2:])], dim=1)
    return found


def _bytes_per_row(cache: Any, rows: int) -> int:
    tensors = [
        value for layer in cache.layers for value in vars(layer).values() if torch.is_tensor(value)
    ]
    return sum(one.numel() * one.element_size() for one in tensors) // rows
