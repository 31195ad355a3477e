"""The kinds of source by name: strings, so that naming one imports nothing of it."""

from __future__ import annotations

from transferlab.core.registry import Registry, modules_of

SOURCES = Registry(
    "kind of source", modules_of("transferlab.domain.sources"), group="transferlab.sources"
)
"""Classes derived from ``transferlab.domain.rows.source.Source``: one file of ``domain/sources``
each, the one whose ``name`` is the file's, and third parties'."""
