"""Every problem of a file at once, each with its place, in words for people who write YAML."""

import contextlib
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transferlab.config.domain import DomainConfig
from transferlab.config.pipeline import PipelineConfig, StrategySpec
from transferlab.config.yaml_sections import load_yaml, locate, read_text
from transferlab.errors import InputError

SOUND = """\
name: first
stream: [chest-xray, lectures]
strategy:
  - ewc: {strength: 100}
  - naive
train:
  epochs: 3
  learning_rate: 2e-3
"""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "p.yaml"


def load(file, text, *overrides, model=PipelineConfig):
    file.write_text(text, "utf-8")
    return load_yaml(file, model, overrides=overrides)


def complaint(file, text, *overrides, model=PipelineConfig):
    with pytest.raises(InputError) as caught:
        load(file, text, *overrides, model=model)
    return str(caught.value).replace(f"{file}", "p.yaml")


def test_a_sound_file_becomes_a_section(file):
    config = load(file, SOUND)
    assert config.train.learning_rate == 0.002
    assert config.strategy == [
        StrategySpec(name="ewc", options={"strength": 100}),
        StrategySpec(name="naive"),
    ]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            "train: {learning_rat: 1}",
            "train.learning_rat: unknown key; did you mean 'learning_rate'?",
        ),
        ("trian: {epochs: 1}", "trian: unknown key; did you mean 'train'?"),
        ("train: {epochs: many}", "train.epochs: must be a whole number, got the text 'many'"),
        ("train: {epochs: 2.5}", "train.epochs: must be a whole number, got 2.5"),
        ("train: {epochs: true}", "train.epochs: must be a whole number, got true"),
        ("train: {epochs: '3'}", "train.epochs: must be a whole number, got the text '3'"),
        ("train: {epochs: 0}", "train.epochs: must be at least 1, got 0"),
        ("train: {learning_rate: -1}", "train.learning_rate: must be greater than 0, got -1"),
        ("train: {learning_rate: .inf}", "train.learning_rate: must be a finite number, got inf"),
        ("train: {warmup_fraction: 1}", "train.warmup_fraction: must be less than 1, got 1"),
        ("train:", "train: must be a section with keys of its own, got nothing"),
        ("source: 7", "source: must be text, got 7; put it in quotes ('7') if text is meant"),
        (
            "source: true",
            "source: must be text, got true; put it in quotes ('true') if text is meant",
        ),
        ("protect_source: no", "protect_source: must be true or false, got the text 'no'"),
        (
            "arms: [zero_shot, scrach]",
            "arms.1: must be one of 'zero_shot', 'scratch', 'single', 'joint', got the text "
            "'scrach'; did you mean 'scratch'?",
        ),
        ("strategy: ewc", "strategy: must be a list, such as [a, b], got the text 'ewc'"),
        (
            "strategy: [{ewc: {}, replay: {}}]",
            "strategy.0: needs one strategy per list item, such as '- ewc: {strength: 100}'",
        ),
        (
            "strategy: [{ewc: 100}]",
            "strategy.0: the options of 'ewc' must be keys and values, in braces",
        ),
        (
            "backbone: {adapter: {targets: 3}}",
            "backbone.adapter.targets: must be text or a list, such as [a, b], got 3",
        ),
        (
            "backbone: {adapter: {targets: [q_proj, 3]}}",
            "backbone.adapter.targets.1: must be text, got 3; put it in quotes ('3') if text is "
            "meant",
        ),
        (
            "train: {per_domain: {a: {epoch: 1}}}",
            "train.per_domain.a.epoch: unknown key; did you mean 'epochs'?",
        ),
        (
            "train: {batch_samples: 3, accumulation_steps: 2}",
            "train: batch_samples 3 is not a multiple of accumulation_steps 2",
        ),
        ("source: a", "stream: the source domain 'a' cannot be in the stream"),
    ],
)
def test_each_mistake_is_one_sentence_with_its_path(file, lines, expected):
    line = 2 if expected.startswith("stream") else 3
    assert complaint(file, f"name: x\nstream: [a]\n{lines}\n") == f"p.yaml:{line}: {expected}"


def test_all_problems_come_at_once_from_top_to_bottom(file):
    text = "name: Not This\nseed: -1\nbackbone:\n  adapter:\n    rank: x\nfoo: 1\n"
    assert complaint(file, text).split("\n") == [
        "5 problems in p.yaml:",
        "  p.yaml:1: name: must be lower-case letters, digits, '-' and '_', with a letter or digit "
        "first, got the text 'Not This'",
        "  p.yaml:1: stream: is missing and has no default",
        "  p.yaml:2: seed: must be at least 0, got -1",
        "  p.yaml:5: backbone.adapter.rank: must be a whole number, got the text 'x'",
        "  p.yaml:6: foo: unknown key",
    ]


def test_a_validator_deep_inside_names_the_key_it_means(file):
    text = (
        "name: d\nversion: 1\ntitle: T\nfield: f\nlicence: MIT\ngroup: g\n"
        "source: {kind: table}\ntasks:\n  note:\n    kind: describe\n    prompt: p\n"
        "    answer: a\n    choices: [a]\n    metrics: [exact_match]\n"
    )
    expected = "p.yaml:13: tasks.note.choices: only a classify task has a label set"
    assert complaint(file, text, model=DomainConfig) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "p.yaml: is empty"),
        (b"# only a comment\n", "p.yaml: is empty"),
        (b"- a\n", "p.yaml: must hold keys and values, such as 'name: my-experiment'"),
        (b"caf\xe9: 1\n", "p.yaml: is not UTF-8 text (byte 3)"),
        (b"a: 1\n" * 900_000, "p.yaml: is larger than 4 MiB; is it a config file?"),
        (b"name: x\nname: y\n", "p.yaml:2: name: stands here twice; first on line 1"),
    ],
)
def test_a_file_that_is_no_config(file, content, expected):
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_yaml(file, PipelineConfig)
    assert str(caught.value).replace(f"{file}", "p.yaml") == expected


def test_a_file_that_is_not_there_and_one_that_is_a_folder(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml: there is no such file"):
        load_yaml(tmp_path / "none.yaml", PipelineConfig)
    with pytest.raises(InputError, match="is a directory; name a YAML file in it"):
        load_yaml(tmp_path, PipelineConfig)


def test_a_byte_order_mark_is_no_part_of_the_first_key(file):
    file.write_bytes(b"\xef\xbb\xbfname: x\nstream: [a]\n")
    assert load_yaml(file, PipelineConfig).name == "x"


def test_problems_found_later_get_their_place(file):
    file.write_text(SOUND, "utf-8")

    def placed(problem, *overrides):
        return locate(file, problem, overrides=overrides).replace(f"{file}", "p.yaml")

    assert placed("stream.1: no such domain") == "p.yaml:2: stream.1: no such domain"
    by_name = "strategy.ewc.strenth: unknown key"
    assert placed(by_name) == f"p.yaml:4: {by_name}"
    assert placed("strategy.ewc.strength: bad", "strategy.0.ewc.strength=1") == (
        "--set strategy.0.ewc.strength: bad"
    )
    assert placed("train: too much", "train.epochs=9") == (
        "p.yaml:6: train: too much (with --set train.epochs)"
    )
    assert placed("no place in this one") == "p.yaml: no place in this one"


@given(st.text() | st.from_regex(r"(name|stream|train|seed|arms)[: \[{a-z0-9,&*!]{0,30}"))
def test_no_text_raises_anything_but_an_input_error(file, text):
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError):
        load_yaml(file, PipelineConfig)


@given(
    st.sampled_from(
        ["train", "stream", "strategy", "backbone.adapter", "arms", "train.per_domain", "source"]
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from(["ewc", "name", "epochs", "0", "[key]"]), inner)
        ),
        max_leaves=5,
    ),
)
def test_no_value_raises_anything_but_an_input_error(file, key, value):
    file.write_text(SOUND, "utf-8")
    with contextlib.suppress(InputError):
        load_yaml(file, PipelineConfig, overrides=[f"{key}={json.dumps(value)}"])


@pytest.mark.timeout(20)
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "p.yaml")
    with pytest.raises(InputError, match=r"p\.yaml: is a pipe or a device"):
        read_text(tmp_path / "p.yaml")
