"""What a run shows while it goes on: bars on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.table import Column
from rich.text import Text

from transferlab.cli.output.terminal import is_watched, make_safe
from transferlab.core.events import (
    Event,
    Listener,
    Progressed,
    StageFinished,
    StageStarted,
    TrainStep,
    Warned,
)
from transferlab.core.text.sanitizers import sanitize_line

LINES_PER_STAGE = 10
WIDE_COLUMNS = 100
SMOOTHING = 0.9
"""Weight of the past in the loss that is shown; single batches jump too much to be read."""
RECENT_SECONDS = 60.0
"""So far back the rate is looked at from which the time left is told."""


@contextmanager
def progress(console: Console) -> Iterator[Listener]:
    """A listener that shows a run on ``console``; the last line of every stage stays."""
    if not is_watched(console):
        yield PlainLines(console)
        return
    bars = Bars(console)
    with bars.display:
        yield bars


def duration(seconds: float) -> str:
    """``8.2 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if not math.isfinite(seconds):
        return "?"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


@dataclass(kw_only=True)
class StageState:
    """What is known about a stage so far."""

    total_steps: int
    first_loss: float | None = None
    smoothed: float = 0.0
    weight: float = 0.0
    step: int = 0
    samples_per_second: float = 0.0
    recent: deque[float] = field(default_factory=lambda: deque([time.monotonic()]))
    """When the last steps ended, and the one before them, or the stage's beginning."""

    def add(self, event: TrainStep) -> None:
        if self.first_loss is None:
            self.first_loss = event.loss
        self.smoothed = SMOOTHING * self.smoothed + (1 - SMOOTHING) * event.loss
        self.weight = SMOOTHING * self.weight + (1 - SMOOTHING)
        self.step = event.step
        self.samples_per_second = event.samples_per_second
        self.recent.append(time.monotonic())
        while len(self.recent) > 2 and self.recent[1] < self.recent[-1] - RECENT_SECONDS:
            self.recent.popleft()

    @property
    def loss(self) -> float:
        """The moving average, corrected for its start at zero."""
        return self.smoothed / self.weight

    @property
    def seconds_left(self) -> float:
        """At the recent rate: a machine that others use too is not as fast all the time, and a run
        that goes on has not taken its first steps since it began."""
        seconds_per_step = (self.recent[-1] - self.recent[0]) / max(1, len(self.recent) - 1)
        return seconds_per_step * (self.total_steps - self.step)

    def closing_words(self, event: StageFinished) -> str:
        words = [f"{duration(event.seconds)}"]
        if self.first_loss is not None:
            words.append(f"loss {self.first_loss:.3f} -> {self.loss:.3f}")
            words.append(f"{self.samples_per_second:.0f} samples/s")
        return ", ".join([*words, event.note] if event.note else words)


class PlainLines:
    """One line when a stage starts, about ten while it trains, one when it ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stages: dict[str, StageState] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, StageStarted):
            self._stages[event.stage] = StageState(total_steps=event.total_steps)
            steps = f" ({event.total_steps} steps)" if event.total_steps else ""
            self._print(f"{event.stage}: started{steps}")
        elif isinstance(event, TrainStep):
            self._step(event)
        elif isinstance(event, Progressed):
            self._count(event)
        elif isinstance(event, StageFinished):
            state = self._stages.pop(event.stage, StageState(total_steps=0))
            self._print(f"{event.stage}: done in {state.closing_words(event)}")
        elif isinstance(event, Warned):
            self._print(f"warning: {sanitize_line(event.text)}")

    def _step(self, event: TrainStep) -> None:
        state = self._stages.setdefault(event.stage, StageState(total_steps=event.total_steps))
        state.add(event)
        total = max(event.total_steps, 1)
        tenth = event.step * LINES_PER_STAGE // total
        if tenth == (event.step - 1) * LINES_PER_STAGE // total or event.step >= total:
            return
        self._print(
            f"{event.stage}: step {event.step}/{total}, loss {state.loss:.4f}, "
            f"{event.samples_per_second:.1f} samples/s, {duration(state.seconds_left)} left"
        )

    def _count(self, event: Progressed) -> None:
        state = self._stages.setdefault(event.stage, StageState(total_steps=0))
        tenth = event.done * LINES_PER_STAGE // event.total
        if tenth > state.step:
            state.step = tenth
            self._print(f"{event.stage}: {event.done:,} of {event.total:,}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)
        self._console.file.flush()


class Bars:
    """A bar per running stage; a finished one leaves its closing line above the bars."""

    def __init__(self, console: Console) -> None:
        self.display = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn(
                "{task.description}",
                markup=False,
                table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
            ),
            BarColumn(bar_width=8 if console.width < WIDE_COLUMNS else 30),
            _Numbers(table_column=Column(no_wrap=True, justify="right")),
            _Left(table_column=Column(no_wrap=True, justify="right", min_width=9)),
            console=console,
            transient=True,
            expand=True,
        )
        self._stages: dict[str, tuple[StageState, TaskID]] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, StageStarted):
            self._start(event.stage, event.total_steps)
        elif isinstance(event, TrainStep):
            state, task = self._start(event.stage, event.total_steps)
            state.add(event)
            numbers = f"loss {state.loss:.3f} {event.samples_per_second:3.0f} samples/s"
            left = state.seconds_left
            self.display.update(task, completed=event.step, numbers=numbers, left=left)
        elif isinstance(event, Progressed):
            _, task = self._start(event.stage, event.total)
            self.display.update(task, completed=event.done, total=event.total)
        elif isinstance(event, StageFinished):
            self._finish(event)
        elif isinstance(event, Warned):
            self._print("warning", sanitize_line(event.text), style="yellow")

    def _start(self, stage: str, total_steps: int) -> tuple[StageState, TaskID]:
        if stage not in self._stages:
            task = self.display.add_task(
                make_safe(stage), total=total_steps or None, numbers="", left=None
            )
            self._stages[stage] = (StageState(total_steps=total_steps), task)
        return self._stages[stage]

    def _finish(self, event: StageFinished) -> None:
        state = StageState(total_steps=0)
        if event.stage in self._stages:
            state, task = self._stages.pop(event.stage)
            self.display.remove_task(task)
        self._print("done", event.stage, style="green", aside=state.closing_words(event))

    def _print(self, word: str, text: str, *, style: str, aside: str = "") -> None:
        """A line above the bars."""
        line = Text.assemble((word, style), f" {make_safe(text)}  ", (aside, "dim"))
        line.rstrip()
        self.display.console.print(line)


class _Numbers(ProgressColumn):
    """Steps, loss and speed; a stage that counts no steps shows none."""

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text("")
        width = len(str(int(task.total)))
        steps = f"{int(task.completed):{width}d}/{int(task.total)}"
        return Text(f"{steps} {task.fields['numbers']}".rstrip())


class _Left(ProgressColumn):
    """Time left, or time spent where nobody can know what is left."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text(duration(task.elapsed or 0.0), style="dim")
        left = task.time_remaining if task.fields["left"] is None else task.fields["left"]
        return Text("" if left is None else f"{duration(left)} left", style="cyan")
