"""Scores made from numbers, without any backbone."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from transferlab.core.records import DomainScore, TaskScore


def _domain_score(
    values: Mapping[str, Sequence[float]], groups: Mapping[str, Sequence[str]], domain: str
) -> DomainScore:
    tasks = {
        name: TaskScore(
            task=name,
            kind="describe",
            metric="token_f1",
            value=float(np.mean(numbers)),
            metrics={"token_f1": float(np.mean(numbers))},
            samples=len(numbers),
            groups=list(groups[name]),
            sample_values=list(numbers),
        )
        for name, numbers in values.items()
    }
    mean = float(np.mean([task.value for task in tasks.values()]))
    return DomainScore(domain=domain, value=mean, metric="mean of token_f1", tasks=tasks)


@pytest.fixture
def domain_score() -> Callable[..., DomainScore]:
    """``domain_score(values, groups, domain)``: both by task, per sample."""

    def make(values, groups, domain="chest"):
        return _domain_score(values, groups, domain)

    return make
