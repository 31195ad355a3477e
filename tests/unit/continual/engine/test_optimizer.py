"""The learning rate over the steps of a stage."""

import math

import pytest
import torch
from torch import nn

from transferlab.config.pipeline import TrainSection
from transferlab.continual.engine.optimizer import (
    build_optimizer,
    learning_rate_factor,
    rates_of,
    set_learning_rate,
)


def factors(total, **how):
    return [learning_rate_factor(step, total, **how) for step in range(total)]


def test_warmup_rises_to_one_and_stays_there_when_constant():
    got = factors(8, warmup_fraction=0.5, schedule="constant")
    assert got == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1])


def test_linear_falls_to_one_step_above_zero():
    assert factors(4, warmup_fraction=0, schedule="linear") == pytest.approx([1, 0.75, 0.5, 0.25])


def test_cosine_is_half_way_down_in_the_middle():
    got = factors(10, warmup_fraction=0, schedule="cosine")
    assert got[5] == pytest.approx(0.5)
    assert got == sorted(got, reverse=True)
    assert 0 < got[-1] < 0.05


def test_a_single_step_is_taken_at_the_full_rate():
    assert factors(1, warmup_fraction=0.9, schedule="cosine") == [1.0]


@pytest.mark.parametrize(("name", "kind"), [("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)])
def test_the_named_optimizer_with_its_settings(name, kind):
    section = TrainSection(optimizer=name, weight_decay=0.3)
    optimizer = build_optimizer([nn.Parameter(torch.ones(2))], section, learning_rate=0.5)
    assert type(optimizer) is kind
    assert optimizer.defaults["lr"] == 0.5
    assert optimizer.defaults["weight_decay"] == 0.3


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_each_parameter_has_the_rate_of_its_factor(name):
    parameters = [nn.Parameter(torch.ones(2)) for _ in range(3)]
    optimizer = build_optimizer(
        parameters, TrainSection(optimizer=name), learning_rate=0.5, factors=[1.0, 0.1, 1.0]
    )
    assert rates_of(optimizer, parameters) == [0.5, 0.05, 0.5]
    set_learning_rate(optimizer, 0.2)
    assert rates_of(optimizer, parameters) == pytest.approx([0.2, 0.02, 0.2])


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
@pytest.mark.parametrize(("total", "fraction"), [(1, 0.0), (7, 0.3), (100, 0.05), (33, 0.5)])
def test_the_schedule_is_its_formula(schedule, total, fraction):
    warmup = int(fraction * total)
    for step in range(total):
        found = learning_rate_factor(step, total, warmup_fraction=fraction, schedule=schedule)
        progress = (step - warmup) / (total - warmup)
        falling = {
            "cosine": 0.5 * (1 + math.cos(math.pi * progress)),
            "linear": 1 - progress,
            "constant": 1.0,
        }[schedule]
        expected = (step + 1) / (warmup + 1) if step < warmup else falling
        assert found == pytest.approx(expected, abs=1e-15)
        assert 0 < found <= 1
