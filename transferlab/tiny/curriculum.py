"""What the embedded backbone is shown at each step of its pretraining, and asked at the end."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from transferlab.config.pretrain import PretrainConfig, PretrainStage, VisionStage
from transferlab.core.registry import did_you_mean
from transferlab.errors import InputError
from transferlab.tiny.language_stage import Example
from transferlab.tiny.sentences import field_sentences
from transferlab.tiny.vision_stage import QuestionAnswer, VisionExample
from transferlab.worlds.scenes.records import Scene, SceneExchange
from transferlab.worlds.scenes.world import KINDS, ask_for, exchange, scene, worded

TRAINING, TOKENIZER, HELD_OUT, LOOKING, CATALOGUE, CENSUS = range(6)
"""What a random stream is for: no two uses share a number, so held-out scenes stay unseen."""

SPECIMENS = 3000
"""Scenes of each kind that are drawn to find out which questions there are."""
CENSUS_SCENES = 40
"""Scenes of each kind that are drawn to find out which tasks there are."""


def tokenizer_texts(config: PretrainConfig) -> Iterator[str]:
    """Every text that the tokenizer is trained on."""
    yield from field_sentences()
    rng = np.random.default_rng([config.seed, TOKENIZER])
    kinds = tuple(KINDS)
    for index in range(config.tokenizer_scenes):
        drawn = scene(rng, kind=kinds[index % len(kinds)])
        yield ask_for(drawn, rng)
        yield drawn.description
        for question in drawn.questions:
            yield worded(question, rng)
            yield question.answer


def check_kinds(config: PretrainConfig) -> None:
    """Find out before anything is trained whether every kind of scene exists.

    Raises:
        InputError: one does not; the message names the stage.
    """
    named = [(f"stage '{stage.name}'", stage.kinds) for stage in config.stages]
    if config.vision is not None:
        named.append(("the vision stage", config.vision.kinds))
    for position, kinds in named:
        for kind in kinds:
            if kind not in KINDS:
                raise InputError(
                    f"{position} of '{config.name}': no kind of scene is called '{kind}';"
                    f"{did_you_mean(kind, list(KINDS))} Known: {', '.join(KINDS)}"
                )
            if position == "the vision stage" and kind == "clip":
                raise InputError(
                    f"{position} of '{config.name}': 'clip' has several pictures; leave it out"
                )


@dataclass(frozen=True, kw_only=True)
class Curriculum:
    """The examples of each step; a step's data depend on the seed and its number only."""

    stages: tuple[PretrainStage, ...]
    batch_samples: int
    seed: int

    def stage(self, step: int) -> PretrainStage:
        """The stage that step number ``step``, from 0, belongs to."""
        ends = list(accumulate(stage.steps for stage in self.stages))
        return self.stages[min(bisect_right(ends, step), len(self.stages) - 1)]

    def __call__(self, step: int) -> list[Example]:
        """The examples of one step, all with the same number of pictures."""
        stage = self.stage(step)
        rng = np.random.default_rng([self.seed, TRAINING, step])
        first = scene(rng, kind=_draw_kind(rng, stage.kinds))
        width = len(first.images)
        fitting = {k: w for k, w in stage.kinds.items() if (k == "clip") == (first.kind == "clip")}
        # A clip has three pictures: fewer samples keep a step's cost even.
        count = max(1, self.batch_samples // (2 if width > 1 else 1))
        scenes = [first]
        while len(scenes) < count:
            scenes.append(scene(rng, kind=_draw_kind(rng, fitting)))
        return [_with_words(rng, _converse(rng, drawn, stage), stage) for drawn in scenes]


@dataclass(frozen=True, kw_only=True)
class VisionExamples:
    """The pictures of each step of the vision stage, each with all its questions."""

    stage: VisionStage
    seed: int

    def __call__(self, step: int) -> list[VisionExample]:
        """The pictures of one step."""
        rng = np.random.default_rng([self.seed, LOOKING, step])
        return [
            build_vision_example(scene(rng, kind=_draw_kind(rng, self.stage.kinds)))
            for _ in range(self.stage.batch_samples)
        ]

    def specimens(self) -> list[VisionExample]:
        """Pictures enough for every question that there is to occur."""
        rng = np.random.default_rng([self.seed, CATALOGUE])
        return [
            build_vision_example(scene(rng, kind=kind))
            for kind in self.stage.kinds
            for _ in range(SPECIMENS)
        ]


def build_vision_example(drawn: Scene) -> VisionExample:
    """A scene's picture and its questions."""
    return VisionExample(
        image=drawn.images[0],
        questions=tuple(
            QuestionAnswer(task=one.task, text=one.text, answer=one.answer, choices=one.choices)
            for one in drawn.questions
        ),
    )


def _draw_kind(rng: np.random.Generator, kinds: Mapping[str, float]) -> str:
    weights = np.asarray(list(kinds.values()))
    return tuple(kinds)[int(rng.choice(len(weights), p=weights / weights.sum()))]


def _converse(rng: np.random.Generator, drawn: Scene, stage: PretrainStage) -> Example:
    """A description, or questions of different tasks one after another."""
    if rng.random() < stage.describe:
        return Example(images=drawn.images, turns=((ask_for(drawn, rng), drawn.description),))
    chosen: dict[str, tuple[str, str]] = {}
    for index in rng.permutation(len(drawn.questions)):
        question = drawn.questions[index]
        chosen.setdefault(question.task, (worded(question, rng), question.answer))
    return Example(images=drawn.images, turns=tuple(chosen.values())[: stage.questions])


def _with_words(rng: np.random.Generator, example: Example, stage: PretrainStage) -> Example:
    """The example, in some cases with one more turn: a sentence of the target fields to repeat."""
    if not stage.words or rng.random() >= stage.words:
        return example
    sentences = field_sentences()
    sentence = sentences[int(rng.integers(len(sentences)))]
    return replace(example, turns=(*example.turns, (f"Repeat: {sentence}", sentence)))


def held_out(config: PretrainConfig) -> dict[str, list[SceneExchange]]:
    """By task, ``config.held_out_samples`` closed questions about scenes never trained on."""
    kinds = tuple(KINDS)
    tasks = _tasks_of(kinds, np.random.default_rng([config.seed, CENSUS]))
    rng = np.random.default_rng([config.seed, HELD_OUT])
    found: defaultdict[str, list[SceneExchange]] = defaultdict(list)
    drawn = 0
    while any(len(found[task]) < config.held_out_samples for task in tasks):
        made = exchange(rng, kind=kinds[drawn % len(kinds)], describe_share=0.0)
        if len(found[made.task]) < config.held_out_samples:
            found[made.task].append(made)
        drawn += 1
    return {task: found[task] for task in sorted(tasks)}


def _tasks_of(kinds: Sequence[str], rng: np.random.Generator) -> set[str]:
    """Every task that scenes of these kinds ask."""
    scenes = (scene(rng, kind=kind) for kind in kinds for _ in range(CENSUS_SCENES))
    return {question.task for drawn in scenes for question in drawn.questions}
