"""What stands in the closing tables, also where something was not measured."""

import io

import pytest
from rich.console import Console

from transferlab.cli.output.closing_tables import show_closing, show_plan
from transferlab.cli.output.tables import arms_and_controls, show_result


@pytest.fixture
def shown():
    """What a function prints, at 120 columns or as many as asked for."""

    def call(function, *args, width=120, **kwargs):
        console = Console(file=io.StringIO(), width=width, markup=False, highlight=False)
        function(console, *args, **kwargs)
        return console.file.getvalue()

    return call


def row(text, start):
    """The cells of the first line that starts so."""
    return next(line for line in text.splitlines() if line.strip().startswith(start)).split()


def test_the_matrix_and_its_gaps(shown, result):
    text = shown(show_result, result)
    assert row(text, "pretrained") == ["pretrained", "0.710", "0.200"]
    assert row(text, "cats ") == ["cats", "0.680", "-"]


def test_the_summary_keeps_square_brackets_and_signs(shown, result):
    text = shown(show_result, result)
    assert "mean of R[T][j]" in text
    assert row(text, "ACC")[1:4] == ["0.755", "[+0.710,", "+0.800]"]
    assert row(text, "BWT")[1:3] == ["-", "-"]
    assert "FWT" not in text


def test_why_an_interval_is_missing_is_said_once(shown, result):
    few = "task 'view' of cats has 3 test group(s), and an interval needs 5"
    assert "no interval" not in shown(show_result, result)
    for name in ("acc", "forgetting_corrected"):
        result["summary"][name] = {
            "value": 0.1, "interval": None, "interval_reason": few, "definition": "d",
        }  # fmt: skip
    text = shown(show_result, result)
    assert text.count(f"no interval: {few}") == 1
    assert row(text, "forgetting (corrected)")[2:] == ["0.100", "-"]
    result["gains"][0] |= {"interval": None, "interval_reason": few}
    assert shown(show_result, result).count(f"no interval: {few}") == 2


def test_what_every_rule_makes_of_zero_shot_answers(shown, result):
    assert "by rule" not in shown(show_result, result)
    likelihood = {
        "rule": "content_free",
        "values": {"sum": 0.3, "mean": 0.25, "content_free": 0.5},
        "fewest_tokens": 0.25,
    }
    trained = {"rule": "sum", "values": {"sum": 0.9, "mean": 0.9}, "fewest_tokens": None}
    tasks = {"kind": {"metric": "accuracy", "value": 0.5, "likelihood": likelihood}}
    tasks["known"] = {"metric": "accuracy", "value": 0.9, "likelihood": trained}
    result["arms"]["zero_shot"] = {"cats": {"value": 0.5, "tasks": tasks}}
    text = shown(show_result, result)
    assert "Zero-shot answers by rule" in text
    assert "cats: known" not in text  # trained on: nothing was compared
    assert row(text, "cats: kind") == ["cats:", "kind", "0.300", "0.250", "0.500", "25%"]


def test_arms_that_are_one_training_are_named(shown, result):
    assert "same training" not in shown(show_result, result)
    result["same_training"] = {"joint": "sequential"}
    assert "joint is the same training as sequential" in shown(show_result, result)


def test_negative_transfer_is_flagged(shown, result):
    text = shown(show_result, result)
    expected = ["cats", "sequential", "single", "-0.060", "[-0.090,", "-0.020]", "negative"]
    assert expected in [line.split() for line in text.splitlines()]
    result["gains"][0]["negative_transfer"] = False
    assert "negative" not in shown(show_result, result)


def test_an_arm_that_is_not_above_its_best_control_by_an_interval_is_marked(shown, result):
    text = shown(show_result, result)
    # Of pixels' 0.8, only the sequential arm's 0.9 is above with its interval, from 0.85 on.
    cells = ["0.200*", "0.700*", "0.900", "0.300", "0.350", "0.800"]
    assert row(text, "finding")[2:] == cells
    assert "* not above its best control by an interval" in text
    result["controls"]["cats"]["finding"]["pixels"] = 0.87
    assert row(shown(show_result, result), "finding")[4] == "0.900*"
    result["arms"]["sequential"]["cats"]["tasks"]["finding"]["interval"] = None
    result["controls"]["cats"]["finding"]["pixels"] = 0.5
    assert row(shown(show_result, result), "finding")[3:5] == ["0.700", "0.900*"]


def test_a_gap_between_subgroups_is_a_line(shown, result):
    values = {"F": {"value": 0.9}, "M": {"value": 0.5}}
    gap = {"best": "F", "worst": "M", "value": 0.4, "interval": [0.1, 0.7]}
    by_sex = {"values": values, "gap": gap}
    result["subgroups"] = {"sequential": {"cats": {"finding": {"sex": by_sex}}}}
    said = "cats, finding by sex: F 0.900, M 0.500; gap 0.400 [0.100, 0.700]"
    assert said in shown(show_result, result).splitlines()
    gap["interval"] = [-0.1, 0.9]
    assert "by sex" not in shown(show_result, result)


def test_what_was_found_comes_first(shown, result):
    found = {"about": "best_arm", "text": "cats: [single] scores best.", "domain": "cats"}
    text = shown(show_result, result | {"answer": [found]})
    assert text.splitlines()[0] == "cats: [single] scores best."


def scored_by(result, task, metric):
    for scores in result["arms"].values():
        scores["cats"]["tasks"][task]["metric"] = metric


def test_a_task_without_controls_has_dashes(shown, result):
    scored_by(result, "report", "accuracy")
    assert row(shown(show_result, result), "report")[-3:] == ["-", "-", "-"]


def test_free_answers_stand_beside_their_own_controls(shown, result):
    free = {"frequent_answer": 0.05, "copied_answer": 0.6}
    result["controls"]["cats"]["report"] = free
    text = shown(show_result, result)
    table = text[text.index("cats: free answers") :]
    assert row(table, "report")[-2:] == ["0.050", "0.600"]
    assert "0.500*" in row(table, "report")
    assert "report" not in text[: text.index("cats: free answers")]


def test_retrieval_stands_beside_chance(shown, result):
    found = {"candidates": 10, "chance": 0.1, "frequent_answer": 0.15, "no_image": None}
    result["controls"]["cats"]["report"] = found
    scored_by(result, "report", "mrr")
    text = shown(show_result, result)
    table = text[text.index("cats: retrieval") :]
    assert row(table, "report")[-3:] == ["0.100", "0.150", "-"]
    assert "report" not in text[: text.index("cats: retrieval")]
    assert "free answers" not in text


def test_nothing_compared_leaves_its_tables_out(shown, result):
    result |= {"gains": [], "arms": {}, "controls": {}, "quarantined": []}
    text = shown(show_result, result)
    assert "Transfer gains" not in text
    assert "controls" not in text
    assert "quarantined" not in text
    assert arms_and_controls(result) == []


@pytest.mark.parametrize("width", [80, 120])
def test_no_number_is_cut_at_common_widths(shown, result, width):
    result["arms"] |= dict.fromkeys(("scratch", "joint"), result["arms"]["single"])
    text = shown(show_result, result, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    arms = ["0.200*", "0.700*", "0.700*", "0.900", "0.700*"]
    controls = ["0.300", "0.350", "0.800"]
    assert row(text, "finding")[-8:] == arms + controls


def test_the_end_says_where_to_look(shown, result, tmp_path):
    text = shown(show_closing, result, out=tmp_path, tracking_uri="sqlite:///mlruns/mlflow.db")
    assert text.splitlines()[-3:] == [
        f"result  {tmp_path}/result.json",
        f"export  {tmp_path}/exports/adapter",
        "MLflow  transferlab ui",
    ]
    assert "1 quarantined sample(s): see result.json" in text


def test_the_end_says_what_the_server_lacks(shown, result, tmp_path):
    (tmp_path / "tracking.unsent").write_text("the tracking server at http://h does not answer\n")
    text = shown(show_closing, result, out=tmp_path, tracking_uri="http://h")
    assert text.splitlines()[-1] == (
        "unsent  the tracking server at http://h does not answer; give the same command with "
        f"--out {tmp_path} to send it all"
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("sqlite:///else.db", "transferlab ui --tracking-uri sqlite:////somewhere/mlflow.db"),
        ("http://u:secret@host", "open sqlite:////somewhere/mlflow.db"),
    ],
)
def test_another_store_is_named_as_the_result_has_it(shown, result, tmp_path, given, expected):
    text = shown(show_closing, result, out=tmp_path, tracking_uri=given)
    assert text.splitlines()[-1] == f"MLflow  {expected}"


MIB = 2**20


def memory(total: int, available: int) -> dict:
    parts = ("process", "media", "weights", "gradients", "optimizer", "activations", "strategy")
    sizes = {part: (at + 1) * MIB for at, part in enumerate(parts)}
    return {
        "arms": [{"arm": "sequential", **sizes, "total": total}],
        "peak_bytes": total,
        "available_bytes": available,
        "device": "cpu",
    }


@pytest.mark.parametrize(("available", "fits"), [(4096 * MIB, True), (1024 * MIB, False)])
def test_a_plan_shows_samples_steps_parameters_memory_and_disk(shown, available, fits):
    plan = {
        "memory": memory(1536 * MIB, available),
        "disk": {"needed_bytes": 30 * MIB, "free_bytes": (40 if fits else 20) * MIB},
        "domains": [
            {
                "name": "cats",
                "role": "stream",
                "samples": {"train": 1400, "validation": 200, "test": 400},
                "train_samples_used": 320,
                "quarantined": 2,
            }
        ],
        "steps": [
            {"arm": "sequential", "domain": "cats", "train_samples": 320, "optimizer_steps": 60}
        ],
        "parameters": {"trainable": 430_000, "total": 4_300_000},
    }
    text = shown(show_plan, plan)
    assert row(text, "cats") == ["cats", "stream", "1,400", "200", "400", "320", "2"]
    assert "sequential cats 320 60" in " ".join(text.split())
    assert "1 MiB 2 MiB 3 MiB 4 MiB 5 MiB 6 MiB 7 MiB 1.50 GiB" in " ".join(text.split())
    assert f"memory: 1.50 GiB of {available / 2**30:.2f} GiB on cpu" in text
    assert ("will not fit" not in text) == fits
    assert f"disk: 30 MiB of {40 if fits else 20} MiB free" in text
    assert ("disk is too small" not in text) == fits
    assert "430,000 trained of 4,300,000 (10 %)" in text
