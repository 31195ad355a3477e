"""The trainers that ``benchmarks/gpu.py`` stands beside: `Trainer` with PEFT, and TRL."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers as hf
from gpu_models import device, fresh_model, picture
from PIL import Image

from transferlab.core.records import Sample

WARM_STEPS = 3
LORA = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.0, "target_modules": "all-linear"}


@dataclass
class Timing:
    """The counted steps of one trainer."""

    seconds: list[float] = field(default_factory=list)
    started: float = 0.0

    def step(self) -> None:
        """At the end of each optimizer step."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        if self.started:
            self.seconds.append(now - self.started)
        self.started = now

    @property
    def median(self) -> float:
        return float(np.median(self.seconds[WARM_STEPS - 1 :]))


def rows_of(samples: list[Sample], side: int) -> list[dict[str, Any]]:
    """Conversations with pictures, as TRL and a plain collator take them."""
    rows = []
    for one in samples:
        question = one.prompt.replace("<image>\n", "")
        rows.append(
            {
                "images": [Image.fromarray(picture(one.media[0], side)[0])],
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image"}, {"type": "text", "text": question}],
                    },
                    {"role": "assistant", "content": [{"type": "text", "text": one.answer}]},
                ],
            }
        )
    return rows


class StepTimer(hf.TrainerCallback):
    def __init__(self, timing: Timing) -> None:
        self._timing = timing

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self._timing.step()


def arguments(kind: type, folder: Path, batch: int, **more: Any) -> Any:
    return kind(
        output_dir=str(folder / "peer"),
        per_device_train_batch_size=batch,
        num_train_epochs=1,
        learning_rate=1e-4,
        lr_scheduler_type="constant",
        report_to=[],
        save_strategy="no",
        logging_steps=1000,
        bf16=device().type == "cuda",
        use_cpu=device().type == "cpu",
        gradient_checkpointing=False,
        disable_tqdm=True,
        remove_unused_columns=False,
        **more,
    )


def trainer_and_peft(
    config: Any, processor: Any, folder: Path, side: int, samples: list[Sample], batch: int
) -> Timing:
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(fresh_model(config), LoraConfig(**LORA, task_type="CAUSAL_LM"))

    def collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        texts = [processor.apply_chat_template(row["messages"], tokenize=False) for row in rows]
        asked = [
            processor.apply_chat_template(
                row["messages"][:1], tokenize=False, add_generation_prompt=True
            )
            for row in rows
        ]
        pictures = [row["images"] for row in rows]
        made = processor(text=texts, images=pictures, padding=True, return_tensors="pt")
        labels = made["input_ids"].clone()
        labels[made["attention_mask"] == 0] = -100
        for at, text in enumerate(asked):
            length = processor(text=[text], images=[pictures[at]], return_tensors="pt")
            size = int(made["attention_mask"][at].sum())
            start = (
                made["input_ids"].shape[1] - size
                if processor.tokenizer.padding_side == "left"
                else 0
            )
            labels[at, : start + length["input_ids"].shape[1]] = -100
        return {**made, "labels": labels}

    timing = Timing()
    hf.Trainer(
        model=model,
        args=arguments(hf.TrainingArguments, folder, batch),
        train_dataset=rows_of(samples, side),
        data_collator=collate,
        callbacks=[StepTimer(timing)],
    ).train()
    return timing


def trl(
    config: Any, processor: Any, folder: Path, side: int, samples: list[Sample], batch: int
) -> Timing:
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    timing = Timing()
    SFTTrainer(
        model=fresh_model(config),
        processing_class=processor,
        args=arguments(
            SFTConfig, folder, batch, max_length=None, dataset_kwargs={"skip_prepare_dataset": True}
        ),
        train_dataset=Dataset.from_list(rows_of(samples, side)),
        peft_config=LoraConfig(**LORA, task_type="CAUSAL_LM"),
        callbacks=[StepTimer(timing)],
    ).train()
    return timing
