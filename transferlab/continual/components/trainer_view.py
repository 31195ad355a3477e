"""What strategies may use of the trainer that calls their hooks.

Strategies and what they share import this protocol and nothing of the engine, so that a strategy
can be written, typed and tested without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from transferlab.core.batch import Batch
from transferlab.core.events import Event
from transferlab.core.lazy import torch
from transferlab.core.protocols import Backbone

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import DataLoader

    from transferlab.continual.avalanche_api import AvalancheDataset
    from transferlab.core.protocols import ModelView


class StageView(Protocol):
    """The settings of the domain at hand."""

    @property
    def domain(self) -> str: ...

    @property
    def epochs(self) -> int:
        """0 where every hook runs and nothing is trained."""
        ...

    @property
    def learning_rate(self) -> float: ...


class ExperienceView(Protocol):
    """One step of the stream, as Avalanche has it."""

    @property
    def dataset(self) -> AvalancheDataset:
        """Items are (sample, class, task label)."""
        ...

    @property
    def current_experience(self) -> int: ...

    @property
    def domain(self) -> str: ...


class ClockView(Protocol):
    """Avalanche's counters."""

    train_exp_counter: int
    """Experiences that were trained on before this one."""
    train_iterations: int
    """Optimizer steps in all."""


class RecorderView(Protocol):
    """The account of the stage at hand."""

    @property
    def steps(self) -> int:
        """Optimizer steps of the stage so far."""
        ...

    def emit(self, event: Event) -> None:
        """Pass an event on to the run's listener."""
        ...


class TrainerView(Protocol):
    """Model, batch, loss, clock and optimizer of the training at hand."""

    backbone: Backbone
    model: ModelView
    """The backbone's trainable view: ``model(batch)`` is (n_supervised, vocab) logits."""
    trainable: list[Tensor]
    """Its trainable parameters, in the order of ``model.named_parameters()``."""
    device: torch.device
    optimizer: torch.optim.Optimizer
    clock: ClockView
    loss: Tensor
    """Of the current micro-batch, with what plugins have added to it; from ``after_backward`` on,
    that of the whole step."""
    mb_output: Tensor
    """(n_supervised, vocab) logits of the current micro-batch; from ``after_backward`` on, of the
    whole step where a strategy says ``reads_step_output``, and else of its last micro-batch."""
    dataloader: DataLoader
    """Of the domain's training batches; a strategy may put another in its place."""
    share: float
    """Of the step's supervised tokens, in the current micro-batch."""

    @property
    def settings(self) -> StageView: ...

    @property
    def experience(self) -> ExperienceView: ...

    @property
    def recorder(self) -> RecorderView: ...

    @property
    def adapted_dataset(self) -> AvalancheDataset:
        """The domain's training samples, after strategies have adapted them."""
        ...

    @adapted_dataset.setter
    def adapted_dataset(self, dataset: AvalancheDataset) -> None: ...

    @property
    def mb_x(self) -> Batch:
        """The current micro-batch; outside of forward and backward, the whole step's batch."""
        ...

    @property
    def mb_y(self) -> Tensor:
        """(n_supervised,) int64: its target tokens."""
        ...

    @property
    def mb_task_id(self) -> Tensor:
        """(B,) int64: the experience that each sample came with."""
        ...

    @property
    def train_mb_size(self) -> int:
        """New samples per optimizer step."""
        ...

    @property
    def micro_batch_samples(self) -> int:
        """New samples that go through the model at once."""
        ...

    def halve_micro_batches(self) -> None:
        """Memory ran out in a pass of ``micro_batch_samples``, which are two at least: from here on
        fewer go through at once."""
        ...

    @property
    def loss_scale(self) -> float:
        """What a loss is multiplied by before its backward pass, so that float16 can hold it."""
        ...

    @property
    def _criterion(self) -> Callable[[Tensor, Tensor], Tensor]:
        """(n, vocab) logits and (n,) targets to the mean loss; Avalanche's name for it."""
        ...

    def autocast(self) -> torch.autocast:
        """The precision of forward passes."""
        ...

    def loader_over(self, dataset: AvalancheDataset, **how: Any) -> DataLoader:
        """A loader of ``[x, y, t]``; ``how`` holds a ``batch_sampler`` or ``shuffle``."""
        ...

    def learning_rates(self, parameters: Sequence[Tensor]) -> list[float]:
        """The learning rate of each parameter at this moment."""
        ...
