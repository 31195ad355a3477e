"""The ``transferlab`` command as a process of its own; ``python -m transferlab`` is the same."""

from __future__ import annotations

import gc
import os
import sys

from transferlab.cli import main
from transferlab.cli.cores import arrange_threads


def run_process() -> int:
    """Run the command that the process's arguments give; returns its exit code.

    Importing torch, transformers, Avalanche and MLflow makes over a million objects that live as
    long as the process. With Python's own thresholds the collector walks over them eight times
    while they are imported, which is two of twenty seconds of the smoke pipeline.
    """
    gc.set_threshold(20_000, 50, 50)
    arrange_threads(os.environ)
    return main()


if __name__ == "__main__":
    sys.exit(run_process())
