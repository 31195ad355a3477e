"""Feature distillation: hidden states on new inputs stay near those of the model before.

The features are the hidden states from which the answers' tokens are told. With distance
"squared" this is less-forgetful learning (Jung et al. 2016); with "cosine" it is Avalanche's
feature distillation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from transferlab.continual.components.gradients import (
    capture_outputs,
    hidden_states_at_answers,
    upcast,
)
from transferlab.continual.components.teacher import Distillation
from transferlab.continual.options.base import Needs, PositiveFloat, StrategyOptions
from transferlab.core.lazy import nn, torch

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView


class FeatureDistillationOptions(StrategyOptions):
    """Feature distillation: hidden states on new inputs stay near those of the previous model.

    Distance "squared" is less-forgetful learning (LFL); the vocabulary layer that LFL freezes is
    frozen here anyway.
    """

    family: ClassVar[str] = "distillation"
    paper: ClassVar[str] = "Jung et al. 2016 (LFL), arXiv:1607.00122"
    use: ClassVar[str] = (
        "As lwf, where distributions over tokens say too little: it holds the features that the "
        "answers are told from."
    )
    needs: ClassVar[Needs] = Needs(
        writes=True,
        previous_model=True,
        extra_passes="one forward of every batch through the previous model",
        adds_gradient=True,
        anchors=True,
    )

    strength: PositiveFloat = 1.0
    """How much the distance counts beside the task loss."""
    distance: Literal["squared", "cosine"] = "squared"
    """The mean squared difference, or one minus the mean cosine."""


class FeatureDistillation(Distillation):
    """Compares the hidden states of the model with those after the last domain."""

    name = "feature_distillation"
    Options = FeatureDistillationOptions

    def before_forward(self, trainer: TrainerView, **kwargs) -> None:
        if not self.teacher.known:
            return
        with capture_outputs(trainer.model) as outputs:
            self.teacher.logits(trainer, trainer.mb_x)
        self._old = hidden_states_at_answers(trainer.model, outputs, trainer.mb_x).detach()
        self._new: list[Tensor] = []
        self._watch = trainer.model.output_layer.register_forward_pre_hook(self._see)

    def _see(self, layer: nn.Module, args: tuple[Tensor, ...]) -> None:
        self._new.append(args[0])

    def after_forward(self, trainer: TrainerView, **kwargs) -> None:
        if self.teacher.known:
            self._watch.remove()

    def drift(self, trainer: TrainerView) -> Tensor:
        new = hidden_states_at_answers(trainer.model, self._new, trainer.mb_x)
        return self.distance(upcast(new), upcast(self._old))

    def distance(self, new: Tensor, old: Tensor) -> Tensor:
        """Of (n, D) hidden states: the mean square of their difference, or 1 - mean cosine."""
        if self.options.distance == "squared":
            return nn.functional.mse_loss(new, old)
        return 1 - torch.cosine_similarity(new, old, dim=1).mean()
