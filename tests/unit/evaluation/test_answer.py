"""What a run is said to have found, from made-up figures."""

import pytest

from transferlab.evaluation.answer import answer
from transferlab.evaluation.leads import Lead
from transferlab.metrics.intervals import Interval


def figure(value, interval=None, reason=None):
    return {"value": value, "interval": interval, "interval_reason": reason}


def scored(value, *, tasks=None):
    return figure(value, [value - 0.1, value + 0.1]) | {"tasks": tasks or {}}


def task(value, low):
    return figure(value, [low, value + 0.1] if low is not None else None)


def a_result(**changes):
    return {
        "pipeline": {"stream": ["chest", "films"], "source": "scenes"},
        "arms": {
            "zero_shot": {"chest": scored(0.4), "films": scored(0.3)},
            "sequential": {"chest": scored(0.6), "films": scored(0.5)},
            "single": {"chest": scored(0.7), "films": scored(0.4)},
        },
        "summary": {
            "forgetting_corrected": figure(0.05, [0.01, 0.09]),
            "source_retention": figure(-0.1, [-0.2, -0.05]),
        },
        "gains": [
            {"domain": "chest", "arm": "single", "over": "scratch"} | figure(0.2, [0.1, 0.3]),
            {"domain": "films", "arm": "single", "over": "scratch"} | figure(-0.2, [-0.3, -0.1]),
        ],
        "controls": {},
    } | changes


def lead(domain, arm, over=None, value=None, bounds=None, *, reason="", means=()):
    interval = bounds and Interval(low=bounds[0], high=bounds[1], confidence=0.95)
    return Lead(
        domain=domain, arm=arm, over=over, value=value, interval=interval, reason=reason,
        groups=40, means=dict(means),
    )  # fmt: skip


MEANS = {"sequential": 0.57, "single": 0.55, "zero_shot": 0.35}
CHEST = lead("chest", "single", "sequential", 0.1, (0.02, 0.18))
FILMS = lead("films", "sequential", "single", 0.1, (-0.05, 0.25))
STREAM = lead(None, "sequential", "single", 0.02, (-0.05, 0.09), means=MEANS)
LEADS = [CHEST, FILMS, STREAM]


def texts(result, leads=LEADS, *, about=None):
    return [one["text"] for one in answer(result, leads) if about in (None, one["about"])]


def test_the_whole_of_a_run():
    assert texts(a_result()) == [
        "chest: single scores best, 0.700 [0.600, 0.800] (40 test groups); it is ahead of "
        "sequential by +0.100 [+0.020, +0.180].",
        "films: sequential scores best, 0.500 [0.400, 0.600] (40 test groups); that it is ahead of "
        "single is not shown: +0.100 [-0.050, +0.250].",
        "earlier domains were forgotten by +0.050 [+0.010, +0.090].",
        "the source domain scenes has lost: -0.100 [-0.200, -0.050].",
        "chest: the pretrained backbone helped, single is above scratch by "
        "+0.200 [+0.100, +0.300].",
        "films: negative transfer, the pretrained backbone did harm: single over scratch "
        "-0.200 [-0.300, -0.100].",
        "no model is shown to be the one to take: the highest mean over the stream is that of "
        "sequential, and that it is ahead of single is not shown: +0.020 [-0.050, +0.090] "
        "(means: sequential 0.570, single 0.550, zero-shot 0.350).",
        "next: more replay or a stronger penalty, as earlier domains were forgotten.",
    ]


def test_each_sentence_has_the_figures_that_it_rests_on():
    best, *_ = answer(a_result(), LEADS)
    assert best == {
        "about": "best_arm", "text": texts(a_result())[0], "domain": "chest",
        "value": 0.1, "interval": [0.02, 0.18],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (figure(0.02, [-0.1, 0.1]), "no forgetting of earlier domains is shown: +0.020"),
        (figure(-0.1, [-0.2, -0.05]), "earlier domains have gained"),
        (figure(0.1, None, "task 't' has 3 test group(s)"), "cannot be said: task 't' has 3"),
    ],
)
def test_nothing_is_claimed_beyond_the_interval(entry, says):
    result = a_result(summary={"forgetting_corrected": entry})
    (text,) = texts(result, about="forgetting")
    assert says in text


def test_a_stream_of_one_domain_without_source_has_nothing_to_forget():
    result = a_result(
        pipeline={"stream": ["chest"], "source": None},
        summary={"forgetting_corrected": figure(None), "source_retention": figure(None)},
    )
    found = answer(result, LEADS[:1])
    assert {one["about"] for one in found} == {"best_arm", "transfer", "next"}


def test_one_arm_alone_is_ahead_of_nothing():
    leads = [
        lead("chest", "sequential"), lead(None, "sequential", means={"sequential": 0.6}),
    ]  # fmt: skip
    assert texts(a_result(), leads, about="best_arm") == [
        "chest: sequential scores best, 0.600 [0.500, 0.700] (40 test groups)."
    ]
    assert texts(a_result(), leads, about="model") == [
        "the only model that was scored on the whole stream is sequential (means: sequential "
        "0.600)."
    ]


def test_equal_scores_are_no_lead():
    equal = lead("chest", "single", "sequential", 0.0, (-0.1, 0.1))
    assert texts(a_result(), [equal], about="best_arm") == [
        "chest: single and sequential score alike and best, 0.700 [0.600, 0.800] (40 test groups)."
    ]


def test_without_scratch_it_is_said_that_transfer_was_not_measured():
    (text,) = texts(a_result(gains=[]), about="transfer")
    assert "was not measured" in text


def test_what_is_above_its_controls_by_an_interval_and_what_is_not():
    tasks = {"view": task(0.9, 0.8), "side": task(0.9, 0.6), "sex": task(0.9, None)}
    arms = a_result()["arms"] | {"single": {"chest": scored(0.7, tasks=tasks), "films": scored(0)}}
    controls = {"chest": {name: {"majority": 0.7, "no_image": None} for name in tasks}}
    result = a_result(arms=arms, controls=controls)
    (text,) = texts(result, LEADS[:1], about="controls")
    assert text == (
        "chest: single is above the best control in view (0.900 [0.800, 1.000], control 0.700), "
        "and not, by its interval, in side (0.900 [0.600, 1.000], control 0.700) and sex (0.900, "
        "control 0.700)."
    )
    controls["chest"]["view"]["pixels"] = 0.85
    (text,) = texts(result, LEADS[:1], about="controls")
    assert text == (
        "chest: single is not above the best control, by its interval, in any task: view (0.900 "
        "[0.800, 1.000], control 0.850), side (0.900 [0.600, 1.000], control 0.700) and sex "
        "(0.900, control 0.700)."
    )
    assert texts(result, LEADS[:1], about="next") == [
        "next: more training samples or steps for chest, where nothing is above its controls."
    ]


def test_a_domain_that_its_own_training_learns_better_wants_a_router():
    gains = [
        {"domain": "chest", "arm": "sequential", "over": "single"} | figure(-0.1, [-0.2, -0.1])
    ]
    (text,) = texts(a_result(gains=gains), about="next")
    assert "per_domain" in text
    assert "on chest" in text


def test_where_nothing_is_shown_more_groups_or_seeds_come_next():
    summary = {"forgetting_corrected": figure(0.0, [-0.1, 0.1])}
    (text,) = texts(a_result(summary=summary), LEADS[1:], about="next")
    assert "more test groups, or several seeds" in text


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (
            lead(None, "zero_shot", "joint", 0.2, (0.1, 0.3), means={"zero_shot": 0.9}),
            "the model to take is the backbone as it was: over the stream it is ahead of joint by "
            "+0.200 [+0.100, +0.300] (means: zero-shot 0.900).",
        ),
        (
            lead(None, "single", "joint", 0.2, (0.1, 0.3), means={"single": 0.9}),
            "the model to take is single, one model per domain: over the stream",
        ),
        (
            lead(None, "joint", "single", 0.2, reason="task 't' has 3 test group(s)"),
            "the highest mean over the stream is that of joint; whether it is ahead of single "
            "(+0.200) cannot be said: task 't' has 3 test group(s)",
        ),
    ],
)
def test_a_model_is_named_only_where_it_is_shown_to_be_ahead(found, says):
    (text,) = texts(a_result(), [found], about="model")
    assert text.startswith(says)
