"""YAML 1.2 core scalars with their lines, and every trap of YAML refused in words."""

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transferlab.config.yaml_text import MAX_DEPTH, dump_yaml, parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2e-3", 0.002),
        ("2.0e-3", 0.002),
        (".5", 0.5),
        ("-1.", -1.0),
        ("1e3", 1000.0),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("+3", 3),
        ("no", "no"),
        ("off", "off"),
        ("Yes", "Yes"),
        ("y", "y"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        ("=", "="),
        ("True", True),
        ("false", False),
        ("~", None),
        ("null", None),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
    ],
)
def test_scalars_follow_the_core_schema(text, value):
    parsed = parse_yaml(f"key: {text}")
    assert parsed.problems == ()
    assert parsed.value == {"key": value}
    assert type(parsed.value["key"]) is type(value)


def test_not_a_number_is_read():
    assert math.isnan(parse_yaml("key: .nan").value["key"])


def test_keys_are_text_and_every_value_has_its_line():
    parsed = parse_yaml("no: 1\n2024:\n  - a\n  - b: {c: 3}\n")
    assert parsed.value == {"no": 1, "2024": ["a", {"b": {"c": 3}}]}
    assert parsed.lines == {
        ("no",): 1,
        ("2024",): 2,
        ("2024", 0): 3,
        ("2024", 1): 4,
        ("2024", 1, "b"): 4,
        ("2024", 1, "b", "c"): 4,
    }


def test_a_reference_is_read_where_it_stands():
    parsed = parse_yaml("a: &x {b: 1}\nc: *x\n")
    assert parsed.value == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\na: 2", 2, "stands here twice; first on line 1"),
        ("a: 1\nb:\n\tc: 1", 3, "indent with spaces"),
        ("a: 1\nb: c: d", 2, "quote the text"),
        ("a: [1, 2", 1, "a bracket is not closed"),
        ("a: 'text", 1, "a quote or bracket is not closed"),
        ("a: 1\n  b: 2", 2, "check the indentation"),
        ("a: 1\nb: *nowhere", 2, "has no anchor"),
        ("a: 1\n---\nb: 1", 2, "one file holds one document"),
        ("a: !!python/object/apply:os.system [ls]", 1, "is not allowed; nothing is run"),
        ("a: !mine 3", 1, "the tag !mine is not allowed"),
        ("a: !!int three", 1, "cannot be read as int"),
        ("a: " + "9" * 5000, 1, "cannot be read as int"),
        ("a: &x [*x]", 1, "a reference leads back to itself"),
        ("? [a, b]\n: 1", 1, "a key must be text"),
        ("x: 1\na: \x07", 2, "the character U+0007 may not stand in YAML"),
        ('a: "\\ud800"', 1, "half of a character"),
        ("[" * 1200, 1, "nested too deeply"),
        ("a: " + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), 1, "nested more than 50 deep"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text, line, message):
    problems = parse_yaml(text).problems
    assert len(problems) == 1
    assert message in problems[0].message
    # An unclosed bracket is noticed where the text ends, at the earliest.
    assert problems[0].line == line


def test_references_that_multiply_are_stopped():
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    messages = [problem.message for problem in parse_yaml(bomb).problems]
    assert messages == ["references make more than 100000 values of this file"]


@settings(deadline=None)
@given(st.text())
def test_no_text_makes_the_parser_raise(text):
    parsed = parse_yaml(text)
    assert parsed.problems or isinstance(
        parsed.value, dict | list | str | int | float | bool | None
    )


@settings(deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.integers() | st.booleans()))
def test_what_is_dumped_is_read_back(value):
    assert parse_yaml(dump_yaml(value)).value == value


def test_a_file_of_very_many_values_is_stopped_while_it_is_read():
    text = "a:\n" + "- 1\n" * 400_000
    began = time.monotonic()
    (problem,) = parse_yaml(text).problems
    assert problem.message == "not valid YAML: more than 20,000 values; is this a config file?"
    assert 19_990 < problem.line < 20_010
    assert time.monotonic() - began < 10
