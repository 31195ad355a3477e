"""What MLflow is told of a domain's data: enough to recognise it, nothing of what it says."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from transferlab.core.records import DomainData, SplitName

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

DIGEST_CHARACTERS = 36
"""The most that MLflow keeps of a digest."""


def dataset_input(data: DomainData, split: SplitName, context: str) -> DatasetInput:
    """One split of a domain as MLflow's dataset input, tagged with its context.

    The source is the domain's name, not a path: file names may carry patients' identifiers.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    samples = data.splits[split]
    source = {"domain": data.name, "version": data.version, "split": split}
    profile = {
        "samples": len(samples),
        "groups": len({sample.group for sample in samples}),
        "samples_by_task": dict(Counter(sample.task for sample in samples)),
        "quarantined": len(data.quarantined),
        "licence": data.licence,
        "sha256": data.digest,
    }
    dataset = Dataset(
        name=f"{data.name}/{split}",
        digest=data.digest[:DIGEST_CHARACTERS],
        source_type="transferlab",
        source=json.dumps(source),
        schema=json.dumps({"tasks": dict(data.primary_metrics)}),
        profile=json.dumps(profile),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", context)])
