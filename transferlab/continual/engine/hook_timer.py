"""How long the strategies' hooks take."""

from __future__ import annotations

import time
from collections.abc import Callable

from transferlab.continual.avalanche_api import SupervisedPlugin

HOOKS = [name for name in dir(SupervisedPlugin) if name.startswith(("before_", "after_"))]


class Stopwatch:
    """Two plugins, one before and one after those whose hooks are timed."""

    def __init__(self) -> None:
        self.seconds = 0.0
        """Wall-clock time in the hooks. Work that they queued on a GPU may be waited for later."""
        self._started = 0.0
        self.start, self.stop = _Mark(self._start), _Mark(self._stop)

    def _start(self) -> None:
        self._started = time.perf_counter()

    def _stop(self) -> None:
        self.seconds += time.perf_counter() - self._started


class _Mark(SupervisedPlugin):
    """Does the same at every hook."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        for name in HOOKS:
            setattr(self, name, lambda strategy, **kwargs: act())
