from hypothesis import given
from hypothesis import strategies as st

from transferlab.core.records import Sample
from transferlab.pipeline.sampling import capped


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
