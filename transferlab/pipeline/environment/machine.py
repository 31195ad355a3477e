"""Processor, memory and GPU against what a run needs."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psutil

from transferlab.pipeline.environment.cgroups import free_memory_bytes, quota_cores
from transferlab.pipeline.environment.check import Check, Status, size

SMALLEST_RUN_MEMORY_BYTES = 2 * 2**30
"""Of memory: `transferlab run smoke`, the smallest pipeline, had a peak of 1.9 GiB (Linux, CPU)."""
THREADS_VARIABLE = "OMP_NUM_THREADS"


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A card, in bytes."""

    name: str
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True, kw_only=True)
class TorchFacts:
    """What torch says of itself and of the cards that it can use."""

    version: str
    built_for: str | None
    """The CUDA or ROCm version that it was built for; None for the CPU alone."""
    threads: int
    gpus: Sequence[Gpu] = ()
    failure: str | None = None
    """Why it cannot be imported; the other values then say nothing."""


@dataclass(frozen=True, kw_only=True)
class DriverFacts:
    """What NVIDIA's driver says, without torch."""

    version: str
    gpus: Sequence[str]


def check_machine() -> Iterator[Check]:
    """Memory, cores and threads, torch, GPU."""
    torch_facts = read_torch()
    yield judge_memory(psutil.virtual_memory().available, free_memory_bytes())
    yield judge_threads(
        usable_cores(),
        quota_cores(),
        threads=None if torch_facts.failure else torch_facts.threads,
        variable=os.environ.get(THREADS_VARIABLE),
    )
    yield judge_torch(torch_facts)
    if not torch_facts.failure:
        yield judge_gpu(torch_facts, read_driver())


def judge_memory(available_bytes: int, group_bytes: int | None) -> Check:
    """Main memory for the smallest run.

    Args:
        available_bytes: free on the machine.
        group_bytes: what the control groups let the process take; None without a limit.
    """
    limited = group_bytes is not None and group_bytes < available_bytes
    free = group_bytes if limited and group_bytes is not None else available_bytes
    enough = free >= SMALLEST_RUN_MEMORY_BYTES
    advice = "raise the container's or the job's limit" if limited else "end other programs"
    return Check(
        name="memory",
        status="ok" if enough else "problem",
        found=f"{size(free)} free" + (" under the control group's limit" if limited else ""),
        advice=""
        if enough
        else f"{advice}: the smallest pipeline takes {size(SMALLEST_RUN_MEMORY_BYTES)}",
        details={"available_bytes": available_bytes, "group_bytes": group_bytes},
    )


def usable_cores() -> int:
    """The cores that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS pins no process to cores
        return os.cpu_count() or 1


def judge_threads(
    cores: int, quota: float | None, *, threads: int | None, variable: str | None
) -> Check:
    """Threads against the cores whose time the process gets.

    Args:
        cores: that it may run on.
        quota: in cores, of the control groups; None without one.
        threads: that torch uses; None where torch cannot be asked.
        variable: $OMP_NUM_THREADS.
    """
    granted = cores if quota is None else min(cores, quota)
    fitting = max(1, math.floor(granted))
    parts = [f"{cores} core(s)"]
    if quota is not None and quota < cores:
        parts.append(f"a quota of {quota:g}")
    if threads is not None:
        parts.append(f"{threads} thread(s)")
    parts.append(f"{THREADS_VARIABLE} {variable or 'not set'}")
    status: Status = "ok"
    advice = ""
    if variable is not None and not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", variable.strip()):
        status, advice = "problem", f"set {THREADS_VARIABLE} to a number of threads"
    elif threads is not None and threads > math.ceil(granted):
        status = "problem"
        advice = f"export {THREADS_VARIABLE}={fitting}: more threads than cores wait for each other"
    elif threads is not None and variable is not None and threads < fitting:
        status = "note"
        advice = f"{THREADS_VARIABLE}={fitting} would use them all"
    return Check(
        name="cores",
        status=status,
        found=", ".join(parts),
        advice=advice,
        details={"cores": cores, "quota_cores": quota, "threads": threads},
    )


def judge_torch(facts: TorchFacts) -> Check:
    """Whether torch can be imported, and what it was built for."""
    if facts.failure:
        return Check(
            name="torch",
            status="problem",
            found=f"cannot be imported ({facts.failure})",
            advice="pip install --force-reinstall torch torchvision",
        )
    built = f"built for {facts.built_for}" if facts.built_for else "built for the CPU"
    return Check(name="torch", status="ok", found=f"{facts.version}, {built}")


def judge_gpu(facts: TorchFacts, driver: DriverFacts | None) -> Check:
    """Whether what the driver has can be used by torch.

    Args:
        facts: torch's.
        driver: NVIDIA's; None where there is none.
    """
    details = {"driver": driver.version if driver else None, "gpus": [g.name for g in facts.gpus]}
    said = f", driver {driver.version}" if driver else ""
    if facts.gpus:
        cards = "; ".join(
            f"{one.name}, {size(one.free_bytes)} of {size(one.total_bytes)} free"
            for one in facts.gpus
        )
        return Check(name="gpu", status="ok", found=f"{cards}{said}", details=details)
    if driver and driver.gpus:
        if facts.built_for is None:
            advice = "install a torch that was built for CUDA (pytorch.org, Get started)"
        else:
            advice = (
                f"update the driver to one for {facts.built_for}, or look at CUDA_VISIBLE_DEVICES"
            )
        cards = ", ".join(driver.gpus)
        return Check(
            name="gpu",
            status="problem",
            found=f"{cards}{said}, which torch cannot use",
            advice=advice,
            details=details,
        )
    return Check(
        name="gpu",
        status="note",
        found="none that torch could use",
        advice="the embedded backbone trains on the CPU; larger ones want a GPU",
        details=details,
    )


def read_torch() -> TorchFacts:
    """Import torch and ask it."""
    try:
        import torch
    except (ImportError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        return TorchFacts(version="", built_for=None, threads=0, failure=reason)
    built_for = None
    if torch.version.cuda:
        built_for = f"CUDA {torch.version.cuda}"
    elif torch.version.hip:
        built_for = f"ROCm {torch.version.hip}"
    gpus = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        gpus.append(Gpu(name=name, free_bytes=free, total_bytes=total))
    return TorchFacts(
        version=torch.__version__, built_for=built_for, threads=torch.get_num_threads(), gpus=gpus
    )


def read_driver() -> DriverFacts | None:
    """What NVIDIA's management library says; None where there is no driver."""
    try:
        import pynvml
    except ImportError:  # the check of libraries says that it is missing
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        names = [str(pynvml.nvmlDeviceGetName(handle)) for handle in handles]
        return DriverFacts(version=str(pynvml.nvmlSystemGetDriverVersion()), gpus=names)
    finally:
        pynvml.nvmlShutdown()
