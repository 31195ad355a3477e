"""Steps that fail, with faults put in: numbers that are none, memory, and a scheduler's signal."""

import copy
import os
import signal
import time

import pytest
import torch
from continual_cases import ToyBackbone, learner_with

from transferlab.continual.components.strategy import Strategy
from transferlab.continual.engine.guards import deferred_termination
from transferlab.core.events import TrainStep, Warned
from transferlab.core.peak_memory import is_out_of_memory
from transferlab.errors import ModelError

CPU = torch.device("cpu")
NO_MEMORY = (
    torch.OutOfMemoryError("CUDA out of memory."),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory"
    ),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    MemoryError(),
)


class Breaks(Strategy):
    """Makes the loss of some attempts at a step a number that is none."""

    def __init__(self, attempts, *, number=float("nan")):
        super().__init__()
        self._attempts, self._number, self._attempt = attempts, number, -1
        self.gradients, self.updates, self.ids = [], 0, []

    def before_training_iteration(self, strategy, **kwargs):
        self._attempt += 1
        self.ids.append(strategy.mb_x.sample_ids)

    def after_forward(self, strategy, **kwargs):
        if self._attempt in self._attempts:
            strategy.mb_output = strategy.mb_output * self._number

    def after_backward(self, strategy, **kwargs):
        self.gradients += [bool(one.grad.isfinite().all()) for one in strategy.trainable]

    def after_update(self, strategy, **kwargs):
        self.updates += 1


def trained(strategy, samples, **section):
    backbone, told = ToyBackbone(), []
    learner = learner_with(strategy, backbone, epochs=2, **section)
    learner._listener = told.append
    report = learner.train(samples, domain="xray", stage="one")
    return report, backbone.trainable_state(), told


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_step_whose_loss_is_no_number_is_left_out_and_said(xray, number):
    strategy = Breaks({2, 3, 7}, number=number)
    report, state, told = trained(strategy, xray)
    assert (report.steps, report.left_out_steps, strategy.updates) == (9, 3, 9)
    assert all(torch.tensor(report.losses).isfinite())
    assert all(value.isfinite().all() for value in state.values())
    assert all(strategy.gradients)  # no strategy is shown what would spoil its sums
    said = [event.text for event in told if isinstance(event, Warned)]
    assert len(said) == 3
    assert "at step 3 of 12 on domain 'xray': the 4 samples are left out (1 of at most 3" in said[0]
    assert "(2 of at most 3" in said[1]
    assert "(1 of at most 3" in said[2]  # the count begins anew after a step that was taken
    steps = [event.step for event in told if isinstance(event, TrainStep)]
    assert steps == list(range(1, 10))


def test_a_step_that_is_left_out_moves_nothing(xray):
    seen = []

    class Looks(Breaks):
        def before_training_iteration(self, strategy, **kwargs):
            super().before_training_iteration(strategy)
            moments = strategy.optimizer.state_dict()["state"]
            values = [one.detach().clone() for one in strategy.trainable]
            seen.append((values, copy.deepcopy(moments), strategy.clock.train_iterations))

    trained(Looks({1}), xray)
    (before, moments, clock), (after, moments_after, clock_after), (third, *_) = seen[1:4]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert str(moments) == str(moments_after)
    assert clock == clock_after == 1
    assert any(not torch.equal(one, other) for one, other in zip(after, third, strict=True))


@pytest.mark.parametrize("most", [1, 2, 4])
def test_after_so_many_in_a_row_training_ends_and_names_the_samples(xray, most):
    strategy = Breaks(set(range(1, 12)))
    with pytest.raises(ModelError) as caught:
        trained(strategy, xray, max_nonfinite_steps=most)
    said = str(caught.value)
    assert "the loss became nan at step 2 of 12 on domain 'xray'" in said
    assert ("times in a row (train.max_nonfinite_steps)" in said) == (most > 1)
    assert f"with the samples {', '.join(strategy.ids[-1])}; lower" in said
    assert len(strategy.ids) == 1 + most
    assert "shows" not in said  # a prompt's word


def test_in_float16_the_scale_is_lowered_where_the_loss_is_no_number(xray):
    report, state, _ = trained(Breaks({2}), xray, mixed_precision="float16")
    assert report.left_out_steps >= 1
    assert all(value.isfinite().all() for value in state.values())


def test_what_memory_errors_are():
    assert all(is_out_of_memory(error) for error in NO_MEMORY)
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
    assert not is_out_of_memory(ValueError("DefaultCPUAllocator"))


class Fills(Strategy):
    """There is memory for so many samples at once."""

    def __init__(self, room, error, *, where="after_forward"):
        super().__init__()
        self._room, self._error, self._where = room, error, where
        self.lengths = []

    def after_forward(self, strategy, **kwargs):
        if self._where == "after_forward":
            self._fill(strategy)

    def before_backward(self, strategy, **kwargs):
        if self._where == "backward":
            # In the middle of a backward pass, when some gradients have been added up.
            strategy.trainable[0].register_hook(lambda _: self._fill(strategy))

    def after_backward(self, strategy, **kwargs):
        self.lengths.append(len(strategy.mb_x))

    def _fill(self, strategy):
        if len(strategy.mb_x) > self._room:
            raise self._error


@pytest.mark.parametrize("error", NO_MEMORY, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("where", ["after_forward", "backward"])
def test_where_memory_runs_out_fewer_go_through_at_once_and_a_step_stays_as_it_is(
    xray, error, where
):
    strategy = Fills(3, error, where=where)
    report, state, told = trained(strategy, xray, batch_samples=8)
    whole, expected, _ = trained(Fills(8, error), xray, batch_samples=8)
    assert report.losses == pytest.approx(whole.losses, rel=1e-5)
    for name, value in expected.items():
        torch.testing.assert_close(state[name], value, rtol=1e-4, atol=1e-6)
    assert strategy.lengths == [8, 8, 7] * 2  # of whole steps
    (first, second) = [event.text for event in told if isinstance(event, Warned)]
    assert "memory ran out at step 1 of 6 on domain 'xray'" in first
    assert "4 samples go through the model at once instead of 8" in first
    assert "2 samples go through the model at once instead of 4" in second


def test_one_sample_that_does_not_fit_ends_training(xray):
    with pytest.raises(ModelError, match=r"memory ran out at step 1 on domain 'xray'; raise"):
        trained(Fills(0, NO_MEMORY[1]), xray)


def test_another_error_is_not_taken_for_memory(xray):
    with pytest.raises(RuntimeError, match="shapes"):
        trained(Fills(0, RuntimeError("shapes do not match")), xray)


def test_passes_of_strategies_fit_too(make_learner, xray, lecture):
    """Remembered samples go through apart from a step, in pieces that become smaller likewise."""
    outcomes = []
    for room in (3, 8):
        backbone, told = ToyBackbone(torch.float64), []
        learner = make_learner(
            backbone,
            train={"batch_samples": 8},
            listener=told.append,
            agem={"memory_batch_samples": 8},
        )
        learner.train(xray, domain="xray", stage="one")
        forward = backbone.module.forward

        def fills(batch, forward=forward, room=room):
            if len(batch) > room and torch.is_grad_enabled():
                raise torch.OutOfMemoryError("none left")
            return forward(batch)

        backbone.module.forward = fills
        learner.train(lecture, domain="lecture", stage="two")
        outcomes.append((backbone.trainable_state(), told))
    (small, said), (large, silent) = outcomes
    for name, value in large.items():
        torch.testing.assert_close(small[name], value, rtol=1e-6, atol=1e-8)
    assert any(isinstance(one, Warned) for one in said)
    assert not any(isinstance(one, Warned) for one in silent)


class Left(BaseException):
    """What the process's own handler does."""


@pytest.fixture
def handled():
    """The process ends at SIGTERM by an exception, as the command line has it."""

    def leave(number, frame):
        raise Left

    before = signal.signal(signal.SIGTERM, leave)
    yield leave
    assert signal.getsignal(signal.SIGTERM) is leave
    signal.signal(signal.SIGTERM, before)


def test_the_signal_waits_for_the_end_of_a_step(handled):
    def step():
        with deferred_termination(CPU, grace_seconds=30) as termination:
            assert not termination.due
            os.kill(os.getpid(), signal.SIGTERM)
            assert termination.due
            termination.leave()

    with pytest.raises(Left):
        step()
    assert signal.setitimer(signal.ITIMER_REAL, 0) == (0.0, 0.0)


@pytest.mark.parametrize(("signals", "grace_seconds"), [(1, 0.2), (2, 30)])
def test_after_the_grace_time_or_a_second_signal_a_step_is_given_up(
    handled, signals, grace_seconds
):
    def step():
        with deferred_termination(CPU, grace_seconds=grace_seconds):
            for _ in range(signals):
                os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)

    started = time.monotonic()
    with pytest.raises(Left):
        step()
    assert time.monotonic() - started < 3


def test_a_process_that_does_not_handle_the_signal_is_left_alone():
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with deferred_termination(CPU, grace_seconds=1) as termination:
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
            assert not termination.due
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("step", [1, 4, 6])
def test_a_run_that_a_scheduler_ends_goes_on_to_the_same_numbers(
    make_learner, xray, tmp_path, handled, step
):
    """checkpoint_steps would not have written that step; the last one is written too."""
    section = {"epochs": 2, "batch_samples": 8, "checkpoint_steps": 100}
    file = tmp_path / "one.unfinished"

    def terminate(event):
        if isinstance(event, TrainStep) and event.step == step:
            os.kill(os.getpid(), signal.SIGTERM)

    def run(listener, path):
        backbone = ToyBackbone(dropout=0.3)
        learner = make_learner(backbone, train=section, listener=listener, ema={}, si={})
        report = learner.train(xray, domain="xray", stage="one", step_checkpoint=path)
        return report.losses, backbone.trainable_state()

    straight = run(lambda event: None, None)
    with pytest.raises(Left):
        run(terminate, file)
    assert file.exists()
    told = []
    losses, state = run(told.append, file)
    assert [e.step for e in told if isinstance(e, TrainStep)] == list(range(step + 1, 7))
    assert losses == straight[0]
    assert all(torch.equal(state[name], value) for name, value in straight[1].items())
