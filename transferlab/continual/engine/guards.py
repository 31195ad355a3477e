"""Steps that fail: numbers that are not finite, memory that runs out, a signal to end."""

from __future__ import annotations

import gc
import math
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from transferlab.continual.components.trainer_view import StageView
from transferlab.continual.engine.recorder import Recorder
from transferlab.core.batch import Batch
from transferlab.core.distributed import rank_and_size, rank_rows, summed
from transferlab.core.events import Warned
from transferlab.errors import ModelError

NAMED_SAMPLES = 16
"""So many ids are in the message that ends a training."""


class SteppingTrainer(Protocol):
    """What of a trainer is looked at when a step fails."""

    recorder: Recorder
    scaler: torch.amp.GradScaler
    trainable: list[Tensor]
    device: torch.device
    mbatch: Any

    @property
    def settings(self) -> StageView: ...


class FiniteGuard:
    """Leaves out steps whose loss or gradient is no finite number, up to so many in a row."""

    def __init__(self, most: int) -> None:
        """``most``: in a row; then training ends."""
        self._most = most

    def check(
        self, trainer: SteppingTrainer, task_loss: Tensor, *, max_norm: float | None = None
    ) -> float | None:
        """Look at loss and gradient of a step that has not been taken yet.

        Args:
            trainer: whose step it is; its parameters' gradients are shortened to ``max_norm``.
            task_loss: a scalar.
            max_norm: None leaves gradients as they are.

        Returns:
            The loss; None where the step is to be left out, which has been said.

        Raises:
            ModelError: it is the last of as many in a row as may be.
        """
        gradients = [one.grad for one in trainer.trainable if one.grad is not None]
        foreach = True if trainer.device.type in ("cpu", "cuda") else None
        norm = nn.utils.get_total_norm(gradients, foreach=foreach)
        if max_norm is not None:
            nn.utils.clip_grads_with_norm_(trainer.trainable, max_norm, norm, foreach=foreach)
        # Fetched together: a GPU is waited for once.
        both = torch.stack([task_loss.double(), norm.to(task_loss.device).double()])
        loss, size = both.tolist()
        # In float16 an overflow is expected now and then: the scaler leaves out the step.
        if math.isfinite(loss) and (math.isfinite(size) or trainer.scaler.is_enabled()):
            return loss
        if trainer.scaler.is_enabled():
            trainer.scaler.update()
        broken = f"gradient norm became {size}" if math.isfinite(loss) else f"loss became {loss}"
        self._leave_out(trainer, broken)
        return None

    def _leave_out(self, trainer: SteppingTrainer, broken: str) -> None:
        recorder, ids = trainer.recorder, trainer.mbatch[0].sample_ids
        recorder.leave_out_step()
        where = _place(trainer)
        row = recorder.left_out_in_a_row
        if row < self._most:
            text = (
                f"the {broken} {where}: the {len(ids)} samples are left out ({row} of at most "
                f"{self._most} times in a row)"
            )
            recorder.emit(Warned(text=text))
            return
        times = f", {row} times in a row (train.max_nonfinite_steps)" if row > 1 else ""
        more = f" and {len(ids) - NAMED_SAMPLES} more" if len(ids) > NAMED_SAMPLES else ""
        raise ModelError(
            f"the {broken} {where}{times}, at last with the samples "
            f"{', '.join(ids[:NAMED_SAMPLES])}{more}; lower train.learning_rate or the strategy's "
            "strength, or set train.mixed_precision: none"
        )


class MicroBatches:
    """In how many pieces a step goes through the model: more of them once memory has run out."""

    def __init__(self, pieces: int) -> None:
        self.pieces = pieces

    def at_once(self, batch: Batch) -> int:
        """How many of this process's samples of a step go through the model at once."""
        rows = rank_rows(batch)
        return 0 if rows is None else math.ceil((rows.stop - rows.start) / self.pieces)

    def halve(self, trainer: SteppingTrainer, *, at_once: int, of: int) -> None:
        """Have at most half as many samples go through at once, and say so.

        Args:
            trainer: whose memory ran out; nothing of the pass that failed is held any more.
            at_once: samples that did not fit, two at least.
            of: the samples that are cut into pieces.
        """
        while math.ceil(of / self.pieces) > at_once // 2:
            self.pieces += 1
        gc.collect()
        if trainer.device.type == "cuda":
            torch.cuda.empty_cache()
        text = (
            f"memory ran out {_place(trainer)}: from here on {math.ceil(of / self.pieces)} samples "
            f"go through the model at once instead of {at_once}, and a step has as many as before; "
            f"raise train.accumulation_steps to begin with that"
        )
        trainer.recorder.emit(Warned(text=text))


def _place(trainer: SteppingTrainer) -> str:
    recorder = trainer.recorder
    step = f"at step {recorder.steps + 1} of {recorder.total_steps}"
    return f"{step} on domain '{trainer.settings.domain}'"


class Termination:
    """Whether the process was asked to end while a step was taken."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.asked = False
        self.leave: Callable[[], None] = lambda: None
        """Does what the signal would have done at once."""

    @property
    def due(self) -> bool:
        """Whether to leave after this step; all processes that train one model say the same."""
        if rank_and_size()[1] == 1:
            return self.asked
        return bool(summed(torch.tensor(float(self.asked), device=self._device)) > 0)


@contextmanager
def deferred_termination(device: torch.device, *, grace_seconds: float) -> Iterator[Termination]:
    """Inside, a scheduler's SIGTERM waits until a step is over, and until it is written down.

    What the process does about the signal otherwise is then done by ``leave``; and at once where
    the step takes longer than ``grace_seconds``, and at a second signal. A process that handles the
    signal in no way of its own ends at once, as ever.
    """
    found = Termination(device)
    own: Any = signal.getsignal(signal.SIGTERM)
    if not callable(own) or threading.current_thread() is not threading.main_thread():
        yield found
        return

    def act(number: int = signal.SIGTERM, frame: FrameType | None = None) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        own(signal.SIGTERM, frame)

    def ask(number: int, frame: FrameType | None) -> None:
        if found.asked:
            act(number, frame)
        found.asked = True
        signal.setitimer(signal.ITIMER_REAL, grace_seconds)

    found.leave = act
    before = signal.signal(signal.SIGALRM, act)
    signal.signal(signal.SIGTERM, ask)
    try:
        yield found
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGTERM, own)
        signal.signal(signal.SIGALRM, before)
