"""Scores with intervals: twenty patients, one sample each."""

from transferlab.core.records import DomainScore, TaskScore


def scored(domain: str, right: int, *, task: str = "only") -> DomainScore:
    """Accuracy on twenty patients, the first ``right`` of whom were answered rightly."""
    value = right / 20
    one = TaskScore(
        task=task,
        kind="classify",
        metric="accuracy",
        value=value,
        metrics={"accuracy": value},
        samples=20,
        groups=[f"patient {number}" for number in range(20)],
        sample_values=[1.0] * right + [0.0] * (20 - right),
    )
    return DomainScore(domain=domain, value=value, metric="accuracy", tasks={task: one})
