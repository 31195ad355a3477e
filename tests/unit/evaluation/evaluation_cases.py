"""A domain of coloured squares and a backbone that is as good as a test wants it to be."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from transferlab.core.records import DomainData, Frames, MediaRef, Prediction, Sample

LABELS = ("bright", "dark")


class FakeBackbone:
    """Answers by a rule; remembers what it was asked."""

    name = "fake"
    writes = False

    def __init__(self, answer: Callable[[Sample], str]) -> None:
        self._answer = answer
        self.asked: list[Sample] = []

    def score_choices(self, samples: Sequence[Sample], *, batch_samples: int) -> list[Prediction]:
        self.asked += samples
        said = [self._answer(sample) for sample in samples]
        return [
            Prediction(
                sample=sample,
                text=text,
                log_likelihoods=tuple(0.0 if one == text else -2.0 for one in sample.choices),
            )
            for sample, text in zip(samples, said, strict=True)
        ]

    def score_candidates(
        self, samples: Sequence[Sample], candidates: Sequence[str], *, batch_samples: int
    ) -> np.ndarray:
        self.asked += samples
        said = [self._answer(sample) for sample in samples]
        return np.array([[float(one == text) for one in candidates] for text in said], np.float32)

    def generate(
        self, samples: Sequence[Sample], *, batch_samples: int, max_new_tokens: int
    ) -> list[Prediction]:
        self.asked += samples
        return [Prediction(sample=sample, text=self._answer(sample)) for sample in samples]


def shade_of(sample: Sample) -> str:
    """What the picture shows: even numbers are bright."""
    return LABELS[int(sample.media[0].path.stem) % 2]


def decode(ref: MediaRef) -> Frames:
    number = int(ref.path.stem)
    rng = np.random.default_rng(number)
    level = 60 if number % 2 else 180
    return [rng.integers(level - 30, level + 30, size=(48, 64, 3), dtype=np.uint8)]


def shade_sample(number: int, **changes) -> Sample:
    media = (MediaRef(kind="image", path=Path(f"{number}.png")),)
    facts = {
        "id": f"s{number}",
        "domain": "squares",
        "task": "shade",
        "kind": "classify",
        "media": media,
        "prompt": "<image>\nBright or dark?",
        "answer": LABELS[number % 2],
        "choices": LABELS,
        "group": f"g{number // 2}",
    }
    return Sample(**{**facts, **changes})


def report_sample(number: int, **changes) -> Sample:
    answer = f"a {LABELS[number % 2]} square" if number % 5 else "nothing"
    facts = {"task": "report", "kind": "describe", "answer": answer, "choices": ()}
    return shade_sample(number, **{**facts, **changes})


def seek_sample(number: int, **changes) -> Sample:
    """Four answers, each of one square in four."""
    answer = f"a {LABELS[number % 2]} square, {'early' if number % 4 < 2 else 'late'}"
    return report_sample(number, **{"task": "seek", "kind": "retrieve", "answer": answer} | changes)


def domain_data(
    train: Sequence[Sample], test: Sequence[Sample], metrics: dict[str, tuple[str, ...]]
) -> DomainData:
    return DomainData(
        name="squares",
        version=1,
        title="Squares",
        licence="CC0-1.0",
        primary_metrics={task: names[0] for task, names in metrics.items()},
        splits={"train": tuple(train), "validation": (), "test": tuple(test)},
        digest="0" * 64,
        metrics=metrics,
    )
