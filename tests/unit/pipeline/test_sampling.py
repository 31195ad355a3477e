from hypothesis import given
from hypothesis import strategies as st

from transferlab.config.pipeline import PipelineConfig
from transferlab.core.records import DomainData, Sample
from transferlab.pipeline.sampling import capped, only_tasks
from transferlab.pipeline.validation import check


def sample(index: int, task: str) -> Sample:
    return Sample(
        id=f"s{index}", domain="d", task=task, kind="answer", media=(), prompt="?", answer="yes"
    )


SAMPLES = [sample(index, "ab"[index % 2]) for index in range(40)]


def test_no_limit_keeps_everything():
    assert capped(SAMPLES, None, per_task=True) == tuple(SAMPLES)


def test_the_limit_is_per_task_where_asked():
    tasks = [one.task for one in capped(SAMPLES, 5, per_task=True)]
    assert (tasks.count("a"), tasks.count("b")) == (5, 5)
    assert len(capped(SAMPLES, 5, per_task=False)) == 5


@given(st.integers(1, 40), st.integers(1, 40), st.randoms())
def test_larger_limits_contain_smaller_ones_whatever_the_order(first, second, random):
    small, large = sorted((first, second))
    shuffled = random.sample(SAMPLES, len(SAMPLES))
    few = {one.id for one in capped(SAMPLES, small, per_task=False)}
    many = {one.id for one in capped(shuffled, large, per_task=False)}
    assert few <= many
    assert len(few) == small


@given(st.integers(1, 25), st.integers(1, 25))
def test_larger_limits_contain_smaller_ones_task_by_task(first, second):
    small, large = sorted((first, second))
    few = {one.id for one in capped(SAMPLES, small, per_task=True)}
    assert few <= {one.id for one in capped(SAMPLES, large, per_task=True)}
    assert len(few) == 2 * min(small, 20)


def test_only_the_named_tasks_of_a_domain_are_used():
    data = DomainData(
        name="d",
        version=1,
        title="D",
        licence="none",
        primary_metrics={"a": "accuracy", "b": "accuracy"},
        metrics={"a": ("accuracy",), "b": ("accuracy",)},
        splits={"train": tuple(SAMPLES), "validation": (), "test": tuple(SAMPLES[:4])},
        digest="0",
    )
    kept = only_tasks(data, ["b"])
    assert kept.tasks == tuple(kept.metrics) == ("b",)
    assert kept.splits["train"] == tuple(SAMPLES[1::2])
    assert kept.splits["test"] == (SAMPLES[1], SAMPLES[3])
    assert only_tasks(data, None) is data


def test_a_task_or_a_domain_that_is_not_there_is_named():
    config = PipelineConfig.model_validate(
        {
            "name": "p",
            "stream": ["chest-xray"],
            "data": {"tasks": {"chest-xray": ["findng"], "scenes": ["grey"]}},
        }
    )
    first, second = check(config)
    assert first.startswith(
        "data.tasks.chest-xray: there is no task 'findng'. Did you mean 'finding'? Known:"
    )
    assert second.startswith("data.tasks: the pipeline does not use the domain 'scenes'.")
