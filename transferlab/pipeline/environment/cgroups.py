"""What a container or a batch system grants of the machine: limits of Linux's control groups.

Both versions are read. A process is under the limits of every group above its own, so the tightest
holds. Where there are no control groups, as on macOS, there are no limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
UNLIMITED_BYTES = 2**60
"""Version 1 writes the largest number of pages that there can be where there is no limit."""


def free_memory_bytes(root: Path = ROOT, membership: Path = MEMBERSHIP) -> int | None:
    """What the groups let this process take yet, in bytes; None without a limit.

    What is only cached of files is given back when it is wanted, and counts as free.

    Args:
        root: where the groups are mounted.
        membership: lists the process's groups.
    """
    left = []
    for folder in _folders("memory", root, membership):
        for limit_name, used_name, cached_name in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit = _number(folder / limit_name)
            if limit is None or limit >= UNLIMITED_BYTES:
                continue
            used = _number(folder / used_name) or 0
            left.append(max(0, limit - max(0, used - _statistic(folder, cached_name))))
    return min(left, default=None)


def quota_cores(root: Path = ROOT, membership: Path = MEMBERSHIP) -> float | None:
    """How many cores' time the groups grant; None without a quota. Arguments as above."""
    quotas = []
    for folder in _folders("cpu", root, membership):
        words = (_text(folder / "cpu.max") or "max").split()
        if words[0] != "max" and len(words) == 2:
            quotas.append(int(words[0]) / int(words[1]))
        quota, period = (_number(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        if quota is not None and quota > 0 and period:
            quotas.append(quota / period)
    return min(quotas, default=None)


def _folders(controller: str, root: Path, membership: Path) -> Iterator[Path]:
    """The process's group of a controller and those above it, as far as they can be seen."""
    for line in (_text(membership) or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            mounts = [root, root / "unified"]
        elif controller in controllers.split(","):
            mounts = [root / controllers, root / controller]
        else:
            continue
        # In a container the path may be the host's, of which only the mount itself is there.
        relative = Path(path.lstrip("/"))
        for mount in mounts:
            yield from (mount / folder for folder in (relative, *relative.parents))


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8").strip()
    except OSError:
        return None


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text and text.lstrip("-").isdigit() else None


def _statistic(folder: Path, name: str) -> int:
    for line in (_text(folder / "memory.stat") or "").splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0
