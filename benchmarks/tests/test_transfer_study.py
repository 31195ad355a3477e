"""benchmarks/transfer_study.py: what is run, and sentences that the numbers decide."""

from argparse import Namespace
from pathlib import Path

import pytest
from patients import scored

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def study(import_benchmark):
    return import_benchmark("transfer_study")


def given(tmp_path, **changes) -> Namespace:
    usual = {
        "pipeline": ROOT / "pipelines" / "study-transfer.yaml",
        "out": tmp_path,
        "sizes": [25, 50],
        "seeds": [0, 1],
        "steps": [100, 300],
        "tuned_at": 50,
        "jobs": 1,
        "overrides": [],
    }
    return Namespace(**usual | changes)


def row(study, *, pretrained: tuple[int, ...], scratch: tuple[int, ...], pixels: float):
    several = {"pretrained": pretrained, "scratch": scratch}
    return study.Row(
        domain="xrays",
        task="view",
        samples=25,
        metric="accuracy",
        scores={
            arm: tuple(scored("xrays", one, task="view") for one in right)
            for arm, right in several.items()
        },
        majority=0.5,
        pixels=pixels,
        probes=dict.fromkeys(
            ("pretrained, mean", "pretrained, grid", "random, mean", "random, grid"), 0.5
        ),
        steps={"pretrained": 300, "scratch": 100},
    )


def test_both_arms_get_the_steps_that_did_best_for_each_on_the_validation_split(
    study, tmp_path, monkeypatch
):
    work, made = study.Study(given(tmp_path)), []
    monkeypatch.setattr(work, "make", lambda plans: made.extend(plans))
    monkeypatch.setattr(
        work,
        "score",
        lambda plan, arm: scored("xrays", plan.steps // 20 if arm == "scratch" else 7),
    )
    found = work.chosen_steps()
    assert found["chest-xray", "scratch"] == 300
    assert found["chest-xray", "pretrained"] == 100
    assert {(plan.split, plan.samples, plan.seed) for plan in made} == {("validation", 50, 0)}


def test_a_run_has_the_tasks_of_its_own_domain(study, tmp_path):
    work = study.Study(given(tmp_path))
    plan = study.Plan(domain="chest-xray", samples=25, steps=100, seed=3, split="test")
    config = work.config(plan)
    assert config.stream == ["chest-xray"]
    assert config.data.tasks == {"chest-xray": ["finding", "side"]}
    assert (config.data.max_train_samples, config.train.max_steps, config.seed) == (25, 100, 3)
    assert config.evaluation.controls


def test_a_gain_has_an_interval_over_patients_and_seeds(study):
    value, interval = row(study, pretrained=(18, 18), scratch=(8, 10), pixels=0.6).gain()
    assert value == pytest.approx(0.45)
    assert 0 < interval.low < 0.45 < interval.high < 1


def test_the_page_says_what_the_numbers_say(study):
    good = row(study, pretrained=(18, 18), scratch=(8, 10), pixels=0.6)
    none = row(study, pretrained=(10, 10), scratch=(10, 10), pixels=0.6)
    text = study.page([good, none], seeds=2, length="As many steps each.")
    line = "| xrays | view | accuracy | 25 | 0.900 ± 0.000 | 0.450 ± 0.071 | +0.450 [+0."
    assert line in text
    assert "Of 2 rows, the interval of the gain over scratch is above zero in 1: view at 25" in text
    assert "at least level with raw pixels in 1 rows: view at 25." in text
    assert "below zero in 0." in text
    prose = (line for line in text.splitlines() if not line.startswith("|"))
    assert max(map(len, prose)) <= 100
