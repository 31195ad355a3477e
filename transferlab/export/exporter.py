"""The contract of an export format: what it writes, and how that is proven equal.

A format is one class. Ours are the files of ``export/formats``; a third party's is named by an
entry point of the group ``transferlab.exporters``, or by its dotted path in the pipeline.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from transferlab.config.pipeline import PipelineConfig
from transferlab.core.protocols import Backbone
from transferlab.core.records import Sample
from transferlab.core.registry import Registry, modules_of

EXPORTERS = Registry(
    "export format", modules_of("transferlab.export.formats"), group="transferlab.exporters"
)
"""Classes derived from ``Exporter``."""


@dataclass(frozen=True, kw_only=True)
class TunedModel:
    """A trained model and what is needed to prove that an export of it is the same."""

    backbone: Backbone
    card: Callable[[str], str]
    """The text of the model card, by the format's name."""
    prompts: Mapping[str, Any]
    """By domain and task, how the model was asked: kind, prompt template and choices."""
    lineage: Mapping[str, Any]
    """How it came to be: versions, and digests of data, settings and weights."""
    probe: Sequence[Sample]
    """Samples on which a model that was loaded again must answer as this one."""
    adapter_difference: Callable[[Path], float]
    """The largest difference of a logit of the probe, from a folder with an adapter loaded by plain
    PEFT on a freshly loaded base."""
    whole_difference: Callable[[Path], float]
    """The same from a folder with a whole model. It does not ask ``backbone``, whose adapter may be
    melted in by then."""
    tolerance: float
    """The largest difference of an adapter that counts as equal."""
    merged_tolerance: float
    """The same of a whole model: W + BA in one matrix rounds otherwise than W and BA one after the
    other."""


@dataclass(frozen=True, kw_only=True)
class ExportRecord:
    """A model that was written, loaded again and found equal."""

    kind: str
    folder: Path
    files: dict[str, str]
    """SHA-256 in hex, by file name."""
    total_bytes: int
    max_logit_difference: float
    tolerance: float


class Exporter(ABC):
    """Writes a tuned model in one format."""

    name: ClassVar[str]
    """What stands under ``export:``; the name of its file, or of its entry point."""
    consumes: ClassVar[bool] = False
    """Whether it leaves the backbone other than it was; such formats are written last."""

    def misfits(self, config: PipelineConfig) -> Iterator[str]:
        """Why a pipeline's model could not be written so; nothing where it can."""
        yield from ()

    @abstractmethod
    def export(self, model: TunedModel, folder: Path) -> ExportRecord:
        """Write the model, load it again, compare, and leave nothing half-written.

        Raises:
            InputError: ``folder`` holds something that would be lost.
            ModelError: what was loaded again answers differently; what was at ``folder`` before is
                left as it was.
            EnvironmentProblem: the folder cannot be written.
        """
