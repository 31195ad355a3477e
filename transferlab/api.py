"""The Python interface: what the command line does, as functions.

``import transferlab`` offers them by name and imports each one's needs when it is first used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from transferlab.config.pipeline import PipelineConfig
from transferlab.core.events import Listener, ignore
from transferlab.core.records import DomainData

if TYPE_CHECKING:
    from transferlab.domain.catalog import DomainEntry
    from transferlab.domain.validation.findings import CheckReport

Paths = Sequence[Path | str]


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a run found: the content of its result.json, and where it lies."""

    folder: Path
    content: Mapping[str, Any]
    """Plain data; docs/result-json.md explains every key."""

    def score(self, domain: str, *, after: str | None = None) -> float:
        """A cell of the score matrix, in [0, 1].

        Args:
            domain: a domain of the stream, or the source.
            after: the domain after whose step it was scored, "pretrained" for before any; None
                takes the last step.

        Raises:
            KeyError: there is no such row or column.
        """
        rows = {row["after"]: row["values"] for row in self.content["scores"]["rows"]}
        row = rows[after] if after is not None else list(rows.values())[-1]
        return float(row[domain])

    @property
    def summary(self) -> dict[str, float | None]:
        """ACC, BWT, FWT, forgetting and the like, by name; None where one is not defined."""
        return {name: one["value"] for name, one in self.content["summary"].items()}

    @property
    def arms(self) -> dict[str, dict[str, float]]:
        """By arm and domain, the arm's score."""
        return {
            arm: {domain: float(one["value"]) for domain, one in scores.items()}
            for arm, scores in self.content["arms"].items()
        }


@dataclass(frozen=True, kw_only=True)
class RegisteredDomain:
    """A domain that was written down, what of the proposal to look at, and its check."""

    entry: DomainEntry
    notes: Sequence[str]
    report: CheckReport
    """``report.sound`` says whether it can be trained on; ``report.errors`` why not."""


def run(
    pipeline: Path | str | PipelineConfig,
    *,
    out: Path | str,
    overrides: Sequence[str] = (),
    domains: Paths = (),
    listener: Listener = ignore,
) -> RunResult:
    """Run a pipeline; one that was stopped goes on from the same ``out``.

    Args:
        pipeline: a YAML file, the name of one that comes with transferlab, or a checked config.
        out: the run's directory; made when missing.
        overrides: settings as the command line's ``--set`` takes them, "train.epochs=5"; for a
            file or a name only.
        domains: folders of domains beside the usual search path.
        listener: is called with every event of the run (``transferlab.core.events``).

    Raises:
        TransferlabError: its text is the sentence for the user.
        ValueError: overrides for a config that is checked already.
    """
    from transferlab.pipeline.run import run as run_pipeline
    from transferlab.pipeline.validation import load_pipeline

    folders = [Path(folder) for folder in domains]
    if isinstance(pipeline, PipelineConfig):
        if overrides:
            raise ValueError("overrides are for files; change the config with model_copy instead")
        config = pipeline
    else:
        from transferlab.config.gallery import find_pipeline

        path = find_pipeline(str(pipeline))
        config = load_pipeline(path, overrides=overrides, domains=folders)
    Path(out).mkdir(parents=True, exist_ok=True)
    content = run_pipeline(config, Path(out), listener=listener, domains=folders)
    return RunResult(folder=Path(out), content=content)


def load_result(folder: Path | str) -> RunResult:
    """The result of a finished run.

    Args:
        folder: the run's directory, which holds result.json.

    Raises:
        InputError: there is none, or it is of another version of transferlab.
    """
    from transferlab.pipeline.result import read_result

    return RunResult(folder=Path(folder), content=read_result(Path(folder)))


def load_domain(
    domain: Path | str,
    *,
    domains: Paths = (),
    data_root: Path | str | None = None,
    on_bad_sample: Literal["stop", "quarantine"] = "stop",
) -> DomainData:
    """A domain's samples by split; media are references, decoded when they are needed.

    Args:
        domain: a name on the search path, or a folder with a domain.yaml.
        domains: folders of domains beside the usual search path.
        data_root: the folder of the data packs; None means $TRANSFERLAB_DATA.
        on_bad_sample: whether a row that cannot be used stops the load, or is left out and listed
            in ``DomainData.quarantined``.

    Raises:
        UnknownName: no domain has that name.
        InputError: domain.yaml does not fit its data.
        DataError: the data are missing or unusable.
    """
    from transferlab.domain.catalog import find_entry
    from transferlab.domain.loader import load_domain as load

    return load(
        find_entry(str(domain), [Path(folder) for folder in domains]),
        data_root=None if data_root is None else Path(data_root),
        on_bad_sample=on_bad_sample,
    )


def register_domain(
    path: Path | str,
    *,
    licence: str,
    name: str | None = None,
    kind: str | None = None,
    to: Path | str | None = None,
) -> RegisteredDomain:
    """Propose a domain.yaml for a folder or a table, write it, and check all of its data.

    Args:
        path: a folder of pictures, DICOM files, films or conversations, or a table.
        licence: of the data, for example "CC-BY-4.0".
        name: of the domain; None takes the folder's.
        kind: of source; None finds out.
        to: the folder of domains to write into; None means that of registered ones.

    Raises:
        InputError: nothing can be registered, or the name is taken.
    """
    from transferlab.domain.onboarding.user_domains import propose_new, write_domain
    from transferlab.domain.validation.domain_check import check_domain

    proposal = propose_new(Path(path), name=name, kind=kind, licence=licence)
    entry = write_domain(proposal.settings, to=None if to is None else Path(to))
    return RegisteredDomain(entry=entry, notes=tuple(proposal.notes), report=check_domain(entry))
