"""Finished stages: reused where what decides their numbers is the same, made anew elsewhere."""

import json
from contextlib import nullcontext

import pytest
import torch

from transferlab.config.pipeline import PipelineConfig
from transferlab.core.records import DomainScore, TaskScore
from transferlab.errors import EnvironmentProblem, InputError, TransferlabWarning
from transferlab.pipeline.build import media_store
from transferlab.pipeline.stage_facts import StageFacts
from transferlab.pipeline.stages import (
    StageStore,
    alone_in,
    score_from_record,
    score_to_record,
)

PIPELINE = {"name": "p", "source": "s", "stream": ["a", "b"], "strategy": ["naive"]}
STAGES = [
    *(f"sequential/{i}/scores/{name}" for i in range(3) for name in "sab"),
    *("sequential/1/a", "sequential/2/b", "similarity/a", "similarity/b"),
    *("similarity_adapted/a", "similarity_adapted/b"),
    *("interference/a", "interference/b", "single/a", "single/a/scores/a", "single/b"),
    *("single/b/scores/b", "scratch/a", "scratch/a/scores/a", "joint/all"),
    *(f"joint/scores/{name}" for name in "sab"),
    *("controls/single/a", "controls/single/b"),
]


def config(**changes) -> PipelineConfig:
    return PipelineConfig(**{**PIPELINE, **changes})


def facts(contents: str = "", weights: str = "w", **changes) -> StageFacts:
    """``contents``: names of domains whose data are other than usual."""
    made = config(**changes)
    names = [*made.stream, *([made.source] if made.source else [])]
    found = {name: f"{name}{'2' if name in contents else '1'}" for name in names}
    return StageFacts(made, found, weights=weights)


def lost(other: StageFacts) -> set[str]:
    """The stages that do not survive a change."""
    before = facts()
    return {stage for stage in STAGES if other.of(stage) != before.of(stage)}


def only(*beginnings: str) -> set[str]:
    return {stage for stage in STAGES if stage.startswith(beginnings)}


ALL = set(STAGES)
TRAINED = ALL - only("sequential/0", "similarity/", "interference/a")
SCORED = {stage for stage in STAGES if "/scores/" in stage} | only("controls")
TRAINED_ON_B = only("sequential/2", "joint", "single/b", "controls/single/b", "interference/b")
ADAPTED_ON_B = TRAINED_ON_B | only("similarity_adapted")
OF_B = {stage for stage in STAGES if stage.endswith("/b")} | ADAPTED_ON_B
AFTER_A = only("sequential/1", "sequential/2", "similarity_adapted", "interference/b")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # What decides no number of any stage.
        ({"name": "other"}, set()),
        ({"export": []}, set()),
        ({"arms": ["zero_shot"]}, set()),
        ({"tracking": {"uri": "sqlite:///other.db"}}, set()),
        ({"data_root": "/elsewhere"}, set()),
        ({"data": {"cache_media": False}}, set()),
        ({"train": {"checkpoint_steps": 7}}, set()),
        ({"backbone": {"device": "cpu"}}, set()),
        ({"evaluation": {"bootstrap_samples": 7, "confidence": 0.9}}, set()),
        # What decides some.
        ({"similarity": {"permutations": 7}}, only("similarity")),
        ({"similarity": {"adapted": False}}, set()),
        ({"evaluation": {"interference_samples": 3}}, only("interference")),
        ({"evaluation": {"max_test_samples": 5}}, SCORED),
        ({"evaluation": {"likelihood": "mean"}}, SCORED),
        ({"train": {"scratch_learning_rate": 0.5}}, only("scratch")),
        ({"stream": ["a", "b", "c"]}, only("joint", "similarity_adapted")),
        ({"train": {"per_domain": {"b": {"epochs": 9}}}}, ADAPTED_ON_B),
        ({"strategy": ["ewc"]}, AFTER_A),
        ({"train": {"epochs": 9}}, TRAINED | only("interference/a")),
        # What decides all.
        ({"seed": 1}, ALL),
        ({"backbone": {"dtype": "bfloat16"}}, ALL),
        ({"weights": "v"}, ALL),
    ],
    ids=lambda given: json.dumps(given) if isinstance(given, dict) else "",
)  # fmt: skip
def test_a_change_makes_anew_what_it_decides_and_nothing_else(change, expected):
    assert lost(facts(**change)) == expected


def test_other_data_of_a_domain_make_anew_what_has_seen_them():
    assert lost(facts("b")) == OF_B
    assert lost(facts("s")) >= only("sequential/1", "sequential/2", "joint", "similarity")
    assert not lost(facts("s")) & only("single", "scratch")


def test_a_stage_that_does_not_exist_is_a_mistake():
    for name in ("", "nonsense", "sequential/1/scores/a/b/c"):
        with pytest.raises(ValueError, match="there is no stage"):
            facts().of(name)


def test_media_are_cached_unless_the_pipeline_says_no(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERLAB_CACHE", str(tmp_path / "cache"))
    assert media_store(config(data={"cache_media": False})) is None
    assert not (tmp_path / "cache").exists()
    store = media_store(config(data={"cache_gigabytes": 0.001}))
    store.write("k", ({"a": torch.ones(3)}, {}))
    assert (tmp_path / "cache" / "media" / "k.safetensors").is_file()


def test_a_finished_stage_is_read_back(tmp_path):
    store = StageStore(tmp_path, facts())
    assert store.load("sequential/1/a") is None
    store.save("sequential/1/a", {"value": 0.5}, {"weights": torch.arange(3), "ids": ["s1"]})
    again = StageStore(tmp_path, facts())
    assert again.load("sequential/1/a") == {"value": 0.5}
    state = again.load_state("sequential/1/a")
    assert state["ids"] == ["s1"]
    assert torch.equal(state["weights"], torch.arange(3))


def test_a_stage_killed_while_it_is_saved_is_not_finished(tmp_path, monkeypatch):
    store = StageStore(tmp_path, facts())
    store.save("sequential/1/a", {"value": 0.1}, {"weights": torch.ones(1)})

    def killed(*_) -> None:
        raise KeyboardInterrupt

    other = StageStore(tmp_path, facts(train={"epochs": 9}))
    monkeypatch.setattr(torch, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        other.save("sequential/1/a", {"value": 0.5}, {"weights": torch.zeros(1)})
    for one in (facts(), facts(train={"epochs": 9})):  # no record stands beside other tensors
        assert StageStore(tmp_path, one).load("sequential/1/a") is None


def test_what_was_made_by_other_settings_is_not_used_and_said(tmp_path):
    store = StageStore(tmp_path, facts())
    for stage in STAGES:
        store.save(stage, {"value": 1})
    changed = StageStore(tmp_path, facts(similarity={"permutations": 7}))
    assert changed.load("similarity/a") is None
    assert changed.load("single/a") == {"value": 1}
    assert changed.reuse().sentences() == [
        f"going on with {len(STAGES) - 4} finished stage(s)",
        "made anew, because of similarity: 4 stage(s) (similarity/a, similarity/b, "
        "similarity_adapted/a, similarity_adapted/b)",
    ]
    assert StageStore(tmp_path / "new", facts()).reuse().sentences() == []


def test_records_of_another_pipeline_or_version_are_not_used(tmp_path):
    StageStore(tmp_path, facts()).save("sequential/2/b", {"value": 1})
    other = StageStore(tmp_path, facts(stream=["a"]))
    assert other.reuse().fitting == []
    (tmp_path / "stages" / "single--a.json").write_text(json.dumps({"value": 1}))
    assert StageStore(tmp_path, facts()).load("single/a") is None


def test_unfinished_work_of_other_settings_is_not_gone_on_with(tmp_path):
    store, other = StageStore(tmp_path, facts()), StageStore(tmp_path, facts(train={"epochs": 9}))
    assert store.unfinished("single/a") == StageStore(tmp_path, facts()).unfinished("single/a")
    assert store.unfinished("single/a") != other.unfinished("single/a")
    for one in (store, other):
        one.unfinished("single/a").write_bytes(b"half-way")
    store.save("single/a", {"value": 1})
    assert list((tmp_path / "stages").glob("*.unfinished")) == []


def test_the_stages_of_a_finished_run_are_there_and_of_this_experiment(tmp_path):
    needed = "sequential/2/b"
    with pytest.raises(InputError, match="not there any more"):
        StageStore.of_finished(tmp_path, facts(), needed=needed)
    assert list(tmp_path.iterdir()) == []
    StageStore(tmp_path, facts()).save(needed, {"value": 1})
    found = StageStore.of_finished(tmp_path, facts(), needed=needed)
    assert found.load(needed) == {"value": 1}
    with pytest.raises(InputError, match="made with other data, another backbone"):
        StageStore.of_finished(tmp_path, facts(weights="v"), needed=needed)


def test_a_second_run_in_the_same_directory_is_refused(tmp_path):
    second = alone_in(tmp_path)
    with alone_in(tmp_path), pytest.raises(InputError, match="another run works in it"), second:
        pass
    with alone_in(tmp_path):
        pass


def test_an_output_directory_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        StageStore(tmp_path / "out", facts())


def test_scores_survive_the_round_trip():
    task = TaskScore(
        task="t", kind="classify", metric="accuracy", value=0.5, metrics={"accuracy": 0.5},
        samples=2, groups=["g", "h"], sample_values=[1.0, 0.0],
    )  # fmt: skip
    score = DomainScore(domain="a", value=0.5, metric="accuracy (t)", tasks={"t": task})
    assert score_from_record(score_to_record(score)) == score


DAMAGES = {
    "flip": lambda content: content.replace(b"0.50", b"0.75"),
    "cut": lambda content: content[: len(content) // 2],
    "zero": lambda content: bytes(len(content)),
    "empty": lambda content: b"",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_record_is_set_aside_and_its_stage_made_anew(tmp_path, damage):
    StageStore(tmp_path, facts()).save("single/a/scores/a", {"value": "0.50"})
    path = tmp_path / "stages" / "single--a--scores--a.json"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    store = StageStore(tmp_path, facts())
    with pytest.warns(TransferlabWarning, match=r"single--a--scores--a\.json: is damaged"):
        assert store.reuse().fitting == []
    assert store.load("single/a/scores/a") is None
    assert path.with_name(path.name + ".damaged").exists()
    store.save("single/a/scores/a", {"value": "0.50"})
    assert StageStore(tmp_path, facts()).load("single/a/scores/a") == {"value": "0.50"}


@pytest.mark.parametrize("damage", [*DAMAGES, "gone"])
def test_damaged_tensors_are_set_aside_and_their_stage_made_anew(tmp_path, damage):
    StageStore(tmp_path, facts()).save("single/a", {"value": 1}, {"weights": "0.50"})
    path = tmp_path / "stages" / "single--a.pt"
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    said = pytest.warns(TransferlabWarning, match=r"single--a\.pt: is damaged")
    with nullcontext() if damage == "gone" else said:
        assert StageStore(tmp_path, facts()).load("single/a") is None
    with pytest.raises(InputError, match="stages are not there"):
        StageStore.of_finished(tmp_path, facts(), needed="single/a")
