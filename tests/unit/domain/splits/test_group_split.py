from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transferlab.config.domain import SplitsSection
from transferlab.domain.splits.group_split import commonest, split_groups
from transferlab.errors import DataError

SHARES = SplitsSection(train=0.7, validation=0.1, test=0.2, seed=0)


def test_shares_are_those_of_the_groups():
    counts = Counter(split_groups({f"g{i}": "" for i in range(200)}, SHARES).values())
    assert counts == {"train": 140, "validation": 20, "test": 40}


@given(st.integers(3, 40), st.integers(0, 5))
def test_every_split_has_a_group_and_order_does_not_matter(groups, seed):
    section = SHARES.model_copy(update={"seed": seed})
    strata = {f"g{i}": "ab"[i % 2] for i in range(groups)}
    sides = split_groups(strata, section)
    assert set(sides) == set(strata)
    assert set(sides.values()) == {"train", "validation", "test"}
    assert split_groups(dict(reversed(strata.items())), section) == sides


def test_another_seed_is_another_split():
    strata = {f"g{i}": "" for i in range(50)}
    assert split_groups(strata, SHARES) != split_groups(
        strata, SHARES.model_copy(update={"seed": 1})
    )


def test_a_rare_stratum_is_shared_out_like_the_rest():
    strata = {f"g{i}": "rare" if i < 20 else "common" for i in range(200)}
    for seed in range(5):
        sides = split_groups(strata, SHARES.model_copy(update={"seed": seed}))
        rare = Counter(sides[group] for group, stratum in strata.items() if stratum == "rare")
        assert 13 <= rare["train"] <= 15
        assert 3 <= rare["test"] <= 5


def test_two_groups_are_too_few():
    with pytest.raises(DataError, match=r"2 group\(s\) cannot be split"):
        split_groups({"a": "", "b": ""}, SHARES)


def test_commonest_breaks_ties_by_name():
    assert commonest(["b", "a", "b", "a", "c"]) == "a"
