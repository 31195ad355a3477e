"""Counts what a stage sees, and tells the listener after every optimizer step."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import psutil
import torch

from transferlab.core.batch import Batch
from transferlab.core.events import Event, Listener, StageStarted, TrainStep
from transferlab.core.peak_memory import peak_memory_bytes, reset_peak_memory

STATE = (
    "losses",
    "left_out_steps",
    "left_out_in_a_row",
    "samples_seen",
    "_peak_memory",
    "_stepping_seconds",
    "_term_sums",
)


class Recorder:
    """The account of one stage: steps, samples, tokens, losses, time and memory."""

    def __init__(self, *, stage: str, listener: Listener, device: torch.device) -> None:
        self.stage = stage
        self.total_steps = 0
        self.losses: list[float] = []
        self.left_out_steps = self.left_out_in_a_row = 0
        """Of steps that were not taken, as a number was not finite: all, and since the last one
        that was."""
        self.samples_seen = 0
        self._listener = listener
        self._device = device
        self._process = psutil.Process()
        self._tokens: dict[str, int] = {}
        self._term_sums: dict[str, list[float]] = {}
        """By name: the sum of a term over the steps that had it, and their count."""
        self._memory_bytes = 0
        self._stepping_seconds = 0.0
        self._started = self._resumed_at = time.perf_counter()
        reset_peak_memory(device)
        self._mark_before = peak_memory_bytes(device)
        self._peak_memory = 0
        self.observe_memory()

    @property
    def steps(self) -> int:
        return len(self.losses)

    @property
    def samples_per_second(self) -> float:
        """While stepping: what strategies do before and after the steps is left out."""
        return self.samples_seen / self._stepping_seconds if self._stepping_seconds else 0.0

    def state_dict(self) -> dict[str, Any]:
        """Half-way through a stage; samples appear by their salted ids."""
        fields = {name: getattr(self, name) for name in STATE}
        return {**fields, "seconds": self.seconds, "tokens": dict(self._tokens)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name in STATE:
            setattr(self, name, state[name])
        self._tokens = dict(state["tokens"])
        self._started -= state["seconds"]

    @property
    def seconds(self) -> float:
        """Since the stage began, the time before it was killed too."""
        return time.perf_counter() - self._started

    def start(self, total_steps: int) -> None:
        """Tell that the stage begins, once it is known how many steps it has."""
        self.total_steps = total_steps
        self._listener(StageStarted(stage=self.stage, total_steps=total_steps))

    def emit(self, event: Event) -> None:
        """Pass an event on."""
        self._listener(event)

    def start_stepping(self) -> None:
        self._resumed_at = time.perf_counter()

    def observe_batch(self, batch: Batch) -> None:
        """Count a step's samples, and the supervised tokens of those not met before."""
        self.samples_seen += len(batch)
        if not self._tokens.keys() >= set(batch.sample_ids):
            counts = torch.bincount(batch.answer_positions()[0], minlength=len(batch)).tolist()
            self._tokens.update(zip(batch.sample_ids, counts, strict=True))

    def observe_memory(self) -> None:
        """Called when a forward pass has ended, which is when activations fill the memory."""
        if self._device.type == "cuda":
            self._memory_bytes = torch.cuda.max_memory_allocated(self._device)
        else:
            self._memory_bytes = self._process.memory_info().rss
        self._peak_memory = max(self._peak_memory, self._memory_bytes)

    @property
    def peak_memory_bytes(self) -> int:
        """Of the stage so far: GPU memory that torch allocated, or on the CPU resident memory.

        On the CPU it is exact where the process has grown during the stage. Where it has not, it is
        the most that was seen, which may miss what was held between two looks.
        """
        mark = peak_memory_bytes(self._device)
        if self._device.type == "cuda" or mark > self._mark_before:
            return max(mark, self._peak_memory)
        return self._peak_memory

    def reached(self, sample_ids: Iterable[str]) -> list[int]:
        """The supervised tokens of each of the samples that training reached."""
        return [self._tokens[one] for one in sample_ids if one in self._tokens]

    def mean_terms(self) -> dict[str, float]:
        """What strategies had beside the task loss, each averaged over the steps that had it."""
        return {name: total / count for name, (total, count) in self._term_sums.items()}

    def leave_out_step(self) -> None:
        """Count a step that is not taken; it is no step of the stage."""
        self.left_out_steps += 1
        self.left_out_in_a_row += 1

    def finish_step(
        self, *, loss: float, learning_rate: float, extra: tuple[tuple[str, float], ...]
    ) -> None:
        now = time.perf_counter()
        self._stepping_seconds += now - self._resumed_at
        self._resumed_at = now
        self.losses.append(loss)
        self.left_out_in_a_row = 0
        for name, value in extra:
            total, count = self._term_sums.get(name, (0.0, 0))
            self._term_sums[name] = [total + value, count + 1]
        self._listener(
            TrainStep(
                stage=self.stage,
                step=self.steps,
                total_steps=self.total_steps,
                loss=loss,
                learning_rate=learning_rate,
                samples_per_second=self.samples_per_second,
                memory_bytes=self._memory_bytes,
                extra=extra,
            )
        )
