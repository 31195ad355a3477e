"""Any plugin by its dotted path."""

import pytest
import torch
from continual_cases import ToyBackbone
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from transferlab.continual.avalanche_api import SupervisedPlugin
from transferlab.core.events import Warned
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


class StepReader(SupervisedPlugin):
    """Reads output, targets and loss in every hook after the backward pass."""

    seen: list[tuple[int, float, float]] = []

    def _read(self, strategy):
        own = cross_entropy(strategy.mb_output, strategy.mb_y)
        self.seen.append((len(strategy.mb_output), float(own), float(strategy.loss)))

    def after_backward(self, strategy, **kwargs):
        self._read(strategy)

    def before_update(self, strategy, **kwargs):
        self._read(strategy)

    def after_training_iteration(self, strategy, **kwargs):
        self._read(strategy)


@pytest.mark.parametrize("accumulation_steps", [1, 2, 4])
def test_after_a_step_output_targets_and_loss_belong_together(
    make_learner, xray, monkeypatch, accumulation_steps
):
    monkeypatch.setattr(StepReader, "seen", [])
    train = {"epochs": 1, "accumulation_steps": accumulation_steps}
    plugin = {"path": f"{__name__}.StepReader", "stateless": True}
    report = make_learner(ToyBackbone(), train=train, plugin=plugin).train(
        xray, domain="xray", stage="one"
    )
    assert len(StepReader.seen) == 3 * report.steps
    for at, loss in enumerate(report.losses):
        for rows, own, told in StepReader.seen[3 * at : 3 * at + 3]:
            assert rows > accumulation_steps
            assert own == pytest.approx(loss, rel=1e-5)
            assert told == pytest.approx(loss, rel=1e-5)


class OwnLoader(SupervisedPlugin):
    """Puts a loader of its own in place, as Avalanche's replay does."""

    def before_training_exp(self, strategy, **kwargs):
        data = strategy.adapted_dataset
        strategy.dataloader = DataLoader(
            data, batch_size=6, shuffle=True, collate_fn=data.collate_fn
        )


def test_a_plugin_with_a_loader_of_its_own_comes_through_a_step_checkpoint(
    make_learner, xray, tmp_path
):
    told = []
    plugin = {"path": f"{__name__}.OwnLoader", "stateless": True}
    learner = make_learner(
        ToyBackbone(), train={"checkpoint_steps": 1}, listener=told.append, plugin=plugin
    )
    file = tmp_path / "one.unfinished"
    assert learner.train(xray, domain="xray", stage="one", step_checkpoint=file).steps == 8
    assert not file.exists()
    (warning,) = [event.text for event in told if isinstance(event, Warned)]
    assert "'xray': a plugin has put a loader of its own" in warning
    assert "from the last finished domain" in warning
