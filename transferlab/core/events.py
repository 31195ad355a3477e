"""What a run tells its listeners (progress bars, tracking) while it goes on."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

PROGRESS_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class StageStarted:
    """A stage: one step of the stream, one arm on one domain, one round of scoring."""

    stage: str
    """Shown to people, e.g. "sequential 1/2: chest-xray" or "scoring after chest-xray"."""
    total_steps: int
    """0 where the stage has no steps to count."""


@dataclass(frozen=True, kw_only=True)
class TrainStep:
    """One optimizer step is done."""

    stage: str
    step: int
    """From 1."""
    total_steps: int
    loss: float
    learning_rate: float
    samples_per_second: float
    memory_bytes: int = 0
    """In use when the step's forward pass had ended; on a GPU, the most since the domain began."""
    extra: tuple[tuple[str, float], ...] = ()
    """Strategy terms beside the task loss, e.g. (("ewc_penalty", 0.1),)."""


@dataclass(frozen=True, kw_only=True)
class Progressed:
    """So much of a stage without steps is done; reported about once a second."""

    stage: str
    done: int
    total: int
    """Of the same things, at least ``done``."""


@dataclass(frozen=True, kw_only=True)
class StageFinished:
    stage: str
    seconds: float
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Warned:
    """Something the user should know that does not stop the run."""

    text: str


Event = StageStarted | TrainStep | Progressed | StageFinished | Warned
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The listener that does nothing."""


@contextmanager
def stage_events(listener: Listener, stage: str) -> Iterator[Callable[[int, int], None]]:
    """Tell the listener of a stage without steps; one that fails is never reported as finished.

    Yields:
        To be called with how many things are done, and of how many; what comes sooner than
        ``PROGRESS_SECONDS`` after the last is not reported.
    """
    listener(StageStarted(stage=stage, total_steps=0))
    started = reported = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal reported
        if time.monotonic() - reported >= PROGRESS_SECONDS:
            reported = time.monotonic()
            listener(Progressed(stage=stage, done=done, total=max(done, total)))

    yield progress
    listener(StageFinished(stage=stage, seconds=time.monotonic() - started))
