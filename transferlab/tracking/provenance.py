"""What ran where: the versions and the machine behind a number."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import psutil

from transferlab import __version__

LIBRARIES = ("torch", "transformers", "peft", "avalanche-lib", "mlflow", "numpy", "scikit-learn")


def provenance() -> dict[str, str]:
    """Names to plain texts, fit for tags: no user name, no host name, no path.

    Keys: ``transferlab``, ``python``, ``platform``, ``cpu``, ``cpu_cores``, ``memory_gib``,
    ``gpu`` ("none" without one), ``gpus``, ``cuda``, and one per library that decides numbers.
    """
    found = {
        "transferlab": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "cpu": platform.processor() or platform.machine(),
        "cpu_cores": str(os.cpu_count()),
        "memory_gib": f"{psutil.virtual_memory().total / 2**30:.0f}",
    }
    return found | _gpu() | {name: _installed(name) for name in LIBRARIES}


def _gpu() -> dict[str, str]:
    import torch

    if not torch.cuda.is_available():
        return {"gpu": "none", "gpus": "0", "cuda": "none"}
    return {
        "gpu": torch.cuda.get_device_name(0),
        "gpus": str(torch.cuda.device_count()),
        "cuda": str(torch.version.cuda),
    }


def _installed(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"
