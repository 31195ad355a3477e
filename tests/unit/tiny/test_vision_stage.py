"""The vision stage: the tower learns from questions, each task counts alike, choices are kept."""

import numpy as np
import pytest
import torch
from torch import nn

from transferlab.errors import ModelError
from transferlab.tiny.vision_stage import (
    QuestionAnswer,
    QuestionVocabulary,
    VisionClassifier,
    VisionExample,
)

COLOURS = ("red", "green", "blue")
SIDES = ("left", "right")


class Patches(nn.Module):
    """Four places of a picture, told by their mean colour."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 8)

    def forward(self, pixel_values, output_hidden_states):
        assert output_hidden_states
        pooled = nn.functional.adaptive_avg_pool2d(pixel_values, 2).flatten(2).transpose(1, 2)
        return type("Output", (), {"hidden_states": (pooled, self.linear(pooled))})


def look(colour: int, side: int) -> VisionExample:
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    image[:, 4 * side : 4 * side + 4, colour] = 255
    return VisionExample(
        image=image,
        questions=(
            QuestionAnswer(
                task="colour", text="Which colour?", answer=COLOURS[colour], choices=COLOURS
            ),
            QuestionAnswer(task="side", text="Which side?", answer=SIDES[side], choices=SIDES),
            QuestionAnswer(task="side", text="Which half?", answer=SIDES[side], choices=SIDES),
        ),
    )


@pytest.fixture
def looks() -> list[VisionExample]:
    return [look(colour, side) for colour in range(3) for side in range(2)]


def looker(catalogue: QuestionVocabulary) -> VisionClassifier:
    torch.manual_seed(0)
    return VisionClassifier(Patches(), catalogue, width=8, positions=4)


def test_it_learns_and_the_tower_with_it(looks):
    catalogue = QuestionVocabulary(looks)
    model, batch = looker(catalogue), catalogue.batch(looks)
    before = model.tower.linear.weight.clone()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    first = model.loss(batch).item()
    for _ in range(150):
        optimizer.zero_grad()
        model.loss(batch).backward()
        optimizer.step()
    assert model.loss(batch).item() < 0.05 < first
    assert not torch.equal(model.tower.linear.weight, before)


def test_an_answer_is_one_of_the_choices(looks):
    catalogue = QuestionVocabulary(looks)
    batch = catalogue.batch(looks)
    logits = looker(catalogue)(batch["pixel_values"], batch["picture"], batch["question"])
    chances = logits.softmax(dim=-1)
    colours, sides = chances[0], chances[1]
    torch.testing.assert_close(colours[:3].sum().item(), 1.0)
    torch.testing.assert_close(sides[3:].sum().item(), 1.0)


def test_each_task_of_a_picture_counts_alike(looks):
    batch = QuestionVocabulary(looks).batch(looks[:1])
    assert batch["weight"].tolist() == [1.0, 0.5, 0.5]
    assert batch["picture"].tolist() == [0, 0, 0]
    assert batch["pixel_values"].shape == (1, 3, 8, 8)


def test_a_question_that_was_never_drawn_is_named(looks):
    stranger = QuestionAnswer(
        task="size", text="How large?", answer="small", choices=("small", "large")
    )
    with pytest.raises(ModelError, match=r"'How large\?'.*was never drawn"):
        QuestionVocabulary(looks).batch(
            [VisionExample(image=looks[0].image, questions=(stranger,))]
        )
