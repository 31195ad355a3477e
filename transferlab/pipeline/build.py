"""From a checked config to objects: the only place that knows every class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from transferlab.backbone.base.pretrained_source import fingerprint
from transferlab.backbone.hf import HFBackbone
from transferlab.backbone.loader import load_backbone
from transferlab.backbone.processing.media_store import MediaStore
from transferlab.config.pipeline import (
    EvaluationSection,
    PipelineConfig,
    StrategySpec,
    TrainSection,
)
from transferlab.continual.engine.learner import Learner
from transferlab.continual.engine.precision import autocast_dtype
from transferlab.core.events import Event, Listener, Warned, ignore, stage_events
from transferlab.core.paths import default_cache
from transferlab.core.protocols import Backbone
from transferlab.core.records import Decode, DomainData, Sample
from transferlab.domain.catalog import find_domains
from transferlab.domain.loader import load_domain
from transferlab.domain.media.audio import decode_audio
from transferlab.domain.media.decoder import decode
from transferlab.errors import InputError
from transferlab.pipeline.sampling import capped, only_tasks
from transferlab.pipeline.stage_facts import StageFacts
from transferlab.pipeline.stages import StageStore
from transferlab.pipeline.validation import check
from transferlab.tracking.tracker import Tracker

NAIVE = (StrategySpec(name="naive"),)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What one experiment consists of, ready to run."""

    config: PipelineConfig
    domains: Mapping[str, DomainData]
    """The source first, where there is one, then the stream in order."""
    train: Mapping[str, tuple[Sample, ...]]
    """Training samples by domain, after the caps of ``data``."""
    decode: Decode
    store: MediaStore | None
    """Processed media on disk; None where the pipeline keeps none."""
    stages: StageStore
    new_token_limits: Mapping[str, int] = field(default_factory=dict)
    """By domain, how long an answer that is written may become; measured with the backbone."""
    tracker: Tracker
    listener: Listener

    @property
    def columns(self) -> list[str]:
        return list(self.domains)

    def evaluation(self, domain: str) -> EvaluationSection:
        """How a domain is scored."""
        section = self.config.evaluation
        limit = self.new_token_limits.get(domain, section.max_new_tokens)
        return section.model_copy(update={"max_new_tokens": limit})

    def backbone(self, *, fresh: bool = False, sharing: Backbone | None = None) -> Backbone:
        """The pretrained backbone with a new adapter, or the same architecture from scratch.

        Args:
            fresh: random values, every parameter trained.
            sharing: a backbone whose processed media and tokens are used again.
        """
        backbone = load_backbone(
            self.config.backbone,
            decode=self.decode,
            decode_audio=decode_audio,
            seed=self.config.seed,
            fresh=fresh,
            sharing=cast("HFBackbone | None", sharing),
            store=self.store,
        )
        backbone.autocast_dtype = autocast_dtype(self.config.train, backbone.device)
        return backbone

    def learner(
        self,
        backbone: Backbone,
        *,
        naive: bool = False,
        train: TrainSection | None = None,
        learning_rate: float | None = None,
    ) -> Learner:
        """The configured strategy on ``backbone``; ``naive`` for the arms that use none."""
        return Learner(
            backbone,
            NAIVE if naive else self.config.strategy,
            train or self.config.train,
            seed=self.config.seed,
            listener=self.listener,
            learning_rate=learning_rate,
        )


def load_domains(
    config: PipelineConfig, extra: Sequence[Path], *, listener: Listener = ignore
) -> dict[str, DomainData]:
    """Every domain that the pipeline names, the source first.

    Raises:
        InputError: the pipeline names something that does not exist or does not fit.
        DataError: a domain cannot be loaded.
    """
    problems = check(config, domains=extra)
    if problems:
        raise InputError("\n".join(problems))
    names = ([config.source] if config.source else []) + config.stream
    entries = find_domains(extra, needed=names)
    loaded = {}
    for name in names:
        with stage_events(listener, f"loading {name}"):
            data = load_domain(
                entries[name],
                data_root=config.data_root,
                on_bad_sample=config.data.on_bad_sample,
                generated_samples=config.data.max_generated_samples,
            )
            loaded[name] = only_tasks(data, config.data.tasks.get(name))
    return loaded


def facts_of(config: PipelineConfig, domains: Mapping[str, DomainData]) -> StageFacts:
    """What decides the numbers of each stage."""
    content = {name: data.digest for name, data in domains.items()}
    return StageFacts(config, content, weights=fingerprint(config.backbone))


def training_samples(
    config: PipelineConfig, domains: Mapping[str, DomainData]
) -> dict[str, tuple[Sample, ...]]:
    """The training split of every domain, cut to the caps that the pipeline sets."""
    chosen = {}
    for name, data in domains.items():
        samples = data.splits["train"]
        if name == config.source:
            chosen[name] = capped(samples, config.data.max_source_samples, per_task=False)
        else:
            chosen[name] = capped(samples, config.data.max_train_samples, per_task=True)
    return chosen


def media_store(config: PipelineConfig) -> MediaStore | None:
    """Where processed media are kept for later; None where the pipeline keeps none."""
    if not config.data.cache_media:
        return None
    return MediaStore(
        default_cache() / "media", limit_bytes=int(config.data.cache_gigabytes * 2**30)
    )


def build(
    config: PipelineConfig, out: Path, *, listener: Listener, domains: Sequence[Path] = ()
) -> Parts:
    """Load what the pipeline names and open where results go.

    Raises:
        InputError: the pipeline names something that does not exist or does not fit.
        DataError: a domain cannot be loaded.
        EnvironmentProblem: the output directory or the tracking store cannot be written.
    """
    # First what takes a second to find out: a store that does not answer.
    tracker = Tracker(
        config.tracking, experiment=config.name, warn=lambda text: listener(Warned(text=text))
    )

    def emit(event: Event) -> None:
        tracker.listener(event)
        listener(event)

    loaded = load_domains(config, domains, listener=emit)
    return Parts(
        config=config,
        domains=loaded,
        train=training_samples(config, loaded),
        decode=decode,
        store=media_store(config),
        stages=StageStore(out, facts_of(config, loaded)),
        tracker=tracker,
        listener=emit,
    )
