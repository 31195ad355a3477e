"""The grammar of --set: where a dotted key ends up, and what is said when it cannot."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transferlab.config.overrides import apply_overrides

TREE = {
    "name": "x",
    "stream": ["a", "b"],
    "strategy": [{"ewc": {"strength": 100}}, "naive", {"name": "replay", "options": {"n": 1}}],
    "train": {"epochs": 3, "max_steps": None},
    "empty": None,
}


def changed(*overrides):
    tree, applied, problems = apply_overrides(copy.deepcopy(TREE), overrides)
    assert problems == []
    return tree, applied


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("name=y", ("name",), "y"),
        ("train.epochs=5", ("train", "epochs"), 5),
        ("train.learning_rate=2e-3", ("train", "learning_rate"), 0.002),
        ("train.max_steps=null", ("train", "max_steps"), None),
        ("stream=[c, d]", ("stream",), ["c", "d"]),
        ("stream.1=c", ("stream", 1), "c"),
        ("stream.a=c", ("stream", 0), "c"),
        ("strategy.ewc.strength=10", ("strategy", 0, "ewc", "strength"), 10),
        ("strategy.0.ewc.strength=10", ("strategy", 0, "ewc", "strength"), 10),
        ("strategy.replay.n=2", ("strategy", 2, "options", "n"), 2),
        ("strategy.naive.x=1", ("strategy", 1, "naive", "x"), 1),
        ("empty.made.here=1", ("empty", "made", "here"), 1),
        ("new.section.key=[1]", ("new", "section", "key"), [1]),
        ("name=a=b", ("name",), "a=b"),
        (" name = y ", ("name",), "y"),
    ],
)
def test_a_dotted_key_lands_where_it_says(override, path, value):
    tree, applied = changed(override)
    node = tree
    for part in path:
        node = node[part]
    assert node == value
    assert applied[0].path == path


def test_only_the_named_value_changes_and_later_ones_win():
    tree, _ = changed("train.epochs=5", "train.epochs=6")
    assert tree == {**TREE, "train": {"epochs": 6, "max_steps": None}}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("epochs", "--set epochs: must be dotted.key=value, such as train.epochs=5"),
        ("=5", "--set =5: must be dotted.key=value, such as train.epochs=5"),
        ("a..b=5", "--set a..b=5: must be dotted.key=value, such as train.epochs=5"),
        ("name=", "--set name: needs a value; write name=null for none"),
        ("name.x=1", "--set name.x: 'name' is the text 'x'; nothing can be set inside it"),
        (
            "stream.7=c",
            "--set stream.7: 'stream' has 2 item(s), counted from 0; item 7 is not one",
        ),
        (
            "strategy.ewk.strength=1",
            "--set strategy.ewk.strength: 'strategy' has no item 'ewk'; did you mean 'ewc'?",
        ),
        (
            "strategy.zz=1",
            "--set strategy.zz: 'strategy' has no item 'zz'; known here: ewc, naive, replay",
        ),
        ("name='open", "--set name: not valid YAML: a quote or bracket is not closed"),
    ],
)
def test_what_cannot_be_set_is_said(override, expected):
    _, applied, problems = apply_overrides(copy.deepcopy(TREE), [override, "name=z"])
    assert problems == [expected]
    assert [one.given for one in applied] == ["name"]


@settings(deadline=None)
@given(st.text(alphabet="abx.01=[]{}:' ", max_size=20), st.sampled_from([TREE, None, [], ["a"], 3]))
def test_no_override_raises(text, tree):
    _, applied, problems = apply_overrides(copy.deepcopy(tree), [text])
    assert len(applied) + len(problems) == 1
