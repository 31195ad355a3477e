"""Models by their id on the Hub, with a cache in place of the network."""

import logging
import shutil
from pathlib import Path

import httpx
import pytest
import torch
from backbone_cases import only_sentence, sample, tiny
from huggingface_hub.errors import (
    GatedRepoError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors.torch import load_file, save_file

from transferlab.config.backbone import AdapterSection
from transferlab.errors import ModelError

MAIN, OTHER, PICKLED = "a" * 40, "b" * 40, "c" * 40


@pytest.fixture(scope="module")
def cache(smolvlm_folder, tmp_path_factory):
    """What a download of ``someone/small`` leaves: two revisions, and one without safetensors."""
    root = tmp_path_factory.mktemp("hub")
    model = root / "models--someone--small"
    for commit in (MAIN, OTHER, PICKLED):
        shutil.copytree(smolvlm_folder, model / "snapshots" / commit)
    weights = model / "snapshots" / OTHER / "model.safetensors"
    save_file({n: 2 * t for n, t in load_file(weights).items()}, weights, metadata={"format": "pt"})
    weights = model / "snapshots" / PICKLED / "model.safetensors"
    torch.save(load_file(weights), weights.with_name("pytorch_model.bin"))
    weights.unlink()
    (model / "refs").mkdir()
    for name, commit in {"main": MAIN, "v2": OTHER, "old": PICKLED}.items():
        (model / "refs" / name).write_text(commit)
    return root


@pytest.fixture(autouse=True)
def offline(cache, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))


def logits(backbone):
    with torch.no_grad():
        return backbone.module.eval()(backbone.collate([sample()])[0])


def test_a_downloaded_model_needs_no_network_and_each_revision_is_its_own(smolvlm_folder):
    main = tiny(model="someone/small", adapter=None)
    assert torch.equal(logits(main), logits(tiny(model=smolvlm_folder, adapter=None)))
    for revision in ("v2", OTHER):
        other = tiny(model="someone/small", revision=revision, adapter=None)
        assert not torch.allclose(logits(main), logits(other))


def test_the_adapter_knows_its_base_and_revision(tmp_path):
    adapter = AdapterSection(rank=2, targets=["q_proj"])
    backbone = tiny(model="someone/small", revision="v2", adapter=adapter)
    config = backbone.model.peft_config["default"]
    assert (config.base_model_name_or_path, config.revision) == ("someone/small", "v2")


@pytest.mark.parametrize(
    ("model", "revision", "command"),
    [
        ("someone/small", "v3", "hf download someone/small --revision v3"),
        ("someone/large", None, "hf download someone/large'"),
    ],
)
def test_what_was_not_downloaded_is_one_sentence(model, revision, command):
    with pytest.raises(ModelError, match="is not on this machine and the Hugging Face") as caught:
        tiny(model=model, revision=revision)
    assert command in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_revision_with_pickled_weights_only_is_refused():
    with pytest.raises(ModelError, match="safetensors") as caught:
        tiny(model="someone/small", revision="old")
    assert "\n" not in str(caught.value)


def test_code_of_a_model_runs_where_the_pipeline_says_so_only(tmp_path, monkeypatch):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "m"))
    folder = Path(tmp_path / "own")
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "own", "auto_map": {"AutoConfig": "c.C"}}')
    (folder / "c.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(ModelError, match=r"read that code, then set backbone\.trust_remote_code"):
        tiny(model=str(folder))
    with pytest.raises(SystemExit, match="it ran"):
        tiny(model=str(folder), trust_remote_code=True)


def test_an_id_that_is_not_at_hand_offline():
    with pytest.raises(ModelError) as caught:
        tiny(model="someone/never-downloaded")
    text = only_sentence(caught)
    assert "'someone/never-downloaded' is not on this machine" in text
    assert "cannot be reached" in text
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        (GatedRepoError, "is gated: accept its terms"),
        (RevisionNotFoundError, "has no revision 'v9'; check backbone.revision"),
        (RepositoryNotFoundError, "does not exist on the Hugging Face Hub, or is private"),
    ],
)
def test_what_the_hub_refuses(monkeypatch, cause, says):
    def refuse(**_):
        request = httpx.Request("GET", "https://hub.invalid")
        refusal = cause("no", response=httpx.Response(403, request=request))
        raise OSError("You may not.\nMany lines of advice.") from refusal

    monkeypatch.setattr("transferlab.backbone.loader.AutoConfig.from_pretrained", refuse)
    with pytest.raises(ModelError) as caught:
        tiny(model="someone/something", revision="v9")
    assert only_sentence(caught).startswith(f"backbone 'someone/something' {says}")


def test_attempts_to_reach_the_hub_are_not_told_one_by_one(monkeypatch, caplog):
    told = logging.getLogger("huggingface_hub.utils._http")
    told.addHandler(caplog.handler)

    def retry(**_):
        told.warning("thrown while requesting; retrying in 8s")
        raise OSError("no network")

    monkeypatch.setattr("transferlab.backbone.loader.AutoConfig.from_pretrained", retry)
    try:
        with pytest.raises(ModelError, match="no network"):
            tiny(model="someone/something")
        assert caplog.messages == []
        told.warning("as before")
    finally:
        told.removeHandler(caplog.handler)
    assert "as before" in caplog.messages
