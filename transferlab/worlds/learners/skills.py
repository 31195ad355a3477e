"""What there is to be learned, in which order, and how a learner's command of it comes and goes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from transferlab.worlds.lectures.figures import SUBJECTS

SUBJECT_OF: Mapping[str, str] = {
    figure: subject for subject, figures in SUBJECTS.items() for figure in figures
}
"""A skill is to understand a figure; its subject."""

PREREQUISITES: Mapping[str, tuple[str, ...]] = {
    "triangle": (),
    "circle": (),
    "angle": ("triangle",),
    "pendulum": ("angle",),
    "inclined plane": ("triangle",),
    "spring": ("pendulum",),
    "molecule": (),
    "flask": ("molecule",),
    "cell": ("molecule",),
    "leaf": ("cell",),
    "bar chart": (),
    "supply and demand": ("bar chart",),
    "orbits": ("circle", "pendulum"),
    "planet": ("orbits",),
}
"""Skills without which another is hardly learned or shown."""

GAIN_FRACTION = 0.3
"""Of what is missing, learned from one answer where all prerequisites are there."""
UNREADY_FRACTION = 0.3
"""Of that, and of what is known, which is left where a prerequisite is missing altogether."""
HALF_LIFE_DAYS = 20.0
"""After so long without an answer, half of what was learned is forgotten."""


@dataclass(kw_only=True)
class Knowledge:
    """One learner's command of every skill, in [0, 1], which fades from answer to answer."""

    strengths: dict[str, float]
    answered_days: dict[str, float] = field(default_factory=dict)
    """When a skill was last practised; days since the beginning."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Knowledge":
        """What a learner brings along."""
        return cls(strengths={skill: rng.uniform(0.0, 0.4) for skill in PREREQUISITES})

    def strength(self, skill: str, day: float) -> float:
        """What is left of a skill on a day."""
        since = day - self.answered_days.get(skill, 0.0)
        return self.strengths[skill] * 0.5 ** (since / HALF_LIFE_DAYS)

    def shown(self, skill: str, day: float) -> float:
        """What a learner can show of a skill: less where a prerequisite is weak."""
        return self.strength(skill, day) * self._readiness(skill, day)

    def practise(self, skill: str, day: float) -> None:
        """One answer: something is learned, and forgetting begins anew."""
        known = self.strength(skill, day)
        gained = GAIN_FRACTION * (1 - known) * self._readiness(skill, day)
        self.strengths[skill] = known + gained
        self.answered_days[skill] = day

    def _readiness(self, skill: str, day: float) -> float:
        weakest = min((self.strength(one, day) for one in PREREQUISITES[skill]), default=1.0)
        return UNREADY_FRACTION + (1 - UNREADY_FRACTION) * weakest
