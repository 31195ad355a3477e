"""Pseudo-replay by generation (in the manner of Sun et al. 2020, LAMOL): nothing is remembered.

The model is asked general questions about the new domain's media before it is trained on them; its
answers stand for what it knew. LAMOL lets a language model make up prompts as well; the media of a
past domain cannot be made up, so those of the new one are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, model_validator

from transferlab.continual.components.self_generated_targets import SelfGeneratedTargets
from transferlab.continual.options.base import Needs, PositiveFloat, PositiveInt, StrategyOptions
from transferlab.core.lazy import torch
from transferlab.core.records import MEDIA_SLOT, Sample
from transferlab.core.seeding import derive_seed

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView

DRAWN = 4


class PseudoReplayOptions(StrategyOptions):
    """Pseudo-replay: the model's own answers to general questions, given before the domain.

    Nothing of a past domain is kept: the questions are asked about the new domain's media, of the
    model as it was before it was trained on them.
    """

    family: ClassVar[str] = "rehearsal"
    paper: ClassVar[str] = "in the manner of Sun et al. 2020 (LAMOL), arXiv:1909.03329"
    use: ClassVar[str] = (
        "Where not even ids of past samples may be kept, and the model should go on describing "
        "what it sees as it did; it protects ways of answering, not facts of a past domain."
    )
    needs: ClassVar[Needs] = Needs(
        writes=True,
        extra_passes="answers to pseudo_samples questions before each domain, and a forward and "
        "backward of some in every step",
        adds_gradient=True,
    )

    questions: Annotated[list[str], Field(min_length=1)] = [
        "Describe the image.",
        "What does the image show?",
    ]
    """Asked in turn, about the new domain's media; without media slots."""
    pseudo_samples: PositiveInt = 64
    """So many questions are answered before each domain."""
    memory_batch_samples: PositiveInt | None = None
    """Answers per step; None takes as many as there are new samples."""
    weight: PositiveFloat = 1.0
    """Of the answers' loss beside the task loss."""
    max_new_tokens: PositiveInt = 48
    """The longest answer."""

    @model_validator(mode="after")
    def _questions_have_no_slots(self) -> PseudoReplayOptions:
        for question in self.questions:
            if MEDIA_SLOT in question or not question.strip():
                raise ValueError(
                    f"questions: '{question}' must be words without {MEDIA_SLOT}; the media of "
                    "each sample are put before it"
                )
        return self


class PseudoReplay(SelfGeneratedTargets):
    """General questions about new media, answered by the model as it was before the domain."""

    name = "pseudo_replay"
    Options = PseudoReplayOptions

    def samples_to_answer(self, trainer: TrainerView) -> Sequence[Sample]:
        dataset = trainer.experience.dataset
        seed = derive_seed(self.seed, trainer.clock.train_exp_counter, DRAWN)
        order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(seed))
        rows = islice(cycle(order.tolist()), self.options.pseudo_samples)
        questions = cycle(self.options.questions)
        return [_about(dataset[row][0], next(questions)) for row in rows]


def _about(sample: Sample, question: str) -> Sample:
    """Another question about the same media."""
    slots = MEDIA_SLOT * len(sample.media)
    prompt = f"{slots}\n{question}".lstrip()
    return replace(sample, kind="describe", prompt=prompt, choices=(), history=(), role="user")
