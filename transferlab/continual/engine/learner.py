"""The door to continual learning: a backbone, a list of strategies, one domain after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transferlab.config.pipeline import StrategySpec, TrainOverride, TrainSection
from transferlab.continual.avalanche_api import AvalancheDataset
from transferlab.continual.components.strategy import Remembered, build_strategies
from transferlab.continual.engine.experience import (
    Classes,
    Collate,
    DomainExperience,
    StageSettings,
    make_dataset,
)
from transferlab.continual.engine.interference import interference
from transferlab.continual.engine.recorder import Recorder
from transferlab.continual.engine.step_checkpoint import StepCheckpoint
from transferlab.continual.engine.trainer import MLLMTrainer
from transferlab.core.events import Listener, StageFinished, ignore
from transferlab.core.peak_memory import is_out_of_memory
from transferlab.core.protocols import Backbone
from transferlab.core.records import Sample, StepReport
from transferlab.core.seeding import derive_seed, isolated_randomness
from transferlab.errors import DataError, InputError, ModelError

STATE_VERSION = 2


class Learner:
    """Adapts a backbone to domains in turn; the strategies protect what it knew.

    The same seed gives the same losses on the same machine, whatever else the process has run.
    """

    def __init__(
        self,
        backbone: Backbone,
        specs: Sequence[StrategySpec],
        train: TrainSection,
        *,
        seed: int,
        listener: Listener = ignore,
        learning_rate: float | None = None,
    ) -> None:
        """
        Args:
            backbone: trained in place.
            specs: the strategies, whose plugins act in this order.
            train: how each domain is trained.
            seed: of shuffling, dropout and the strategies' draws.
            listener: told of every stage and every optimizer step.
            learning_rate: stands above ``train`` and its per-domain settings; None leaves them.

        Raises:
            InputError: the strategies are not sound.
            ModelError: the backbone has nothing to train, or cannot do what a strategy needs.
        """
        if backbone.trainable_parameters == 0:
            raise ModelError(
                f"backbone '{backbone.name}' has no trainable parameters; set backbone.adapter"
            )
        self._backbone, self._train = backbone, train
        self._seed, self._listener, self._learning_rate = seed, listener, learning_rate
        self._names = [spec.name for spec in specs]
        self._strategies = build_strategies(specs, backbone=backbone, seed=seed)
        self._trainer = MLLMTrainer(backbone=backbone, train=train, strategies=self._strategies)
        self._classes, self._collate = Classes(), Collate(backbone)

    def consolidate(self, samples: Sequence[Sample], *, domain: str) -> None:
        """Let the strategies anchor or remember a domain that the backbone already knows.

        Every hook of an experience runs; nothing is trained.

        Raises:
            DataError: there are no samples.
        """
        settings = StageSettings(
            domain=domain, epochs=0, max_steps=None, learning_rate=self._train.learning_rate
        )
        self._run(
            samples,
            settings=settings,
            stage=f"consolidating {domain}",
            step_checkpoint=StepCheckpoint(None, every_steps=None),
        )

    def train(
        self,
        samples: Sequence[Sample],
        *,
        domain: str,
        stage: str,
        step_checkpoint: Path | None = None,
    ) -> StepReport:
        """Train on one domain, then let the strategies take it in.

        Args:
            samples: the domain's training split.
            domain: its name; decides which of ``train.per_domain`` applies.
            stage: the name that events carry.
            midstage: a file that is written every ``train.checkpoint_steps`` steps. Where it is
                there already, training goes on from it, and ends with the numbers of a run that was
                never stopped; the backbone and this learner must be as they were when the stage
                began. Whoever has kept what comes out removes it.

        Returns:
            What it cost and saw. ``seconds`` is the whole stage, with the strategies' passes;
            ``samples_per_second`` is measured over the optimizer steps alone. Tokens are counted
            over the samples that training reached.

        Raises:
            DataError: there are no samples.
            ModelError: the loss is not a finite number, memory ran out, or ``step_checkpoint`` is
                damaged.
            InputError: ``step_checkpoint`` is about another domain or other strategies.
        """
        watch = self._trainer.stopwatch
        watch.seconds = 0.0
        file = StepCheckpoint(step_checkpoint, every_steps=self._train.checkpoint_steps)
        recorder = self._run(
            samples, settings=self._settings(domain), stage=stage, step_checkpoint=file
        )
        reached = recorder.reached(sample.id for sample in samples)
        return StepReport(
            domain=domain,
            steps=recorder.steps,
            samples_seen=recorder.samples_seen,
            train_samples=len(reached),
            train_tokens=sum(reached),
            seconds=recorder.seconds,
            samples_per_second=recorder.samples_per_second,
            peak_memory_bytes=recorder.peak_memory_bytes,
            losses=tuple(recorder.losses),
            left_out_steps=recorder.left_out_steps,
            terms=recorder.mean_terms(),
            strategy_bytes=sum(strategy.state_bytes() for strategy in self._strategies),
            strategy_seconds=watch.seconds,
        )

    def inference_backbone(self) -> Backbone:
        """The backbone as questions should be put to it: a strategy may choose what answers."""
        for strategy in self._strategies:
            chosen = strategy.inference_backbone(self._trainer)
            if chosen is not None:
                return chosen
        return self._backbone

    def interference(
        self, new: Sequence[Sample], past: Mapping[str, Sequence[Sample]]
    ) -> dict[str, float]:
        """Per past domain, the cosine of its gradient and a new one's; changes nothing.

        See ``continual.interference``.
        """
        return interference(self._trainer, new, past)

    def state_dict(self) -> dict[str, Any]:
        """Between two domains, all that the next one depends on, save the backbone's parameters.

        Plain values, tensors and salted ids, so that it can be saved and read without pickled code.
        """
        return {
            "version": STATE_VERSION,
            "clock": dict(vars(self._trainer.clock)),
            "classes": self._classes.keys(),
            "strategies": [
                {"name": name, "state": strategy.state_dict()}
                for name, strategy in zip(self._names, self._strategies, strict=True)
            ],
        }

    def load_state_dict(
        self, state: Mapping[str, Any], samples: Mapping[str, Sample] | None = None
    ) -> None:
        """Go on where ``state`` was taken; the caller puts the backbone's parameters back.

        Args:
            state: what ``state_dict`` returned.
            samples: the training samples of all past domains by id, for strategies that remember.

        Raises:
            InputError: the state belongs to other strategies or another version.
            DataError: a remembered sample is not among ``samples``.
        """
        names = [entry["name"] for entry in state["strategies"]]
        if names != self._names or state["version"] != STATE_VERSION:
            raise InputError(
                f"the checkpoint (version {state['version']}, strategies {', '.join(names)}) does "
                f"not fit this run (version {STATE_VERSION}, strategies {', '.join(self._names)}); "
                "start afresh in another output directory"
            )
        self._trainer.clock.__dict__.update(state["clock"])
        self._classes = Classes(state["classes"])

        def dataset_of(remembered: Remembered) -> AvalancheDataset:
            return self._remembered_dataset(remembered, samples or {})

        for strategy, entry in zip(self._strategies, state["strategies"], strict=True):
            strategy.load_state_dict(entry["state"], dataset_of)

    def _settings(self, domain: str) -> StageSettings:
        own = self._train.per_domain.get(domain, TrainOverride())
        return StageSettings(
            domain=domain,
            epochs=own.epochs or self._train.epochs,
            max_steps=own.max_steps or self._train.max_steps,
            learning_rate=self._learning_rate or own.learning_rate or self._train.learning_rate,
        )

    def _run(
        self,
        samples: Sequence[Sample],
        *,
        settings: StageSettings,
        stage: str,
        step_checkpoint: StepCheckpoint,
    ) -> Recorder:
        if not samples:
            raise DataError(
                f"domain '{settings.domain}' has no training samples; check its source and splits"
            )
        index, device = self._trainer.clock.train_exp_counter, self._backbone.device
        dataset = make_dataset(
            samples, tasks=[index] * len(samples), classes=self._classes, collate=self._collate
        )
        experience = DomainExperience(dataset=dataset, index=index, domain=settings.domain)
        recorder = Recorder(stage=stage, listener=self._listener, device=device)
        try:
            with isolated_randomness(derive_seed(self._seed, index), device):
                self._trainer.run_stage(
                    experience,
                    settings=settings,
                    recorder=recorder,
                    step_checkpoint=step_checkpoint,
                )
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise ModelError(
                f"memory ran out at step {recorder.steps + 1} on domain '{settings.domain}'; raise "
                "train.accumulation_steps or lower train.batch_samples"
            ) from error
        finally:
            self._backbone.module.eval()
        summary = f"{recorder.samples_seen} samples in {recorder.steps} steps"
        note = summary if recorder.steps else f"{len(samples)} samples taken in, nothing trained"
        self._listener(StageFinished(stage=stage, seconds=recorder.seconds, note=note))
        return recorder

    def _remembered_dataset(
        self, remembered: Remembered, samples: Mapping[str, Sample]
    ) -> AvalancheDataset:
        missing = [sample_id for sample_id, _ in remembered if sample_id not in samples]
        if missing:
            raise DataError(
                f"{len(missing)} remembered samples are not in the data any more, the first is "
                f"'{missing[0]}'; restore the data or start afresh in another output directory"
            )
        return make_dataset(
            [samples[sample_id] for sample_id, _ in remembered],
            tasks=[task for _, task in remembered],
            classes=self._classes,
            collate=self._collate,
        )
