"""What strategies and evaluation ask of a backbone, so that neither imports how it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from transferlab.core.batch import Batch
from transferlab.core.lazy import nn, torch
from transferlab.core.records import Features, MediaRef, Prediction, Sample

if TYPE_CHECKING:
    from torch import Tensor


if TYPE_CHECKING:

    class ModelView(nn.Module):
        """The trainable view of a backbone, called as ``view(batch)``; see ``Backbone.module``."""

        @property
        def output_layer(self) -> nn.Module: ...

        def forward_count(self, batch: Batch) -> int: ...

        def at_answers(self, outputs: Sequence[Tensor], batch: Batch) -> Tensor: ...


class SplitWeight(NamedTuple):
    """An (out, in) weight as an adapter of kind osf splits it: preserved + left * scale @ right."""

    left: nn.Parameter
    """(out, r)."""
    scale: nn.Parameter
    """(r,)."""
    right: nn.Parameter
    """(r, in)."""
    free_left: Callable[[Tensor], Tensor]
    """(out, n) vectors without what lies along the preserved part's left directions."""
    free_right: Callable[[Tensor], Tensor]
    """(n, in) vectors without what lies along its right ones."""

    @property
    def directions(self) -> int:
        """Of the whole weight, preserved ones included."""
        return min(self.left.shape[0], self.right.shape[1])


class ExpertLayer(NamedTuple):
    """A LoRA layer whose ranks are shared out into experts, in equal blocks, with a gate."""

    down: nn.Parameter
    """(rank, in)."""
    up: nn.Parameter
    """(out, rank)."""
    gate: nn.Parameter
    """(experts, in)."""


class LoRALayer(NamedTuple):
    """A linear layer with an adapter of kind lora or rslora on it: W x + scale * up down x."""

    name: str
    """Of the layer inside the model, such as "...language_model.layers.31.self_attn.q_proj"."""
    layer: nn.Module
    """Called with x; gives that sum."""
    weight: Tensor
    """(out, in): W, which is frozen."""
    down: nn.Parameter
    """(rank, in)."""
    up: nn.Parameter
    """(out, rank)."""
    scale: float


class Backbone(Protocol):
    """A pretrained MLLM, its processor and its adapter, behind one door."""

    @property
    def name(self) -> str:
        """As the pipeline names it."""
        ...

    @property
    def device(self) -> torch.device: ...

    autocast_dtype: torch.dtype | None
    """The precision of scoring, generation and features, set by whoever trains it to that of
    training; None is that of the weights."""

    @property
    def module(self) -> ModelView:
        """The view that Avalanche trains: ``module(batch)`` is (n_supervised, vocab) logits, in the
        order of ``batch.targets()``; ``named_parameters()`` yields trainable parameters only;
        ``output_layer`` is the layer from hidden states to the vocabulary; ``forward_count(batch)``
        is how often the model runs for a batch, and ``at_answers(outputs, batch)`` picks what a
        layer made in these passes at the supervised positions."""
        ...

    @property
    def learning_rate_factors(self) -> Mapping[str, float]:
        """By the name of a trainable parameter, what its learning rate is multiplied by; 1 for
        those that are not named."""
        ...

    @property
    def trainable_parameters(self) -> int: ...

    @property
    def total_parameters(self) -> int: ...

    @property
    def writes(self) -> bool:
        """Whether it writes answers, and does not only compare what is given."""
        ...

    @property
    def takes_audio(self) -> bool:
        """Whether the sound of media is read too."""
        ...

    @property
    def max_candidates(self) -> int | None:
        """Answers at most among which it finds a sample's own; None where there is no limit."""
        ...

    @property
    def max_length_tokens(self) -> int:
        """What ``length_tokens`` of a sample may be at most."""
        ...

    def length_tokens(self, sample: Sample) -> int:
        """The tokens of prompt, media and the longest of answer and choices.

        Raises:
            DataError: a medium is missing, broken or empty, or a text holds the image token.
        """
        ...

    def answer_tokens(self, answer: str) -> int:
        """The tokens of an answer and of its end, as it would be written."""
        ...

    def preview_images(self, ref: MediaRef) -> list[np.ndarray]:
        """(H, W, 3) uint8 per tile: what it sees of a medium; empty where that shows nothing.

        Raises:
            DataError: the medium is missing, broken or empty.
        """
        ...

    def save_adapter(self, folder: Path) -> None:
        """Write the adapter so that plain peft loads it.

        Raises:
            ModelError: there is none, or one that peft has no file for.
        """
        ...

    def save_processor(self, folder: Path) -> None:
        """Write tokenizer, image processor and chat template so that plain transformers loads
        them."""
        ...

    def save_merged(self, folder: Path) -> None:
        """Melt the adapter, where there is one, into the weights for good, and write the whole
        model so that plain transformers loads it.

        Raises:
            ModelError: the adapter cannot be melted in.
        """
        ...

    def collate(self, samples: Sequence[Sample]) -> tuple[Batch, Tensor]:
        """The batch and its targets, (n_supervised,) int64. Answers end with the end token."""
        ...

    def score_choices(self, samples: Sequence[Sample], *, batch_samples: int) -> list[Prediction]:
        """For closed samples: the summed log-likelihood of each choice, and the likeliest."""
        ...

    def score_candidates(
        self, samples: Sequence[Sample], candidates: Sequence[str], *, batch_samples: int
    ) -> np.ndarray:
        """For samples of kind retrieve: how well each candidate answers each of them, (N, C)
        float32; higher is better. Their own answers are not looked at."""
        ...

    def generate(
        self, samples: Sequence[Sample], *, batch_samples: int, max_new_tokens: int
    ) -> list[Prediction]:
        """Greedy answers, special tokens removed."""
        ...

    def features(self, samples: Sequence[Sample], *, batch_samples: int) -> Features:
        """Features of the prompts with their media, answers left out."""
        ...

    def trainable_state(self) -> dict[str, Tensor]:
        """A detached CPU copy of the trainable parameters (and nothing else)."""
        ...

    def load_trainable_state(self, state: Mapping[str, Tensor]) -> None:
        """Put such a copy back, in place."""
        ...


class MergesAdapters(Protocol):
    """A backbone that puts several adapters together."""

    def merge(
        self,
        tensors: Sequence[Sequence[Tensor]],
        *,
        method: str,
        weights: Sequence[float],
        density: float,
    ) -> list[Tensor]:
        """Per parameter, the values that several adapters have for it, merged into one.

        ``method`` is linear, ties, dare_linear or dare_ties; ``density`` the share that is kept.
        """
        ...


class SplitsWeights(Protocol):
    """A backbone whose adapter may split weights into directions."""

    def split_weights(self) -> list[SplitWeight]:
        """The weights that the adapter splits; empty where it is not of kind osf."""
        ...


class HasExperts(Protocol):
    """A backbone whose adapter may be a mixture of experts."""

    def expert_layers(self) -> list[ExpertLayer]:
        """The layers whose adapter is a mixture of experts; empty where it is none."""
        ...


class HasLoRALayers(Protocol):
    """A backbone whose adapter may be of LoRA's two matrices per layer."""

    def lora_layers(self) -> list[LoRALayer]:
        """The layers that carry LoRA's two matrices and nothing between them, in the model's
        order; empty where the adapter is of another kind."""
        ...
