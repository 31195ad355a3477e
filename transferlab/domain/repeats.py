"""The same question asked twice, and answered differently."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from transferlab.domain.asking import Asked
from transferlab.domain.report import Problem
from transferlab.domain.shelf import Shelf


def find_repeats(asked: Sequence[Asked], shelf: Shelf) -> list[Problem]:
    """Samples of one task with the same media and prompt.

    Two that agree say one thing twice; two labels of one picture contradict each other. Free
    answers may differ: two people describe one picture in their own words.
    """
    first: dict[bytes, Asked] = {}
    found = []
    for one in asked:
        sample = one.sample
        media = [shelf.fingerprint(ref) for ref in sample.media]
        spans = [f"{ref.start_seconds}-{ref.end_seconds}" for ref in sample.media]
        text = json.dumps([sample.task, *media, *spans, sample.prompt])
        earlier = first.setdefault(hashlib.sha256(text.encode()).digest(), one)
        if earlier is one or (sample.kind != "classify" and sample.answer != earlier.sample.answer):
            continue
        same = sample.answer == earlier.sample.answer
        says = "says the same again" if same else "has another answer to the same question"
        found.append(
            Problem(
                kind="duplicate" if same else "contradiction",
                where=one.where,
                reason=f"task '{sample.task}': {says} as {earlier.where}"
                if same
                else f"task '{sample.task}': {says}, asked of the same media in {earlier.where}",
                severity="warning",
            )
        )
    return found
