"""An export is what PEFT reads, and nothing is exported that answers differently."""

from __future__ import annotations

import errno
import json
import os
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn

from transferlab.errors import EnvironmentProblem, InputError, ModelError
from transferlab.export.formats.adapter import CONFIG, WEIGHTS, export_adapter
from transferlab.export.formats.merged import MergedExporter
from transferlab.export.writing import CARD


def base() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 5))


@pytest.fixture
def trained():
    model = get_peft_model(base(), LoraConfig(r=2, target_modules=["0", "2"]))
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            nn.init.normal_(parameter)
    model.peft_config["default"].base_model_name_or_path = "/home/jane/models/llava-small"
    return model.eval()


@pytest.fixture
def save(trained):
    def write(folder, *, card="# card\n"):
        trained.save_pretrained(str(folder), save_embedding_layers=False)
        (folder / CARD).write_text(card)

    return write


@pytest.fixture
def compare(trained):
    def difference(folder) -> float:
        reloaded = PeftModel.from_pretrained(base(), str(folder)).eval()
        x = torch.linspace(-1, 1, 18).reshape(3, 6)
        with torch.no_grad():
            return (reloaded(x) - trained(x)).abs().max().item()

    return difference


def test_the_folder_is_what_peft_loads(save, compare, tmp_path):
    folder = tmp_path / "deep" / "adapter"
    record = export_adapter(save, compare, folder=folder)
    assert record.max_logit_difference <= record.tolerance == 1e-4
    assert compare(folder) <= record.tolerance
    assert set(record.files) == {path.name for path in folder.iterdir()} == {CONFIG, WEIGHTS, CARD}
    assert record.total_bytes == sum(path.stat().st_size for path in folder.iterdir())
    assert (folder / CARD).read_text() == "# card\n"
    assert [path.name for path in folder.parent.iterdir()] == ["adapter"]


def test_no_path_of_this_machine_is_exported(save, compare, tmp_path):
    export_adapter(save, compare, folder=tmp_path / "adapter")
    text = (tmp_path / "adapter" / CONFIG).read_text()
    assert json.loads(text)["base_model_name_or_path"] == "llava-small"
    assert "jane" not in text


@pytest.mark.parametrize("name", ["transferlab/tiny", "HuggingFaceTB/SmolVLM-256M-Instruct"])
def test_an_id_is_left_as_it_is(trained, save, compare, tmp_path, name):
    trained.peft_config["default"].base_model_name_or_path = name
    export_adapter(save, compare, folder=tmp_path / "adapter")
    settings = json.loads((tmp_path / "adapter" / CONFIG).read_text())
    assert settings["base_model_name_or_path"] == name


@pytest.mark.parametrize("difference", [0.5, float("nan"), float("inf")])
def test_what_answers_differently_is_refused(save, tmp_path, difference):
    with pytest.raises(ModelError, match="does not answer as the trained model does"):
        export_adapter(save, lambda folder: difference, folder=tmp_path / "adapter")
    assert list(tmp_path.iterdir()) == []


def test_an_adapter_that_lost_its_weights_on_the_way_is_refused(trained, compare, tmp_path):
    def save_another(folder):
        other = get_peft_model(base(), LoraConfig(r=2, target_modules=["0", "2"]))
        other.save_pretrained(str(folder), save_embedding_layers=False)

    with pytest.raises(ModelError, match="does not answer"):
        export_adapter(save_another, compare, folder=tmp_path / "adapter")


def test_an_earlier_adapter_survives_a_failed_export(save, compare, tmp_path):
    folder = tmp_path / "adapter"
    export_adapter(partial(save, card="first"), compare, folder=folder)
    with pytest.raises(ModelError):
        export_adapter(partial(save, card="second"), lambda _: 1.0, folder=folder)
    assert (folder / CARD).read_text() == "first"
    export_adapter(partial(save, card="third"), compare, folder=folder)
    assert (folder / CARD).read_text() == "third"
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_other_files_are_not_overwritten(save, compare, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="would be lost"):
        export_adapter(save, compare, folder=tmp_path)
    with pytest.raises(InputError, match="is a file"):
        export_adapter(save, compare, folder=tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_incomplete_files_are_refused(compare, tmp_path):
    with pytest.raises(ModelError, match=r"without adapter_config\.json and adapter_model"):
        export_adapter(lambda folder: None, compare, folder=tmp_path / "adapter")


def test_pickles_are_refused(save, compare, tmp_path):
    def save_with_pickle(folder):
        save(folder)
        (folder / "adapter_model.bin").write_bytes(b"x")

    with pytest.raises(ModelError, match="only safetensors"):
        export_adapter(save_with_pickle, compare, folder=tmp_path / "adapter")


def test_an_unwritable_place_is_one_sentence(save, compare, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        export_adapter(save, compare, folder=tmp_path / "file" / "adapter")


def test_equal_adapters_are_equal_files(trained, save, compare, tmp_path):
    def save_reversed(folder):
        save(folder)
        settings = json.loads((folder / CONFIG).read_text("utf-8"))
        settings["target_modules"] = sorted(settings["target_modules"], reverse=True)
        (folder / CONFIG).write_text(json.dumps(settings), "utf-8")

    records = [
        export_adapter(how, compare, folder=tmp_path / str(number))
        for number, how in enumerate([save, save_reversed])
    ]
    assert records[0].files == records[1].files
    written = json.loads((tmp_path / "1" / CONFIG).read_text("utf-8"))
    assert written["target_modules"] == ["0", "2"]


def test_a_model_of_ones_own_is_not_replaced(tmp_path):
    """It has a config.json as our merged models have; our lineage it has not."""
    (tmp_path / "merged").mkdir()
    (tmp_path / "merged" / "config.json").write_text("{}")
    with pytest.raises(InputError, match="holds files that are no merged model"):
        MergedExporter().export(
            SimpleNamespace(whole_difference=None, merged_tolerance=1), tmp_path / "merged"
        )
    assert (tmp_path / "merged" / "config.json").is_file()


def test_an_earlier_adapter_comes_back_where_the_new_one_cannot_be_put(
    save, compare, tmp_path, monkeypatch
):
    export_adapter(partial(save, card="earlier"), compare, folder=tmp_path / "a")
    real = os.replace

    def fail_for_the_new(source, target):
        if str(source).endswith(".partial") and str(target).endswith("/a"):
            raise OSError(errno.EIO, "the disk does not answer")
        real(source, target)

    monkeypatch.setattr(os, "replace", fail_for_the_new)
    with pytest.raises(EnvironmentProblem, match="the disk does not answer"):
        export_adapter(save, compare, folder=tmp_path / "a")
    assert (tmp_path / "a" / CARD).read_text() == "earlier"
    assert [one.name for one in tmp_path.iterdir()] == ["a"]
