"""The schema of domain.yaml: what a domain is made of."""

import re
from typing import Annotated

from pydantic import Field, model_validator

from transferlab.config.privacy import PrivacySection
from transferlab.config.section import MAX_SEED, Name, Section
from transferlab.config.source import SourceSection
from transferlab.core.records import SPLITS, SplitName, TaskKind

USUAL_WORDS: dict[SplitName, list[str]] = {
    "train": ["train", "training"],
    "validation": ["validation", "validate", "val", "valid", "dev"],
    "test": ["test", "testing"],
}


class SplitsSection(Section):
    """Shares of the groups, not of the samples; or who is where, given by a column or a file."""

    train: Annotated[float, Field(gt=0, lt=1)] = 0.7
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0
    stratify: str | None = None
    """Column whose values are spread over the splits alike; a group counts by its commonest one."""
    column: str | None = None
    """Column that says which split a row is in, instead of shares; no group may be in two."""
    values: dict[SplitName, list[str]] = {}
    """With ``column``: what it says for each split, in any case. Left out: the usual words (train,
    training; validation, validate, val, valid, dev; test, testing)."""
    manifest: str | None = None
    """A split manifest, relative to domain.yaml's folder: groups are assigned out as it says."""

    @model_validator(mode="after")
    def _sum_to_one(self) -> "SplitsSection":
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train, validation and test must sum to 1, got {total:g}")
        return self

    @model_validator(mode="after")
    def _one_way(self) -> "SplitsSection":
        if self.column and self.manifest:
            raise ValueError("manifest: not together with column; choose one of them")
        given = self.column or self.manifest
        assigned = {"train", "validation", "test", "seed", "stratify"} & self.model_fields_set
        if given and assigned:
            raise ValueError(f"{min(assigned)}: has no effect where column or manifest is given")
        if self.values and not self.column:
            raise ValueError("values: only together with column")
        return self

    def split_of(self, written: str) -> SplitName | None:
        """The split that a value of ``column`` means; None where it means none."""
        word = written.strip().lower()
        for name in SPLITS:
            if word in [value.lower() for value in self.values.get(name, USUAL_WORDS[name])]:
                return name
        return None


class TaskSection(Section):
    """What is asked of a row."""

    kind: TaskKind
    """classify: one of ``choices``. answer, describe: text. retrieve: the row's own answer is to be
    found among those of all rows in the split that is scored."""
    prompt: str
    """Template over the row's columns; <name> marks where a medium of ``source.media`` belongs."""
    answer: str
    """Template over the row's columns."""
    choices: list[str] | str | None = None
    """The label set; or a column that holds a JSON list; None collects the answers of all rows."""
    where: dict[str, list[str]] = {}
    """Asked only of rows whose column has one of these values; "*" means any non-empty value."""
    metrics: Annotated[list[str], Field(min_length=1)]
    """The first is the primary one."""


class ArchiveSection(Section):
    """An archive (.zip, .tar and its packed forms) or a single file that `domains fetch` brings."""

    url: Annotated[str, Field(pattern=r"^https?://")]
    bytes: Annotated[int, Field(ge=1)]
    """Its size."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Its digest, in small hex digits."""
    unpacked_bytes: Annotated[int, Field(ge=1)]
    """What it may unpack to, at the most."""
    to: str = "."
    """Folder, relative to the domain's data root, that its files are put into."""

    @property
    def name(self) -> str:
        """The file's name, as the address has it."""
        return self.url.partition("?")[0].partition("#")[0].rpartition("/")[2]

    @model_validator(mode="after")
    def _safe(self) -> "ArchiveSection":
        if not self.name or self.name.startswith("."):
            raise ValueError("url: must end with a file's name")
        if self.to.startswith("/") or ".." in self.to.split("/"):
            raise ValueError("to: must stay inside the domain's data root")
        return self


class DomainConfig(Section):
    """One domain."""

    name: Name
    version: Annotated[int, Field(ge=1)]
    title: str
    field: str
    licence: str
    data_root: str = ""
    """Folder inside the data packs' root, e.g. "radiology", or an absolute path; empty where the
    data lie beside domain.yaml, and for generated domains."""
    fetch: list[ArchiveSection] = []
    """Where the data may be downloaded from, if their licence allows it."""
    source: SourceSection
    id: str | None = None
    """Column that names each row: no two rows may have the same."""
    group: str
    """Column of the patient, lecture or chapter."""
    splits: SplitsSection = SplitsSection()
    attributes: list[str] = []
    privacy: PrivacySection = PrivacySection()
    tasks: Annotated[dict[str, TaskSection], Field(min_length=1)]

    @model_validator(mode="after")
    def _has_dicom_files(self) -> "DomainConfig":
        media = {medium.kind for medium in self.source.media.values()}
        if self.privacy.dicom and self.source.kind != "dicom" and "dicom" not in media:
            raise ValueError("privacy.dicom: the source has no DICOM files")
        return self

    @model_validator(mode="after")
    def _tasks_can_be_tracked(self) -> "DomainConfig":
        for name in self.tasks:
            if not re.fullmatch(r"\w[\w.\- ]*", name) or name.endswith((" ", ".")):
                raise ValueError(
                    f"tasks: '{name}' cannot be a task's name, as it becomes part of MLflow's "
                    "names; use letters, digits, '_', '-', '.' and spaces between them"
                )
        return self

    @model_validator(mode="after")
    def _classify_has_closed_metrics(self) -> "DomainConfig":
        for name, task in self.tasks.items():
            if task.kind != "classify" and task.choices is not None:
                raise ValueError(f"tasks.{name}.choices: only a classify task has a label set")
        return self
