from transferlab.config.pipeline import PipelineConfig, TrainSection
from transferlab.core.records import Sample
from transferlab.pipeline.arms import joint_budget, steps_of


def samples(domain: str, count: int) -> list[Sample]:
    return [
        Sample(
            id=f"{domain}{i}", domain=domain, task="t", kind="answer", media=(), prompt="?",
            answer="yes",
        )
        for i in range(count)
    ]  # fmt: skip


def test_steps_count_the_last_short_batch():
    assert steps_of(TrainSection(epochs=2, batch_samples=16), "a", 33) == 6


def test_a_domain_has_its_own_epochs_and_limit():
    train = TrainSection(
        epochs=2, batch_samples=16, per_domain={"a": {"epochs": 5}, "b": {"max_steps": 3}}
    )
    assert steps_of(train, "a", 32) == 10
    assert steps_of(train, "b", 32) == 3


def test_joint_takes_the_steps_of_the_whole_stream_and_sees_the_source():
    config = PipelineConfig(
        name="x",
        source="s",
        stream=["a", "b"],
        train={"epochs": 3, "batch_samples": 8, "per_domain": {"b": {"epochs": 1}}},
    )
    train = {name: samples(name, count) for name, count in (("s", 10), ("a", 16), ("b", 20))}
    union, budget = joint_budget(config, train)
    assert len(union) == 46
    assert budget.max_steps == 3 * 2 + 3
    # Enough epochs for that many steps of eight samples.
    assert budget.epochs * 6 >= budget.max_steps
