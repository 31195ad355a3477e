"""Avalanche's supervised template for mini-batches of a multimodal LLM.

An Avalanche iteration is one optimizer step. Its hooks fire in Avalanche's order; with gradient
accumulation, the hooks of forward and backward fire for each micro-batch:

    before_training_iteration
        before_forward, after_forward, before_backward      (each micro-batch)
    after_backward, before_update, after_update, after_training_iteration
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from transferlab.config.pipeline import TrainSection
from transferlab.continual.avalanche_api import (
    AvalancheDataset,
    SupervisedTemplate,
    silent_evaluator,
)
from transferlab.continual.components.gradients import gradients_of
from transferlab.continual.components.samplers import EpochBatches
from transferlab.continual.components.strategy import Strategy
from transferlab.continual.engine.experience import DomainExperience, StageSettings
from transferlab.continual.engine.hook_timer import Stopwatch
from transferlab.continual.engine.optimizer import (
    build_optimizer,
    learning_rate_factor,
    rates_of,
    set_learning_rate,
)
from transferlab.continual.engine.precision import autocast_dtype
from transferlab.continual.engine.recorder import Recorder
from transferlab.continual.engine.step_checkpoint import StepCheckpoint, restore
from transferlab.continual.engine.step_parts import StepParts, split_step
from transferlab.core.distributed import (
    rank_and_size,
    rank_randomness,
    sum_over_ranks,
    summed,
)
from transferlab.core.protocols import Backbone
from transferlab.errors import ModelError


class MLLMTrainer(SupervisedTemplate):
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
        return self.train_mb_size // self._config.accumulation_steps

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

    def forward(self) -> Tensor:
        """(n_supervised, vocab) logits, in the order of the mini-batch's targets."""
        return self.model(self.mb_x)

    def criterion(self) -> Tensor:
        """The mean cross-entropy of the tokens, unless a strategy has a loss of its own."""
        for one in self.strategies:
            loss = one.task_loss(self)
            if loss is not None:
                return loss
        return super().criterion()

    def training_epoch(self, **kwargs) -> None:
        halfway = self._halfway
        if halfway and self.clock.train_exp_epochs < halfway["clock"]["train_exp_epochs"]:
            return  # this epoch was over when the file was written
        batches = iter(self.dataloader)
        if halfway:  # after the loader has drawn its seed, and before it draws batches
            restore(self, halfway)
            self._halfway = None
        self.recorder.start_stepping()
        for mbatch in batches:
            if self._stop_training:
                break
            self.mbatch = mbatch
            self.recorder.observe_batch(mbatch[0])
            self._unpack_minibatch()
            for one in self.strategies:
                one.terms.clear()
            self._before_training_iteration(**kwargs)
            self.optimizer.zero_grad()
            with rank_randomness(self.device, step=self.recorder.steps):
                task_loss = self._forward_and_backward(**kwargs)
            if rank_and_size()[1] > 1:
                sum_over_ranks(gradients_of(self.trainable))
                task_loss = summed(task_loss)
            self.scaler.unscale_(self.optimizer)
            self._after_backward(**kwargs)
            self._before_update(**kwargs)
            learning_rate = self._set_learning_rate()
            loss = self._checked_step(task_loss)
            self._after_update(**kwargs)
            self._after_training_iteration(**kwargs)
            self._finish_step(loss, learning_rate)
            self._step_checkpoint.save_when_due(self)
            if self.recorder.steps == self.recorder.total_steps:
                self.stop_training()
                break  # before the loader decodes a batch that nobody trains on

    def _forward_and_backward(self, **kwargs) -> Tensor:
        """Add up the gradient of a step over its micro-batches; returns the detached task loss.

        A micro-batch's mean loss, with what plugins add to it, counts by its share of the step's
        supervised tokens. The shares sum to 1, so how a step is split changes nothing.
        """
        whole, parts = self.mbatch, StepParts()
        keeps_outputs = any(one.reads_step_output for one in self.strategies)
        task_loss = torch.zeros((), device=self.device)
        for mbatch, share in split_step(whole, self._config.accumulation_steps):
            self.mbatch, self.share = mbatch, share
            self.loss = self._make_empty_loss()
            self._before_forward(**kwargs)
            with self.autocast():
                self.mb_output = self.forward()
            self._after_forward(**kwargs)
            with self.autocast():
                loss = self.criterion()
            self.recorder.observe_memory()
            task_loss = task_loss + share * loss.detach()
            weight = math.prod(one.task_weight(self) for one in self.strategies)
            self.loss = self.loss + weight * loss
            self._before_backward(**kwargs)
            self.backward()
            parts.add(self.mb_output if keeps_outputs else None, self.loss, share=share)
        self.mbatch = whole
        if parts.count > 1:
            self.loss = parts.loss
            if keeps_outputs:
                self.mb_output = parts.output
        return task_loss

    def backward(self) -> None:
        scaled = self.scaler.scale(self.loss * self.share)
        scaled.backward(retain_graph=self.retain_graph)

    def _checked_step(self, task_loss: Tensor) -> float:
        """The optimizer's step, if loss and gradient are finite; returns the loss."""
        norm = nn.utils.clip_grad_norm_(
            self.trainable,
            self._config.max_grad_norm or math.inf,  # no limit: measured and left as it is
            foreach=True if self.device.type in ("cpu", "cuda") else None,
        )
        # Fetched together: a GPU is waited for once in a step.
        loss, size = torch.stack([task_loss.double(), norm.to(task_loss.device).double()]).tolist()
        self._check_finite(loss, "loss")
        # In float16 an overflow is expected now and then: the scaler leaves out the step.
        if not self.scaler.is_enabled():
            self._check_finite(size, "gradient norm")
        self.optimizer_step()
        return loss

    def optimizer_step(self) -> None:
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def _set_learning_rate(self) -> float:
        factor = learning_rate_factor(
            self.recorder.steps,
            self.recorder.total_steps,
            warmup_fraction=self._config.warmup_fraction,
            schedule=self._config.schedule,
        )
        set_learning_rate(self.optimizer, self.settings.learning_rate * factor)
        return self.settings.learning_rate * factor

    def _finish_step(self, loss: float, learning_rate: float) -> None:
        terms = [term for one in self.strategies for term in one.terms.items()]
        extra = tuple((name, float(value)) for name, value in terms)
        self.recorder.finish_step(loss=loss, learning_rate=learning_rate, extra=extra)

    def _check_finite(self, number: float, what: str) -> None:
        if not math.isfinite(number):
            raise ModelError(
                f"the {what} became {number} at step {self.recorder.steps + 1} of "
                f"{self.recorder.total_steps} on domain '{self.settings.domain}'; lower "
                "train.learning_rate or the strategy's strength, or set "
                "train.mixed_precision: none"
            )

    def learning_rates(self, parameters: Sequence[nn.Parameter]) -> list[float]:
        """The learning rate of each parameter at this moment."""
        return rates_of(self.optimizer, parameters)

    def autocast(self) -> torch.autocast:
        """The precision of forward passes."""
        enabled = self._autocast_dtype is not None
        return torch.autocast(self.device.type, dtype=self._autocast_dtype, enabled=enabled)

    def _make_empty_loss(self) -> Tensor:
        # Without dimensions, so that adding a float64 loss gives float64.
        return torch.zeros((), device=self.device)
