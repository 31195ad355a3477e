"""Make the embedded backbone: scenes, a tokenizer for them, a curriculum, scores and a card."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import nn

from transferlab.config.pretrain import PretrainConfig, VisionStage
from transferlab.core.events import Listener, StageFinished, StageStarted
from transferlab.core.files import report_disk_errors, write_text
from transferlab.core.records import MEDIA_SLOT
from transferlab.errors import InputError
from transferlab.tiny.architecture import (
    FEATURES,
    TinyModel,
    model_for,
    processor_for,
    save,
    train_tokenizer,
)
from transferlab.tiny.card import CURVES, PretrainScore, write_card
from transferlab.tiny.closed_questions import ClosedQuestion, choose
from transferlab.tiny.curriculum import (
    Curriculum,
    VisionExamples,
    check_kinds,
    held_out,
    tokenizer_texts,
)
from transferlab.tiny.curves import learning_curves
from transferlab.tiny.fusion_positions import subconfigs
from transferlab.tiny.language_stage import Conversations, train
from transferlab.tiny.training_loop import Recipe, run_steps
from transferlab.tiny.vision_stage import QuestionVocabulary, VisionClassifier
from transferlab.worlds.scenes.records import SceneExchange

CHOICES_PER_BATCH = 128
VISION = "vision.pt"
"""The checkpoint of the vision stage."""


def pretrain(config: PretrainConfig, out: Path, *, listener: Listener) -> dict[str, PretrainScore]:
    """Train the backbone, score it on held-out scenes, and write all of it to ``out``.

    ``out`` gets what the embedded backbone's folder holds (model, tokenizer, processor, README.md),
    ``scores.json`` and ``checkpoint.pt``; from a checkpoint that is there, training continues.

    Raises:
        InputError: the recipe names a kind of scene that does not exist.
        ModelError: the checkpoint in ``out`` is damaged or of another backbone, or the loss is not
            finite.
    """
    check_kinds(config)
    out.mkdir(parents=True, exist_ok=True)
    listener(StageStarted(stage="tokenizer", total_steps=0))
    tokenizer = train_tokenizer(tokenizer_texts(config), vocabulary=config.vocabulary)
    processor = processor_for(tokenizer, architecture=config.architecture)
    fresh = partial(model_for, tokenizer, seed=config.seed, architecture=config.architecture)
    model = _to_train(fresh(), config)
    curriculum = Curriculum(
        stages=tuple(config.stages), batch_samples=config.batch_samples, seed=config.seed
    )
    losses = {}
    if config.vision is not None:
        losses["vision tower alone"] = _train_vision(
            model, config, config.vision, out, listener=listener
        )
    listener(StageStarted(stage="pretraining", total_steps=config.total_steps))
    trained = train(
        model,
        processor,
        curriculum,
        recipe=_recipe(config, config.total_steps, config.learning_rate),
        tower_slowdown=config.vision.tower_slowdown if config.vision is not None else 1.0,
        checkpoint=out / "checkpoint.pt",
        stage=lambda step: curriculum.stage(step).name,
        listener=listener,
    )
    listener(StageFinished(stage="pretraining", seconds=trained.seconds))
    losses["answers"] = trained.losses
    model = _plain(model, fresh())
    with report_disk_errors(out):
        save(model, processor, out)
        learning_curves(losses).savefig(out / CURVES, dpi=110)

    listener(StageStarted(stage="scoring", total_steps=0))
    scores = score(model, fresh(), Conversations(processor), held_out(config))
    by_task = {task: vars(one) for task, one in scores.items()}
    write_text(out / "scores.json", json.dumps(by_task, indent=2) + "\n")
    parameters = sum(parameter.numel() for parameter in model.parameters())
    with report_disk_errors(out):
        write_card(out / "README.md", config, scores, parameters=parameters)
    return scores


def pretrain_vision(config: PretrainConfig, out: Path, *, listener: Listener) -> Path:
    """The vision stage alone; with the file it returns in its ``out``, ``pretrain`` goes on from
    there, whatever the architecture.

    Raises:
        InputError: the recipe has no vision stage, or names a kind of scene that does not exist.
        ModelError: as ``pretrain``.
    """
    check_kinds(config)
    if config.vision is None:
        raise InputError(f"'{config.name}' has no vision stage to make; add 'vision:' to it")
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer(tokenizer_texts(config), vocabulary=config.vocabulary)
    model = _to_train(model_for(tokenizer, seed=config.seed), config)
    _train_vision(model, config, config.vision, out, listener=listener)
    return out / VISION


def _to_train(model: TinyModel, config: PretrainConfig) -> TinyModel:
    """The model on the device, arranged to be fast."""
    # At these lengths the backward pass of plain attention is faster than the fused one's.
    model.set_attn_implementation("eager")
    if config.compile:
        # A step's pictures are always as many, but for clips: one program for each number of them.
        model.model.vision_tower.compile(dynamic=False)
    cast("nn.Module", model).to("cuda" if torch.cuda.is_available() else "cpu")
    return model


def _plain(trained: TinyModel, fresh: TinyModel) -> TinyModel:
    """The same weights on the processor, uncompiled: scoring has batches of many sizes."""
    fresh.load_state_dict(trained.state_dict())
    return fresh.eval()


def score(
    model: TinyModel,
    untrained: TinyModel,
    conversations: Conversations,
    questions: dict[str, list[SceneExchange]],
) -> dict[str, PretrainScore]:
    """Accuracy per task, beside the four controls."""

    def chosen_by(of: TinyModel, closed: list[ClosedQuestion]) -> list[str]:
        return choose(of, conversations, closed, batch_samples=CHOICES_PER_BATCH)

    scores = {}
    for task, task_samples in questions.items():
        answers = [one.answer for one in task_samples]
        questions_of_task = [_closed(one) for one in task_samples]
        # The picture of the next question of the task; all of a task have the same number.
        exchanged = [
            replace(one, images=other.images)
            for one, other in zip(
                questions_of_task, questions_of_task[1:] + questions_of_task[:1], strict=True
            )
        ]
        blind = [_closed(one, blind=True) for one in task_samples]
        scores[task] = PretrainScore(
            samples=len(task_samples),
            pretrained=_share_right(chosen_by(model, questions_of_task), answers),
            exchanged=_share_right(chosen_by(model, exchanged), answers),
            text_only=_share_right(chosen_by(model, blind), answers),
            random_weights=_share_right(chosen_by(untrained, questions_of_task), answers),
            majority=Counter(answers).most_common(1)[0][1] / len(answers),
        )
    return scores


def _share_right(chosen: Sequence[str], answers: Sequence[str]) -> float:
    return sum(c == a for c, a in zip(chosen, answers, strict=True)) / len(answers)


def _closed(exchange: SceneExchange, *, blind: bool = False) -> ClosedQuestion:
    return ClosedQuestion(
        images=() if blind else exchange.images,
        text=exchange.prompt.replace(MEDIA_SLOT, "").lstrip("\n"),
        choices=exchange.choices,
    )


def _train_vision(
    model: TinyModel, config: PretrainConfig, stage: VisionStage, out: Path, *, listener: Listener
) -> tuple[float, ...]:
    """Train the model's vision tower in place; the losses of its steps."""
    examples = VisionExamples(stage=stage, seed=config.seed)
    questions = QuestionVocabulary(examples.specimens())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        classifier = VisionClassifier(
            model.model.vision_tower,
            questions,
            width=subconfigs(model.config)[0].hidden_size,
            positions=FEATURES,
        ).to(model.device)
    listener(StageStarted(stage="vision", total_steps=stage.steps))
    trained = run_steps(
        classifier,
        lambda step: questions.batch(examples(step)),
        classifier.loss,
        recipe=_recipe(config, stage.steps, stage.learning_rate),
        checkpoint=out / VISION,
        stage=lambda step: "vision",
        listener=listener,
    )
    listener(StageFinished(stage="vision", seconds=trained.seconds))
    return trained.losses


def _recipe(config: PretrainConfig, steps: int, learning_rate: float) -> Recipe:
    return Recipe(
        total_steps=steps,
        learning_rate=learning_rate,
        warmup_steps=config.warmup_steps,
        decay_fraction=config.decay_fraction,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        checkpoint_steps=config.checkpoint_steps,
        optimizer=config.optimizer,
        precision=config.precision,
    )
