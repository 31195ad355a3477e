"""The loop that pretrains a backbone from random weights. It knows nothing of any domain.

It asks ``examples(step)`` for each step's pictures and conversations, so that the same step always
sees the same data: a run that was killed goes on as if it had not been.
"""

import math
import os
import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from transformers import LlavaForConditionalGeneration, LlavaProcessor

from transferlab.core.events import Listener, TrainStep
from transferlab.core.records import MEDIA_SLOT
from transferlab.errors import ModelError

IGNORED = -100


@dataclass(frozen=True, kw_only=True)
class Example:
    """Pictures and a conversation about them."""

    images: tuple[np.ndarray, ...]
    """(112, 112, 3) uint8 each; as many in every example of one step."""
    turns: tuple[tuple[str, str], ...]
    """(question, answer) pairs without media slots; pictures stand before the first question."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the optimizer runs."""

    total_steps: int
    learning_rate: float
    warmup_steps: int
    decay_fraction: float
    """Share of all steps, the last ones, in which the learning rate falls."""
    weight_decay: float
    max_grad_norm: float
    checkpoint_steps: int


class Conversations:
    """Turns examples into left-padded tensors, as the processor would, at a tenth of its cost."""

    def __init__(self, processor: LlavaProcessor) -> None:
        self._tokenizer = processor.tokenizer
        side = processor.image_processor.size["height"] // processor.patch_size
        self._image_tokens = side * side
        ids = self._tokenizer.convert_tokens_to_ids
        self._user, self._assistant = ids("<|user|>"), ids("<|assistant|>")
        self._image = ids(MEDIA_SLOT)

    def tokens(self, example: Example) -> tuple[list[int], list[int]]:
        """Token ids and labels of one example; a label is the token to be predicted **there**."""
        tokenizer = self._tokenizer
        ids, answered = [tokenizer.bos_token_id], [False]
        for index, (question, answer) in enumerate(example.turns):
            slots = [self._image] * self._image_tokens * len(example.images) if index == 0 else []
            asked = tokenizer(question, add_special_tokens=False)["input_ids"]
            said = [
                *tokenizer(answer, add_special_tokens=False)["input_ids"],
                tokenizer.eos_token_id,
            ]
            ids += [self._user, *slots, *asked, self._assistant, *said]
            answered += [False] * (len(slots) + len(asked) + 2) + [True] * len(said)
        labels = [
            ids[at + 1] if at + 1 < len(ids) and answered[at + 1] else IGNORED
            for at in range(len(ids))
        ]
        return ids, labels

    def collate(self, examples: Sequence[Example]) -> dict[str, Tensor]:
        """input_ids, attention_mask, labels: (B, S) int64; pixel_values: (B * images, 3, H, W).

        Without any picture there are no pixel_values.
        """
        rows = [self.tokens(example) for example in examples]
        width = max(len(ids) for ids, _ in rows)
        pad = self._tokenizer.pad_token_id
        images = [image for example in examples for image in example.images]
        batch = {
            "input_ids": torch.tensor([[pad] * (width - len(i)) + i for i, _ in rows]),
            "attention_mask": torch.tensor(
                [[0] * (width - len(i)) + [1] * len(i) for i, _ in rows]
            ),
            "labels": torch.tensor([[IGNORED] * (width - len(i)) + lab for i, lab in rows]),
        }
        if images:
            pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
            batch["pixel_values"] = pixels.float() / 127.5 - 1
        return batch


def supervised_logits(model: LlavaForConditionalGeneration, batch: dict[str, Tensor]) -> Tensor:
    """(n, vocabulary): logits at the n positions that have a label, and nowhere else."""
    hidden = model.model(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        pixel_values=batch.get("pixel_values"),
        use_cache=False,
    ).last_hidden_state
    return model.lm_head(hidden[batch["labels"] != IGNORED])


class _Steps(Dataset):
    """Batch by step number; made in a worker process while the model computes."""

    def __init__(
        self, examples: Callable[[int], Sequence[Example]], conversations: Conversations
    ) -> None:
        self._examples, self._conversations = examples, conversations

    def __getitem__(self, step: int) -> dict[str, Tensor]:
        return self._conversations.collate(self._examples(step))


def _rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, a plateau, then a straight line down to (almost) nothing.

    Before it falls, the rate does not depend on how long the run is going to be: a run can be made
    longer or shorter from its checkpoint and is then the same as if it had been planned so.
    """
    rising = (step + 1) / recipe.warmup_steps if recipe.warmup_steps else 1.0
    falling_steps = max(1, round(recipe.decay_fraction * recipe.total_steps))
    falling = (recipe.total_steps - step) / falling_steps
    return recipe.learning_rate * min(1.0, rising, falling)


def _optimizer(model: torch.nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    return torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": recipe.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        lr=recipe.learning_rate,
        betas=(0.9, 0.98),
        fused=True,
    )


def _save(path: Path, state: dict[str, object]) -> None:
    """Write beside, then rename: a killed run leaves the old checkpoint, not half of a new one."""
    beside = path.with_suffix(".writing")
    torch.save(state, beside)
    os.replace(beside, path)


def _resume(path: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """The number of steps that the checkpoint has behind it; 0 without a checkpoint."""
    if not path.exists():
        return 0
    try:
        state = torch.load(path, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    except (OSError, EOFError, pickle.UnpicklingError) as error:
        raise ModelError(f"{path}: this checkpoint is damaged; remove it to begin anew") from error
    except (KeyError, RuntimeError, ValueError) as error:
        raise ModelError(
            f"{path}: this checkpoint is of another backbone; choose another --out folder"
        ) from error
    return int(state["steps"])


def train(
    model: LlavaForConditionalGeneration,
    processor: LlavaProcessor,
    examples: Callable[[int], Sequence[Example]],
    *,
    recipe: Recipe,
    checkpoint: Path,
    stage: Callable[[int], str],
    listener: Listener,
) -> float:
    """Train ``model`` in place, and leave it in evaluation mode.

    Args:
        examples: the data of a step, the same for the same step; called in a worker process.
        checkpoint: a file that is written every ``recipe.checkpoint_steps`` steps, and continued
            from when it is there.
        stage: the name of the stage that a step belongs to, for the listener.

    Returns:
        The seconds that it took, this time.

    Raises:
        ModelError: the checkpoint is damaged or of another backbone, or the loss is not finite.
    """
    optimizer = _optimizer(model, recipe)
    first = _resume(checkpoint, model, optimizer)
    loader = DataLoader(
        _Steps(examples, Conversations(processor)),
        batch_size=None,
        sampler=range(first, recipe.total_steps),
        num_workers=1,
        prefetch_factor=4,
    )
    model.train()
    started = began = time.perf_counter()
    for step, batch in enumerate(loader, start=first):
        for group in optimizer.param_groups:
            group["lr"] = _rate(step, recipe)
        loss = _step(model, batch, optimizer, max_grad_norm=recipe.max_grad_norm)
        if not math.isfinite(loss):
            raise ModelError(f"step {step + 1}: the loss is not finite; lower learning_rate")
        now = time.perf_counter()
        listener(
            TrainStep(
                stage=stage(step),
                step=step + 1,
                total_steps=recipe.total_steps,
                loss=loss,
                learning_rate=_rate(step, recipe),
                samples_per_second=len(batch["input_ids"]) / (now - began),
            )
        )
        began = now
        if (step + 1) % recipe.checkpoint_steps == 0 or step + 1 == recipe.total_steps:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            _save(checkpoint, {**state, "steps": step + 1})
    model.eval()
    return time.perf_counter() - started


def _step(
    model: LlavaForConditionalGeneration,
    batch: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    *,
    max_grad_norm: float,
) -> float:
    """One optimizer step; the mean loss over the supervised tokens, NaN where it went astray."""
    logits = supervised_logits(model, batch)
    targets = batch["labels"][batch["labels"] != IGNORED]
    loss = functional.cross_entropy(logits, targets)
    optimizer.zero_grad()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
    if not torch.isfinite(norm):
        return math.nan  # the caller stops, and no such step is ever taken
    optimizer.step()
    return loss.item()
