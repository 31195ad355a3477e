"""benchmarks/strategies_study.py: no strategy is left out, and what is chosen is the best."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from transferlab.config.load import load_yaml
from transferlab.config.pipeline import PipelineConfig, StrategySpec
from transferlab.continual.catalogue.check import check_strategies
from transferlab.continual.registry import OPTIONS

ROOT = Path(__file__).parents[3]
PIPELINE = ROOT / "pipelines" / "study-strategies.yaml"


@pytest.fixture(scope="module")
def study():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield importlib.import_module("strategies_study")
    for name in ("strategies_study", "strategies_page", "report"):
        sys.modules.pop(name, None)


def specs_of(setting):
    return [StrategySpec.model_validate(one) for one in setting.specs]


def test_every_strategy_is_in_it_and_can_be_run(study):
    alone = {name for name in study.CATALOGUE if " + " not in name}
    assert alone == OPTIONS.keys() - {"plugin"}
    pipeline = load_yaml(PIPELINE, PipelineConfig)
    work = study.Study(SimpleNamespace(pipeline=PIPELINE, out=Path("out"), overrides=[]))
    for name, specs in study.CATALOGUE.items():
        setting = study.Setting(name=name, specs=specs)
        config = work._config(setting, seed=3, train=7, split="validation", turned=True)
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
    return {**given, "strategy_bytes": 8, "peak_bytes": 2**20, **changes}


def test_the_three_best_beside_the_fixed_ones_are_tuned_and_the_best_setting_kept(
    study, monkeypatch, tmp_path
):
    scores = {"der": 0.9, "si": 0.8, "o_lora": 0.7, "cumulative": 0.95}
    runs = []

    def run(self, phase, setting, *, seed, train, split, turned=False):
        runs.append((phase, setting.name, seed, train, split, turned))
        acc = scores.get(setting.name, 0.5) + (0.01 if "0.03" in str(setting.specs) else 0)
        return study.Found(**fake(acc))

    monkeypatch.setattr(study.Study, "run", run)
    given = SimpleNamespace(
        pipeline=PIPELINE, out=tmp_path, overrides=[], seeds=[0, 1, 2], few=4, many=9, phases=4,
        only=None,
    )  # fmt: skip
    done = study.study(given)
    assert list(done["tuned"]) == [*study.ALWAYS, "der", "si", "o_lora"]
    assert done["tuned"]["der"].specs[0]["der"]["logit_weight"] == 0.03
    assert {split for phase, *_, split, _ in runs if phase in ("catalogue", "tuning")} == {
        "validation"
    }
    full = [one for one in runs if one[0] == "full" and one[1] == "der"]
    assert full == [("full", "der", seed, 9, "test", False) for seed in (0, 1, 2)]
    assert ("reversed", "joint", 0, 9, "test", True) in runs
    text = study.page(done, "figure.png")
    assert "| der | 0.910 ± 0.000 |" in text
    assert "Reversed order" in text
    study.draw(done["full"], tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5000


def test_retention_counts_as_much_as_a_domain(study):
    assert study.goodness(study.Found(**fake(0.5, retention=-0.3)), 2) == pytest.approx(0.7 / 3)
