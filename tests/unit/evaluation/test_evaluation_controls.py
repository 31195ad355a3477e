import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_cases import LABELS, FakeBackbone, decode, domain_data, report_sample, shade_sample

from transferlab.config.pipeline import EvaluationSection
from transferlab.core.records import MediaRef
from transferlab.evaluation.control import Controls, score_controls
from transferlab.evaluation.controls.pixels import predict_from_pixels
from transferlab.evaluation.thumbnails import PixelVectors
from transferlab.metrics.text import token_f1

ALL = EvaluationSection()


def controls_of(backbone, data, *, train=None, section=ALL, seed=0):
    learned = data.splits["train"] if train is None else train
    return score_controls(backbone, data, learned, section=section, decode=decode, seed=seed)


def test_a_closed_task_stands_beside_majority_no_image_and_pixels(squares, perfect):
    shade = controls_of(perfect, squares)["shade"]
    assert (shade.metric, shade.reasons) == ("accuracy", {})
    assert shade.values["majority"] == 0.5
    assert shade.values["no_image"] == 0.5  # says "bright" without a picture
    assert shade.values["pixels"] == 1.0  # brightness is all there is
    assert set(shade.values) == {"majority", "no_image", "pixels"}
    blind = [one for one in perfect.asked if one.task == "shade"]
    assert len(blind) == 24
    assert all(not one.media and "<image>" not in one.prompt for one in blind)


def test_the_majority_is_that_of_the_training_answers(squares, perfect):
    test = [shade_sample(n) for n in (*range(60, 80, 2), 61, 63)]  # 10 bright, 2 dark
    dark = [shade_sample(n) for n in (1, 3, 5, 7, 2)]
    data = domain_data(dark, test, {"shade": ("accuracy",)})
    assert controls_of(perfect, data)["shade"].values["majority"] == pytest.approx(2 / 12)


def test_controls_are_in_the_primary_metric(squares, perfect):
    data = replace(squares, metrics={"shade": ("auroc",), "report": ("token_f1",)})
    shade = controls_of(perfect, data)["shade"]
    assert (shade.metric, shade.values["majority"], shade.values["no_image"]) == ("auroc", 0.5, 0.5)
    assert shade.values["pixels"] == 1.0


def test_free_text_stands_beside_a_frequent_and_a_copied_answer(squares, perfect):
    report = controls_of(perfect, squares)["report"]
    test = [one.answer for one in squares.splits["test"] if one.task == "report"]
    # Among 60 training answers 24 are bright, 24 dark and 12 nothing; of the two equals the one
    # that comes first is taken, which is that of sample 1.
    expected = np.mean([token_f1("a dark square", answer) for answer in test])
    assert report.values["frequent_answer"] == pytest.approx(expected)
    assert 0.2 < report.values["copied_answer"] < 0.8
    assert (
        report.values["copied_answer"]
        == controls_of(perfect, squares)["report"].values["copied_answer"]
    )
    assert (
        report.values["copied_answer"]
        != controls_of(perfect, squares, seed=1)["report"].values["copied_answer"]
    )
    assert set(report.values) == {"frequent_answer", "copied_answer"}


def test_pixels_have_no_meaning_where_choices_differ(squares, perfect):
    train = [shade_sample(n, choices=(*LABELS, f"option {n}")) for n in range(20)]
    data = domain_data(train, train, {"shade": ("accuracy",)})
    shade = controls_of(perfect, data)["shade"]
    assert shade.values["pixels"] is None
    assert "choices differ" in shade.reasons["pixels"]
    assert shade.values["majority"] == 0.5


def test_controls_that_do_not_apply_say_why(perfect):
    texts = [shade_sample(n, media=(), prompt="Bright or dark?") for n in range(10)]
    shade = controls_of(perfect_reader(), domain_data(texts, texts, {"shade": ("accuracy",)}))
    assert shade["shade"].values["no_image"] is None
    assert "no media" in shade["shade"].reasons["no_image"]
    assert "no media" in shade["shade"].reasons["pixels"]
    same = [shade_sample(n) for n in range(0, 20, 2)]
    mixed = [shade_sample(n) for n in range(10)]
    shade = controls_of(perfect, domain_data(same, mixed, {"shade": ("accuracy",)}))["shade"]
    assert "same answer" in shade.reasons["pixels"]
    assert shade.values["majority"] == 0.5


def perfect_reader():
    return FakeBackbone(lambda sample: sample.answer)


def test_a_task_that_was_not_trained_has_no_learned_controls(squares, perfect):
    only_reports = [one for one in squares.splits["train"] if one.task == "report"]
    shade = controls_of(perfect, squares, train=only_reports)["shade"]
    assert (shade.values["majority"], shade.values["pixels"], shade.values["no_image"]) == (
        None,
        None,
        0.5,
    )
    assert set(shade.reasons) == {"majority", "pixels"}


def test_controls_are_scored_on_the_samples_that_the_model_is(squares, perfect):
    controls_of(perfect, squares, section=EvaluationSection(max_test_samples=6))
    assert len(perfect.asked) == 6


def test_controls_survive_json(squares, perfect):
    shade = controls_of(perfect, squares)["shade"]
    assert Controls(**json.loads(json.dumps(asdict(shade), allow_nan=False))) == shade


def test_a_thumbnail_is_grey_the_mean_of_a_films_frames_and_made_once():
    black = np.zeros((40, 20, 3), np.uint8)
    red = black.copy()
    red[..., 0] = 255
    calls = []

    def film(ref):
        calls.append(ref)
        return [black, red]

    vectors = PixelVectors(film)
    sample = shade_sample(0, media=(MediaRef(kind="video", path=Path("0.mp4"), frames=2),))
    vector = vectors.of(sample)
    assert vector.shape == (1024,)
    assert vector == pytest.approx(np.full(1024, 0.299 * 255 / 2), abs=0.5)
    vectors.of(replace(sample, id="another", task="other"))
    assert len(calls) == 1


def test_a_label_that_training_never_saw_is_never_predicted():
    choices = (*LABELS, "invisible")
    train = [shade_sample(n, choices=choices) for n in range(30)]
    test = [shade_sample(n, choices=choices, answer="invisible") for n in range(30, 36)]
    said = predict_from_pixels(train, test, PixelVectors(decode))
    assert {one.text for one in said} == set(LABELS)
    assert all(one.log_likelihoods[2] < min(one.log_likelihoods[:2]) for one in said)


def test_pixels_agree_with_the_same_model_written_out():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    noise = {n: rng.integers(0, 255, size=(32, 32, 3), dtype=np.uint8) for n in range(60)}
    vectors = PixelVectors(lambda ref: [noise[int(ref.path.stem)]])
    samples = [shade_sample(n, answer=LABELS[int(rng.integers(2))]) for n in range(60)]
    train, test = samples[:40], samples[40:]
    said = predict_from_pixels(train, test, vectors)
    grey = {
        n: np.round(image @ np.array([0.299, 0.587, 0.114])).ravel() for n, image in noise.items()
    }
    seen, asked = (np.stack([grey[n] for n in numbers]) for numbers in (range(40), range(40, 60)))
    axes = np.linalg.svd(seen - seen.mean(axis=0), full_matrices=False)[2][:20].T
    fitted = (seen - seen.mean(axis=0)) @ axes
    model = LogisticRegression(max_iter=2000).fit(
        fitted / fitted.std(axis=0), [one.answer for one in train]
    )
    expected = model.predict_log_proba((asked - seen.mean(axis=0)) @ axes / fitted.std(axis=0))
    found = np.array([one.log_likelihoods for one in said])
    np.testing.assert_allclose(found, expected, atol=0.15)  # rounding of the grey values


def test_reports_alone_need_no_media(perfect):
    reports = [report_sample(n, media=(), prompt="Describe.") for n in range(10)]
    found = controls_of(perfect, domain_data(reports, reports, {"report": ("token_f1",)}))
    assert found["report"].reasons == {}
