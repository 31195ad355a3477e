"""How much memory the process, or the GPU, needed at most, and whether it ran out."""

from __future__ import annotations

import resource
import sys

from transferlab.core.lazy import torch


def reset_peak_memory(device: torch.device) -> None:
    """Start a new measurement on a GPU; on the CPU the mark cannot be lowered again."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory_bytes(device: torch.device) -> int:
    """The most memory in use so far, in bytes.

    On a GPU: what tensors occupied since the last ``reset_peak_memory``. On the CPU: the largest
    resident size of the whole process since it started, which never falls.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux KiB


_RAN_OUT = ("DefaultCPUAllocator", "CUBLAS_STATUS_ALLOC_FAILED")
"""In what torch says where it has no class of error for it: on the CPU, and of cuBLAS."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, that of a GPU or that of the CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(one in str(error) for one in _RAN_OUT)
