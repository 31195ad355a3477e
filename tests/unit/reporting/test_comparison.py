"""Runs side by side: who is ahead, what cannot be paired, and several seeds of one strategy."""

import copy
import csv
import io
import json

import numpy as np
import pytest

from transferlab.cli import main
from transferlab.config.pipeline import PipelineConfig
from transferlab.core.records import DomainScore, TaskScore
from transferlab.errors import InputError
from transferlab.metrics.intervals import difference_interval
from transferlab.pipeline.result import write_result
from transferlab.pipeline.stages import StageStore, score_to_record
from transferlab.reporting.comparison import compare_runs
from transferlab.reporting.comparison_formats import as_csv, as_latex, as_markdown

STAGES = {"zero_shot": "sequential/0", "single": "single/cats", "sequential": "sequential/1"}


class NoFacts:
    def of(self, stage):
        return {}


def score(correct, domain="cats", metric="accuracy (breed)"):
    """Of 20 samples in 10 groups."""
    values = [float(one) for one in correct]
    task = TaskScore(
        task="breed", kind="classify", metric="accuracy", value=float(np.mean(values)),
        metrics={"accuracy": float(np.mean(values))}, samples=len(values),
        groups=[f"g{at // 2}" for at in range(len(values))], sample_values=values,
    )  # fmt: skip
    return DomainScore(domain=domain, value=task.value, metric=metric, tasks={"breed": task})


def right(count):
    return [at < count for at in range(20)]


@pytest.fixture
def make(tmp_path):
    """``make("a", {"sequential": score(...)}, ...)``: the directory of a finished run."""

    def call(name, scores, *, strategy="naive", seed=0, digest="d" * 64, settings=None):
        folder = tmp_path / name
        folder.mkdir()
        config = PipelineConfig(
            name=name, seed=seed, stream=["cats"], strategy=[strategy], **(settings or {})
        )
        arms = {
            arm: {"cats": {"value": one.value, "metric": one.metric}} for arm, one in scores.items()
        }
        content = {
            "schema_version": 1,
            "seed": seed,
            "scoring": {"version": 2, "likelihood": "auto"},
            "pipeline": config.model_dump(mode="json"),
            "domains": {"cats": {"digest": digest}},
            "arms": arms,
            "same_training": {},
        }
        write_result(folder, content)
        store = StageStore(folder, NoFacts())
        for arm, one in scores.items():
            store.save(f"{STAGES[arm]}/scores/cats", score_to_record(one))
        return folder

    return call


def test_who_is_ahead_is_what_the_paired_interval_says(make):
    low, high = score(right(6)), score(right(18))
    a = make("a", {"sequential": low, "single": low})
    b = make("b", {"sequential": high, "single": score(right(7))}, strategy="ewc")
    found = compare_runs([a, b])
    by_cell = {(one.arm, one.label): one for one in found.entries}
    assert set(by_cell) == {
        (arm, label) for arm in ("single", "sequential") for label in ("naive", "ewc")
    }
    lead, expected = by_cell["sequential", "ewc"], difference_interval(high, low, confidence=0.95)
    assert lead.difference == pytest.approx(0.6)
    assert lead.difference_interval.low == pytest.approx(expected[0].low)
    assert lead.difference_interval.high == pytest.approx(expected[0].high)
    assert lead.verdict.startswith("ahead by +0.600 [+0.")
    assert by_cell["single", "ewc"].verdict.startswith("not shown: +0.050 [-0.")
    assert by_cell["sequential", "naive"].verdict == ""
    back = compare_runs([b, a], arms=["sequential"]).entries
    assert [one.label for one in back] == ["ewc", "naive"]
    assert back[1].verdict.startswith("behind by -0.600")


def test_too_few_groups_are_said(make):
    few = score([True, False, True])
    a = make("a", {"sequential": few})
    b = make("b", {"sequential": score([True, True, True])}, strategy="ewc")
    assert "cannot be said: +0.333, task 'breed' of cats has 2 test group(s)" in (
        compare_runs([a, b]).entries[1].verdict
    )


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"digest": "e" * 64}, r"another digest of the data \(d{12} and e{12}\)"),
        ({"settings": {"evaluation": {"split": "validation"}}}, "another split"),
        ({"settings": {"evaluation": {"max_test_samples": 5}}}, "another evaluation.max_test"),
        ({"metric": "macro_f1 (breed)"}, "another metric"),
    ],
)
def test_what_cannot_be_paired_is_refused_in_one_sentence(make, changed, sentence):
    metric = changed.pop("metric", "accuracy (breed)")
    a = make("a", {"sequential": score(right(6))})
    b = make("b", {"sequential": score(right(9), metric=metric)}, strategy="ewc", **changed)
    with pytest.raises(InputError, match=f"nothing can be compared: cats, sequential.*{sentence}"):
        compare_runs([a, b])


def test_what_can_be_paired_is_compared_and_the_rest_is_said(make):
    a = make("a", {"sequential": score(right(6)), "zero_shot": score(right(3))})
    other = score(right(3), metric="accuracy [sum] (breed)")
    b = make("b", {"sequential": score(right(9)), "zero_shot": other}, strategy="ewc")
    found = compare_runs([a, b])
    assert {one.arm for one in found.entries} == {"sequential"}
    assert any("cats, zero-shot: " in note and "another metric" in note for note in found.notes)


def test_other_test_groups_are_not_paired(make):
    a = make("a", {"sequential": score(right(6))})
    b = make("b", {"sequential": score([True] * 22)}, strategy="ewc")
    with pytest.raises(InputError, match="nothing can be compared: cats, sequential"):
        compare_runs([a, b])


def test_stages_that_are_gone_or_of_another_run_are_not_believed(make):
    a = make("a", {"sequential": score(right(6))})
    b = make("b", {"sequential": score(right(9))}, strategy="ewc")
    stage = b / "stages" / "sequential--1--scores--cats.json"
    StageStore(b, NoFacts()).save("sequential/1/scores/cats", score_to_record(score(right(10))))
    with pytest.raises(InputError, match="its stages are not those of its result"):
        compare_runs([a, b])
    stage.write_text(stage.read_text("utf-8").replace("0.5", "0.6"), "utf-8")
    with pytest.raises(InputError, match="which hold the scores by test group, are not there"):
        compare_runs([a, b])


def seeds(make, strategy, counts):
    return [
        make(f"{strategy}-{seed}", {"sequential": score(right(n))}, strategy=strategy, seed=seed)
        for seed, n in enumerate(counts)
    ]


def test_several_seeds_are_one_way_with_every_point(make):
    runs = [*seeds(make, "naive", (4, 6, 8)), *seeds(make, "ewc", (14, 16, 18))]
    found = compare_runs(runs)
    naive, ewc = found.entries
    assert (naive.seeds, naive.values) == ((0, 1, 2), (0.2, 0.3, 0.4))
    assert (ewc.label, ewc.over) == ("ewc", "naive")
    assert (ewc.value, ewc.difference) == (pytest.approx(0.8), pytest.approx(0.5))
    assert ewc.covers == "test groups and seeds"
    # Of seeds alone: pooled variance 0.01, four degrees of freedom, t = 2.776.
    half = 2.776445 * (0.01 * (2 / 3)) ** 0.5
    one = difference_interval(score(right(16)), score(right(6)), confidence=0.95)[0]
    width = ewc.difference_interval.high - ewc.difference_interval.low
    assert width > max(2 * half, one.high - one.low)
    assert ewc.difference_interval.low < 0.5 - half
    assert not [note for note in found.notes if "another training" in note]


def test_the_intervals_of_seeds_lie_within_what_a_score_can_be(make):
    runs = [*seeds(make, "naive", (0, 20)), *seeds(make, "ewc", (20, 0))]
    for one in compare_runs(runs).entries:
        assert 0 <= one.interval.low <= one.interval.high <= 1
        assert one.difference_interval is None or one.difference_interval.low >= -1


def test_seeds_of_one_strategy_are_summarised_alone(make):
    (only,) = compare_runs(seeds(make, "naive", (4, 8))).entries
    assert only.values == (0.2, 0.4)
    assert only.over is None


def test_the_same_run_again_is_a_way_of_its_own(make):
    same = score(right(6))
    a, b = make("a", {"sequential": same}), make("b", {"sequential": same})
    first, second = compare_runs([a, b]).entries
    assert (first.label, second.label) == ("a", "b")
    assert second.verdict.startswith("not shown: +0.000")
    assert "b differs from a in nothing" in compare_runs([a, b]).notes


def test_what_decides_no_score_makes_no_other_way(make):
    a = make("a", {"sequential": score(right(6))})
    other = {"similarity": {"permutations": 3}, "arms": ["joint"], "export": []}
    b = make("b", {"sequential": score(right(8))}, seed=1, settings=other)
    (only,) = compare_runs([a, b]).entries
    assert only.values == (0.3, 0.4)


def test_what_differs_is_said(make):
    a = make("a", {"sequential": score(right(6))})
    b = make(
        "b", {"sequential": score(right(6))}, settings={"train": {"epochs": 9}}, strategy="naive"
    )
    assert "b differs from a in train.epochs" in compare_runs([a, b]).notes
    c = make("c", {"sequential": score(right(6))}, strategy={"ewc": {"strength": 7}})
    d = make("d", {"sequential": score(right(6))}, strategy={"ewc": {"strength": 9}})
    assert "ewc differs from naive in strategy" in compare_runs([a, c]).notes
    assert "d differs from c in strategy.ewc.options.strength" in compare_runs([c, d]).notes


@pytest.mark.parametrize(
    ("names", "options", "sentence"),
    [
        (["a"], {}, "name at least two runs"),
        (["a", "a"], {}, "named twice"),
        (["a", "b"], {"arms": ["sinlge"]}, "there is no arm 'sinlge'"),
        (["a", "b"], {"domains": ["dogs"]}, "there is no domain 'dogs'; known: cats"),
        (["a", "b"], {"arms": ["joint"]}, "no arm was scored on the same domain"),
        (["a", "c"], {}, "holds no result.json"),
    ],
)
def test_what_is_asked_for_wrongly(make, tmp_path, names, options, sentence):
    make("a", {"sequential": score(right(6))})
    make("b", {"sequential": score(right(6))}, strategy="ewc")
    with pytest.raises(InputError, match=sentence):
        compare_runs([tmp_path / name for name in names], **options)


@pytest.fixture
def two(make):
    a = make("a", {"sequential": score(right(6))})
    return a, make("b", {"sequential": score(right(18))}, strategy="replay")


def test_the_same_comparison_in_every_format(two):
    found = compare_runs(two)
    rows = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert [row["run"] for row in rows] == ["naive", "replay"]
    assert float(rows[1]["difference"]) == pytest.approx(0.6)
    assert float(rows[1]["difference_low"]) == found.entries[1].difference_interval.low
    assert (rows[0]["over"], rows[0]["difference"]) == ("", "")
    latex = as_latex(found)
    assert r"\begin{tabular}{lllrlll}" in latex
    assert "0.900" in latex
    assert "ahead by +0.600" in latex
    markdown = as_markdown(found)
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {line.count(" | ") for line in lines} == {6}
    assert "| replay | 0.900 |" in markdown


def test_latex_and_markdown_obey_no_label(two):
    found = compare_runs(two)
    entry = copy.copy(found.entries[0])
    object.__setattr__(entry, "label", r"a_b & \input{x} | <b>")
    found = type(found)(entries=[entry], notes=["100 %\n\\input{x}"])
    latex = as_latex(found)
    assert r"a\_b \& \textbackslash input\{x\}" in latex
    assert all(line.startswith("%") for line in latex.splitlines() if "100" in line)
    assert not any(line.startswith("\\input") for line in latex.splitlines())
    assert "<b>" not in as_markdown(found)


def test_the_command(two, capsys):
    assert main(["compare", *map(str, two)]) == 0
    shown = capsys.readouterr().out
    assert "ahead by +0.600" in shown
    assert "how another training would end" in shown
    assert main(["compare", *map(str, two), "--as", "csv", "--arm", "sequential"]) == 0
    assert capsys.readouterr().out.startswith("domain,arm,run,seeds,score")
    assert main(["compare", str(two[0])]) == 2
    assert "at least two runs" in capsys.readouterr().err


def test_no_group_of_the_data_is_shown(two, capsys):
    groups = json.loads((two[0] / "stages/sequential--1--scores--cats.json").read_text())
    assert groups["record"]["tasks"]["breed"]["groups"][0] == "g0"
    for form in ("table", "csv", "latex", "markdown"):
        main(["compare", *map(str, two), "--as", form])
        assert "g0" not in capsys.readouterr().out
