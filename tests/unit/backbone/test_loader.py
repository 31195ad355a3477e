"""Loading: adapters, the scratch arm, saving, and a sentence for everything that goes wrong."""

import json

import pytest
import torch
from backbone_cases import Pictures, only_sentence, sample, tiny, waken
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, AutoProcessor, BertConfig

from transferlab.backbone.loader import pick_device
from transferlab.backbone.reload import Probe
from transferlab.config.backbone import AdapterSection
from transferlab.core.protocols import Backbone
from transferlab.errors import EnvironmentProblem, InputError, ModelError
from transferlab.tiny.architecture import ASSETS


def logits(backbone):
    batch, _ = backbone.collate([sample(0), sample(1, answer="none")])
    with torch.no_grad():
        return backbone.module.eval()(batch)


def test_the_backbone_honours_the_protocol(plain):
    backbone: Backbone = plain
    missing = [name for name in dir(Backbone) if name[0] != "_" and not hasattr(backbone, name)]
    assert missing == []
    assert backbone.name == "transferlab/tiny"


def test_an_adapter_trains_few_parameters_and_none_trains_all(plain):
    adapted, whole = plain, tiny(adapter=None)
    assert 0 < adapted.trainable_parameters < 0.2 * adapted.total_parameters
    assert whole.trainable_parameters == whole.total_parameters
    assert adapted.total_parameters == whole.total_parameters + adapted.trainable_parameters
    torch.testing.assert_close(logits(adapted), logits(whole))


def test_rank_alpha_and_targets_are_obeyed(plain):
    section = AdapterSection(rank=4, alpha=12, dropout=0.1, targets=["q_proj", "linear_1"])
    backbone = tiny(adapter=section)
    config = backbone.model.peft_config["default"]
    assert (config.r, config.lora_alpha, config.lora_dropout) == (4, 12, 0.1)
    layers = {
        n.split(".lora_")[0].rpartition(".")[2] for n, _ in backbone.module.named_parameters()
    }
    assert layers == {"q_proj", "linear_1"}
    assert {min(p.shape) for p in backbone.module.parameters()} == {4}
    assert plain.model.peft_config["default"].lora_alpha == 32


def test_targets_that_match_nothing_are_named():
    with pytest.raises(ModelError, match=r"called 'q_prj'\. Did you mean 'q_proj'\?"):
        tiny(adapter=AdapterSection(targets=["v_proj", "q_prj"]))


def test_the_seed_decides_the_adapter_and_nothing_else_does():
    one = tiny(seed=3).trainable_state()
    before = torch.random.get_rng_state()
    torch.rand(5)
    same, other = tiny(seed=3).trainable_state(), tiny(seed=4).trainable_state()
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)
    torch.random.set_rng_state(before)
    tiny(seed=5)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_fresh_backbone_is_random_whole_and_repeatable(plain):
    fresh, same, other = (tiny(fresh=True, seed=seed) for seed in (5, 5, 6))
    assert not fresh.adapted
    assert (
        fresh.trainable_parameters == fresh.total_parameters == tiny(adapter=None).total_parameters
    )
    assert torch.equal(logits(fresh), logits(same))
    assert not torch.allclose(logits(fresh), logits(other))
    assert not torch.allclose(logits(fresh), logits(plain))


def test_a_state_round_trip_gives_the_same_logits():
    trained, other = tiny(seed=0), tiny(seed=1)
    waken(trained)
    state = trained.trainable_state()
    assert not torch.allclose(logits(trained), logits(other))
    other.load_trainable_state(state)
    assert torch.equal(logits(trained), logits(other))
    waken(trained)
    assert torch.equal(other.trainable_state()[next(iter(state))], state[next(iter(state))])


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing")
def test_plain_peft_loads_the_saved_adapter(tmp_path):
    backbone = tiny()
    waken(backbone)
    backbone.save_adapter(tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "transferlab/tiny"
    base = AutoModelForImageTextToText.from_pretrained(ASSETS)
    theirs = PeftModel.from_pretrained(base, str(tmp_path)).eval()
    batch, _ = backbone.collate([sample()])
    with torch.no_grad():
        ours = backbone.module.eval()(batch)
        logits = theirs(**backbone.module.inputs(batch)).logits
    torch.testing.assert_close(ours, logits[batch.labels != -100], atol=1e-5, rtol=1e-5)


def test_plain_transformers_loads_the_saved_model(tmp_path):
    backbone = tiny()
    waken(backbone)
    expected = logits(backbone)
    backbone.save_pretrained(tmp_path)
    assert torch.equal(logits(backbone), expected), "saving must not merge the one in use"
    again = tiny(model=str(tmp_path), adapter=None)
    torch.testing.assert_close(logits(again), expected, atol=1e-4, rtol=1e-4)
    assert AutoProcessor.from_pretrained(tmp_path).image_token == "<image>"


def test_a_model_without_adapter_has_none_to_save(tmp_path):
    with pytest.raises(ModelError, match="without an adapter"):
        tiny(adapter=None).save_adapter(tmp_path)


def test_lower_precision_reaches_model_and_media():
    backbone = tiny(dtype="bfloat16", adapter=None)
    batch, _ = backbone.collate([sample()])
    assert batch.media["pixel_values"].dtype == torch.bfloat16
    assert backbone.module(batch).dtype == torch.bfloat16


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(ModelError, match="no such folder"):
        tiny(model=str(tmp_path / "nowhere"))


def test_a_model_that_takes_no_images(tmp_path):
    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(ModelError) as caught:
        tiny(model=str(tmp_path))
    assert "of type 'bert', which takes no images" in only_sentence(caught)


def test_an_architecture_that_transformers_does_not_know(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "never-heard-of"}')
    with pytest.raises(ModelError, match="never-heard-of") as caught:
        tiny(model=str(tmp_path))
    only_sentence(caught)


def test_code_of_its_own_is_refused(tmp_path):
    remote = {"AutoConfig": "code.Config", "AutoModelForImageTextToText": "code.Model"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": remote}))
    (tmp_path / "code.py").write_text("raise SystemExit('this must never run')")
    with pytest.raises(ModelError, match="trust_remote_code: true"):
        tiny(model=str(tmp_path))


@pytest.fixture
def saved(tmp_path):
    for file in ASSETS.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def test_weights_that_are_pickled_are_refused(saved):
    state = load_file(saved / "model.safetensors")
    (saved / "model.safetensors").unlink()
    torch.save(state, saved / "pytorch_model.bin")
    with pytest.raises(ModelError, match="safetensors") as caught:
        tiny(model=str(saved))
    only_sentence(caught)


def test_a_truncated_file_is_refused(saved):
    file = saved / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelError, match="broken") as caught:
        tiny(model=str(saved))
    only_sentence(caught)


def test_missing_weights_are_not_made_up(saved):
    state = load_file(saved / "model.safetensors")
    name = next(name for name in state if "q_proj" in name)
    del state[name]
    save_file(state, saved / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lack 1 of the model's weights"):
        tiny(model=str(saved))


def test_a_processor_that_is_missing(saved):
    (saved / "processor_config.json").unlink()
    with pytest.raises(ModelError) as caught:
        tiny(Pictures(), model=str(saved))
    only_sentence(caught)


def test_a_folder_has_no_revisions():
    with pytest.raises(InputError, match=r"backbone\.revision.*remove the key"):
        tiny(revision="main")


def test_arms_can_share_what_has_been_read():
    pictures = Pictures()
    first = tiny(pictures)
    first.collate([sample()])
    calls = pictures.calls
    second = tiny(fresh=True, sharing=first)
    batch, _ = second.collate([sample()])
    assert pictures.calls == calls
    assert second.module(batch).shape == first.module(batch).shape
    with pytest.raises(ValueError, match="max_length_tokens is 2048 there and 99 here"):
        tiny(max_length_tokens=99, sharing=first)


def test_devices():
    assert pick_device("cpu") == torch.device("cpu")
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert pick_device("auto").type == expected
    with pytest.raises(InputError, match="'gpu' is no device"):
        pick_device("gpu")
    with pytest.raises(EnvironmentProblem, match=r"GPU\(s\) found"):
        pick_device("cuda:99")


def test_trained_embeddings_are_part_of_the_adapter_and_load_with_plain_peft(tmp_path):
    backbone = tiny(adapter=AdapterSection(rank=2, train_embeddings=True))
    plain = tiny(adapter=AdapterSection(rank=2))
    vocabulary, width = backbone.model.get_input_embeddings().weight.shape
    assert backbone.trainable_parameters - plain.trainable_parameters == vocabulary * width
    waken(backbone)
    with torch.no_grad():
        for name, parameter in backbone.module.named_parameters():
            if "token" in name:
                parameter.add_(0.1)
    backbone.save_adapter(tmp_path)
    assert Probe.of(backbone, [sample()]).adapter_difference(tmp_path) <= 1e-5
