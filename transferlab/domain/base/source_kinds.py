"""The kinds of source by name: strings, so that naming one imports nothing of it."""

from __future__ import annotations

from transferlab.core.registry import Registry

SOURCES = Registry(
    "kind of source",
    {
        "table": "transferlab.domain.sources.table:TableSource",
        "dicom": "transferlab.domain.sources.dicom:DicomSource",
        "chat": "transferlab.domain.sources.chat:ChatSource",
        "video": "transferlab.domain.sources.video:VideoSource",
        "files": "transferlab.domain.sources.files:FilesSource",
        "webdataset": "transferlab.domain.sources.webdataset:WebDatasetSource",
        "huggingface": "transferlab.domain.sources.huggingface:HuggingFaceSource",
        "generated": "transferlab.domain.sources.generated:GeneratedSource",
    },
    group="transferlab.sources",
)
"""Classes derived from ``transferlab.domain.sources.source.Source``."""
