"""What most tests of evaluation begin with."""

import pytest
from evaluation_cases import FakeBackbone, domain_data, report_sample, shade_of, shade_sample

from transferlab.core.records import DomainData


@pytest.fixture
def squares() -> DomainData:
    """60 training and 24 test samples of each of a closed and a free task."""
    train = [make(number) for number in range(60) for make in (shade_sample, report_sample)]
    test = [make(number) for number in range(60, 84) for make in (shade_sample, report_sample)]
    return domain_data(
        train, test, {"shade": ("accuracy", "auroc"), "report": ("token_f1", "exact_match")}
    )


@pytest.fixture
def perfect() -> FakeBackbone:
    """Reads the picture; without it says "bright"."""
    return FakeBackbone(
        lambda sample: (
            (shade_of(sample) if sample.media else "bright") if sample.closed else sample.answer
        )
    )
