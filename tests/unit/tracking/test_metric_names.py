"""Records as metric names."""

from transferlab.core.events import TrainStep
from transferlab.tracking import metric_names


def test_a_step_has_its_loss_its_memory_and_the_strategies_terms():
    step = TrainStep(
        stage="s", step=1, total_steps=2, loss=0.5, learning_rate=0.1, samples_per_second=9.0,
        memory_bytes=77, extra=(("ewc_penalty", 0.25), ("agem_cosine", -0.5)),
    )  # fmt: skip
    assert metric_names.training(step) == {
        "train/loss": 0.5,
        "train/learning_rate": 0.1,
        "train/samples_per_second": 9.0,
        "train/memory_bytes": 77,
        "train/ewc_penalty": 0.25,
        "train/agem_cosine": -0.5,
    }


def test_what_is_not_defined_has_no_metric():
    step = {"domain": "xray", "plasticity": 0.3, "stability": None}
    assert metric_names.changes(step) == {"change/plasticity": 0.3}
    step = {"domain": "xray", "plasticity": 0.3, "stability": -0.1}
    assert metric_names.changes(step) == {"change/plasticity": 0.3, "change/stability": -0.1}
    assert metric_names.interference({"scenes": -0.2}) == {"interference/scenes": -0.2}
