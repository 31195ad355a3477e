"""Similarity in a run: which backbone it is measured on, and what is measured once."""

from types import SimpleNamespace

import numpy as np
import pytest

from transferlab.config.pipeline import PipelineConfig
from transferlab.core.events import ignore
from transferlab.core.records import Features, Sample
from transferlab.pipeline.similarity.series import measure_similarity
from transferlab.pipeline.stage_facts import SIMILARITY, SIMILARITY_ADAPTED


class Stages(dict):
    def load(self, stage):
        return self.get(stage)

    def save(self, stage, record):
        self[stage] = record


class Backbone:
    """Puts every domain where it says; adaptation moves what it has learned to the source."""

    def __init__(self):
        self.places = {"scenes": 0.0, "cats": 2.0, "dogs": 5.0}
        self.asked = []

    def features(self, samples, *, batch_samples):
        domain = samples[0].domain
        self.asked.append(domain)
        rng = np.random.default_rng(len(domain))
        rows = rng.normal(self.places[domain], 1, (len(samples), 4)).astype(np.float32)
        return Features(image=rows * 0, text=rows * 0 + 1, joint=rows)


def samples(domain):
    return tuple(
        Sample(id=f"{domain}{at}", domain=domain, task="t", kind="classify", media=(), prompt="q",
               answer="ab"[at % 2], choices=("a", "b"), group=f"{domain} {at}")
        for at in range(20)
    )  # fmt: skip


@pytest.fixture
def parts():
    def make(**changes):
        given = {"name": "p", "source": "scenes", "stream": ["cats", "dogs"], "strategy": ["naive"]}
        section = {"permutations": 3, "measures": ["frechet"], **changes.pop("similarity", {})}
        config = PipelineConfig(**{**given, "similarity": section, **changes})
        names = [*([config.source] if config.source else []), *config.stream]
        return SimpleNamespace(
            config=config, train={name: samples(name) for name in names}, stages=Stages(),
            listener=ignore,
        )  # fmt: skip

    return make


def distances(found):
    return {
        domain: one.value
        for domain, measured in found.items()
        for one in measured
        if one.features == "joint"
    }


def test_all_domains_lie_in_one_space_and_what_adapting_does_is_a_second_series(parts):
    made, backbone = parts(), Backbone()
    before = distances(measure_similarity(made, backbone, series=SIMILARITY))
    assert backbone.asked == ["scenes", "cats", "dogs"]  # the source once
    assert before["cats"] < before["dogs"]
    backbone.places["dogs"] = 0.0
    after = distances(measure_similarity(made, backbone, series=SIMILARITY_ADAPTED))
    assert after["cats"] == before["cats"]
    assert after["dogs"] < before["cats"]
    assert distances(measure_similarity(made, backbone, series=SIMILARITY)) == before
    assert set(made.stages) == {
        f"{series}/{domain}" for series in (SIMILARITY, SIMILARITY_ADAPTED) for domain in before
    }
    assert len(backbone.asked) == 6  # finished stages ask nothing


def test_a_domains_labels_are_measured_beside_its_distances(parts):
    made = parts(similarity={"measures": ["frechet", "target_logme"]})
    found = measure_similarity(made, Backbone(), series=SIMILARITY)
    for measured in found.values():
        told = [one for one in measured if one.name == "target_logme"]
        assert [(one.features, one.source_samples, one.target_samples) for one in told] == [
            ("joint", 0, 20)
        ]
        assert {one.source_samples for one in measured if one.name == "frechet"} == {20}
    assert measure_similarity(made, Backbone(), series=SIMILARITY) == found


def test_without_a_source_or_where_it_is_not_wanted_nothing_is_measured(parts):
    backbone = Backbone()
    nothing = {"cats": [], "dogs": []}
    assert measure_similarity(parts(source=None), backbone, series=SIMILARITY) == nothing
    unwanted = parts(similarity={"adapted": False})
    assert measure_similarity(unwanted, backbone, series=SIMILARITY_ADAPTED) == nothing
    assert backbone.asked == []
    assert measure_similarity(unwanted, backbone, series=SIMILARITY)["cats"]
