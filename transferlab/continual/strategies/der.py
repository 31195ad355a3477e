"""Dark experience replay (Buzzega et al. 2020).

    loss + alpha * mean (z - z')^2 + beta * cross-entropy

over remembered samples, with z the logits at their answers' tokens and z' those that the model had
after their domain. Of z' the largest are kept, with their places in the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeAlias

from pydantic import Field

from transferlab.continual.components.gradients import (
    batches_over,
    evaluation_mode,
    token_rows,
    upcast,
)
from transferlab.continual.components.rehearsal import BufferedRehearsal
from transferlab.continual.components.strategy import DatasetOf
from transferlab.continual.options.base import Needs, PositiveFloat, PositiveInt
from transferlab.continual.options.memory import REPLAY_STEP, MemoryOptions
from transferlab.core.batch import Batch
from transferlab.core.lazy import nn, no_grad, torch

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView

RememberedLogits: TypeAlias = "tuple[Tensor, Tensor]"
"""(answer tokens, kept) float32 logits, and int32 places in the vocabulary."""


class DEROptions(MemoryOptions):
    """Dark experience replay: remembered samples keep the logits that the model had for them.

    With replay_weight 0 this is DER, otherwise DER++. The logits are in the checkpoint.
    """

    family: ClassVar[str] = "rehearsal"
    paper: ClassVar[str] = "Buzzega et al. 2020, arXiv:2004.07211"
    use: ClassVar[str] = (
        "As replay with a small memory: a distribution over tokens says more of the old model than "
        "an answer does."
    )
    needs: ClassVar[Needs] = Needs(
        writes=True,
        past_samples=True,
        keeps="logits of the remembered answers",
        extra_passes=REPLAY_STEP,
        adds_gradient=True,
    )

    memory_batch_samples: PositiveInt | None = None
    """Remembered samples per step; None takes as many as there are new ones."""
    logit_weight: PositiveFloat = 0.1
    """The paper's alpha: weight of the mean squared difference of logits."""
    replay_weight: Annotated[float, Field(ge=0)] = 0.5
    """The paper's beta: weight of the cross-entropy of remembered answers."""
    logits_kept: PositiveInt | None = 64
    """So many of the largest logits are kept per answer token, eight bytes each; None keeps the
    whole vocabulary, as the paper does."""


class DER(BufferedRehearsal):
    """A memory of samples, each with what the model said of its answer."""

    name = "der"
    Options = DEROptions

    def __init__(self, options: DEROptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._logits: dict[str, RememberedLogits] = {}

    @no_grad
    def after_backward(self, trainer: TrainerView, **kwargs) -> None:
        if not len(self.memory):
            return
        size = self.options.memory_batch_samples or trainer.train_mb_size
        batch = self.memory.draw(trainer, size)[0]
        parts = torch.zeros(2)
        tokens = batch.answer_tokens

        def loss(logits: Tensor, targets: Tensor, piece: Batch) -> Tensor:
            old = [self._logits[name] for name in piece.sample_ids]
            vocabulary_ids = torch.cat([where for _, where in old]).to(logits.device).long()
            new = upcast(logits)
            remembered = torch.cat([value for value, _ in old]).to(new)
            logit_distance = nn.functional.mse_loss(new.gather(1, vocabulary_ids), remembered)
            wrong = nn.functional.cross_entropy(new, targets)
            parts.add_(
                torch.stack([logit_distance, wrong]).detach().cpu(), alpha=len(targets) / tokens
            )
            return self.options.logit_weight * logit_distance + self.options.replay_weight * wrong

        self.add_gradient(trainer, batch, loss=loss)
        # The mean squared distance of logits, and the cross-entropy of remembered answers.
        self.terms.update(der_logit_distance=parts[0], der_loss=parts[1])

    @no_grad
    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        super().after_training_exp(trainer, **kwargs)
        remembered = self.memory.policy.buffer
        names = [sample_id for sample_id, _ in self.memory.remembered()]
        new = [row for row, name in enumerate(names) if name not in self._logits]
        with evaluation_mode(trainer.model):
            for batch in batches_over(trainer, remembered.subset(new)) if new else ():
                with trainer.autocast():
                    logits = trainer.model(batch).float()
                self._logits.update(self._largest(logits, batch))
        self._logits = {name: self._logits[name] for name in names}

    def _largest(self, logits: Tensor, batch: Batch) -> dict[str, RememberedLogits]:
        size = min(self.options.logits_kept or logits.shape[1], logits.shape[1])
        values, vocabulary_ids = logits.topk(size, dim=1)
        owner = token_rows(batch)
        return {
            name: (values[owner == row].cpu(), vocabulary_ids[owner == row].int().cpu())
            for row, name in enumerate(batch.sample_ids)
        }

    def state_bytes(self) -> int:
        return super().state_bytes() + sum(v.nbytes + p.nbytes for v, p in self._logits.values())

    def state_dict(self) -> dict[str, Any]:
        return {"memory": super().state_dict(), "logits": dict(self._logits)}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        super().load_state_dict(state["memory"], dataset_of)
        self._logits = dict(state["logits"])
