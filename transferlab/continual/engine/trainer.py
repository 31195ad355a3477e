"""Avalanche's supervised template for mini-batches of a multimodal LLM.

An Avalanche iteration is one optimizer step, which ``stepping`` takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from transferlab.config.pipeline import TrainSection
from transferlab.continual.avalanche_api import (
    AvalancheDataset,
    silent_evaluator,
)
from transferlab.continual.components.samplers import EpochBatches
from transferlab.continual.components.strategy import Strategy
from transferlab.continual.engine.experience import DomainExperience, StageSettings
from transferlab.continual.engine.guards import (
    FiniteGuard,
    MicroBatches,
    deferred_termination,
)
from transferlab.continual.engine.hook_timer import Stopwatch
from transferlab.continual.engine.optimizer import (
    build_optimizer,
    rates_of,
)
from transferlab.continual.engine.precision import autocast_dtype
from transferlab.continual.engine.recorder import Recorder
from transferlab.continual.engine.step_checkpoint import StepCheckpoint, restore
from transferlab.continual.engine.stepping import SteppingTemplate
from transferlab.core.protocols import Backbone


class MLLMTrainer(SteppingTemplate):
    """Trains ``backbone.module`` on batches ``[x: Batch, y, t]``, with strategies as plugins."""

    def __init__(
        self, *, backbone: Backbone, train: TrainSection, strategies: Sequence[Strategy]
    ) -> None:
        self.settings = StageSettings(
            domain="", epochs=0, max_steps=None, learning_rate=train.learning_rate
        )
        self.recorder: Recorder
        self._step_checkpoint = StepCheckpoint(None, every_steps=None)
        self._halfway: dict[str, Any] | None = None
        """Where a stage that was killed is gone on with, until it has come there."""
        self.backbone = backbone
        named = dict(backbone.module.named_parameters())
        self._parameters = list(named.values())
        self.trainable: list[Tensor] = [*self._parameters]
        self._factors = [backbone.learning_rate_factors.get(name, 1.0) for name in named]
        self._config = train
        self.strategies = list(strategies)
        self.stopwatch = Stopwatch()
        self._finite = FiniteGuard(train.max_nonfinite_steps)
        self._micro_batches = MicroBatches(train.accumulation_steps)
        self.share = 1.0
        """Of the step's supervised tokens, in the current micro-batch."""
        self._autocast_dtype = autocast_dtype(train, backbone.device)
        self.scaler = self._new_scaler()
        super().__init__(
            model=backbone.module,
            optimizer=self._optimizer(train.learning_rate),
            criterion=nn.CrossEntropyLoss(),
            train_mb_size=train.batch_samples,
            eval_mb_size=train.batch_samples,
            device=backbone.device,
            plugins=[self.stopwatch.start, *strategies, self.stopwatch.stop],
            evaluator=silent_evaluator(),
        )

    @property
    def micro_batch_samples(self) -> int:
        """How many new samples go through the model at once."""
        return max(1, self.train_mb_size // self._micro_batches.pieces)

    def halve_micro_batches(self) -> None:
        """Memory ran out in a pass of ``micro_batch_samples``, which are two at least."""
        at_once = self.micro_batch_samples
        self._micro_batches.halve(self, at_once=at_once, of=self.train_mb_size)

    @property
    def loss_scale(self) -> float:
        """What a loss is multiplied by before its backward pass, so that float16 can hold it."""
        return float(self.scaler.get_scale()) if self.scaler.is_enabled() else 1.0

    def run_stage(
        self,
        experience: DomainExperience,
        *,
        settings: StageSettings,
        recorder: Recorder,
        step_checkpoint: StepCheckpoint,
    ) -> None:
        """Train on one experience, every plugin hook included.

        Raises:
            ModelError: the loss or its gradient is not a finite number, or ``step_checkpoint`` is
                damaged.
            InputError: ``step_checkpoint`` is about another stage.
        """
        self.settings, self.recorder, self._step_checkpoint = settings, recorder, step_checkpoint
        self.train_epochs = settings.epochs
        self.train(experience, eval_streams=[])

    def make_optimizer(self, **kwargs) -> None:
        """A fresh optimizer for each domain: the moments of the last one are no use to the next."""
        self.optimizer = self._optimizer(self.settings.learning_rate)
        # With the scale of the last domain a run taken up after it would take other steps.
        self.scaler = self._new_scaler()
        self.optimized_param_id = dict(self.model.named_parameters())

    def _new_scaler(self) -> torch.amp.GradScaler:
        enabled = self._autocast_dtype is torch.float16
        return torch.amp.GradScaler(self.backbone.device.type, enabled=enabled)

    def _optimizer(self, learning_rate: float) -> torch.optim.Optimizer:
        return build_optimizer(
            self._parameters, self._config, learning_rate=learning_rate, factors=self._factors
        )

    def make_train_dataloader(self, shuffle: bool = True, **kwargs) -> None:
        """Avalanche's builder would lose the collate function and balance batches over tasks."""
        data = self.adapted_dataset
        batches = EpochBatches(len(data), batch_samples=self.train_mb_size)
        self.dataloader = self.loader_over(data, batch_sampler=batches)

    def _before_training_exp(self, **kwargs) -> None:
        super()._before_training_exp(**kwargs)
        # Only now is it known how long an epoch is: strategies may have made another loader.
        steps = self.settings.epochs * len(self.dataloader)
        self.recorder.start(min(steps, self.settings.max_steps or steps))
        self._halfway = self._step_checkpoint.read(self)

    def make_eval_dataloader(self, **kwargs) -> None:
        self.dataloader = self.loader_over(self.adapted_dataset, shuffle=False)

    def loader_over(self, dataset: AvalancheDataset, **how: Any) -> DataLoader:
        """A loader of ``[x, y, t]``; ``how`` holds a ``batch_sampler`` or ``shuffle``."""
        if "batch_sampler" not in how:
            how["batch_size"] = self.train_mb_size
        return DataLoader(
            dataset,
            collate_fn=dataset.collate_fn,
            pin_memory=self.device.type == "cuda",
            **how,
        )

    def training_epoch(self, **kwargs) -> None:
        halfway = self._halfway
        if halfway and self.clock.train_exp_epochs < halfway["clock"]["train_exp_epochs"]:
            return  # this epoch was over when the file was written
        batches = iter(self.dataloader)
        if halfway:  # after the loader has drawn its seed, and before it draws batches
            restore(self, halfway)
            self._halfway = None
        self.recorder.start_stepping()
        seconds = self._config.grace_seconds
        with deferred_termination(self.device, grace_seconds=seconds) as termination:
            # A stage whose last step was written down has nothing left to do here.
            while not self._stop_training and not self._all_steps_taken():
                mbatch = next(batches, None)
                if mbatch is None:
                    break
                self.take_step(mbatch, **kwargs)
                due = termination.due
                self._step_checkpoint.save_when_due(self, leaving=due)
                if due:
                    termination.leave()

    def _all_steps_taken(self) -> bool:
        """Seen before the loader decodes a batch that nobody trains on."""
        if self.recorder.steps == self.recorder.total_steps:
            self.stop_training()
            return True
        return False

    def learning_rates(self, parameters: Sequence[nn.Parameter]) -> list[float]:
        """The learning rate of each parameter at this moment."""
        return rates_of(self.optimizer, parameters)
