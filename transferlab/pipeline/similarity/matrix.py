"""Every domain against every other, on the features of one backbone that nothing has adapted."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from transferlab.backbone.loader import load_backbone
from transferlab.config.backbone import BackboneSection
from transferlab.config.pipeline import EvaluationSection
from transferlab.core.events import Listener, ignore, stage_events
from transferlab.core.protocols import Backbone
from transferlab.core.records import DomainData
from transferlab.domain.catalog import DomainEntry
from transferlab.domain.loader import load_domain
from transferlab.domain.media.audio import decode_audio
from transferlab.domain.media.decoder import decode
from transferlab.errors import DataError, InputError
from transferlab.metrics.baselines.label_measures import measure_labels
from transferlab.metrics.pool import SIMILARITIES
from transferlab.metrics.similarity import SampleSet, Similarity, compare
from transferlab.pipeline.sampling import capped
from transferlab.pipeline.similarity.sample_sets import sample_set

SHOWN_FEATURES = ("joint", "words")
"""The kinds of features that are shown unless others are asked for."""


@dataclass(frozen=True, kw_only=True)
class ComparedDomain:
    """What of a domain was compared; no sample of it."""

    name: str
    version: int
    digest: str
    samples: int
    """Of its training split."""
    quarantined: int
    """Rows that could not be used."""


@dataclass(frozen=True, kw_only=True)
class SimilarityMatrix:
    """All pairs of domains."""

    backbone: str
    seed: int
    domains: Sequence[ComparedDomain]
    pairs: Mapping[tuple[str, str], Sequence[Similarity]]
    """By two domains in the order of ``domains``; the measures are symmetric."""
    labels: Mapping[str, Sequence[Similarity]]
    """By domain: how well its features tell its labels; nothing where it has none."""
    left_out: Mapping[str, str]
    """Domains that could not be compared, and why."""

    def of_pair(self, one: str, other: str) -> Sequence[Similarity]:
        """The measures of two domains, in whichever order."""
        return self.pairs[one, other] if (one, other) in self.pairs else self.pairs[other, one]

    def to_record(self) -> dict[str, Any]:
        """Plain data, fit for JSON."""
        return {
            "backbone": self.backbone,
            "seed": self.seed,
            "domains": [dataclasses.asdict(one) for one in self.domains],
            "pairs": [
                {
                    "first": first,
                    "second": second,
                    "measures": [dataclasses.asdict(one) for one in measured],
                }
                for (first, second), measured in self.pairs.items()
            ],
            "labels": [
                {"domain": name, "measures": [dataclasses.asdict(one) for one in measured]}
                for name, measured in self.labels.items()
            ],
            "left_out": [
                {"domain": name, "reason": reason} for name, reason in self.left_out.items()
            ],
        }


@dataclass(frozen=True, kw_only=True)
class MatrixSettings:
    """How domains are compared."""

    model: str
    """The backbone: a Hugging Face id, a path, or ``transferlab/tiny``."""
    max_samples: int = 200
    """Per domain, of its training split; which goes by a hash of their ids."""
    permutations: int = 199
    """Random splits of each pair's pooled groups, for the baseline."""
    measures: Sequence[str] | None = None
    """Names of ``SIMILARITIES`` or dotted paths; None takes all that have a name."""
    seed: int = 0
    """Of permutations, folds and projections."""
    data_root: Path | None = None
    """As for ``load_domain``."""


def measure_matrix(
    entries: Sequence[DomainEntry],
    settings: MatrixSettings,
    *,
    leave_out: bool = False,
    listener: Listener = ignore,
) -> SimilarityMatrix:
    """Compare the training splits of domains, each pair as a run compares source and target, and
    each domain's features with its labels.

    Args:
        entries: of the domains, each once.
        leave_out: whether a domain that cannot be read is left out, and named, or stops it all.
        listener: is told of every domain and pair.

    Raises:
        InputError: fewer than two domains are left, or one is named twice.
        DataError: a domain cannot be read, and ``leave_out`` is off.
        ModelError: there is no such backbone.
        UnknownName: there is no such measure.
    """
    names = [entry.name for entry in entries]
    if len(set(names)) < len(names):
        raise InputError("a domain is named twice; name each domain once")
    for name in settings.measures or ():
        SIMILARITIES.get(name)  # before minutes of work
    found, left_out = _read(entries, settings, leave_out, listener)
    pairs = {}
    for one, other in combinations(found, 2):
        with stage_events(listener, f"similarity: {one} and {other}"):
            pairs[one, other] = compare(
                found[one][1],
                found[other][1],
                seed=settings.seed,
                permutations=settings.permutations,
                measures=settings.measures,
            )
    return SimilarityMatrix(
        backbone=settings.model,
        seed=settings.seed,
        domains=[_described(data, len(chosen.texts)) for data, chosen in found.values()],
        pairs=pairs,
        labels={name: _told(chosen, settings) for name, (_, chosen) in found.items()},
        left_out=left_out,
    )


def _told(domain: SampleSet, settings: MatrixSettings) -> list[Similarity]:
    return measure_labels(
        domain,
        seed=settings.seed,
        permutations=settings.permutations,
        measures=settings.measures,
    )


Read = dict[str, tuple[DomainData, SampleSet]]


def _read(
    entries: Sequence[DomainEntry], settings: MatrixSettings, leave_out: bool, listener: Listener
) -> tuple[Read, dict[str, str]]:
    """The domains with their features, by name, and why others are left out."""
    backbone = load_backbone(
        BackboneSection(model=settings.model, adapter=None),
        decode=decode,
        decode_audio=decode_audio,
        seed=settings.seed,
    )
    found: Read = {}
    left_out: dict[str, str] = {}
    for entry in entries:
        try:
            with stage_events(listener, f"features: {entry.name}"):
                found[entry.name] = _compared(entry, backbone, settings)
        except (DataError, InputError) as error:
            if not leave_out:
                raise
            left_out[entry.name] = str(error)
    if len(found) < 2:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise InputError(
            f"two domains or more are needed, {len(found)} can be compared"
            + (f" ({reasons})" if reasons else "")
        )
    return found, left_out


def _compared(
    entry: DomainEntry, backbone: Backbone, settings: MatrixSettings
) -> tuple[DomainData, SampleSet]:
    data = load_domain(entry, data_root=settings.data_root, on_bad_sample="quarantine")
    chosen = capped(data.splits["train"], settings.max_samples, per_task=False)
    batch_samples = EvaluationSection().batch_samples
    return data, sample_set(backbone, chosen, batch_samples=batch_samples)


def _described(data: DomainData, samples: int) -> ComparedDomain:
    return ComparedDomain(
        name=data.name,
        version=data.version,
        digest=data.digest,
        samples=samples,
        quarantined=len(data.quarantined),
    )
