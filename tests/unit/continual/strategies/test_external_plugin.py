"""Any plugin by its dotted path."""

import pytest
import torch
from continual_cases import ToyBackbone

from transferlab.errors import InputError

EWC = {"path": "avalanche.training.plugins.EWCPlugin", "arguments": {"ewc_lambda": 400.0}}


def test_a_plugin_of_avalanche_works_with_its_arguments(make_learner, xray, lecture):
    ends = []
    for options in (
        {"plugin": EWC},
        {"ewc": {"strength": 400.0, "mode": "separate", "fisher": "batch"}},
        {"naive": {}},
    ):
        backbone = ToyBackbone()
        learner = make_learner(backbone, train={"max_grad_norm": None}, **options)
        learner.train(xray, domain="xray", stage="one")
        learner.train(lecture, domain="lecture", stage="two")
        ends.append(torch.cat([v.reshape(-1) for v in backbone.trainable_state().values()]))
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-3, atol=1e-4)
    assert float((ends[0] - ends[2]).abs().max()) > 1e-3


def test_what_it_keeps_cannot_be_saved_so_a_run_cannot_be_resumed(make_learner, xray):
    learner = make_learner(ToyBackbone(), plugin=EWC)
    learner.train(xray, domain="xray", stage="one")
    with pytest.raises(InputError, match="EWCPlugin cannot say what it keeps"):
        make_learner(ToyBackbone(), plugin=EWC).load_state_dict(learner.state_dict())
    stateless = {"path": "avalanche.core.SupervisedPlugin", "stateless": True}
    state = make_learner(ToyBackbone(), plugin=stateless).state_dict()
    make_learner(ToyBackbone(), plugin=stateless).load_state_dict(state)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "avalanche.training.plugins.EWCPlugins"}, "not a class derived"),
        ({"path": "avalanche.training.plugin.EWCPlugin"}, "no module 'avalanche.training.plugin'"),
        ({"path": "pathlib.Path"}, "not a class derived"),
        ({**EWC, "arguments": {"lambda_": 1}}, "strategy.plugin.arguments.*ewc_lambda"),
    ],
)
def test_a_wrong_path_or_argument_is_an_input_error(make_learner, options, words):
    with pytest.raises(InputError, match=words):
        make_learner(ToyBackbone(), plugin=options)
