"""The backbone section: every combination that would do nothing or break is an error."""

import pytest
from pydantic import ValidationError

from transferlab.config.backbone import PARTS, AdapterSection, BackboneSection

ALL_FROZEN = {part: {"mode": "frozen"} for part in PARTS}


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        ("lora", {"block_size": 8}),
        ("dora", {"preserved_fraction": 0.5}),
        ("ia3", {"rank": 16}),
        ("ia3", {"dropout": 0.1}),
        ("vera", {"alpha": 4}),
        ("vera", {"train_embeddings": True}),
        ("oft", {"rank": 8}),
        ("osf", {"rank": 8}),
        ("dora", {"experts": 4}),
        ("osf", {"dropout": 0.1}),
        ("full", {"targets": ["q_proj"]}),
        ("full", {"rank": 4}),
    ],
)
def test_an_option_that_does_nothing_is_refused(kind, option):
    (name,) = option
    with pytest.raises(ValidationError, match=f"{name}: does nothing with kind '{kind}'; remove"):
        AdapterSection(kind=kind, **option)


def test_full_is_no_adapter():
    assert BackboneSection(adapter={"kind": "full"}).adapter is None


@pytest.mark.parametrize("kind", ["lora", "dora", "rslora", "pissa", "ia3", "vera", "oft", "osf"])
def test_what_is_written_down_is_read_again(kind):
    section = BackboneSection(adapter={"kind": kind})
    assert BackboneSection.model_validate_json(section.model_dump_json()) == section


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"adapter": None, "parts": {"vision": {"mode": "adapter"}}}, "no adapter to carry"),
        ({"parts": ALL_FROZEN}, "no part"),
        ({"adapter": None, "parts": ALL_FROZEN}, "nothing to train"),
        ({"parts": {"language": {"mode": "full"}}}, "tear tied embeddings apart"),
        ({"adapter": {"rank": 6, "experts": 4}}, "experts: 4 experts cannot share rank 6"),
        ({"adapter": {"kind": "osf"}, "parts": {"projector": {"mode": "full"}}}, "kind osf"),
        (
            {"parts": {"vision": {"mode": "frozen", "learning_rate_factor": 0.5}}},
            "does nothing with mode: frozen",
        ),
        ({"quantization": {"bits": 4}, "adapter": None}, "cannot be trained"),
        (
            {"quantization": {"bits": 8}, "parts": {"projector": {"mode": "full"}}},
            "cannot be train",
        ),
        ({"quantization": {"bits": 4}, "adapter": {"kind": "pissa"}}, "takes the weights apart"),
        ({"quantization": {"bits": 3}}, "4 or 8"),
        ({"adapter": {"targets": []}}, "at least 1 item"),
    ],
)
def test_what_does_not_fit_is_refused(section, message):
    with pytest.raises(ValidationError, match=message):
        BackboneSection.model_validate(section)
