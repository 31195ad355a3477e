"""The split manifest: who is on which split, under salted ids, so that it can be published."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transferlab.core.files import report_disk_errors, write_text
from transferlab.core.records import SPLITS, DomainData, SplitName
from transferlab.errors import DataError

FORMAT = "transferlab-splits"
FORMAT_VERSION = 1


def split_manifest(data: DomainData) -> dict[str, Any]:
    """The manifest of a loaded domain, JSON-safe.

    Groups are named by the ids that samples carry (``Sample.group``): salted with the domain's
    name, and the same for everybody who has the same data under the same name.
    """
    groups = {sample.group: split for split in SPLITS for sample in data.splits[split]}
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "domain": data.name,
        "domain_version": data.version,
        "data_digest": data.digest,
        "samples": {split: len(data.splits[split]) for split in SPLITS},
        "digest": _digest(groups),
        "groups": dict(sorted(groups.items())),
    }


def write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write a manifest beside and rename.

    Raises:
        EnvironmentProblem: it cannot be written.
    """
    with report_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(manifest, indent=1) + "\n")


def read_manifest(path: Path, *, domain: str) -> dict[str, SplitName]:
    """The split of each group that a manifest names.

    Raises:
        DataError: it is missing, is no split manifest, is of another domain, or was changed.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such split manifest") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not JSON ({type(error).__name__})") from None
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        raise DataError(f"{path}: is not a split manifest; `domains split` writes one")
    if content.get("format_version") != FORMAT_VERSION:
        raise DataError(f"{path}: is of a format version that this transferlab cannot read")
    if content.get("domain") != domain:
        raise DataError(f"{path}: is a manifest of another domain; ids differ between domains")
    groups = content.get("groups")
    if not isinstance(groups, dict) or not set(map(str, groups.values())) <= set(SPLITS):
        raise DataError(f"{path}: its groups must each name {', '.join(SPLITS)}")
    if content.get("digest") != _digest(groups):
        raise DataError(f"{path}: its digest does not fit its groups: it was changed; get it again")
    return groups


def _digest(groups: Mapping[str, SplitName]) -> str:
    lines = "".join(f"{group} {split}\n" for group, split in sorted(groups.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
