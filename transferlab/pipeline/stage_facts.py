"""What decides the numbers of each stage of a run, so that finished work is reused where it fits.

A stage's facts are hashes by name: of settings, of data, and of the stages before it. Bootstrap
draws, permutations of other stages, names, devices, tracking and exports are in none of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from transferlab import __version__
from transferlab.config.pipeline import PipelineConfig, TrainOverride
from transferlab.core.records import SCORING_VERSION
from transferlab.evaluation.control import CONTROLS as REGISTERED_CONTROLS
from transferlab.metrics.baselines.matched_groups import BASELINE
from transferlab.metrics.pool import SIMILARITIES

Facts = dict[str, str]
"""Hashes by what they are of, in words for people."""

SCORES, INTERFERENCE, CONTROLS = "scores", "interference", "controls"
SIMILARITY, SIMILARITY_ADAPTED = "similarity", "similarity_adapted"
"""Before any adaptation; after the last step."""
SEQUENTIAL, JOINT, SCRATCH = "sequential", "joint", "scratch"
_TRAINED_ALIKE = {
    "checkpoint_steps",
    "grace_seconds",
    "max_nonfinite_steps",
    "per_domain",
    "scratch_learning_rate",
}
"""Settings of training that are no part of how a domain is trained, or are hashed elsewhere."""
_SCORING = ("split", "max_test_samples", "batch_samples", "max_new_tokens", "likelihood")


class StageFacts:
    """The facts of every stage of one pipeline, by the stage's name."""

    def __init__(
        self, config: PipelineConfig, content_digests: Mapping[str, str], *, weights: str
    ) -> None:
        """
        Args:
            config: the pipeline.
            contents: the digest of each domain's samples, by the domain's name.
            weights: which pretrained weights the backbone begins with.
        """
        self._config, self._content_digests = config, content_digests
        self.weights = weights
        backbone = config.backbone.model_dump(mode="json", exclude={"device"})
        self._base = {
            "the version of transferlab": __version__,
            "the backbone's weights": weights,
            "backbone": _hash(backbone),
            "seed": str(config.seed),
        }

    def of(self, stage: str) -> Facts:
        """The facts of a stage, by its name as ``StageStore`` has it.

        Raises:
            ValueError: there is no such stage.
        """
        first, *rest = stage.split("/")
        match (first, *rest):
            case (kind, *_, word, domain) if word == SCORES and kind in (SEQUENTIAL, JOINT):
                step = int(rest[0]) if kind == SEQUENTIAL else None
                model = self._joint() if step is None else self._sequential(step)
                return self._scored(model, domain)
            case (arm, name, word, domain) if word == SCORES:
                return self._scored(self._alone(arm, name), domain)
            case (kind, step, _) if kind == SEQUENTIAL:
                return self._sequential(int(step))
            case (kind, domain) if kind in (SIMILARITY, SIMILARITY_ADAPTED):
                steps = 0 if kind == SIMILARITY else len(self._config.stream)
                return self._similarity(domain, self._sequential(steps))
            case (kind, domain) if kind == INTERFERENCE:
                return self._interference(domain)
            case (kind, arm, domain) if kind == CONTROLS:
                last = len(self._config.stream)
                model = self._alone(arm, domain) if arm != SEQUENTIAL else self._sequential(last)
                return self._scored(model, domain) | {
                    f"data of {domain}": self._data(domain),
                    "the controls that are installed": _hash(REGISTERED_CONTROLS.names()),
                }
            case (kind, "all") if kind == JOINT:
                return self._joint()
            case (arm, domain):
                return self._alone(arm, domain)
        raise ValueError(f"there is no stage '{stage}'")

    def _data(self, name: str) -> str:
        """Hash of what of a domain is trained on."""
        section = self._config.data
        source = name == self._config.source
        most = section.max_source_samples if source else section.max_train_samples
        chosen = [self._content_digests[name], most, section.tasks.get(name), section.on_bad_sample]
        return _hash(chosen)

    def _train(self, domain: str) -> str:
        """Hash of how a domain is trained; what is done when it is stopped decides nothing."""
        section = self._config.train
        general = section.model_dump(mode="json", exclude=_TRAINED_ALIKE)
        own = section.per_domain.get(domain, TrainOverride()).model_dump(mode="json")
        return _hash([general, own])

    def _sequential(self, step: int) -> Facts:
        """Of the model after a step of the stream; step 0 is before any adaptation."""
        if step == 0:
            return dict(self._base)
        config, domain = self._config, self._config.stream[step - 1]
        facts = self._base | {
            "strategy": _hash([one.model_dump(mode="json") for one in config.strategy]),
            "train": self._train(domain),
            f"data of {domain}": self._data(domain),
            "the steps before it": _hash([self._sequential(step - 1), config.stream[: step - 1]]),
        }
        if config.source and config.protect_source:
            facts["the protected source"] = self._data(config.source)
        return facts

    def _alone(self, arm: str, domain: str) -> Facts:
        """Of an arm that is trained on one domain."""
        facts = self._base | {
            "train": self._train(domain),
            f"data of {domain}": self._data(domain),
        }
        if arm == SCRATCH:
            facts["train.scratch_learning_rate"] = str(self._config.train.scratch_learning_rate)
        return facts

    def _joint(self) -> Facts:
        config = self._config
        names = [*config.stream, *([config.source] if config.source else [])]
        return self._base | {
            "train": _hash([self._train(name) for name in config.stream]),
            "stream": _hash([config.stream, config.protect_source]),
            "data": _hash([self._data(name) for name in names]),
        }

    def _scored(self, model: Facts, domain: str) -> Facts:
        section = self._config.evaluation.model_dump(mode="json", include=set(_SCORING))
        tasks = self._config.data.tasks.get(domain)
        return {
            "the model that is scored": _hash(model),
            f"content of {domain}": _hash([self._content_digests[domain], tasks]),
            "evaluation": _hash([section, self._config.data.on_bad_sample]),
            "the rules of scoring": str(SCORING_VERSION),
        }

    def _before(self, domain: str) -> Facts:
        return self._sequential(self._config.stream.index(domain))

    def _similarity(self, domain: str, model: Facts) -> Facts:
        config = self._config
        names = [domain, *([config.source] if config.source else [])]
        measures = config.similarity.measures or SIMILARITIES.names()
        section = config.similarity.model_dump(mode="json", exclude={"adapted"})
        return {
            "the model whose features are compared": _hash(model),
            "data": _hash([self._data(name) for name in names]),
            "similarity": _hash([section, measures, BASELINE]),
            "evaluation.batch_samples": str(config.evaluation.batch_samples),
        }

    def _interference(self, domain: str) -> Facts:
        config = self._config
        names = config.stream[: config.stream.index(domain) + 1]
        names = [config.source, *names] if config.source else names
        return {
            "the model before it": _hash(self._before(domain)),
            "data": _hash([self._data(name) for name in names]),
            "train": self._train(domain),
            "evaluation.interference_samples": str(config.evaluation.interference_samples),
        }


def _hash(content: Any) -> str:
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
