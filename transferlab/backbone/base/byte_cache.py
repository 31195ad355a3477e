"""A least-recently-used cache that is bounded by bytes, not by entries."""

from collections.abc import Hashable
from typing import Generic, TypeVar

from cachetools import LRUCache

Value = TypeVar("Value")


class ByteCache(Generic[Value]):
    """Values by key, at most ``limit_bytes`` of them together."""

    def __init__(self, limit_bytes: int) -> None:
        self._entries: LRUCache[Hashable, tuple[Value, int]] = LRUCache(
            limit_bytes, getsizeof=lambda entry: entry[1]
        )

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def used_bytes(self) -> int:
        return int(self._entries.currsize)

    def get(self, key: Hashable) -> Value | None:
        entry = self._entries.get(key)
        return None if entry is None else entry[0]

    def put(self, key: Hashable, value: Value, *, size_bytes: int) -> None:
        """Keep ``value``; one that is larger than the whole cache is not kept."""
        self._entries.pop(key, None)
        if size_bytes <= self._entries.maxsize:
            self._entries[key] = (value, size_bytes)
