"""The schema of a pretraining recipe."""

import pytest
from pydantic import ValidationError

from transferlab.config.pretrain import PretrainConfig

STAGE = {"name": "one", "steps": 3, "kinds": {"single": 1}, "describe": 0.5}


def config(**changes) -> PretrainConfig:
    return PretrainConfig.model_validate({"name": "recipe", "stages": [STAGE]} | changes)


def test_the_steps_of_all_stages_add_up():
    assert config(stages=[STAGE, STAGE | {"name": "two", "steps": 4}]).total_steps == 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stages": []}, "at least 1 item"),
        ({"stages": [STAGE, STAGE]}, "two stages have the same name"),
        ({"stages": [STAGE | {"describe": 1.5}]}, "less than or equal to 1"),
        ({"stages": [STAGE | {"kinds": {}}]}, "at least 1 item"),
        ({"stages": [STAGE | {"kinds": {"single": 0}}]}, "greater than 0"),
        ({"stages": [STAGE | {"step": 3}]}, "Extra inputs are not permitted"),
        ({"learning_rate": 0}, "greater than 0"),
        ({"decay_fraction": 1}, "less than 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        config(**changes)
