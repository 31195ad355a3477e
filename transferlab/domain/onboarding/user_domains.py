"""The domains that a user has registered: a folder of their own, outside any project."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transferlab.config.section import NAME_PATTERN
from transferlab.config.yaml_text import dump_yaml
from transferlab.core.files import write_text
from transferlab.core.paths import user_domains_folder
from transferlab.core.registry import did_you_mean
from transferlab.domain.catalog import DOMAIN_FILE, DomainEntry, find_domains, read_entry
from transferlab.domain.onboarding.proposal import KINDS, Proposal, propose
from transferlab.errors import EnvironmentProblem, InputError


def propose_new(path: Path, *, name: str | None, kind: str | None, licence: str) -> Proposal:
    """A proposal whose name nobody has yet.

    Raises:
        InputError: name or kind is none, the name is taken, or nothing can be registered.
    """
    if name is not None and not re.match(NAME_PATTERN, name):
        raise InputError(
            f"--name: '{name}' must be small letters, digits, '-' and '_', and begin with a letter "
            "or a digit"
        )
    if kind is not None and kind not in KINDS:
        raise InputError(
            f"--kind: there is no '{kind}'.{did_you_mean(kind, list(KINDS))} "
            f"Known: {', '.join(KINDS)}"
        )
    proposal = propose(path, name=name, kind=kind, licence=licence)
    other = find_domains().get(proposal.settings["name"])
    if other is not None:
        raise InputError(
            f"there is a domain '{other.name}' already ({other.file}); choose another --name, or "
            f"take a registered one away first: transferlab domains remove {other.name}"
        )
    return proposal


def write_domain(settings: Mapping[str, Any], *, to: Path | None = None) -> DomainEntry:
    """Write a domain.yaml into a folder of the domain's name, and read it back.

    Args:
        settings: the content of domain.yaml.
        to: the folder of domains; None means that of registered ones.

    Raises:
        InputError: there is a domain of that name already, or the content is not sound.
        EnvironmentProblem: the folder cannot be written.
    """
    folder = (to or user_domains_folder()) / str(settings["name"])
    if (folder / DOMAIN_FILE).exists():
        raise InputError(
            f"{folder / DOMAIN_FILE}: this domain is registered already; choose another --name, or "
            f"take it away first: transferlab domains remove {settings['name']}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / DOMAIN_FILE, dump_yaml(dict(settings)))
    except OSError as error:
        raise EnvironmentProblem(
            f"{folder}: cannot be written ({error.strerror}); choose another place with --to"
        ) from None
    try:
        return read_entry(folder)
    except InputError:
        # A broken definition would keep every other domain from being listed.
        (folder / DOMAIN_FILE).unlink()
        raise


def remove_domain(entry: DomainEntry) -> Path:
    """Take a registered domain's definition away; its data stay.

    Returns:
        The folder that is gone.

    Raises:
        InputError: it was not registered, or its folder holds more than a definition.
    """
    if entry.folder.parent != user_domains_folder().resolve():
        raise InputError(
            f"domain '{entry.name}' is not a registered one: it is in {entry.folder}; remove that "
            "folder yourself if it is yours"
        )
    others = [path.name for path in entry.folder.iterdir() if path.name not in _OWN]
    if others:
        raise InputError(
            f"{entry.folder}: holds more than a definition ({', '.join(sorted(others)[:3])}); move "
            "that away first"
        )
    try:
        shutil.rmtree(entry.folder)
    except OSError as error:
        raise EnvironmentProblem(f"{entry.folder}: cannot be removed ({error.strerror})") from None
    return entry.folder


_OWN = frozenset({DOMAIN_FILE, "domain.py", "README.md", "__pycache__"})
