import pytest
import torch

from transferlab.config.pipeline import PipelineConfig
from transferlab.core.records import DomainScore, TaskScore
from transferlab.errors import EnvironmentProblem, InputError
from transferlab.pipeline.build import media_store
from transferlab.pipeline.stages import (
    StageStore,
    experiment_digest,
    score_from_record,
    score_to_record,
)


def config(**changes) -> PipelineConfig:
    return PipelineConfig(**{"name": "x", "stream": ["a"], **changes})


def test_what_decides_the_numbers_is_in_the_digest():
    base = experiment_digest(config(), {"a": "1"})
    assert experiment_digest(config(seed=1), {"a": "1"}) != base
    assert experiment_digest(config(), {"a": "2"}) != base


def test_where_results_go_is_not():
    base = experiment_digest(config(), {"a": "1"})
    assert experiment_digest(config(export=["adapter"]), {"a": "1"}) == base
    assert experiment_digest(config(arms=["zero_shot"]), {"a": "1"}) == base
    assert experiment_digest(config(tracking={"uri": "sqlite:///other.db"}), {"a": "1"}) == base
    assert experiment_digest(config(data_root="/elsewhere"), {"a": "1"}) == base
    assert experiment_digest(config(data={"cache_media": False}), {"a": "1"}) == base
    assert experiment_digest(config(data={"max_train_samples": 3}), {"a": "1"}) != base


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
