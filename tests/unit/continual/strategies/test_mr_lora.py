"""One adapter per domain, and a router that is the model itself."""

import pytest
import torch
from continual_cases import AnyBackbone, learner_with

from transferlab.continual.strategies.mr_lora import MRLoRA, MRLoRAOptions
from transferlab.core.records import Prediction
from transferlab.errors import ModelError

SECTION = {"epochs": 2, "schedule": "constant", "warmup_fraction": 0, "learning_rate": 2e-2}


class Backbone(AnyBackbone):
    """Answers the router by the domain's letter, and others by a parameter of its own."""

    def score_choices(self, samples, *, batch_samples):
        self.asked_with = self.trainable_state()
        mark = float(self.module.down.weight.detach().sum())
        return [
            Prediction(
                sample=one,
                text=one.answer,
                log_likelihoods=(
                    tuple(float(choice == one.answer) for choice in one.choices)
                    if "Which expert" in one.prompt
                    else (mark,)
                ),
            )
            for one in samples
        ]


def router_loss(learner, plugin, samples):
    """Of the letters, with the parameters as they are."""
    backbone = learner._trainer.backbone
    asked = [plugin.question(one, list(plugin.adapters)) for one in samples]
    batch, targets = backbone.collate(asked)
    with torch.no_grad():
        return float(torch.nn.functional.cross_entropy(backbone.module(batch), targets))


@pytest.fixture
def trained(xray, lecture):
    backbone = Backbone()
    start, ends = backbone.trainable_state(), []
    plugin = MRLoRA(MRLoRAOptions(router_epochs=30, samples_per_domain=6), seed=0)
    learner = learner_with(plugin, backbone, **SECTION)
    for name, samples in (("xray", xray), ("lecture", lecture)):
        learner.train(samples, domain=name, stage=name)
        ends.append(backbone.trainable_state())
    return learner, plugin, backbone, start, ends


def flat(state):
    return torch.cat([one.flatten() for one in state.values()])


def test_every_domain_has_an_adapter_of_its_own_and_the_router_one(trained):
    _, plugin, _, start, ends = trained
    for end, adapter in zip(ends, plugin.adapters.values(), strict=True):
        assert torch.equal(flat(end), adapter)
        assert not torch.equal(flat(start), adapter)
    assert not any(torch.equal(plugin.router, one) for one in plugin.adapters.values())
    ids = sum(len(dataset) for dataset in plugin.memory.domains)
    assert ids == 12
    assert plugin.state_bytes() > 4 * plugin.router.nbytes


def test_the_router_is_trained_on_the_remembered_samples_of_all_domains(trained, xray, lecture):
    learner, plugin, backbone, start, _ = trained
    backbone.load_trainable_state(start)
    before = router_loss(learner, plugin, [*xray, *lecture])
    names = [name for name, _ in backbone.module.named_parameters()]
    pieces = plugin.router.split([start[name].numel() for name in names])
    backbone.load_trainable_state(
        {name: one.view_as(start[name]) for name, one in zip(names, pieces, strict=True)}
    )
    assert router_loss(learner, plugin, [*xray, *lecture]) < 0.7 * before


def test_a_question_goes_to_the_router_and_then_to_the_adapter_of_its_letter(
    trained, xray, lecture
):
    learner, plugin, backbone, _, ends = trained
    asked = plugin.question(lecture[0], ["xray", "lecture"])
    assert asked.prompt == f"{lecture[0].prompt}\nWhich expert should answer? A: xray; B: lecture"
    assert (asked.answer, asked.choices) == ("B", ("A", "B"))
    state = backbone.trainable_state()
    assert plugin.routes(learner._trainer, [lecture[0], xray[0]]) == ["lecture", "xray"]
    assert torch.equal(flat(backbone.asked_with), plugin.router)
    backbone.load_trainable_state(state)
    answers = learner.inference_backbone().score_choices([lecture[0], xray[0]], batch_samples=4)
    marks = [float(end["down.weight"].sum()) for end in ends]
    assert [one.log_likelihoods[0] for one in answers] == pytest.approx(marks[::-1], rel=1e-5)
    assert torch.equal(flat(backbone.trainable_state()), flat(state))


def test_the_router_is_told_what_an_expert_is_good_at(xray):
    plugin = MRLoRA(MRLoRAOptions(descriptions={"xray": "radiographs of the chest"}), seed=0)
    assert plugin.question(xray[0], ["xray"]).prompt.endswith("A: radiographs of the chest")


def test_with_one_domain_there_is_nothing_to_choose(xray, lecture):
    backbone, plugin = Backbone(), MRLoRA(MRLoRAOptions(), seed=0)
    learner = learner_with(plugin, backbone, **SECTION)
    learner.train(xray, domain="xray", stage="x")
    assert not len(plugin.router)
    assert plugin.routes(learner._trainer, lecture[:2]) == ["xray", "xray"]


def test_the_same_domain_again_and_too_long_a_question_are_refused(xray):
    backbone, plugin = Backbone(), MRLoRA(MRLoRAOptions(), seed=0)
    learner = learner_with(plugin, backbone, **SECTION)
    learner.train(xray, domain="xray", stage="x")
    with pytest.raises(ModelError, match="'xray' comes twice in the stream"):
        learner.train(xray, domain="xray", stage="again")
    backbone.max_length_tokens = 40
    with pytest.raises(ModelError, match=r"router's question is \d+ tokens long; raise"):
        learner.train(xray, domain="other", stage="o")
