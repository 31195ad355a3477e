"""Every strategy with a backbone that compares: refused by validate, or two domains are trained."""

import dataclasses
import math

import family_contrast
import pytest
from backbone_cases import sample, tiny

from transferlab.config.backbone import AdapterSection
from transferlab.config.pipeline import PipelineConfig, StrategySpec, TrainSection
from transferlab.continual.engine.learner import Learner
from transferlab.continual.options.registry import OPTIONS
from transferlab.pipeline.validation import check

pytestmark = pytest.mark.integration
GIVEN = {
    "plugin": {"path": "avalanche.core.SupervisedPlugin", "stateless": True},
    "o_lora": {"rank_per_domain": 2},
    "inflora": {"rank_per_domain": 2},
    "keeplora": {"rank_per_domain": 2},
    "hide": {"rank_per_domain": 2},
    "reglora": {"rank_per_domain": 2},
}
NEED_A_WRITER = {"der", "er_ace", "feature_distillation", "pseudo_replay", "self_distillation"}
NEED_A_WRITER |= {"hide", "mr_lora"}
NEED_ANOTHER_ADAPTER = {"moe_lora", "cl_moe", "osf"}


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    model, processor = family_contrast.clip()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


def samples(domain, *, closed):
    found = []
    for at in range(6):
        one = dataclasses.replace(sample(at), id=f"{domain}-{at}", domain=domain)
        if closed:
            one = dataclasses.replace(one, answer=("a disc", "none")[at % 2])
            found.append(dataclasses.replace(one, choices=("a disc", "none"), kind="classify"))
        else:
            alone = {"choices": (), "kind": "retrieve", "answer": f"picture {at}"}
            found.append(dataclasses.replace(one, **alone))
    return found


@pytest.mark.parametrize("closed", [True, False], ids=["choices", "answers"])
@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_a_strategy_is_refused_or_works(clip_folder, name, closed):
    spec = {name: GIVEN.get(name, {})}
    given = {"name": "p", "stream": ["chest-xray"], "strategy": [spec]}
    given["backbone"] = {"model": clip_folder, "adapter": {"rank": 4}}
    problems = check(PipelineConfig.model_validate(given))
    refused = [one for one in problems if one.startswith("strategy")]
    assert bool(refused) == (name in NEED_ANOTHER_ADAPTER | NEED_A_WRITER)
    if refused:
        return
    learner = Learner(
        tiny(model=clip_folder, adapter=AdapterSection(rank=4)),
        [StrategySpec(name=name, options=GIVEN.get(name, {}))],
        TrainSection(epochs=1, max_steps=2, batch_samples=2),
        seed=0,
    )
    for domain in ("one", "two"):
        report = learner.train(samples(domain, closed=closed), domain=domain, stage=domain)
        assert report.steps == 2
        assert all(math.isfinite(loss) and loss > 0 for loss in report.losses)
        assert all(math.isfinite(value) for value in report.terms.values())
