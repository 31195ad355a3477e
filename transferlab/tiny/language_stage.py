"""How a backbone is pretrained from random weights. It knows nothing of any domain.

It asks ``examples(step)`` for each step's pictures and conversations, so that the same step always
sees the same data: a run that was killed goes on as if it had not been.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import LlavaForConditionalGeneration, LlavaProcessor

from transferlab.core.batch import IGNORE_INDEX
from transferlab.core.events import Listener
from transferlab.core.records import MEDIA_SLOT
from transferlab.tiny.training_loop import Recipe, Trained, run_steps


@dataclass(frozen=True, kw_only=True)
class Example:
    """Pictures and a conversation about them."""

    images: tuple[np.ndarray, ...]
    """(112, 112, 3) uint8 each; as many in every example of one step."""
    turns: tuple[tuple[str, str], ...]
    """(question, answer) pairs without media slots; pictures stand before the first question."""


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
            question_ids = tokenizer(question, add_special_tokens=False)["input_ids"]
            answer_ids = [
                *tokenizer(answer, add_special_tokens=False)["input_ids"],
                tokenizer.eos_token_id,
            ]
            ids += [self._user, *slots, *question_ids, self._assistant, *answer_ids]
            answered += [False] * (len(slots) + len(question_ids) + 2) + [True] * len(answer_ids)
        labels = [
            ids[at + 1] if at + 1 < len(ids) and answered[at + 1] else IGNORE_INDEX
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
            "labels": torch.tensor([[IGNORE_INDEX] * (width - len(i)) + lab for i, lab in rows]),
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
    return model.lm_head(hidden[batch["labels"] != IGNORE_INDEX])


def supervised_loss(model: LlavaForConditionalGeneration, batch: dict[str, Tensor]) -> Tensor:
    """Mean cross-entropy in nats over the positions that have a label."""
    targets = batch["labels"][batch["labels"] != IGNORE_INDEX]
    return functional.cross_entropy(supervised_logits(model, batch), targets)


def train(
    model: LlavaForConditionalGeneration,
    processor: LlavaProcessor,
    examples: Callable[[int], Sequence[Example]],
    *,
    recipe: Recipe,
    tower_slowdown: float,
    checkpoint: Path,
    stage: Callable[[int], str],
    listener: Listener,
) -> Trained:
    """Train ``model`` in place, and leave it in evaluation mode.

    Args:
        examples: the data of a step, the same for the same step; called in a worker process.
        tower_slowdown: what the vision tower's learning rate is multiplied by.
        checkpoint: a file that is written every ``recipe.checkpoint_steps`` steps, and continued
            from when it is there.
        stage: the name of the stage that a step belongs to, for the listener.

    Raises:
        ModelError: the checkpoint is damaged or of another backbone, or the loss is not finite.
    """
    conversations = Conversations(processor)
    return run_steps(
        model,
        lambda step: conversations.collate(examples(step)),
        lambda batch: supervised_loss(model, batch),
        recipe=recipe,
        checkpoint=checkpoint,
        stage=stage,
        listener=listener,
        slower=model.model.vision_tower,
        slowdown=tower_slowdown,
    )
