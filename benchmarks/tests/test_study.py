"""benchmarks/strategies_study.py: no strategy is left out, and what is chosen is the best."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from patients import scored

from transferlab.config.pipeline import PipelineConfig, StrategySpec
from transferlab.config.yaml_sections import load_yaml
from transferlab.continual.options.compatibility import check_strategies
from transferlab.continual.options.registry import OPTIONS

ROOT = Path(__file__).parents[2]
PIPELINE = ROOT / "pipelines" / "study-strategies.yaml"


@pytest.fixture(scope="module")
def study(import_benchmark):
    return import_benchmark("strategies_study")


def specs_of(setting):
    return [StrategySpec.model_validate(one) for one in setting.specs]


def test_every_strategy_is_in_it_and_can_be_run(study):
    alone = {name for name in study.CATALOGUE if " + " not in name}
    assert alone == OPTIONS.keys() - {"plugin"}
    pipeline = load_yaml(PIPELINE, PipelineConfig)
    work = study.Study(SimpleNamespace(pipeline=PIPELINE, out=Path("out"), overrides=[]))
    for name, specs in study.CATALOGUE.items():
        setting = study.Setting(name=name, specs=specs)
        plan = study.Plan(setting=setting, seed=3, train=7, split="validation", turned=True)
        config = work.config(plan)
        assert check_strategies(config.strategy, config) == []
        assert (config.seed, config.data.max_train_samples) == (3, 7)
        assert config.evaluation.split == "validation"
        assert config.stream == pipeline.stream[::-1]


def test_every_strategy_can_be_tuned_over_settings_of_its_own(study):
    for name in study.CATALOGUE:
        if name in study.CONTROLS:
            continue
        settings = study.settings_of(name)
        assert 2 <= len(settings) <= 3
        assert len({str((one.specs, one.learning_rate)) for one in settings}) == len(settings)
        for setting in settings:
            assert check_strategies(specs_of(setting)) == []


def fake(acc, **changes):
    given = {"acc": acc, "bwt": -0.1, "forgetting": 0.1, "retention": 0.0, "seconds": 10.0}
    given |= {"strategy_bytes": 8, "peak_bytes": 2**20, "before": {"scenes": 0.8, "a": 0.1}}
    return {
        **given,
        "last": {"scenes": 0.8, "a": acc},
        "controls": {"a": 0.3},
        "scores": {"scenes": scored("scenes", 16), "a": scored("a", round(20 * acc))},
        **changes,
    }


def test_the_three_best_beside_the_fixed_ones_are_tuned_and_the_best_setting_kept(
    study, monkeypatch, tmp_path
):
    scores = {"der": 0.9, "si": 0.8, "o_lora": 0.7, "cumulative": 0.95}
    asked = []

    def make(self, plans):
        asked.extend(plans)
        return [study.Found(**fake(score_of(plan.setting))) for plan in plans]

    def score_of(setting):
        return scores.get(setting.name, 0.5) + (0.01 if "0.03" in str(setting.specs) else 0)

    monkeypatch.setattr(study.Study, "make", make)
    given = SimpleNamespace(
        pipeline=PIPELINE, out=tmp_path, overrides=[], seeds=[0, 1, 2], few=4, many=9, phases=4,
        jobs=2, only=None,
    )  # fmt: skip
    done = study.study(given)
    assert list(done["tuned"]) == [*study.ALWAYS, "der", "si", "o_lora"]
    assert done["tuned"]["der"].specs[0]["der"]["logit_weight"] == 0.03
    assert {plan.split for plan in asked if plan.train == 4} == {"validation"}
    full = [plan for plan in asked if plan.train == 9 and plan.setting.name == "der"]
    assert {plan.split for plan in full} == {"test"}
    assert [(plan.seed, plan.turned) for plan in full] == [
        (0, False), (1, False), (2, False), (0, True),
    ]  # fmt: skip
    text = study.page(done, "figure.png")
    assert "| der | 0.910 ± 0.000 |" in text
    assert "Reversed order" in text
    assert "| best control | - | 0.300 ± 0.000 |" in text
    # o_lora is right on 4 of 20 more, wrong on none: McNemar's exact p is .125; si's, of 6, .031.
    better = "In ACC, better than naive by an interval above zero: der, si; worse"
    assert better in text
    assert "Within two points of joint's ACC (0.500): ewc, replay, ewc + replay, der" in text
    assert "| der | +0.400 [+0." in text  # eighteen of twenty against ten
    study.draw(done["full"], tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5000


def test_retention_counts_as_much_as_a_domain(study):
    assert study.goodness(study.Found(**fake(0.5, retention=-0.3)), 2) == pytest.approx(0.7 / 3)


def test_runs_share_a_folder_only_where_they_are_the_same(study, import_benchmark):
    settings = import_benchmark("strategies_settings")
    few = {"seed": 0, "train": 4, "split": "validation"}
    naive = study.Plan(setting=study.settings_of("naive")[0], **few)
    assert study.Plan(setting=study.settings_of("joint")[0], **few).folder == naive.folder
    plans = [
        study.Plan(setting=one, **changed)
        for name in settings.KNOBS
        for one in study.settings_of(name)
        for changed in (few, {**few, "seed": 1}, {**few, "turned": True}, {**few, "train": 5})
    ]
    assert len({plan.folder for plan in plans}) == len(plans)


def test_joint_is_trained_where_it_is_read(study, monkeypatch, tmp_path):
    made = {}

    def side_by_side(work, items, *, jobs):
        made.update({plan.folder: plan for (plan,) in items})

    monkeypatch.setattr(study, "side_by_side", side_by_side)
    given = SimpleNamespace(pipeline=PIPELINE, out=tmp_path, overrides=[], jobs=1)
    work = study.Study(given)
    monkeypatch.setattr(work, "_found", lambda plan: plan)

    def arms(split, rates):
        made.clear()
        work.make(
            [
                study.Plan(
                    setting=study.Setting(name=name, specs=["naive"], learning_rate=rate),
                    seed=0,
                    train=4,
                    split=split,
                )
                for name, rate in rates.items()
            ]
        )
        return [work.config(plan).arms for plan in made.values()]

    assert arms("validation", {"naive": 1e-3}) == [["zero_shot", "joint"]]
    assert arms("test", {"naive": 1e-3, "joint": 2e-3}) == [["zero_shot"], ["zero_shot", "joint"]]
    assert arms("test", {"naive": 1e-3, "joint": 1e-3}) == [["zero_shot", "joint"]]


def test_what_a_run_found_is_read_from_its_result(study):
    costs = [
        {"arm": arm, "seconds": 5.0, "strategy_bytes": 3, "peak_memory_bytes": 7}
        for arm in ("sequential", "sequential", "joint")
    ]
    before, last = {"scenes": 0.8, "a": 0.1, "b": 0.2}, {"scenes": 0.5, "a": 0.3, "b": 0.7}
    result = {
        "summary": {name: {"value": 0.25} for name in ("bwt", "forgetting")},
        "cost": costs,
        "scores": {"rows": [{"values": before}, {"values": last}]},
        "arms": {"joint": {name: {"value": 0.9} for name in before}},
        "domains": {"scenes": {"role": "source"}, "a": {"role": "stream"}, "b": {"role": "stream"}},
        "controls": {"a": {"x": {"majority": 0.5, "pixels": 0.7}, "y": {"copied_answer": 0.1}}},
    }
    scores = {name: scored(name, 10) for name in before}
    found = study.found_in(result, scores, joint=False)
    assert (found.acc, found.seconds) == (0.5, 10.0)
    assert (found.retention, found.forgetting) == (pytest.approx(-0.3), 0.25)
    assert found.controls == {"a": pytest.approx(0.4)}
    joint = study.found_in(result, scores, joint=True)
    assert (joint.acc, joint.forgetting, joint.seconds) == (0.9, 0.0, 5.0)
    assert joint.retention == pytest.approx(0.1)


def test_a_difference_is_over_test_groups_and_seeds(study, import_benchmark):
    difference = import_benchmark("intervals").difference
    high, low = ({"a": scored("a", right), "b": scored("b", right)} for right in (18, 8))
    value, interval = difference([high, high], [low, low])
    assert value == pytest.approx(0.5)
    assert 0.2 < interval.low < 0.5 < interval.high < 0.8
    value, interval = difference([high, low], [high, low])
    assert value == 0
    assert interval.low < -0.2  # seeds are paired with nothing
    assert interval.high > 0.2
