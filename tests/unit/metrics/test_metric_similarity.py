import dataclasses
import json
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from transferlab.core.records import Features
from transferlab.errors import UnknownName
from transferlab.metrics.pool import similarity_measure
from transferlab.metrics.similarity import SampleSet, compare, compare_paired

DISTANCES = {"frechet", "mmd", "proxy_a_distance", "sliced_wasserstein"}


def features(seed, *, samples=40, width=12, shift=0.0):
    rng = np.random.default_rng(seed)
    one, two, three = rng.normal(shift, 1, size=(3, samples, width)).astype(np.float32)
    return Features(image=one, text=two, joint=three)


def sets(one, other, *, texts=((), ()), groups=((), ()), labels=((), ())):
    return tuple(
        SampleSet(features=some, texts=texts[at], groups=groups[at], labels=labels[at])
        for at, some in enumerate((one, other))
    )


def test_every_distance_is_taken_on_every_kind():
    texts = [f"the heart number {i} is large" for i in range(40)]
    others = [f"a cell number {i} divides" for i in range(30)]
    pair = sets(features(0), features(1, samples=30), texts=(texts, others))
    found = compare(*pair, seed=0, permutations=5)
    expected = {(name, kind) for name in DISTANCES for kind in ("image", "text", "joint")}
    assert {(one.name, one.features) for one in found} == expected | {("vocabulary_js", "words")}
    assert {(one.source_samples, one.target_samples) for one in found} == {(40, 30)}
    json.dumps([dataclasses.asdict(one) for one in found], allow_nan=False)


def test_a_shifted_target_stands_out_from_its_permutations():
    found = compare(*sets(features(0), features(1, shift=1.0)), seed=0, permutations=20)
    assert len(found) == 12
    for one in found:
        assert one.p_value == pytest.approx(1 / 21), one
        assert one.value > one.baseline_mean + 3 * one.baseline_std, one


def test_p_values_are_spread_out_where_there_is_no_difference():
    p_values = {name: [] for name in DISTANCES}
    for seed in range(30):
        pair = features(2 * seed, samples=20, width=4), features(2 * seed + 1, samples=20, width=4)
        for one in compare(*sets(*pair), seed=seed, permutations=19):
            p_values[one.name].append(one.p_value)
    for name, values in p_values.items():
        assert len(values) == 90
        assert 0.38 < np.mean(values) < 0.64, name
        assert np.mean(np.array(values) <= 0.1) < 0.22, name


def test_samples_without_media_are_left_out_of_image_features_and_counted():
    source = features(0)
    image = source.image.copy()
    image[:15] = 0
    found = compare(
        *sets(dataclasses.replace(source, image=image), features(1)), seed=0, permutations=3
    )
    assert {(one.features, one.source_samples) for one in found} == {
        ("image", 25),
        ("text", 40),
        ("joint", 40),
    }
    none = dataclasses.replace(source, image=np.zeros_like(image))
    found = compare(*sets(none, features(1)), seed=0, permutations=3)
    assert {one.features for one in found} == {"text", "joint"}


def test_features_that_do_not_vary_are_no_distance_apart():
    same = Features(image=np.zeros((20, 8)), text=np.full((20, 8), 0.1), joint=np.ones((20, 8)))
    found = compare(*sets(same, same), seed=0, permutations=5)
    assert len(found) == 8
    for one in found:
        assert (one.value, one.p_value) == (pytest.approx(0.0, abs=1e-12), 1.0), one


def test_duplicates_do_not_look_like_a_difference_when_their_groups_are_told():
    def doubled(seed):
        one = features(seed, samples=20, width=30)
        rows = {kind: np.repeat(getattr(one, kind), 4, axis=0) for kind in vars(one)}
        return Features(**rows)

    groups = [str(index // 4) for index in range(80)]
    found = {"told": [], "untold": []}
    for seed in range(8):
        pair = doubled(2 * seed), doubled(2 * seed + 1)
        for name, given in (("told", groups), ("untold", [])):
            told = sets(*pair, groups=(given, given))
            measured = compare(*told, seed=seed, permutations=9)
            found[name] += [one.p_value for one in measured]
    assert len(found["told"]) == len(found["untold"]) == 96
    assert np.mean(found["untold"]) < 0.2
    assert 0.35 < np.mean(found["told"]) < 0.75


def test_permutations_keep_groups_together():
    # Each side has two groups with values of their own: whatever is dealt out, whole groups move.
    rows = np.repeat([[0.0], [1.0], [10.0], [11.0]], 10, axis=0) + 1
    one, two = (Features(image=half, text=half, joint=half) for half in (rows[:20], rows[20:]))
    groups = ["a"] * 10 + ["b"] * 10
    found = compare(*sets(one, two, groups=(groups, groups)), seed=0, permutations=200)
    # 2 of the 6 ways to deal four groups to two sides are as far apart as the real one.
    wasserstein = next(one for one in found if one.name == "sliced_wasserstein")
    assert wasserstein.p_value == pytest.approx(1 / 3, abs=0.1)


def test_a_side_of_one_group_cannot_be_compared():
    same = ["only"] * 40
    pair = sets(features(0), features(1), groups=(same, ()))
    assert compare(*pair, seed=0, permutations=3) == []


def test_equal_calls_give_equal_numbers():
    one, two = (compare(*sets(features(0), features(1)), seed=3, permutations=4) for _ in range(2))
    assert one == two
    assert one != compare(*sets(features(0), features(1)), seed=4, permutations=4)


def test_paired_features_agree_more_than_shuffled_ones():
    before = features(0)
    after = Features(image=before.image * 2, text=before.text + 1, joint=features(5).joint)
    found = {one.features: one for one in compare_paired(before, after, seed=0, permutations=20)}
    assert found["image"].value == pytest.approx(1.0)
    assert found["text"].value == pytest.approx(1.0, abs=1e-5)
    assert found["image"].p_value == pytest.approx(1 / 21)
    assert found["joint"].p_value > 0.05


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="different backbones"):
        compare(*sets(features(0), features(1, width=13)), seed=0, permutations=3)
    with pytest.raises(ValueError, match="3 groups given for 40 samples"):
        compare(*sets(features(0), features(1), groups=((), ["a"] * 3)), seed=0, permutations=3)
    with pytest.raises(ValueError, match="2 texts given for 40 samples"):
        compare(*sets(features(0), features(1), texts=(["a", "b"], ())), seed=0, permutations=3)
    with pytest.raises(ValueError, match="of one set only"):
        compare(*sets(features(0), features(1), texts=(["a"] * 40, ())), seed=0, permutations=3)
    with pytest.raises(ValueError, match="at least 1 permutation"):
        compare(*sets(features(0), features(1)), seed=0, permutations=0)


def test_the_usual_size_takes_less_than_three_seconds_of_one_core():
    pair = features(0, samples=200, width=256), features(1, samples=200, width=256)
    with threadpool_limits(1):  # threads that wait for one another count as work
        start = time.process_time()
        assert len(compare(*sets(*pair), seed=0, permutations=20)) == 12
        assert time.process_time() - start < 3.0


def test_measures_are_chosen_by_name_and_those_that_need_labels_get_them():
    pair = sets(features(0), features(1))
    found = compare(*pair, seed=0, permutations=3, measures=["mmd"])
    assert {one.name for one in found} == {"mmd"}
    with pytest.raises(UnknownName, match="Did you mean 'mmd'"):
        compare(*pair, seed=0, permutations=3, measures=["mmm"])
    own = f"{__name__}:share_of_labels"
    assert compare(*pair, seed=0, permutations=3, measures=[own]) == []
    answers = (["finding: yes", ""] * 20, ["finding: no", ""] * 20)
    pair = sets(features(0), features(1), labels=answers)
    found = compare(*pair, seed=0, permutations=3, measures=[own])
    assert [(one.name, one.features, one.value) for one in found] == [(own, "joint", 0.5)]


@similarity_measure(pools=("joint",), labels=True)
def share_of_labels(pool, splits):
    assert sorted(set(pool.labels.tolist())) == [-1, 1, 2]
    assert pool.labels[0] != pool.labels[40]
    return np.full(len(splits), (pool.labels >= 0).mean())
