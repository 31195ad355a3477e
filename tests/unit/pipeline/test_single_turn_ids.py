"""Domains without conversations: every token of every sample is what it has always been."""

import pytest
from transformers import AutoTokenizer

from transferlab.backbone.loader import load_backbone
from transferlab.config.backbone import BackboneSection
from transferlab.core.records import MEDIA_SLOT
from transferlab.domain.catalog import find_domains
from transferlab.domain.loader import load_domain
from transferlab.domain.media.decoder import decode
from transferlab.tiny.architecture import ASSETS, FEATURES, IMAGE

SMOKE = ("scenes", "chest-xray", "lectures")
"""Source and stream of pipelines/smoke.yaml."""


@pytest.fixture(scope="module")
def backbone():
    return load_backbone(BackboneSection(device="cpu", adapter=None), decode=decode, seed=0)


@pytest.fixture(scope="module")
def words():
    return AutoTokenizer.from_pretrained(ASSETS)


def as_always(sample, words):
    """Prompt and answer, written out by hand."""
    first, *rest = sample.prompt.split(MEDIA_SLOT)
    text = first.strip()
    for ref, part in zip(sample.media, rest, strict=True):
        text += IMAGE * FEATURES * ref.frames + part.strip()
    prompt = words(f"<s><|user|>{text}<|assistant|>", add_special_tokens=False)["input_ids"]
    answer = words(f"{sample.answer.strip()}</s>", add_special_tokens=False)["input_ids"]
    return prompt, answer


@pytest.mark.parametrize("name", SMOKE)
def test_ids_and_labels_of_smokes_domains_are_those_of_a_lone_exchange(
    name, backbone, words, tmp_path
):
    data = load_domain(find_domains()[name], cache_root=tmp_path, generated_samples=120)
    samples = [one for split in data.splits.values() for one in split]
    assert len(samples) >= 120
    for sample in samples[::4]:
        assert (sample.history, sample.role) == ((), "user")
        assert sample.full_prompt == sample.prompt
        prompt, answer = as_always(sample, words)
        batch, targets = backbone.collate([sample])
        assert batch.input_ids[0].tolist() == prompt + answer[:-1]
        assert targets.tolist() == answer
        assert batch.labels[0, -len(answer) :].tolist() == answer
