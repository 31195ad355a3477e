"""Source against every domain of the stream, on the features of one backbone.

A run has two series: on the backbone before any adaptation, and on it as the last step left it. In
each, all domains lie in one feature space, so that they can be compared with one another.
"""

from __future__ import annotations

import dataclasses

from transferlab.core.events import stage_events
from transferlab.core.protocols import Backbone
from transferlab.metrics.baselines.label_measures import measure_labels
from transferlab.metrics.similarity import SampleSet, Similarity, compare
from transferlab.pipeline.build import Parts
from transferlab.pipeline.similarity.sample_sets import sample_set
from transferlab.pipeline.stage_facts import SIMILARITY, SIMILARITY_ADAPTED

LABELS = {SIMILARITY: "similarity", SIMILARITY_ADAPTED: "similarity after the stream"}


def measure_similarity(
    parts: Parts, backbone: Backbone, *, series: str
) -> dict[str, list[Similarity]]:
    """Compare the source with each domain, and each domain's features with its labels; a finished
    stage is read, not run.

    Args:
        backbone: as it is when the series is measured.
        series: ``SIMILARITY``, before any adaptation, or ``SIMILARITY_ADAPTED``, after the stream.

    Returns:
        By domain of the stream; lists of nothing where there is no source, or no such series.
    """
    source, section = parts.config.source, parts.config.similarity
    if source is None or (series == SIMILARITY_ADAPTED and not section.adapted):
        return {domain: [] for domain in parts.config.stream}
    sets: dict[str, SampleSet] = {}

    def set_of(name: str) -> SampleSet:
        if name not in sets:  # the source's is needed for every domain
            samples = parts.train[name][: section.max_samples]
            batch_samples = parts.config.evaluation.batch_samples
            sets[name] = sample_set(backbone, samples, batch_samples=batch_samples)
        return sets[name]

    found = {}
    for domain in parts.config.stream:
        stage = f"{series}/{domain}"
        record = parts.stages.load(stage)
        if record is None:
            with stage_events(parts.listener, f"{LABELS[series]}: {source} and {domain}"):
                measured = _measured(parts, set_of(source), set_of(domain))
            record = {"measures": [dataclasses.asdict(one) for one in measured]}
            parts.stages.save(stage, record)
        found[domain] = [Similarity(**one) for one in record["measures"]]
    return found


def _measured(parts: Parts, source: SampleSet, target: SampleSet) -> list[Similarity]:
    """The measures of the two, then those of the target's labels."""
    seed, section = parts.config.seed, parts.config.similarity
    count, names = section.permutations, section.measures
    return [
        *compare(source, target, seed=seed, permutations=count, measures=names),
        *measure_labels(target, seed=seed, permutations=count, measures=names),
    ]
