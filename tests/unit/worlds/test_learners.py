"""Generated learners: the same every time, and their answers follow from the truth behind them."""

import csv
from collections import Counter, defaultdict

import numpy as np
import pytest
from PIL import Image

from transferlab.errors import InputError
from transferlab.worlds.learners.skills import HALF_LIFE_DAYS, PREREQUISITES, SUBJECT_OF, Knowledge
from transferlab.worlds.learners.world import simulate, write
from transferlab.worlds.lectures.slides import HEIGHT, WIDTH


@pytest.fixture(scope="module")
def world():
    return simulate(seed=0, samples=3600)


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_same_seed_same_bytes_and_what_is_written_is_what_was_simulated(tmp_path):
    for name in ("one", "two", "other"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, seed=int(name == "other"), samples=60)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 3 + 28
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert table(tmp_path / "one" / "answers.csv") != table(tmp_path / "other" / "answers.csv")
    world = simulate(seed=0, samples=60)
    assert table(tmp_path / "one" / "answers.csv") == [
        {
            "learner_id": one.learner,
            "item_id": one.item,
            "answered_at": one.answered_at,
            "right": str(int(one.right)),
        }
        for one in world.answers
    ]
    assert Image.open(tmp_path / "one" / "slides" / "item-001.png").size == (WIDTH, HEIGHT)
    items = table(tmp_path / "one" / "items.csv")
    assert all(row["figure"] not in row["words"] for row in items)
    assert all(SUBJECT_OF[row["figure"]] == row["subject"] for row in items)
    learners = table(tmp_path / "one" / "learners.csv")
    assert [row["learner_id"] for row in learners] == list(world.abilities)


def test_every_learner_answers_as_often_and_times_grow(world):
    counts = Counter(one.learner for one in world.answers)
    assert set(counts.values()) == {40}
    assert len(counts) == 90
    by_learner = defaultdict(list)
    for one in world.answers:
        by_learner[one.learner].append(one)
    for answers in by_learner.values():
        times = [one.answered_at for one in answers]
        assert times == sorted(set(times))
        assert len({one.item for one in answers}) == 40


@pytest.mark.parametrize(("samples", "learners"), [(1, 1), (7, 7), (45, 8), (400, 10)])
def test_there_are_as_many_answers_as_were_asked_for(samples, learners):
    world = simulate(seed=3, samples=samples)
    assert (len(world.answers), len(world.abilities)) == (samples, learners)


def test_ability_and_difficulty_decide_who_is_right(world):
    right = np.array([one.right for one in world.answers])
    ability = np.array([world.abilities[one.learner] for one in world.answers])
    difficulty = np.array([world.difficulties[one.item] for one in world.answers])
    assert right[ability - difficulty > 2].mean() > 0.8
    assert right[ability - difficulty < -2].mean() < 0.4
    assert abs(np.mean([one.difficulty for one in world.items])) < 1e-9


def test_there_are_slips_and_guesses():
    certain = simulate(seed=1, samples=4000)
    right = np.array([one.right for one in certain.answers])
    gap = np.array(
        [certain.abilities[one.learner] - certain.difficulties[one.item] for one in certain.answers]
    )
    assert 0.08 < right[gap < -3.2].mean() < 0.35  # guesses, of those who do not know
    assert 0.88 < right[gap > 3].mean() < 0.99  # slips, of those who do


def test_prerequisites_are_skills_without_circles():
    learned = set()
    while len(learned) < len(PREREQUISITES):
        ready = {s for s, needs in PREREQUISITES.items() if set(needs) <= learned} - learned
        assert ready, "a skill is its own prerequisite"
        learned |= ready
    assert set(PREREQUISITES) == set(SUBJECT_OF)


def test_what_is_practised_grows_what_is_left_fades_and_a_weak_prerequisite_hinders():
    def knowledge(**strengths):
        return Knowledge(strengths=dict.fromkeys(PREREQUISITES, 0.5) | strengths)

    one = knowledge()
    one.practise("circle", 1.0)
    assert one.strength("circle", 1.0) > knowledge().strength("circle", 1.0)
    later = one.strength("circle", 1.0 + HALF_LIFE_DAYS)
    assert later == pytest.approx(one.strength("circle", 1.0) / 2)
    strong, weak = knowledge(triangle=1.0), knowledge(triangle=0.0)
    assert strong.shown("angle", 0.0) > weak.shown("angle", 0.0)
    for both in (strong, weak):
        both.practise("angle", 0.0)
    assert strong.strength("angle", 0.0) > weak.strength("angle", 0.0)


@pytest.mark.parametrize(("samples", "seed"), [(0, 0), (1, -1)])
def test_impossible_options_are_one_sentence(samples, seed):
    with pytest.raises(InputError, match="samples must be at least 1"):
        simulate(seed=seed, samples=samples)
