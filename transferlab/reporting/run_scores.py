"""The scores of finished runs with what pairs them: their test samples, by group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from transferlab.core.records import DomainScore
from transferlab.pipeline.result import read_result
from transferlab.pipeline.stages import read_stage, score_from_record

DECIDE_NO_SCORE = ("name", "seed", "tracking", "export", "data_root", "similarity", "arms")
"""Settings by which two trainings of one kind may differ: what they are called, where they lie,
what is measured beside the scores; and the seed."""


class NotComparable(Exception):
    """Two scores cannot be paired; its text says why, as a sentence without its full stop."""


@dataclass(frozen=True)
class FinishedRun:
    """A run's directory and the content of its result.json."""

    folder: Path
    result: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> FinishedRun:
        """
        Raises:
            InputError: the directory holds no result that can be read.
        """
        return cls(folder, read_result(folder))

    @property
    def seed(self) -> int:
        return int(self.result["seed"])

    @property
    def strategy(self) -> str:
        """Its strategies' names, "ewc + replay"."""
        return " + ".join(one["name"] for one in self.result["pipeline"]["strategy"])

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What decides its numbers beside the seed, by dotted path; the data's digests too."""
        kept = {k: v for k, v in self.result["pipeline"].items() if k not in DECIDE_NO_SCORE}
        digests = {name: one["digest"] for name, one in self.result["domains"].items()}
        return dict(_flat({**kept, "scoring": self.result["scoring"], "digest": digests}))

    def has(self, arm: str, domain: str) -> bool:
        return domain in self.result["arms"].get(arm, {})

    def score(self, arm: str, domain: str) -> DomainScore:
        """An arm's score on a domain, with the outcome of every test sample.

        Raises:
            NotComparable: the run's stages are gone, or are not those of its result.
        """
        record = read_stage(self.folder, self._stage(arm, domain))
        if record is None:
            raise NotComparable(
                f"{self.folder}: its stages, which hold the scores by test group, are not there"
            )
        score = score_from_record(record)
        kept = self.result["arms"][arm][domain]
        if (score.value, score.metric) != (kept["value"], kept["metric"]):
            raise NotComparable(f"{self.folder}: its stages are not those of its result")
        return score

    def check_paired(self, other: FinishedRun, arm: str, domain: str) -> None:
        """
        Raises:
            NotComparable: the two were scored on other data, another split or in another way.
        """
        mine, theirs = self._conditions(arm, domain), other._conditions(arm, domain)
        for what, value in mine.items():
            if value != theirs[what]:
                raise NotComparable(
                    f"{domain}, {arm.replace('_', '-')}: {self.folder} and {other.folder} cannot "
                    f"be paired, they have another {what} ({value} and {theirs[what]})"
                )

    def _conditions(self, arm: str, domain: str) -> dict[str, Any]:
        """What must be the same, in words, so that two scores are of the same thing."""
        evaluation = self.result["pipeline"]["evaluation"]
        return {
            "digest of the data": self.result["domains"][domain]["digest"][:12],
            "split": evaluation["split"],
            "evaluation.max_test_samples": evaluation["max_test_samples"],
            "metric": self.result["arms"][arm][domain]["metric"],
            "version of the rules of scoring": self.result["scoring"]["version"],
        }

    def _stage(self, arm: str, domain: str) -> str:
        stream = self.result["pipeline"]["stream"]
        arm = (self.result.get("same_training") or {}).get(arm, arm)
        match arm:
            case "zero_shot":
                return f"sequential/0/scores/{domain}"
            case "sequential":
                return f"sequential/{len(stream)}/scores/{domain}"
            case "joint":
                return f"joint/scores/{domain}"
        return f"{arm}/{domain}/scores/{domain}"


def _flat(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """Leaves by dotted path; a strategy of a list goes by its name and not by its place."""
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
        items = {str(one.get("name", at)): one for at, one in enumerate(value)}.items()
    else:
        return [(path, value)]
    return [leaf for key, one in items for leaf in _flat(one, f"{path}.{key}" if path else key)]
