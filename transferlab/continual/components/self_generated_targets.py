"""Training on answers that the model gave itself before the domain.

Before a domain is trained, the model answers some prompts; while it is trained, the cross-entropy
of some of these answers counts in every step. What the model says so becomes its own reference.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from transferlab.continual.components.samplers import SampleOrder
from transferlab.continual.components.strategy import Strategy
from transferlab.core.events import Warned
from transferlab.core.lazy import no_grad
from transferlab.core.protocols import Backbone
from transferlab.core.records import Sample
from transferlab.errors import DataError

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView


class SelfGeneratedTargets(Strategy):
    """Subclasses say what is asked."""

    def __init__(self, options: Any, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._answered: list[Sample] = []

    @abstractmethod
    def samples_to_answer(self, trainer: TrainerView) -> Sequence[Sample]:
        """What the model is asked before the domain at hand; answers in it are not looked at."""

    def before_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        samples = self.samples_to_answer(trainer) if trainer.settings.epochs else ()
        self._answered = self._answers(trainer, samples) if samples else []
        self._order = SampleOrder(len(self._answered))

    def _answers(self, trainer: TrainerView, samples: Sequence[Sample]) -> list[Sample]:
        predictions = trainer.backbone.generate(
            samples,
            batch_samples=trainer.micro_batch_samples,
            max_new_tokens=self.options.max_new_tokens,
        )
        # Without choices: the model's own words need not be one of them.
        answered = [one.sample.answered(one.text) for one in predictions if one.text.strip()]
        fitting = [one for one in answered if _fits(trainer.backbone, one)]
        for without, why in (
            (len(predictions) - len(answered), "the model says nothing to"),
            (len(answered) - len(fitting), "the model's answer is more than it can be taught, to"),
        ):
            if without:
                of = f"{without} of {len(predictions)} prompts; these are left out"
                trainer.recorder.emit(Warned(text=f"{self.name}: {why} {of}"))
        return fitting

    @no_grad
    def after_backward(self, trainer: TrainerView, **kwargs) -> None:
        if not self._answered:
            return
        size = self.options.memory_batch_samples or trainer.train_mb_size
        drawn = self._order.take(min(size, len(self._answered)))
        batch, _ = trainer.backbone.collate([self._answered[i] for i in drawn])
        self.terms[f"{self.name}_loss"] = self.add_gradient(
            trainer, batch.to(trainer.device), weight=self.options.weight
        )

    def stage_state(self) -> dict[str, Any]:
        return {"order": self._order.rest}

    def load_stage_state(self, state: Mapping[str, Any]) -> None:
        self._order.rest = list(state["order"])

    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        self._answered = []


def _fits(backbone: Backbone, sample: Sample) -> bool:
    """Whether a sample with the model's own answer is one that the backbone can be trained on.

    What was asked fitted with the answer of the data; the model's own may be longer, or hold a word
    that the backbone reads as a token.
    """
    try:
        return backbone.length_tokens(sample) <= backbone.max_length_tokens
    except DataError:
        return False
