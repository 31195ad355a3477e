"""Machines with too little memory, a quota, or a card that torch cannot use."""

import builtins

import pytest

from transferlab.pipeline.environment.machine import (
    DriverFacts,
    Gpu,
    TorchFacts,
    check_machine,
    judge_gpu,
    judge_memory,
    judge_threads,
    judge_torch,
    read_torch,
)

GIB = 2**30
CPU_TORCH = TorchFacts(version="2.9.1+cpu", built_for=None, threads=2)
CUDA_TORCH = TorchFacts(version="2.9.1", built_for="CUDA 12.8", threads=2)
DRIVER = DriverFacts(version="570.1", gpus=["NVIDIA H100"])


def test_enough_memory_is_fine():
    check = judge_memory(8 * GIB, None)
    assert (check.status, check.found, check.advice) == ("ok", "8.0 GiB free", "")


def test_a_control_group_can_leave_too_little():
    check = judge_memory(64 * GIB, GIB // 2)
    assert check.status == "problem"
    assert check.found == "512 MiB free under the control group's limit"
    assert check.advice == (
        "raise the container's or the job's limit: the smallest pipeline takes 2.0 GiB"
    )


def test_a_full_machine_is_told_from_a_limit():
    check = judge_memory(GIB, 4 * GIB)
    assert (check.status, check.found) == ("problem", "1.0 GiB free")
    assert check.advice.startswith("end other programs")


@pytest.mark.parametrize(
    ("cores", "quota", "threads", "variable", "status", "advice"),
    [
        (8, None, 4, None, "ok", ""),
        (8, None, 8, "8", "ok", ""),
        (8, 1.5, 2, "2", "ok", ""),
        (64, 2.0, 32, None, "problem", "export OMP_NUM_THREADS=2"),
        (4, None, 8, "8", "problem", "export OMP_NUM_THREADS=4"),
        (8, None, 1, "1", "note", "OMP_NUM_THREADS=8 would use them all"),
        (8, None, 8, "all", "problem", "set OMP_NUM_THREADS to a number"),
        (8, None, None, None, "ok", ""),
    ],
)
def test_threads_are_compared_with_the_cores_that_are_granted(
    cores, quota, threads, variable, status, advice
):
    check = judge_threads(cores, quota, threads=threads, variable=variable)
    assert (check.status, check.advice.startswith(advice)) == (status, True), check
    assert bool(check.advice) == bool(advice)


def test_a_quota_is_shown():
    check = judge_threads(64, 2.0, threads=2, variable=None)
    assert check.found == "64 core(s), a quota of 2, 2 thread(s), OMP_NUM_THREADS not set"


def test_no_gpu_is_a_note():
    assert judge_gpu(CPU_TORCH, None).status == "note"
    assert judge_gpu(CUDA_TORCH, DriverFacts(version="570.1", gpus=[])).status == "note"


def test_a_card_that_torch_cannot_use_is_a_problem_of_the_build_or_of_the_driver():
    build, driver = judge_gpu(CPU_TORCH, DRIVER), judge_gpu(CUDA_TORCH, DRIVER)
    assert (build.status, driver.status) == ("problem", "problem")
    assert build.advice.startswith("install a torch that was built for CUDA")
    assert driver.advice.startswith("update the driver to one for CUDA 12.8")


def test_a_card_in_use_is_shown_with_its_memory():
    facts = TorchFacts(
        version="2.9.1",
        built_for="CUDA 12.8",
        threads=2,
        gpus=[Gpu(name="NVIDIA H100", free_bytes=70 * GIB, total_bytes=80 * GIB)],
    )
    check = judge_gpu(facts, DRIVER)
    assert check.status == "ok"
    assert check.found == "NVIDIA H100, 70.0 GiB of 80.0 GiB free, driver 570.1"


def test_a_torch_that_cannot_be_imported_is_a_problem(monkeypatch):
    real = builtins.__import__

    def broken(name, *given, **named):
        if name == "torch":
            raise OSError("libcudart.so.12: cannot open shared object file\nmore")
        return real(name, *given, **named)

    monkeypatch.setattr(builtins, "__import__", broken)
    facts = read_torch()
    check = judge_torch(facts)
    assert check.status == "problem"
    assert check.found == "cannot be imported (libcudart.so.12: cannot open shared object file)"


def test_this_machine_is_read():
    found = {check.name: check for check in check_machine()}
    assert list(found) == ["memory", "cores", "torch", "gpu"]
    assert found["torch"].status == "ok"
    assert found["memory"].details["available_bytes"] > 0
