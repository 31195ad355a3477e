"""Whether two domains pull the parameters apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from transferlab.continual.components.gradients import cosine, evaluation_mode, gradient
from transferlab.core.records import Sample

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView


def interference(
    template: TrainerView, new: Sequence[Sample], past: Mapping[str, Sequence[Sample]]
) -> dict[str, float]:
    """The cosine between the task loss's gradients on a new domain and on each past one.

    Args:
        template: whose model is looked at, with the parameters as they are; nothing is changed.
        new: some samples of the domain that comes next.
        past: some of each other domain, by name.

    Returns:
        By past domain, in [-1, 1]. Below 0, a small step for the new domain raises the past one's
        loss (Lopez-Paz & Ranzato, 2017); 0 where a gradient vanishes.
    """

    def mean_gradient(samples: Sequence[Sample]) -> list[Tensor]:
        batch, _ = template.backbone.collate(samples)
        return gradient(template, batch.to(template.device), again=True)[1]

    with evaluation_mode(template.model):
        own = mean_gradient(new)
        return {name: cosine(own, mean_gradient(samples)) for name, samples in past.items()}
