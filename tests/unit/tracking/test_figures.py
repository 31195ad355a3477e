"""The figures say what the numbers say."""

from __future__ import annotations

import pytest
from matplotlib import pyplot
from matplotlib.container import BarContainer
from matplotlib.patches import Rectangle

from transferlab.tracking import figures

STREAM = ("chest-xray", "lectures")


@pytest.fixture
def result():
    columns = ("scenes", *STREAM)
    rows = {
        "pretrained": (0.71, 0.21, 0.11),
        "chest-xray": (0.62, 0.58, 0.15),
        "lectures": (0.6, 0.49, 0.47),
    }

    def scored(value):
        task = {"metric": "accuracy", "value": value, "metrics": {}, "samples": 9}
        return {"value": value, "metric": "accuracy", "tasks": {"finding": task}}

    controls = {"majority": 0.3, "no_image": 0.33, "pixels": None, "reasons": {"pixels": "no"}}
    return {
        "scores": {
            "columns": [{"domain": name, "metric": "accuracy"} for name in columns],
            "rows": [
                {"after": after, "values": dict(zip(columns, values, strict=True))}
                for after, values in rows.items()
            ],
        },
        "arms": {
            "joint": {name: scored(0.66) for name in columns},
            "scratch": {name: scored(0.4) for name in STREAM},
            "single": {name: scored(0.64) for name in STREAM},
        },
        "controls": {"chest-xray": {"finding": controls}},
    }


def texts(axes) -> set[str]:
    return {text.get_text() for text in axes.texts}


def test_the_matrix_shows_every_number_and_outlines_what_was_learned(result):
    axes = figures.score_matrix(result["scores"]).axes[0]
    assert texts(axes) == {
        f"{value:.3f}" for row in result["scores"]["rows"] for value in row["values"].values()
    }
    outlines = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    centres = {(round(p.get_x() + 0.47), round(p.get_y() + 0.45)) for p in outlines}
    assert centres == {(1, 1), (2, 2)}  # (column, row)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["scenes", *STREAM]
    assert axes.get_yticklabels()[1].get_text() == "after chest-xray"


@pytest.mark.parametrize(("value", "colour"), [(0.05, "white"), (0.95, "black")])
def test_numbers_stand_out_from_their_cell(value, colour):
    scores = {
        "columns": [{"domain": "a", "metric": "m"}],
        "rows": [{"after": "pretrained", "values": {"a": value}}],
    }
    assert figures.score_matrix(scores).axes[0].texts[0].get_color() == colour


def test_the_curves_follow_the_columns_and_star_the_step_that_learned(result):
    axes = figures.forgetting_curves(result["scores"]).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines["chest-xray"].get_ydata()) == [0.21, 0.58, 0.49]
    stars = [line for line in axes.lines if line.get_marker() == "*"]
    assert [(s.get_xdata()[0], s.get_ydata()[0]) for s in stars] == [(1, 0.58), (2, 0.47)]


def test_the_arms_are_bars_and_the_controls_lines(result):
    drawn = figures.arms_chart(result["arms"], result["controls"]).axes[0]
    bars = {c.get_label(): [bar.get_height() for bar in c] for c in drawn.containers
            if isinstance(c, BarContainer)}  # fmt: skip
    # Only "joint" met the source, so that there is nothing to compare: two bars, not three.
    assert bars == {"scratch": [0.4, 0.4], "single": [0.64, 0.64], "joint": [0.66, 0.66]}
    labels = [text.get_text() for text in drawn.get_legend().get_texts()]
    assert labels == ["control: majority", "control: no image", "scratch", "single", "joint"]


def test_an_interval_is_drawn_where_there_is_one(result):
    task = result["arms"]["single"]["chest-xray"]["tasks"]["finding"]
    task["interval"] = [0.5, 0.7]
    axes = figures.arms_chart({"single": result["arms"]["single"]}, {}).axes[0]
    ((segment, missing),) = [collection.get_segments() for collection in axes.collections]
    assert segment[:, 1].tolist() == pytest.approx([0.5, 0.7])
    assert len(missing) == 0 or not (missing == missing).all()


def test_distance_and_gain():
    gains = {
        "chest-xray": {"value": 0.24, "interval": [0.1, 0.3]},
        "lectures": {"value": -0.02, "interval": None},
    }
    distances = {"chest-xray": 31.0, "lectures": 22.0, "never gained": 1.0}
    axes = figures.similarity_and_gain(
        distances, gains, measure="Frechet", gain="single over scratch"
    ).axes[0]
    assert texts(axes) == {"chest-xray (+0.240)", "lectures (-0.020)"}
    assert axes.get_ylabel() == "gain: single over scratch"
    (interval,) = [segment for c in axes.collections for segment in c.get_segments()]
    assert interval[:, 1].tolist() == pytest.approx([0.1, 0.3])


def test_a_figure_reaches_the_store_as_png(tracker, client, config, result, tmp_path):
    with tracker.pipeline_run(config, tmp_path) as run:
        tracker.log_figure("figures/matrix.png", figures.score_matrix(result["scores"]))
    (file,) = client.list_artifacts(run.info.run_id, "figures")
    assert file.path == "figures/matrix.png"
    assert file.file_size > 5000
    assert pyplot.get_fignums() == []
