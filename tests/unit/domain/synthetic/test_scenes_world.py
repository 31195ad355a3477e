"""Scenes: what is said about a picture can be read off the picture."""

import csv
import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from transferlab.config.domain import DomainConfig
from transferlab.config.load import load_yaml
from transferlab.core.records import MediaRef
from transferlab.domain.synthetic import GENERATORS
from transferlab.domain.synthetic.scenes import COLUMNS, KINDS, scene, write
from transferlab.domain.synthetic.scenes_draw import COLOURS
from transferlab.domain.synthetic.scenes_files import write_film
from transferlab.domain.synthetic.scenes_grey import grey
from transferlab.domain.synthetic.scenes_objects import CLIP_FRAMES, PLACES, clip, objects
from transferlab.domain.synthetic.scenes_signs import pattern
from transferlab.domain.video import decode_video
from transferlab.errors import InputError

SCENES = Path(__file__).parents[4] / "domains" / "scenes" / "domain.yaml"


def answers(drawn) -> dict[str, str]:
    return {question.task: question.answer for question in drawn.questions}


def drawn_scenes(make, count: int = 60):
    rng = np.random.default_rng(5)
    return [make(rng) for _ in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_scene_is_sound_and_depends_on_the_seed_alone(kind):
    first = scene(np.random.default_rng(3), kind=kind)
    again = scene(np.random.default_rng(3), kind=kind)
    other = scene(np.random.default_rng(4), kind=kind)
    assert len(first.images) == (CLIP_FRAMES if kind == "clip" else 1)
    for image in first.images:
        assert image.shape == (112, 112, 3)
        assert image.dtype == np.uint8
    assert all(map(np.array_equal, first.images, again.images))
    assert (first.description, first.questions) == (again.description, again.questions)
    assert not all(map(np.array_equal, first.images, other.images))


@pytest.mark.parametrize("kind", KINDS)
def test_no_question_can_be_answered_without_the_picture(kind):
    """No wording of a task has one answer only, and the commonest one leads by little."""
    counted = defaultdict(Counter)
    rng = np.random.default_rng(0)
    for _ in range(200):
        for question in scene(rng, kind=kind).questions:
            assert question.answer in question.choices
            counted[question.task, question.choices][question.answer] += 1
    for (task, choices), counts in counted.items():
        if kind == "single" and task == "count":
            continue  # the same words are asked of several objects, so the picture decides there
        assert len(counts) > 1, f"{task} always has the answer {counts}"
        share = counts.most_common(1)[0][1] / counts.total()
        assert share < 1 / len(choices) + 0.15, f"{task}: {counts}"


def test_the_colour_named_is_the_colour_painted():
    for drawn in drawn_scenes(lambda rng: objects(rng, most=1)):
        named = np.asarray(COLOURS[answers(drawn)["colour"]], dtype=float)
        pixels = drawn.images[0].reshape(-1, 3).astype(float)
        nearest = {
            colour: np.abs(pixels - np.asarray(value)).sum(axis=1).min()
            for colour, value in COLOURS.items()
        }
        assert np.abs(pixels - named).sum(axis=1).min() <= min(nearest.values()) + 60


def test_the_place_named_is_where_the_object_is():
    for drawn in drawn_scenes(lambda rng: objects(rng, most=1)):
        image = drawn.images[0].astype(float)
        differs = np.abs(image - np.median(image, axis=(0, 1))).sum(axis=2) > 60
        rows, columns = np.nonzero(differs)
        cell = 3 * int(rows.mean() // 37.4) + int(columns.mean() // 37.4)
        assert PLACES[cell] == answers(drawn)["place"]


def test_the_object_of_a_clip_moves_the_way_that_is_said():
    for drawn in drawn_scenes(clip, 30):
        centres = []
        for image in (drawn.images[0], drawn.images[-1]):
            lit = np.abs(image.astype(float) - np.median(image, axis=(0, 1))).sum(axis=2) > 60
            rows, columns = np.nonzero(lit)
            centres.append((columns.mean(), rows.mean()))
        across, down = np.subtract(centres[1], centres[0])
        horizontal = abs(across) > abs(down)
        said = ("right" if across > 0 else "left") if horizontal else ("down" if down > 0 else "up")
        assert said == answers(drawn)["motion"]


def test_the_brightest_edge_and_the_symmetry_are_measurable():
    for drawn in drawn_scenes(pattern):
        image = drawn.images[0][:, :, 0].astype(float)
        edges = {
            "left": image[:, :28].mean(),
            "right": image[:, -28:].mean(),
            "top": image[:28].mean(),
            "bottom": image[-28:].mean(),
        }
        # Patches shift the means a little; the slope must still be among the two brightest edges.
        assert answers(drawn)["gradient"] in sorted(edges, key=edges.get)[-2:]


def test_the_brighter_field_is_brighter():
    judged = 0
    for drawn in drawn_scenes(grey, 200):
        said = answers(drawn)
        if said["side"] == "neither" or said["base"] != "neither" or said["spot"] == "yes":
            continue
        image = drawn.images[0][:, :, 0].astype(float)
        left, right = image[30:70, 25:42].mean(), image[30:70, 70:87].mean()
        assert ("left" if left > right else "right") == said["side"]
        judged += 1
    assert judged > 10


def test_an_unknown_kind_is_named():
    with pytest.raises(InputError, match="no kind of scene is called 'foto'"):
        scene(np.random.default_rng(0), kind="foto")


def test_write_is_deterministic_and_complete(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write(tmp_path / name, seed=seed, samples=40)
    tables = {n: (tmp_path / n / "metadata.csv").read_text("utf-8") for n in "abc"}
    assert tables["a"] == tables["b"] != tables["c"]
    rows = list(csv.DictReader(tables["a"].splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 40
    for row in rows:
        path = tmp_path / "a" / row["file"]
        assert path.read_bytes() == (tmp_path / "b" / row["file"]).read_bytes()
        if row["task"] != "describe":
            assert row["answer"] in json.loads(row["choices"])


def test_a_clip_survives_its_film(tmp_path):
    """The frames that a reader takes are the pictures that were drawn, in their order."""
    drawn = clip(np.random.default_rng(1))
    write_film(tmp_path / "clip.mp4", drawn.images)
    read = decode_video(MediaRef(kind="video", path=tmp_path / "clip.mp4", frames=CLIP_FRAMES))
    for image, frame in zip(drawn.images, read, strict=True):
        assert np.abs(image.astype(int) - frame).mean() < 4
    assert np.abs(drawn.images[0].astype(int) - read[1]).mean() > 4


def test_the_domain_asks_every_task_that_is_written(tmp_path):
    config = load_yaml(SCENES, DomainConfig)
    assert GENERATORS.get(config.source.generator) is write
    write(tmp_path / "scenes", seed=0, samples=250)
    with (tmp_path / "scenes" / "metadata.csv").open(encoding="utf-8") as file:
        written = {row["task"] for row in csv.DictReader(file)}
    asked = [task for section in config.tasks.values() for task in section.where["task"]]
    assert written == set(asked)
    assert len(asked) == len(set(asked))
