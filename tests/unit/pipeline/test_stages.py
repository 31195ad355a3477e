import pytest
import torch

from transferlab.config.pipeline import PipelineConfig
from transferlab.core.records import DomainScore, TaskScore
from transferlab.errors import EnvironmentProblem, InputError
from transferlab.pipeline.build import media_store
from transferlab.pipeline.stages import (
    StageStore,
    alone_in,
    experiment_digest,
    score_from_record,
    score_to_record,
)


def config(**changes) -> PipelineConfig:
    return PipelineConfig(**{"name": "x", "stream": ["a"], **changes})


def digest(domain: str = "1", weights: str = "w", **changes) -> str:
    return experiment_digest(config(**changes), {"a": domain}, weights=weights)


def test_what_decides_the_numbers_is_in_the_digest():
    assert len({digest(), digest(seed=1), digest("2"), digest(weights="v")}) == 4


def test_where_results_go_is_not():
    assert digest(export=["adapter"]) == digest()
    assert digest(arms=["zero_shot"]) == digest()
    assert digest(tracking={"uri": "sqlite:///other.db"}) == digest()
    assert digest(data_root="/elsewhere") == digest()
    assert digest(train={"checkpoint_steps": 7}) == digest()
    assert digest(data={"cache_media": False}) == digest()
    assert digest(data={"max_train_samples": 3}) != digest()


def test_media_are_cached_unless_the_pipeline_says_no(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERLAB_CACHE", str(tmp_path / "cache"))
    assert media_store(config(data={"cache_media": False})) is None
    assert not (tmp_path / "cache").exists()
    store = media_store(config(data={"cache_gigabytes": 0.001}))
    store.write("k", ({"a": torch.ones(3)}, {}))
    assert (tmp_path / "cache" / "media" / "k.safetensors").is_file()


def test_a_finished_stage_is_read_back(tmp_path):
    store = StageStore(tmp_path, "digest")
    assert store.load("sequential/1/a") is None
    store.save("sequential/1/a", {"value": 0.5}, {"weights": torch.arange(3), "ids": ["s1"]})
    again = StageStore(tmp_path, "digest")
    assert again.load("sequential/1/a") == {"value": 0.5}
    state = again.load_state("sequential/1/a")
    assert state["ids"] == ["s1"]
    assert torch.equal(state["weights"], torch.arange(3))


def test_a_stage_killed_while_it_is_saved_is_not_finished(tmp_path, monkeypatch):
    store = StageStore(tmp_path, "digest")

    def killed(*_) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        store.save("sequential/1/a", {"value": 0.5}, {"weights": torch.zeros(1)})
    assert StageStore(tmp_path, "digest").load("sequential/1/a") is None


def test_another_experiment_is_refused(tmp_path):
    StageStore(tmp_path, "one")
    with pytest.raises(InputError, match="another experiment"):
        StageStore(tmp_path, "two")


def test_the_stages_of_a_finished_run_are_there_and_of_this_experiment(tmp_path):
    with pytest.raises(InputError, match="not there any more"):
        StageStore.of_finished(tmp_path, "one")
    assert list(tmp_path.iterdir()) == []
    StageStore(tmp_path, "one").save("a", {"value": 1})
    assert StageStore.of_finished(tmp_path, "one").load("a") == {"value": 1}
    with pytest.raises(InputError, match="made with other data, another backbone"):
        StageStore.of_finished(tmp_path, "two")


def test_a_second_run_in_the_same_directory_is_refused(tmp_path):
    second = alone_in(tmp_path)
    with alone_in(tmp_path), pytest.raises(InputError, match="another run works in it"), second:
        pass
    with alone_in(tmp_path):
        pass


def test_an_output_directory_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        StageStore(tmp_path / "out", "digest")


def test_scores_survive_the_round_trip():
    task = TaskScore(
        task="t", kind="classify", metric="accuracy", value=0.5, metrics={"accuracy": 0.5},
        samples=2, groups=["g", "h"], sample_values=[1.0, 0.0],
    )  # fmt: skip
    score = DomainScore(domain="a", value=0.5, metric="accuracy (t)", tasks={"t": task})
    assert score_from_record(score_to_record(score)) == score
