"""What a backbone cannot be asked, refused before anything is decoded or trained."""

from __future__ import annotations

from collections.abc import Mapping

from transferlab.backbone.base.model_type import cannot_write
from transferlab.backbone.hf import HFBackbone
from transferlab.core.records import DomainData, SplitName
from transferlab.errors import InputError
from transferlab.evaluation.prediction import candidates_of
from transferlab.metrics.answers import ANSWERS


def check_answerable(
    backbone: HFBackbone, domains: Mapping[str, DomainData], *, split: SplitName
) -> None:
    """Stop where a task asks for what the backbone cannot give.

    ``check`` has refused tasks without choices already where the kind of model was known then; a
    model that had to be downloaded first is known only now.

    Args:
        backbone: loaded.
        domains: all that are scored.
        split: the one that is scored.

    Raises:
        InputError: a backbone that only compares has to write, or one that writes has to find an
            answer among too many.
        DataError: there is only one answer to find.
    """
    for data in domains.values():
        kinds = {sample.task: sample.kind for sample in data.splits[split]}
        for task, kind in kinds.items():
            if ANSWERS[kind] == "free" and not backbone.writes:
                reason = cannot_write(backbone.name, kind=kind)
                raise InputError(f"domain '{data.name}': tasks.{task}: {reason}")
        most = backbone.max_candidates
        for task, candidates in candidates_of(data, split).items():
            if most is not None and len(candidates) > most:
                raise InputError(
                    f"domain '{data.name}': tasks.{task}: there are {len(candidates)} distinct "
                    f"answers in the {split} split to find one among, and a backbone that writes "
                    f"must read each of them with each sample, so that {most} is the limit; make "
                    "the split smaller, leave the task out (data.tasks), or choose CLIP or SigLIP"
                )
