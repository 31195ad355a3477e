"""Pseudo-replay by generation (in the manner of Sun et al. 2020, LAMOL): nothing is remembered.

The model is asked general questions about the new domain's media before it is trained on them; its
answers stand for what it knew. LAMOL lets a language model make up prompts as well; the media of a
past domain cannot be made up, so those of the new one are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice
from typing import TYPE_CHECKING

import torch

from transferlab.continual.components.self_generated_targets import SelfGeneratedTargets
from transferlab.core.records import MEDIA_SLOT, Sample
from transferlab.core.seeding import derive_seed

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView

DRAWN = 4


class PseudoReplay(SelfGeneratedTargets):
    """General questions about new media, answered by the model as it was before the domain."""

    name = "pseudo_replay"

    def asked(self, trainer: TrainerView) -> Sequence[Sample]:
        dataset = trainer.experience.dataset
        seed = derive_seed(self.seed, trainer.clock.train_exp_counter, DRAWN)
        order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(seed))
        rows = islice(cycle(order.tolist()), self.options.pseudo_samples)
        questions = cycle(self.options.questions)
        return [_about(dataset[row][0], next(questions)) for row in rows]


def _about(sample: Sample, question: str) -> Sample:
    """Another question about the same media."""
    slots = MEDIA_SLOT * len(sample.media)
    return replace(sample, kind="describe", prompt=f"{slots}\n{question}".lstrip(), choices=())
