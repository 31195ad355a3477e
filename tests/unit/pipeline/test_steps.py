"""What the stream observes of each of its steps, and how it reaches result.json."""

from types import SimpleNamespace

from transferlab.config.pipeline import PipelineConfig
from transferlab.pipeline.result import _steps
from transferlab.pipeline.sequential import measure_interference
from transferlab.pipeline.stage_facts import StageFacts
from transferlab.pipeline.stages import StageStore


class Learner:
    """Says how many samples it was asked about."""

    def __init__(self):
        self.asked = []

    def interference(self, new, past):
        self.asked.append((len(new), {name: len(samples) for name, samples in past.items()}))
        return dict.fromkeys(past, 0.5)


def parts_for(tmp_path, **evaluation):
    config = PipelineConfig(
        name="p", source="scenes", stream=["xray", "lectures"], evaluation=evaluation
    )
    train = {"scenes": "abc", "xray": "abcdef", "lectures": "abcd"}
    contents = {name: name for name in ("scenes", "xray", "lectures")}
    stages = StageStore(tmp_path, StageFacts(config, contents, weights="w"))
    return SimpleNamespace(config=config, columns=list(train), train=train, stages=stages)


def test_a_domain_is_compared_with_every_earlier_one_once(tmp_path):
    learner, parts = Learner(), parts_for(tmp_path, interference_samples=4)
    assert measure_interference(parts, learner, "xray") == {"scenes": 0.5}
    assert measure_interference(parts, learner, "lectures") == {"scenes": 0.5, "xray": 0.5}
    assert learner.asked == [(4, {"scenes": 3}), (4, {"scenes": 3, "xray": 4})]
    assert measure_interference(parts, learner, "lectures") == {"scenes": 0.5, "xray": 0.5}
    assert len(learner.asked) == 2  # a finished stage is read


def test_it_can_be_left_out(tmp_path):
    learner, parts = Learner(), parts_for(tmp_path, interference_samples=0)
    assert measure_interference(parts, learner, "xray") == {}
    assert learner.asked == []


def test_steps_join_what_was_scored_and_what_was_trained():
    matrix = SimpleNamespace(steps=lambda: [{"domain": "xray", "plasticity": 0.4}])
    stream = SimpleNamespace(
        interference={"xray": {"scenes": -0.1}},
        reports={"xray": SimpleNamespace(terms={"ewc_penalty": 0.2})},
    )
    assert _steps(matrix, stream) == [
        {
            "domain": "xray",
            "plasticity": 0.4,
            "interference": {"scenes": -0.1},
            "terms": {"ewc_penalty": 0.2},
        }
    ]


def test_a_finished_stage_leaves_no_unfinished_file(tmp_path):
    stages = parts_for(tmp_path).stages
    path = stages.unfinished("sequential/1/xray")
    path.write_bytes(b"half-way")
    stages.save("sequential/1/xray", {"steps": 3})
    assert not path.exists()
    assert stages.load("sequential/1/xray") == {"steps": 3}
