"""One optimizer step: micro-batches forward and backward, hooks, and what fails in it.

Hooks fire in Avalanche's order; with gradient accumulation, those of forward and backward fire for
each micro-batch:

    before_training_iteration
        before_forward, after_forward, before_backward      (each micro-batch)
    after_backward, before_update, after_update, after_training_iteration
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from transferlab.config.pipeline import TrainSection
from transferlab.continual.avalanche_api import SupervisedTemplate
from transferlab.continual.components.gradients import gradients_of
from transferlab.continual.components.strategy import Strategy
from transferlab.continual.engine.experience import StageSettings
from transferlab.continual.engine.guards import FiniteGuard, MicroBatches
from transferlab.continual.engine.optimizer import learning_rate_factor, set_learning_rate
from transferlab.continual.engine.recorder import Recorder
from transferlab.continual.engine.step_parts import StepParts, split_step
from transferlab.core.distributed import (
    rank_and_size,
    rank_randomness,
    sum_over_ranks,
    summed,
)
from transferlab.core.peak_memory import is_out_of_memory


class SteppingTemplate(SupervisedTemplate):
    """Avalanche's template with our step; ``MLLMTrainer`` has the rest."""

    settings: StageSettings
    recorder: Recorder
    trainable: list[Tensor]
    strategies: list[Strategy]
    scaler: torch.amp.GradScaler
    share: float
    _config: TrainSection
    _autocast_dtype: torch.dtype | None
    _finite: FiniteGuard
    _micro_batches: MicroBatches

    def take_step(self, mbatch: list, **kwargs) -> None:
        """One optimizer step; where a number is not finite, nothing has changed after it."""
        self.mbatch = mbatch
        self.recorder.observe_batch(mbatch[0])
        self._unpack_minibatch()
        task_loss = self._gradient_of_step(**kwargs)
        if rank_and_size()[1] > 1:
            sum_over_ranks(gradients_of(self.trainable))
            task_loss = summed(task_loss)
        self.scaler.unscale_(self.optimizer)
        # Before strategies take the gradient in; one that looks at none is spared the waiting.
        read = any(hasattr(one, "after_backward") for one in self.strategies)
        if read and self._finite.check(self, task_loss) is None:
            return
        self._after_backward(**kwargs)
        self._before_update(**kwargs)
        learning_rate = self._set_learning_rate()
        loss = self._finite.check(self, task_loss, max_norm=self._config.max_grad_norm)
        if loss is None:
            return
        self.optimizer_step()
        self._after_update(**kwargs)
        self._after_training_iteration(**kwargs)
        self._finish_step(loss, learning_rate)

    def _gradient_of_step(self, **kwargs) -> Tensor:
        """Add up a step's gradient, in smaller pieces where memory runs out; the task loss."""
        whole, draws = self.mbatch, torch.get_rng_state()
        while True:
            for one in self.strategies:
                one.terms.clear()
            self._before_training_iteration(**kwargs)
            self.optimizer.zero_grad()
            try:
                with rank_randomness(self.device, step=self.recorder.steps):
                    return self._forward_and_backward(**kwargs)
            except (RuntimeError, MemoryError) as error:
                at_once = self._micro_batches.at_once(whole[0])
                if not is_out_of_memory(error) or at_once < 2:
                    raise
            # Only here has the error let go of the pass that did not fit.
            self.mbatch = whole
            self.loss = self.mb_output = self._make_empty_loss()
            self.optimizer.zero_grad()
            self._micro_batches.halve(
                self, at_once=at_once, of=at_once * self._micro_batches.pieces
            )
            torch.set_rng_state(draws)

    def _forward_and_backward(self, **kwargs) -> Tensor:
        """Add up the gradient of a step over its micro-batches; returns the detached task loss.

        A micro-batch's mean loss, with what plugins add to it, counts by its share of the step's
        supervised tokens. The shares sum to 1, so how a step is split changes nothing.
        """
        whole, parts = self.mbatch, StepParts()
        keeps_outputs = any(one.reads_step_output for one in self.strategies)
        task_loss = torch.zeros((), device=self.device)
        for mbatch, share in split_step(whole, self._micro_batches.pieces):
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

    def autocast(self) -> torch.autocast:
        """The precision of forward passes."""
        enabled = self._autocast_dtype is not None
        return torch.autocast(self.device.type, dtype=self._autocast_dtype, enabled=enabled)

    def _make_empty_loss(self) -> Tensor:
        # Without dimensions, so that adding a float64 loss gives float64.
        return torch.zeros((), device=self.device)
