"""The shipped chest-xray and lectures domains load from their own generators, a few rows each."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from transferlab.core.records import DomainData
from transferlab.domain.catalog import find_domains
from transferlab.domain.loader import load_domain
from transferlab.domain.media.decoder import decode

TASKS = {
    "chest-xray": {"finding", "side", "claim", "report"},
    "lectures": {"subject", "figure", "pointer", "explain"},
}


@pytest.fixture(scope="module", params=sorted(TASKS))
def domain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DomainData:
    entry = find_domains()[request.param]
    source = entry.config.source.model_copy(update={"options": {"seed": 1, "samples": 45}})
    small = entry.config.model_copy(update={"source": source})
    cache = tmp_path_factory.mktemp("cache")
    return load_domain(replace(entry, config=small), cache_root=cache)


def test_every_task_is_asked_on_both_sides_and_no_group_is_on_two(domain):
    sides = defaultdict(set)
    for split, samples in domain.splits.items():
        for sample in samples:
            sides[sample.group].add(split)
    assert {len(splits) for splits in sides.values()} == {1}
    for split in ("train", "test"):
        assert {sample.task for sample in domain.splits[split]} == TASKS[domain.name]
    assert domain.quarantined == ()


def test_media_decode_to_pictures_with_contrast(domain):
    frames_wanted = {"chest-xray": 1, "lectures": 3}[domain.name]
    for sample in domain.splits["test"][:6]:
        frames = decode(sample.media[0])
        assert len(frames) == frames_wanted
        assert all(np.ptp(frame) > 100 for frame in frames)


def test_prompts_do_not_contain_a_classify_answer_of_their_own_row(domain):
    for samples in domain.splits.values():
        for sample in samples:
            if sample.kind == "classify" and sample.task != "claim":
                assert sample.answer not in sample.prompt.split("\n", 1)[1].split()


def test_generated_ids_do_not_show_in_samples(domain):
    for sample in domain.splits["train"]:
        assert "SYN" not in sample.group + sample.id + sample.prompt
        assert "lecture-" not in sample.group + sample.id + sample.prompt
        assert isinstance(sample.media[0].path, Path)
