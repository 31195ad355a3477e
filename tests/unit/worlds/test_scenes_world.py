"""Scenes: what is said about a picture can be read off the picture."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from transferlab.errors import InputError
from transferlab.worlds.scenes import grey_images
from transferlab.worlds.scenes.charts import chart, diagram
from transferlab.worlds.scenes.clips import (
    CLIP_FRAMES,
    appearing,
    growing,
    moving,
)
from transferlab.worlds.scenes.drawing import COLOURS
from transferlab.worlds.scenes.grey_images import grey
from transferlab.worlds.scenes.objects import objects
from transferlab.worlds.scenes.outlines import outline
from transferlab.worlds.scenes.questions import POSITIONS
from transferlab.worlds.scenes.records import Question
from transferlab.worlds.scenes.signs import grating, pattern
from transferlab.worlds.scenes.world import KINDS, scene, worded


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
            assert len({question.text, *question.others}) == 1 + len(question.others)
            if question.task == "compare":  # two colours out of seven: which of them is named first
                said = ("first", "second")[question.choices.index(question.answer)]
                counted["compare", ("first", "second")][said] += 1
            else:
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
        rows, columns = np.nonzero(lit(image))
        cell = 3 * int(rows.mean() // 37.4) + int(columns.mean() // 37.4)
        assert POSITIONS[cell] == answers(drawn)["place"]


def lit(image) -> np.ndarray:
    """(112, 112) bool: what is not background."""
    return np.abs(image.astype(float) - np.median(image, axis=(0, 1))).sum(axis=2) > 60


def painted(image, colour: str, among=tuple(COLOURS)) -> np.ndarray:
    """(112, 112) bool: what is lit and nearer to ``colour`` than to the others, bright or dark."""

    def hue(values):
        return values / np.linalg.norm(values, axis=-1, keepdims=True).clip(min=1)

    alike = hue(image.astype(float)) @ hue(np.asarray([COLOURS[one] for one in among], float)).T
    return lit(image) & (alike.argmax(axis=-1) == among.index(colour))


def test_an_object_grows_or_shrinks_as_is_said():
    for drawn in drawn_scenes(growing, 20):
        first, last = (lit(image).sum() for image in (drawn.images[0], drawn.images[-1]))
        assert ("grows" if last > first else "shrinks") == answers(drawn)["growth"]


def test_the_colours_of_a_clip_come_in_the_order_that_is_said():
    for drawn in drawn_scenes(appearing, 20):
        named = [colour for colour in COLOURS if f" {colour} " in drawn.description]
        shown = [
            max(named, key=lambda colour: painted(image, colour, named).sum())
            for image in drawn.images
        ]
        assert sorted(shown) == sorted(named)
        order = next(q for q in drawn.questions if q.task == "order")
        assert order.answer == (shown[0] if "first" in order.text else shown[-1])
        before = next(q for q in drawn.questions if q.task == "before")
        one, other = (c for c in before.text.rstrip("?").split() if c in COLOURS)
        said = "before" if shown.index(one) < shown.index(other) else "after"
        assert before.answer == said


def test_bars_are_as_tall_as_is_said():
    judged = 0
    for drawn in drawn_scenes(chart, 60):
        said = answers(drawn)
        if "tallest" not in said:
            continue
        named = [colour for colour in COLOURS if colour in drawn.description]
        # A wide bar of one colour fills rows; counting those leaves single grey pixels out.
        heights = {c: (painted(drawn.images[0], c).sum(axis=1) > 8).sum() for c in named}
        assert said["tallest"] == max(heights, key=heights.get)
        assert said["shortest"] == min(heights, key=heights.get)
        judged += 1
    assert judged > 10


def test_a_line_does_what_is_said():
    judged = 0
    for drawn in drawn_scenes(chart, 60):
        said = answers(drawn).get("trend")
        colour = next((c for c in COLOURS if f"a {c} line" in drawn.description), None)
        if said is None or colour == "white":  # the axes are nearly white
            continue
        rows, columns = np.nonzero(painted(drawn.images[0], colour))
        left, middle, right = (
            -rows[(columns >= a) & (columns < b)].mean() for a, b in ((17, 30), (53, 66), (92, 108))
        )
        lowest, highest = min(left, right), max(left, right)
        if middle > highest + 15:
            assert said == "peaks"
        elif middle < lowest - 15:
            assert said == "dips"
        else:
            assert said == ("rises" if right > left else "falls")
        judged += 1
    assert judged > 10


def test_an_arrow_leads_where_is_said():
    judged = 0
    for drawn in drawn_scenes(diagram, 30):
        image, said = drawn.images[0], answers(drawn)
        ink = image.min(axis=2) > 235
        if ink.sum() > 400:  # a white box; the arrow alone has fewer
            continue
        start, end = (
            np.argwhere(painted(image, said[part])).mean(axis=0)
            for part in ("arrow_start", "arrow_end")
        )
        # The head is the heavier half of the arrow.
        share = (np.argwhere(ink).mean(axis=0) - start) @ (end - start) / np.sum((end - start) ** 2)
        assert share > 0.5
        judged += 1
    assert judged > 10


def test_the_smaller_lobe_covers_less():
    for drawn in drawn_scenes(outline, 40):
        said = answers(drawn)
        wide = []
        for half in (slice(4, 50), slice(62, 108)):
            columns = np.nonzero((drawn.images[0][:, half, 0] > 130).any(axis=1))[0]
            wide.append(columns.max() - columns.min() if columns.size else 0)
        if said["smaller"] == "left":
            assert wide[0] < wide[1]
        elif said["smaller"] == "right":
            assert wide[0] > wide[1]


def test_stripes_run_as_is_said():
    for drawn in drawn_scenes(grating, 40):
        grey = drawn.images[0][:, :, 0].astype(float)
        power = np.abs(np.fft.fft2(grey - grey.mean()))
        row, column = np.unravel_index(power.argmax(), power.shape)
        down, across = (at if at <= 56 else at - 112 for at in (row, column))
        tilted = min(abs(down), abs(across)) > 0.5 * max(abs(down), abs(across))
        if tilted:
            said = "rising" if down * across > 0 else "falling"
        else:
            said = "level" if abs(down) > abs(across) else "upright"
        assert said == answers(drawn)["direction"]


def test_a_question_is_worded_in_several_ways_and_may_name_its_choices():
    question = Question(
        task="size",
        text="Is it small or large?",
        answer="small",
        choices=("small", "large"),
        others=("How big is it?",),
    )
    rng = np.random.default_rng(0)
    texts = {worded(question, rng) for _ in range(200)}
    assert {"Is it small or large?", "How big is it? Choose from: large, small."} <= texts
    assert len(texts) == 6


def test_the_object_of_a_clip_moves_the_way_that_is_said():
    for drawn in drawn_scenes(moving, 30):
        centres = []
        for image in (drawn.images[0], drawn.images[-1]):
            rows, columns = np.nonzero(lit(image))
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


def test_the_brighter_field_is_brighter(monkeypatch):
    monkeypatch.setattr(grey_images, "_taken", lambda level, rng: level)
    judged = 0
    for drawn in drawn_scenes(grey, 500):
        said = answers(drawn)
        if said["side"] == "neither" or said["base"] != "neither" or said["spot"] == "yes":
            continue
        if said["haze"] in ("left", "right"):
            continue
        image = drawn.images[0][:, :, 0].astype(float)
        left, right = image[30:70, 25:42].mean(), image[30:70, 70:87].mean()
        assert ("left" if left > right else "right") == said["side"]
        judged += 1
    assert judged > 10


def test_haze_is_uneven_where_it_is_said_to_be(monkeypatch):
    """Noise and stripes are finer than clouds: they leave the means of small squares alone."""
    monkeypatch.setattr(grey_images, "_taken", lambda level, rng: level)
    uneven = {"left": [], "right": [], "both": [], "neither": []}
    for drawn in drawn_scenes(grey, 600):
        said = answers(drawn)
        if said["base"] != "neither" or said["spot"] == "yes" or said["stripes"] == "yes":
            continue
        image = drawn.images[0][:, :, 0].astype(float)
        sides = (image[28:48, 26:42], image[28:48, 70:86])
        left, right = (part.reshape(5, 4, 4, 4).mean(axis=(1, 3)).std() for part in sides)
        uneven[said["haze"]].append((left, right))
    medians = {where: np.median(found, axis=0) for where, found in uneven.items()}
    assert medians["left"][0] > 1.3 * medians["neither"][0]
    assert medians["right"][1] > 1.3 * medians["neither"][1]
    assert medians["left"][0] > medians["left"][1]
    assert medians["right"][1] > medians["right"][0]
    assert (medians["both"] > 1.2 * medians["neither"]).all()


def test_an_unknown_kind_is_named():
    with pytest.raises(InputError, match="no kind of scene is called 'foto'"):
        scene(np.random.default_rng(0), kind="foto")
