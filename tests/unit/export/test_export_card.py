"""The card is valid, complete and honest."""

from __future__ import annotations

import ast
import copy
import json
import re

import pytest
import yaml

from transferlab.export.card import Subject, non_commercial
from transferlab.export.card import render_card as render


def render_card(result: dict, *, after: str, arm: str = "sequential", **subject) -> str:
    """The card of the stream's adapter, unless the test wants another."""
    stream = result["pipeline"]["stream"]
    trained_on = stream[: stream.index(after) + 1] if arm == "sequential" else [after]
    given = {"kind": "adapter", "arm": arm, "after": after, "trained_on": trained_on} | subject
    return render(result, Subject(**given))


def front_matter(card: str) -> dict:
    _, header, _ = card.split("---\n", 2)
    return yaml.safe_load(header)


def cells(card: str, first: str) -> list[str]:
    """The cells of the table row whose first cell is ``first``."""
    (row,) = [line for line in card.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def section(card: str, title: str) -> str:
    return card.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_the_front_matter_is_what_the_hub_expects(result):
    found = front_matter(render_card(result, after="lectures"))
    assert found == {
        "base_model": "transferlab/tiny",
        "library_name": "peft",
        "pipeline_tag": "image-text-to-text",
        "tags": ["transferlab", "continual-learning", "chest-xray", "lectures"],
        "license": "other",
        "license_name": "see-the-licences-of-the-data",
    }


def test_one_known_licence_is_the_cards_licence(result):
    for one in result["domains"].values():
        one["licence"] = "CC-BY-4.0"
    card = render_card(result, after="lectures")
    assert front_matter(card)["license"] == "cc-by-4.0"
    assert "license_name" not in front_matter(card)
    assert "Not for commercial use" not in card


def test_a_name_full_of_yaml_stays_a_name(result):
    result["pipeline"]["backbone"]["model"] = "org/name: [x] # 'no'"
    found = front_matter(render_card(result, after="lectures"))
    assert found["base_model"] == "org/name: [x] # 'no'"


def test_the_matrix_is_there_to_the_last_number(result):
    card = section(render_card(result, after="lectures"), "Scores")
    assert cells(card, "after") == ["after", "scenes", "chest-xray", "lectures"]
    assert cells(card, "pretrained") == ["pretrained", "0.711", "0.222", "0.111"]
    assert cells(card, "lectures") == ["lectures", "0.688", "0.555", "0.444"]
    assert "- chest-xray: metric of chest-xray" in card


def test_summary_controls_and_quantity(result):
    card = render_card(result, after="lectures")
    assert cells(card, "acc") == ["acc", "0.500", "[0.450, 0.550]", "mean of the last row"]
    assert cells(card, "fwt_over_scratch")[:3] == ["fwt_over_scratch", "-", ""]
    result["summary"]["acc"] |= {"interval": None, "interval_reason": "3 groups"}
    few = render_card(result, after="lectures")
    assert cells(few, "acc") == ["acc", "0.500", "", "mean of the last row; no interval: 3 groups"]
    result["summary"]["acc"]["interval_reason"] = "3 groups of <b>x"
    assert "<b>" not in render_card(result, after="lectures")
    assert cells(section(card, "Scores of this adapter and its controls"), "chest-xray") == [
        "chest-xray",
        "finding",
        "accuracy",
        r"**0.555** \*",  # it has no interval, so nothing is shown
        "",
        "0.310",
        "0.320",
        "-",
    ]
    assert cells(section(card, "Training data"), "chest-xray") == ["chest-xray", "64", "301"]


def test_without_controls_the_card_says_so(result):
    assert "None were measured" in render_card({**result, "controls": {}}, after="lectures")


def test_non_commercial_domains_are_named(result):
    card = section(render_card(result, after="lectures"), "Licences of the data")
    assert "**Not for commercial use:** the licence of chest-xray forbids it." in card
    assert cells(card, "scenes") == [
        "scenes",
        r"Pictures \| and notes",
        "source",
        "CC0-1.0",
        "2 (abcdef012345)",
    ]


@pytest.mark.parametrize(
    ("licence", "barred"),
    [
        ("CC-BY-NC-4.0", True),
        ("CC BY-NC-SA 4.0", True),
        ("Creative Commons Non-Commercial", True),
        ("noncommercial research only", True),
        ("CC-BY-4.0", False),
        ("Apache-2.0", False),
        ("NCBI public domain", False),
    ],
)
def test_non_commercial(licence, barred):
    assert non_commercial(licence) is barred


@pytest.mark.parametrize(
    ("model", "revision", "expected"),
    [
        ("transferlab/tiny", None, "base = str(assets())"),
        ("org/llava", "abc123", "from_pretrained(base, revision='abc123')"),
        ("/home/jane/models/llava", None, "base = 'llava'"),
    ],
)
def test_the_code_to_load_it_is_python(result, model, revision, expected):
    result["pipeline"]["backbone"] = {"model": model, "revision": revision}
    card = render_card(result, after="lectures")
    code = card.partition("```python\n")[2].partition("```")[0]
    assert expected in ast.unparse(ast.parse(code))
    assert "jane" not in card


PROMPTS = {
    "chest-xray": {
        "finding": {
            "kind": "classify", "choices": ["a", "b"],
            "prompt": "<xray>\nNote: {note}\nWhat is it?",
        },
    },
    "lectures": {"report": {"kind": "describe", "prompt": "See <xray>: why?", "choices": None}},
}  # fmt: skip


@pytest.mark.parametrize("domain", ["chest-xray", "lectures"])
@pytest.mark.parametrize("kind", ["adapter", "merged"])
def test_the_code_asks_a_question_of_the_domain(result, domain, kind):
    card = render_card(result, after=domain, kind=kind, prompts={domain: PROMPTS[domain]})
    code = ast.unparse(ast.parse(section(card, "How to ask it").split("```")[1][len("python") :]))
    assert f"['{domain}']" in code
    assert ("PeftModel" in code) == (kind == "adapter")
    assert ("question['choices']" in code) == (domain == "chest-xray")
    assert ("model.generate" in code) == (domain == "lectures")
    assert ("replace('{note}', '...')" in code) == (domain == "chest-xray")


def test_what_shows_no_medium_or_several_has_code_that_loads(result):
    for prompt in ("What?", "<a> or <b>?"):
        question = {"kind": "answer", "prompt": prompt, "choices": None}
        card = render_card(result, after="lectures", prompts={"lectures": {"why": question}})
        assert "## How to load it" in card


def test_each_arms_card_says_how_it_was_trained_and_has_its_own_scores(result):
    result["arms"]["single"] = copy.deepcopy(result["arms"]["sequential"])
    task = result["arms"]["single"]["chest-xray"]["tasks"]["finding"]
    task |= {"value": 0.9, "interval": [0.8, 1.0]}
    card = render_card(result, after="chest-xray", arm="single", kind="merged")
    assert front_matter(card)["library_name"] == "transformers"
    assert front_matter(card)["tags"][2:] == ["chest-xray"]
    assert "# radiology: transferlab/tiny on chest-xray\n" in card
    assert "A whole model that transferlab made by training on chest-xray alone (seed 3)." in card
    own = cells(section(card, "Scores of this model and its controls"), "chest-xray")
    assert own[3:5] == ["**0.900**", r"\[0.800, 1.000\]"]
    assert "It was taken after chest-xray" in render_card(result, after="chest-xray")
    result["arms"]["joint"] = result["arms"]["sequential"]
    both = render(
        result,
        Subject(kind="adapter", arm="joint", after="all", trained_on=["chest-xray", "lectures"]),
    )
    assert "training on chest-xray and lectures together" in both


def test_limits_are_stated(result):
    assert "not for clinical use" in render_card(result, after="lectures")


HOSTILE = (
    "[x](javascript:alert(1)) <script>alert(1)</script> ![](http://a/b) \x1b[2J\u202e | `\n# h"
)


def test_nothing_of_data_is_markup_in_the_card(result):
    """Titles, licences, tasks, metrics and names of others' controls and strategies."""
    pipeline = result["pipeline"]
    pipeline["backbone"]["model"] = HOSTILE
    pipeline["strategy"] = [{"name": HOSTILE, "options": {}}]
    for one in result["domains"].values():
        one["title"] = one["licence"] = one["version"] = HOSTILE
    for column in result["scores"]["columns"]:
        column["metric"] = HOSTILE
    for tasks in result["controls"].values():
        for name in list(tasks):
            tasks[HOSTILE] = tasks.pop(name)
    for arm in result["arms"].values():
        for one in arm.values():
            for name in list(one["tasks"]):
                one["tasks"][HOSTILE] = {**one["tasks"].pop(name), "metric": HOSTILE}
    card = render_card(result, after="lectures")
    body = card.split("---\n", 2)[2]
    shown = body.replace("```python", "").replace(json.dumps(HOSTILE), "")
    assert "<script" not in shown
    assert not re.search(r"(?<!\\)\]\(", shown)
    assert "\x1b" not in card
    assert "\u202e" not in card
    assert not [line for line in shown.splitlines() if line.startswith("# h")]
    assert front_matter(card)["base_model"] == HOSTILE


def test_an_adapter_of_several_says_that_the_scores_are_of_all(result):
    card = render_card(result, after="chest-xray", routed_by="per_domain")
    assert "This is the adapter of chest-xray, and not what was scored." in card
    assert "not what was scored" not in render_card(result, after="chest-xray")


def test_what_was_found_comes_before_the_figures(result):
    text = "lectures: *single* scores best, 0.700."
    result["answer"] = [{"about": "best_arm", "text": text, "domain": "lectures"}]
    card = render_card(result, after="lectures")
    assert "- lectures: \\*single\\* scores best, 0.700." in card
    assert card.index("## What was found") < card.index("## How to load it")
    del result["answer"]  # of an earlier version
    assert "What was found" not in render_card(result, after="lectures")
