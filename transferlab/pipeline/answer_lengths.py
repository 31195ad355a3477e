"""How long free answers may become, and references that no answer so long can reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from transferlab.config.pipeline import EvaluationSection
from transferlab.core.records import DomainData, Sample, SplitName
from transferlab.evaluation.prediction import select_samples

AnswerTokens = Callable[[str], int]
"""Tokens of an answer, with the one that ends it."""


def new_token_limits(
    section: EvaluationSection, domains: Mapping[str, DomainData], tokens_of: AnswerTokens
) -> dict[str, int]:
    """By domain that has answers to write, how many tokens an answer may have.

    Args:
        section: whose ``max_new_tokens`` holds for all where it is set; else it is the longest
            reference of the domain's training split.
        domains: all that are scored.
        tokens_of: as the backbone cuts texts.
    """
    limits = {}
    for name, data in domains.items():
        lengths = [tokens_of(one) for one in {s.answer for s in _written(data, "train")}]
        if lengths:
            limits[name] = section.max_new_tokens or max(lengths)
    return limits


def too_long_references(
    section: EvaluationSection,
    domains: Mapping[str, DomainData],
    limits: Mapping[str, int],
    tokens_of: AnswerTokens,
) -> list[str]:
    """One sentence for each task with references in the scored split that are longer than that."""
    said = []
    for name, limit in limits.items():
        written = _written(domains[name], section.split, limit=section.max_test_samples)
        for task in dict.fromkeys(sample.task for sample in written):
            lengths = [tokens_of(one.answer) for one in written if one.task == task]
            longer = sum(length > limit for length in lengths)
            if not longer:
                continue
            why = "" if section.max_new_tokens else " (the longest of its training split)"
            said.append(
                f"domain '{name}': tasks.{task}: {longer} of {len(lengths)} references of the "
                f"{section.split} split are longer than evaluation.max_new_tokens, {limit}{why}; "
                f"no answer can be as long as these: set it to {max(lengths)}"
            )
    return said


def _written(data: DomainData, split: SplitName, *, limit: int | None = None) -> Sequence[Sample]:
    """The samples of a split to which an answer is written."""
    chosen = select_samples(data.splits.get(split, ()), limit=limit)
    return [one for one in chosen if not one.closed and one.kind != "retrieve"]
