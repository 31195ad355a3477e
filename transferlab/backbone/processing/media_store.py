"""Processed media on disk: made once, memory-mapped afterwards, shared by processes.

An entry is one safetensors file whose name is a digest of the media's bytes and of everything that
the processing depends on: a name says nothing of where a medium came from.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from transferlab import __version__
from transferlab.core.files import machine_error, why
from transferlab.core.records import MediaRef
from transferlab.errors import TransferlabWarning

FORMAT = 2
"""Raise it when the same bytes are decoded or processed to something else than before."""
SUFFIX = ".safetensors"
PARTIAL = ".partial"
HOT_SECONDS = 3600
"""What was used within so many seconds is not evicted: a training run larger than the cache would
otherwise throw out, again and again, what it reads next."""
_RECOUNT_FRACTION = 1 / 20
"""Of the limit: what a process writes before it counts again what all of them wrote."""
_LIBRARIES = ("transformers", "torch", "torchvision", "pillow", "pydicom", "monai", "av")

Entry = tuple[dict[str, Tensor], dict[str, Any]]
"""Tensors by name, and JSON-safe facts about them."""


class MediaStore:
    """A folder of entries that several processes may read and write at once.

    An entry is written beside and renamed, so that no reader sees half of one, and a reader of an
    entry that is being evicted keeps what it has mapped. Where the folder cannot be written, what
    is there is read, and what is not is made when it is needed, which is said once.
    """

    def __init__(self, folder: Path, *, limit_bytes: int, hot_seconds: float = HOT_SECONDS) -> None:
        """Make the folder, for nobody but its owner.

        Args:
            folder: of the entries alone.
            limit_bytes: of all entries together; each process that writes may pass it by 5 %.
            hot_seconds: entries that were used within this time are not evicted.
        """
        self._folder, self._limit_bytes, self._hot_seconds = folder, limit_bytes, hot_seconds
        self._used_bytes = 0
        """At the last count, with what this process has written since."""
        self._counted = False
        self._uncounted_bytes = 0
        self._touched: set[str] = set()
        self._stopped = False
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            self._stop(error)
            return
        self._sweep()

    def read(self, key: str) -> Entry | None:
        """An entry, its tensors mapped into memory; None where it is not there."""
        path = self._path(key)
        try:
            with safe_open(path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                metadata = file.metadata() or {}
            # Once per process and entry: it is mapped, so later reads do not go to the disk again.
            unseen = key not in self._touched
            if unseen and metadata["digest"] != _digest(key, tensors, metadata["facts"]):
                raise ValueError("its digest does not fit its content")
            facts = json.loads(metadata["facts"])
        except (FileNotFoundError, NotADirectoryError, RuntimeError):
            # The second: evicted between the header and torch's own opening of the file.
            return None
        except (SafetensorError, KeyError, ValueError, OSError) as error:
            self._discard(path, error)
            return None
        if key not in self._touched:
            self._touched.add(key)
            with suppress(OSError):  # of a folder that can only be read nothing is evicted
                os.utime(path)  # what counts for eviction is the latest use
        return tensors, facts

    def write(self, key: str, entry: Entry) -> None:
        """Keep an entry, if it fits; older ones that are not in use make room."""
        tensors, facts = entry
        size_bytes = sum(tensor.nbytes for tensor in tensors.values())
        if self._stopped:
            return
        try:
            if not self._make_room(size_bytes):
                return
            handle, extra_inputs = tempfile.mkstemp(dir=self._folder, prefix=".", suffix=PARTIAL)
            os.close(handle)
            try:
                plain = {name: tensor.contiguous() for name, tensor in tensors.items()}
                described = json.dumps(facts)
                metadata = {"facts": described, "digest": _digest(key, plain, described)}
                save_file(plain, extra_inputs, metadata=metadata)
                os.replace(extra_inputs, self._path(key))
            finally:
                Path(extra_inputs).unlink(missing_ok=True)
        except (OSError, SafetensorError) as error:
            self._stop(error)
            return
        self._touched.add(key)
        self._used_bytes = (self._used_bytes or 0) + size_bytes
        self._uncounted_bytes += size_bytes

    def _stop(self, error: Exception) -> None:
        """Write no more, and say why."""
        self._stopped = True
        number = machine_error(error)
        reason = error if number is None else why(number)
        warnings.warn(
            f"processed media are no longer kept in {self._folder} ({reason}); every epoch decodes "
            "what is not kept",
            TransferlabWarning,
            stacklevel=3,
        )

    def _discard(self, path: Path, error: Exception) -> None:
        """Remove a damaged entry, which is then made again; not kept aside, as caches are large."""
        with suppress(OSError):  # what cannot be removed is made again in every epoch
            path.unlink(missing_ok=True)
        warnings.warn(
            f"{path}: is damaged ({error}); it is thrown away and made anew",
            TransferlabWarning,
            stacklevel=3,
        )

    def _sweep(self) -> None:
        """Remove what processes that were killed had begun to write: nobody takes so long."""
        oldest = time.time() - HOT_SECONDS
        for left in self._folder.glob(f".*{PARTIAL}"):
            with suppress(OSError):
                if left.stat().st_mtime < oldest:
                    left.unlink()

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{SUFFIX}"

    def _make_room(self, size_bytes: int) -> bool:
        """Whether there is room for so many bytes, if need be after an eviction."""
        if size_bytes > self._limit_bytes:
            return False
        overdue = self._uncounted_bytes >= _RECOUNT_FRACTION * self._limit_bytes
        if overdue or not self._counted:
            self._count()
        if self._used_bytes + size_bytes <= self._limit_bytes:
            return True
        try:
            with FileLock(self._folder / ".lock", timeout=0):
                self._evict(self._limit_bytes - size_bytes)
        except Timeout:
            return False  # another process is making room; this entry is made again when needed
        return self._used_bytes + size_bytes <= self._limit_bytes

    def _count(self) -> list[tuple[float, int, str]]:
        """All entries as (latest use, bytes, path), the longest unused first."""
        found = []
        for one in os.scandir(self._folder):
            try:
                if one.name.endswith(SUFFIX):
                    stat = one.stat()
                    found.append((stat.st_mtime, stat.st_size, one.path))
            except FileNotFoundError:
                continue  # evicted by another process in this moment
        self._used_bytes, self._counted = sum(size for _, size, _ in found), True
        self._uncounted_bytes = 0
        return sorted(found)

    def _evict(self, target_bytes: int) -> None:
        oldest = time.time() - self._hot_seconds
        for used, size, path in self._count():
            if self._used_bytes <= target_bytes or used > oldest:
                return
            Path(path).unlink(missing_ok=True)
            self._used_bytes -= size


def _digest(key: str, tensors: Mapping[str, Tensor], facts: str) -> str:
    """SHA-256 of all that an entry says, its own name too, in hex."""
    digest = hashlib.sha256(f"{key} {facts}".encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f" {name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        flat = tensor.contiguous().reshape(-1)
        if flat.numel():
            digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def entry_key(refs: Sequence[MediaRef], settings: str) -> str | None:
    """The name of the entry of some media; None where the content of one is not known.

    Args:
        refs: all media of one sample, in order.
        settings: from ``settings_digest``.
    """
    if not refs or not all(ref.digest for ref in refs):
        return None
    parts = [
        [ref.digest, ref.kind, ref.start_seconds, ref.end_seconds, ref.frames, ref.mask_text]
        for ref in refs
    ]
    return hashlib.sha256(json.dumps([settings, parts]).encode()).hexdigest()


def settings_digest(processor: Any, *facts: object) -> str:
    """A digest of what decides how media are processed, in hex.

    Args:
        processor: of the backbone.
        facts: what else decides it; ``repr`` must tell them apart.
    """
    parts = [processor, getattr(processor, "image_processor", None)]
    described = [[type(part).__name__, _settings(part)] for part in parts]
    text = json.dumps([FORMAT, __version__, _versions(), described, [repr(one) for one in facts]])
    return hashlib.sha256(text.encode()).hexdigest()


def _settings(part: Any) -> str:
    """A processor's own description of itself, in an order that does not change."""
    given = part.to_dict() if hasattr(part, "to_dict") else {}
    return json.dumps(given, sort_keys=True, default=str)


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # a backbone without that kind of media
    return found
