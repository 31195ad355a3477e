"""Few plain lines where nobody watches, bars where somebody does, and the same facts in both."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from transferlab.cli.output.progress import Bars, PlainLines, StageState, duration, progress
from transferlab.cli.output.terminal import is_watched
from transferlab.core import events as core_events
from transferlab.core.events import StageFinished, StageStarted, TrainStep, Warned, stage_events

STAGE = "sequential 1/2: [lectures]"


def events(steps, loss=1.0):
    yield StageStarted(stage=STAGE, total_steps=steps)
    for step in range(1, steps + 1):
        yield TrainStep(
            stage=STAGE,
            step=step,
            total_steps=steps,
            loss=loss,
            learning_rate=1e-3,
            samples_per_second=93.4,
        )
    yield StageFinished(stage=STAGE, seconds=185.0, note="kept 20 samples")


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=400, markup=False, highlight=False)


def plain(console, steps, **options):
    listener = PlainLines(console)
    for event in events(steps, **options):
        listener(event)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize(("steps", "lines"), [(1, 2), (4, 5), (10, 11), (60, 11), (1000, 11)])
def test_a_stage_is_about_ten_lines_however_long(console, steps, lines):
    assert len(plain(console, steps)) == lines


def test_plain_lines_say_what_a_bar_would(console):
    lines = plain(console, 20)
    assert lines[0] == f"{STAGE}: started (20 steps)"
    assert lines[1].startswith(f"{STAGE}: step 2/20, loss 1.0000, 93.4 samples/s, ")
    assert lines[-1] == (
        f"{STAGE}: done in 3 min 05 s, loss 1.000 -> 1.000, 93 samples/s, kept 20 samples"
    )


def test_a_stage_without_steps_has_a_start_and_an_end(console):
    listener = PlainLines(console)
    listener(StageStarted(stage="scoring", total_steps=0))
    listener(Warned(text="3 samples were quarantined"))
    listener(StageFinished(stage="scoring", seconds=2.0))
    assert console.file.getvalue().splitlines() == [
        "scoring: started",
        "warning: 3 samples were quarantined",
        "scoring: done in 2.0 s",
    ]


def test_what_is_counted_is_shown_by_both(console, monkeypatch):
    """Measuring a thousand samples takes minutes: it says how far it is."""
    monkeypatch.setattr(core_events, "PROGRESS_SECONDS", 0.0)
    bars = Bars(Console(file=io.StringIO(), width=100, force_terminal=True))
    plain_lines = PlainLines(console)
    for listener in (bars, plain_lines):
        with stage_events(listener, "measuring") as progress:
            for done in range(1, 201):
                progress(done, 200)
            if listener is bars:
                (task,) = bars.display.tasks
                assert (task.completed, task.total) == (200, 200)
    lines = console.file.getvalue().splitlines()
    assert lines[1] == "measuring: 20 of 200"
    assert len(lines) == 12


def test_progress_is_told_about_once_a_second():
    told = []
    with stage_events(told.append, "measuring") as progress:
        for done in range(1, 1001):
            progress(done, 1000)
    assert [type(one) for one in told] == [StageStarted, StageFinished]


def test_a_loss_that_is_not_a_number_is_shown_and_stops_nothing(console):
    assert "loss nan" in plain(console, 10, loss=float("nan"))[1]


@pytest.mark.parametrize("width", [80, 120])
def test_a_bar_shows_loss_speed_and_time_left_on_one_line(width):
    console = Console(file=io.StringIO(), width=width, markup=False, force_terminal=True)
    bars = Bars(console)
    for event in list(events(60))[:40]:
        bars(event)
    shown = Console(file=io.StringIO(), width=width, markup=False)
    shown.print(bars.display.get_renderable())
    lines = [line for line in shown.file.getvalue().splitlines() if line.strip()]
    assert len(lines) == 1
    assert len(lines[0]) <= width
    for fact in ("sequential 1/2: [lec", "39/60", "loss 1.000", "93 samples/s", " left"):
        assert fact in lines[0]


def left_after(monkeypatch, seconds_per_step, *, first=1, total=200):
    """What plain lines and a bar say is left, after steps that took so long."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("transferlab.cli.output.progress.time.monotonic", lambda: clock.now)
    state = StageState(total_steps=total)
    bars = Bars(Console(file=io.StringIO(), width=120, markup=False, force_terminal=True))
    bars(StageStarted(stage=STAGE, total_steps=total))
    for number, seconds in enumerate(seconds_per_step):
        clock.now += seconds
        event = TrainStep(
            stage=STAGE, step=first + number, total_steps=total, loss=1.0, learning_rate=1e-3,
            samples_per_second=1.0,
        )  # fmt: skip
        state.add(event)
        bars(event)
    assert bars.display.tasks[0].fields["left"] == state.seconds_left
    return state.seconds_left


def test_the_time_left_is_told_from_the_recent_rate(monkeypatch):
    assert left_after(monkeypatch, [1.0] * 100) == pytest.approx(100)
    assert left_after(monkeypatch, [1.0] * 90 + [10.0] * 10) == pytest.approx(1000)
    assert left_after(monkeypatch, [10.0] * 10 + [1.0] * 90) == pytest.approx(100)
    assert left_after(monkeypatch, [300.0, 100.0]) == pytest.approx(198 * 100)  # slower than a look


def test_a_run_that_goes_on_has_not_taken_its_first_steps_since_it_began(monkeypatch):
    assert left_after(monkeypatch, [2.0] * 3, first=101) == pytest.approx(97 * 2)


def test_a_finished_stage_leaves_its_line_and_no_bar():
    console = Console(file=io.StringIO(), width=120, markup=False, force_terminal=True)
    bars = Bars(console)
    for event in events(3):
        bars(event)
    assert bars.display.tasks == []
    assert "done" in console.file.getvalue()
    assert "3 min 05 s, loss 1.000 -> 1.000" in console.file.getvalue()


@pytest.mark.parametrize(
    ("environment", "watched"),
    [
        ({}, True),
        ({"CI": "true"}, False),
        ({"CI": "1"}, False),
        ({"CI": "false"}, True),
        ({"TERM": "dumb"}, False),
    ],
)
def test_bars_need_a_terminal_outside_ci(monkeypatch, environment, watched):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    console = Console(file=io.StringIO(), force_terminal=True)
    assert is_watched(console) is watched
    with progress(console) as listener:
        assert isinstance(listener, Bars if watched else PlainLines)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
        (float("inf"), "?"),
    ],
)
def test_durations_are_read_at_a_glance(seconds, text):
    assert duration(seconds) == text
