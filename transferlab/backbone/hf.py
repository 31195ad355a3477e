"""A transformers model, its processor and its adapter as the one backbone the rest sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cachetools import LRUCache
from torch import Tensor
from transformers import PreTrainedModel

from transferlab.backbone.base.library_messages import suppress_progress_bars
from transferlab.backbone.inference import features, scoring
from transferlab.backbone.inference.choices import ChoiceReader
from transferlab.backbone.model import adapter_files, adapters
from transferlab.backbone.model.lora_layers import lora_layers
from transferlab.backbone.model.view import TrainableView, innermost
from transferlab.backbone.processing.model_inputs import ModelInputs
from transferlab.config.backbone import BackboneSection
from transferlab.core.batch import Batch
from transferlab.core.protocols import ExpertLayer, LoRALayer, SplitWeight
from transferlab.core.records import Features, MediaRef, Prediction, Sample
from transferlab.errors import ModelError

COLOUR_CHANNELS = 3
SHARD = "2GB"
"""Largest file of weights; one is held in memory beside the model when it is read again."""
_MAX_LENGTHS = 256
"""Lists of choices whose longest is remembered."""


class HFBackbone:
    """Any image-text-to-text model of transformers; see ``transferlab.core.protocols.Backbone``."""

    view: type[TrainableView] = TrainableView
    writes: bool = True
    """Whether it writes answers, and does not only compare what is given."""
    max_candidates: int | None = scoring.MAX_CANDIDATES
    """Answers at most among which it finds a sample's own; None where there is no limit."""
    autocast_dtype: torch.dtype | None = None
    """Of scoring, generation and features; None is that of the weights."""

    def __init__(
        self,
        model: PreTrainedModel,
        processor: Any,
        collator: Any,
        *,
        section: BackboneSection,
        device: torch.device,
        learning_rate_factors: Mapping[str, float] | None = None,
    ) -> None:
        """``model``: with its adapter already in place, on ``device``."""
        self.learning_rate_factors = learning_rate_factors or {}
        self.name, self.section, self.device = section.model, section, device
        self.model, self.processor, self.collator = model, processor, collator
        inputs = ModelInputs.of(
            innermost(model),
            grouped_media=collator.media.grouped,
            image_id=collator.media.picture_id,
        )
        self.module = self.view(model, inputs=inputs)
        self.choice_reader = ChoiceReader(model, self.module, collator)
        self._longest_choice: LRUCache[tuple[object, ...], int] = LRUCache(_MAX_LENGTHS)
        """Tokens of the longest of a list of choices, by it and what stands before it."""

    @property
    def trainable_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.module.parameters())

    @property
    def total_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def takes_audio(self) -> bool:
        """Whether the sound of media is read too."""
        return self.collator.sound is not None

    @property
    def adapted(self) -> bool:
        """Whether an adapter is trained, not the model's own parameters."""
        return adapters.is_adapted(self.model)

    def collate(self, samples: Sequence[Sample]) -> tuple[Batch, Tensor]:
        """The batch, on the CPU, and its targets, (n_supervised,) int64.

        Raises:
            DataError: a medium cannot be read, or a sample is longer than ``max_length_tokens``.
        """
        batch = self.collator.collate(samples)
        return batch, batch.targets()

    def score_choices(self, samples: Sequence[Sample], *, batch_samples: int) -> list[Prediction]:
        """The log-likelihood of each choice, end token included, and the likeliest choice."""
        with self._evaluation_mode():
            return scoring.score_choices(
                self.choice_reader, self.module, self.collator, samples, batch_samples=batch_samples
            )

    def score_candidates(
        self, samples: Sequence[Sample], candidates: Sequence[str], *, batch_samples: int
    ) -> np.ndarray:
        """Retrieval: the log-likelihood of each candidate, end token included, (N, C) float32."""
        with self._evaluation_mode():
            return scoring.score_candidates(
                self.choice_reader,
                self.module,
                self.collator,
                samples,
                candidates,
                batch_samples=batch_samples,
            )

    def generate(
        self, samples: Sequence[Sample], *, batch_samples: int, max_new_tokens: int
    ) -> list[Prediction]:
        """Greedy answers, cut at the end token, special tokens removed."""
        with self._evaluation_mode():
            return scoring.generate(
                self.model,
                self.module,
                self.collator,
                samples,
                batch_samples=batch_samples,
                max_new_tokens=max_new_tokens,
            )

    def features(self, samples: Sequence[Sample], *, batch_samples: int) -> Features:
        """Features of the prompts with their media, answers left out."""
        with self._evaluation_mode():
            return features.read_features(
                self.model,
                self.module,
                self.collator,
                samples,
                batch_samples=batch_samples,
                name=self.name,
            )

    def trainable_state(self) -> dict[str, Tensor]:
        """A detached CPU copy of the trainable parameters, by name."""
        return {name: p.to("cpu", copy=True) for name, p in self.module.state_dict().items()}

    def load_trainable_state(self, state: Mapping[str, Tensor]) -> None:
        """Put such a copy back, in place.

        Raises:
            ModelError: it is another backbone's state.
        """
        self.module.load_state_dict(state)

    def merge(
        self,
        tensors: Sequence[Sequence[Tensor]],
        *,
        method: str,
        weights: Sequence[float],
        density: float,
    ) -> list[Tensor]:
        """Several adapters' values of each parameter merged into one, by peft."""
        return adapters.merge_tensors(tensors, method=method, weights=weights, density=density)

    def split_weights(self) -> list[SplitWeight]:
        """The weights that the adapter splits; empty where it is not of kind osf."""
        return adapters.split_weights(self.model)

    def expert_layers(self) -> list[ExpertLayer]:
        """The layers whose adapter is a mixture of experts; empty where it is none."""
        return adapters.expert_layers(self.model)

    def lora_layers(self) -> list[LoRALayer]:
        """The layers that carry LoRA's two matrices; empty where the adapter is of another kind."""
        return lora_layers(self.model)

    def save_adapter(self, folder: Path) -> None:
        """Write the adapter so that plain peft loads it.

        Raises:
            ModelError: the backbone has no adapter, or one that peft has no file for.
        """
        if not self.adapted:
            raise ModelError(
                f"backbone '{self.name}' was trained without an adapter, so there is none to save; "
                "save the whole model, or set backbone.adapter"
            )
        adapter_files.save_adapter(self.model, folder)

    def save_processor(self, folder: Path) -> None:
        """Write tokenizer, image processor and chat template: ``AutoProcessor.from_pretrained``."""
        self.processor.save_pretrained(folder)

    def save_merged(self, folder: Path) -> None:
        """Melt the adapter into the weights for good, and write the model: plain transformers.

        No second copy of the weights is made. What is trained is then gone, so that this backbone
        is for answering only.

        Raises:
            ModelError: the adapter is a mixture of experts.
        """
        self.model = adapter_files.merge_in_place(self.model)
        with suppress_progress_bars():
            self.model.save_pretrained(str(folder), max_shard_size=SHARD)

    def save_pretrained(self, folder: Path) -> None:
        """Write the whole model, its adapter merged in, and the processor: plain transformers.

        Raises:
            ModelError: the adapter is a mixture of experts.
        """
        with suppress_progress_bars():
            adapter_files.merged_copy(self.model).save_pretrained(str(folder))
        self.processor.save_pretrained(str(folder))

    @property
    def max_length_tokens(self) -> int:
        """What ``length_tokens`` of a sample may be at most."""
        return self.section.max_length_tokens

    def length_tokens(self, sample: Sample) -> int:
        """The tokens of prompt, media and the longest of answer and choices, which are scored too.

        Raises:
            DataError: a medium is missing, broken or empty, or a text holds the image token.
        """
        prompt = self.collator.prompt(sample)
        longest = len(self.collator.answer(sample, sample.answer))
        if sample.choices:
            key = (sample.choices, sample.turns, prompt.frames, prompt.sounds)
            if key not in self._longest_choice:
                found = (len(self.collator.answer(sample, one)) for one in sample.choices)
                self._longest_choice[key] = max(found)
            longest = max(longest, self._longest_choice[key])
        return len(prompt.ids) + longest - 1

    def answer_tokens(self, answer: str) -> int:
        """The tokens of an answer and of its end, as it would be written."""
        chat = self.collator.chat
        return len(chat.tokens(answer)) - len(chat.tokens("")) + 1

    def preview_images(self, ref: MediaRef) -> list[np.ndarray]:
        """(H, W, 3) uint8 per tile: the processor's pixels with its normalisation undone.

        Empty for a backbone whose processor cuts pictures into flat patches, which show nothing.

        Raises:
            DataError: the medium is missing, broken or empty.
        """
        pixels = self.collator.media.encode((ref,)).tensors.get("pixel_values")
        if pixels is None or pixels.ndim < 4 or pixels.shape[-3] != COLOUR_CHANNELS:
            return []
        tiles = pixels.float().numpy().reshape(-1, *pixels.shape[-3:]).transpose(0, 2, 3, 1)
        preparation: Any = getattr(self.processor, "image_processor", None)
        if getattr(preparation, "do_normalize", False):
            tiles = tiles * np.asarray(preparation.image_std) + np.asarray(preparation.image_mean)
        return list((tiles.clip(0, 1) * 255).round().astype(np.uint8))

    @contextmanager
    def _evaluation_mode(self) -> Iterator[None]:
        """Dropout off for a while, in the precision of training."""
        training, dtype = self.model.training, self.autocast_dtype
        self.model.eval()
        try:
            with torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None):
                yield
        finally:
            self.model.train(training)
