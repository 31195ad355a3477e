"""What strategies ask the model beside the data, where samples are conversations."""

from dataclasses import replace

from continual_cases import make_samples

from transferlab.continual.components.self_generated_targets import SelfGeneratedTargets
from transferlab.continual.strategies.pseudo_replay import PseudoReplay, PseudoReplayOptions
from transferlab.core.records import Prediction
from transferlab.core.text.conversation import Turn

HISTORY = (
    Turn(role="user", text="What is it?"),
    Turn(role="assistant", text="A heart.", learned=True),
)


class Trainer:
    """Answers everything with one text."""

    micro_batch_samples = 4

    def __init__(self, samples):
        self.experience = self
        self.clock = self
        self.backbone = self
        self.dataset = [(one,) for one in samples]
        self.train_exp_counter = 0
        self.max_length_tokens = 10

    def generate(self, samples, **options):
        return [Prediction(sample=one, text="I see.") for one in samples]

    def length_tokens(self, sample):
        return 1


def conversations():
    made = make_samples("a", 4)
    return [replace(one, history=HISTORY) for one in made]


def strategy():
    return PseudoReplay(PseudoReplayOptions(pseudo_samples=4, memory_batch_samples=2), seed=0)


def test_general_questions_about_media_leave_the_conversation_out():
    asked = strategy().samples_to_answer(Trainer(conversations()))
    assert {one.history for one in asked} == {()}
    assert {len(one.media) for one in asked} == {len(conversations()[0].media)}


def test_the_models_own_answers_alone_are_learned_in_a_conversation():
    (first, *_) = SelfGeneratedTargets._answers(strategy(), Trainer([]), conversations())
    assert (first.answer, first.history[1].text) == ("I see.", "A heart.")
    assert not first.learns_history
