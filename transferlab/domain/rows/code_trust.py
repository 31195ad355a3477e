"""Whose Python runs: that of domains that ship, of the user's own, and what the user has trusted.

A ``domain.py`` may have come with data. It is trusted by the digest of its bytes, which is kept in
the user's own folder, outside any data; changed code needs a new word.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from transferlab.core.paths import user_domains_folder
from transferlab.domain.catalog import ROWS_FILE, DomainEntry, shipped_folders
from transferlab.errors import DataError, EnvironmentProblem, InputError


def trusted_folder() -> Path:
    """Where the user's word is kept: $TRANSFERLAB_HOME/trusted, a file per digest."""
    return user_domains_folder().parent / "trusted"


def read_trusted_code(entry: DomainEntry) -> bytes:
    """The bytes of a domain's own code, which may be run.

    Raises:
        DataError: the user has not said that it may.
    """
    file = _file(entry)
    code = file.read_bytes()
    digest = code_digest(code)
    if _is_own(entry) or digest in _shipped() or (trusted_folder() / digest).is_file():
        return code
    raise DataError(
        f"{file}: is Python code beside data, and is not run before you have trusted it (SHA-256 "
        f"{digest[:12]}...); read it, then: transferlab domains trust {entry.name}"
    )


def trust(entry: DomainEntry) -> str:
    """Keep the user's word that a domain's code, as it is now, may run.

    Returns:
        The SHA-256 of the code, in hex.

    Raises:
        InputError: the domain has no code.
        EnvironmentProblem: the word cannot be kept.
    """
    if entry.rows_file is None:
        raise InputError(f"domain '{entry.name}': has no {ROWS_FILE}; there is nothing to trust")
    digest = code_digest(entry.rows_file.read_bytes())
    folder = trusted_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / digest).write_text(f"{entry.rows_file}\n", "utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"{folder}: cannot be written ({error.strerror})") from None
    return digest


def code_digest(code: bytes) -> str:
    """SHA-256, in hex."""
    return hashlib.sha256(code).hexdigest()


def _file(entry: DomainEntry) -> Path:
    if entry.rows_file is None:
        raise ValueError("a domain without code has none to read")
    return entry.rows_file


def _is_own(entry: DomainEntry) -> bool:
    """Whether the user alone can have put the code there: into the folder of registered domains,
    to which no command brings data, for data that lie elsewhere and were not fetched."""
    where = entry.config.data_root
    return (
        entry.folder.parent == user_domains_folder().resolve()
        and not entry.config.fetch
        and bool(where)
        and not (Path(where).is_absolute() and _overlap(Path(where).resolve(), entry.folder))
    )


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


@cache
def _shipped() -> frozenset[str]:
    """Digests of the code that comes with transferlab."""
    files = [file for folder in shipped_folders() for file in folder.glob(f"*/{ROWS_FILE}")]
    return frozenset(code_digest(file.read_bytes()) for file in files)
