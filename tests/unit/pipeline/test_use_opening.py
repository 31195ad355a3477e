"""What somebody names as a model; what is none gets one sentence."""

import json

import pytest

from transferlab.errors import InputError
from transferlab.pipeline.use import opening
from transferlab.pipeline.use.opening import find_model


def write(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / f"{name}.json").write_text(text)
    return str(folder)


LINEAGE = {
    "schema_version": 1, "trained_on": ["chest"],
    "backbone": {"model": "org/base", "revision": "abc", "dtype": "bfloat16", "caption": None,
                 "max_length_tokens": 99, "adapter": {"kind": "lora"}, "trust_remote_code": True},
}  # fmt: skip


def test_an_exported_adapter_is_loaded_on_the_backbone_that_it_names(tmp_path):
    folder = write(
        tmp_path / "a",
        adapter_config={},
        transferlab=LINEAGE,
        prompts={"chest": {"finding": {"prompt": "?"}}},
    )
    found = find_model(folder)
    assert (found.section.model, found.section.revision) == ("org/base", "abc")
    assert (found.section.dtype, found.section.max_length_tokens) == ("bfloat16", 99)
    assert found.adapter == tmp_path / "a"
    assert found.trained_on == ("chest",)
    assert "chest" in found.prompts
    assert not found.section.trust_remote_code, "a file cannot say that code is trusted"
    moved = find_model(folder, backbone="/models/base")
    assert (moved.section.model, moved.section.revision) == ("/models/base", None)


def test_a_whole_model_is_its_own_backbone(tmp_path):
    folder = write(tmp_path / "m", config={}, transferlab=LINEAGE)
    found = find_model(folder)
    assert (found.section.model, found.section.revision, found.adapter) == (folder, None, None)
    assert found.section.dtype == "bfloat16"


def test_a_strangers_models(tmp_path):
    found = find_model("org/model")
    assert (found.section.model, found.adapter, found.prompts) == ("org/model", None, {})
    peft = write(tmp_path / "p", adapter_config={"base_model_name_or_path": "org/base"})
    assert find_model(peft).section.model == "org/base"


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"result": {}}, "is the directory of a run; write one of its models"),
        ({}, "holds no model"),
        ({"adapter_config": {}}, "does not say which backbone it was trained on"),
        (
            {"adapter_config": {}, "transferlab": {"backbone": {"model": "gone-base"}}},
            "in a folder 'gone-base', which is not here; say with --backbone where it lies",
        ),
        ({"config": {}, "transferlab": "{"}, "is not JSON"),
        ({"config": {}, "transferlab": []}, "is no JSON object"),
        ({"config": {}, "transferlab": {"schema_version": 9}}, "is of version 9, not 1"),
        (
            {"config": {}, "transferlab": {"backbone": {"dtype": "int3"}}},
            "transferlab.json describes no backbone",
        ),
        ({"config": {}, "transferlab": {"backbone": "org/base"}}, "transferlab.json: is damaged"),
        ({"config": {}, "transferlab": {"trained_on": "chest"}}, "transferlab.json: is damaged"),
        ({"config": {}, "prompts": {"chest": "?"}}, "prompts.json: is damaged"),
        ({"config": {}, "prompts": {"chest": {"t": {"kind": "answer"}}}}, "prompts.json: is"),
    ],
)
def test_what_is_no_model_is_one_sentence(tmp_path, files, sentence):
    folder = write(tmp_path / "x", **files)
    with pytest.raises(InputError, match=sentence):
        find_model(folder)


def test_a_backbone_belongs_to_an_adapter(tmp_path):
    with pytest.raises(InputError, match="is a whole model and needs none"):
        find_model(write(tmp_path / "m", config={}), backbone="org/base")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        find_model(str(tmp_path / "file"))


@pytest.mark.parametrize(
    ("trained", "now", "is_loaded"),
    [
        ("a" * 64, "b" * 64, False),
        ("a" * 64, "a" * 64, True),
        ("c" * 40, "b" * 64, True),  # trained from the Hub, and now a folder: not comparable
    ],
)
def test_an_adapter_of_other_weights_is_not_loaded(tmp_path, monkeypatch, trained, now, is_loaded):
    """A sibling of its backbone has the same shapes, and would answer without a word."""
    lineage = LINEAGE | {"base_weights": trained}
    folder = write(tmp_path / "a", adapter_config={}, transferlab=lineage)
    monkeypatch.setattr(opening, "fingerprint", lambda section: now)
    monkeypatch.setattr(opening, "load_for_use", lambda *_, **__: "loaded")
    if is_loaded:
        assert find_model(folder).load() == "loaded"
        return
    with pytest.raises(InputError, match="was trained on another backbone than 'org/base' is now"):
        find_model(folder).load()
