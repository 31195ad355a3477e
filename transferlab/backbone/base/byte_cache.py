"""A cache that forgets the least recently used entries once it holds too many bytes."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class ByteCache(Generic[Value]):
    """Values by key, at most ``limit_bytes`` of them together."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._used_bytes = 0
        self._entries: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def used_bytes(self) -> int:
        return self._used_bytes

    def get(self, key: Hashable) -> Value | None:
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def put(self, key: Hashable, value: Value, *, size_bytes: int) -> None:
        """Keep ``value``; one that is larger than the whole cache is not kept."""
        if key in self._entries:
            self._used_bytes -= self._entries.pop(key)[1]
        if size_bytes > self._limit_bytes:
            return
        self._entries[key] = (value, size_bytes)
        self._used_bytes += size_bytes
        while self._used_bytes > self._limit_bytes:
            _, (_, freed_bytes) = self._entries.popitem(last=False)
            self._used_bytes -= freed_bytes
