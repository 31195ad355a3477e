"""Limits of control groups, from made-up files of both versions."""

import pytest

from transferlab.pipeline.environment.cgroups import free_memory_bytes, quota_cores

MIB = 2**20


@pytest.fixture
def group(tmp_path):
    """``group(membership, {path: text})``: what the two functions are called with."""

    def make(membership, files):
        root, own = tmp_path / "fs", tmp_path / "cgroup"
        own.write_text(membership)
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        return root, own

    return make


def test_version_2_takes_the_tightest_group_above_the_process(group):
    given = group(
        "0::/slice/job\n",
        {
            "slice/memory.max": f"{500 * MIB}\n",
            "slice/memory.current": f"{100 * MIB}\n",
            "slice/job/memory.max": "max\n",
            "slice/cpu.max": "150000 100000\n",
            "slice/job/cpu.max": "max 100000\n",
        },
    )
    assert free_memory_bytes(*given) == 400 * MIB
    assert quota_cores(*given) == 1.5


def test_version_1_is_read_too_where_only_the_mount_can_be_seen(group):
    given = group(
        "4:memory:/docker/on-the-host\n3:cpu,cpuacct:/docker/on-the-host\n0::/\n",
        {
            "memory/memory.limit_in_bytes": f"{300 * MIB}\n",
            "memory/memory.usage_in_bytes": f"{250 * MIB}\n",
            "memory/memory.stat": f"cache 5\ntotal_inactive_file {50 * MIB}\n",
            "cpu/cpu.cfs_quota_us": "200000\n",
            "cpu/cpu.cfs_period_us": "100000\n",
        },
    )
    assert free_memory_bytes(*given) == 100 * MIB, "what is only cached of files is free"
    assert quota_cores(*given) == 2


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"memory.max": "max\n", "cpu.max": "max 100000\n"},
        {
            "memory/memory.limit_in_bytes": "9223372036854771712\n",
            "cpu/cpu.cfs_quota_us": "-1\n",
            "cpu/cpu.cfs_period_us": "100000\n",
        },
    ],
)
def test_no_limit_is_none(group, files):
    given = group("4:memory:/\n1:cpu:/\n0::/\n", files)
    assert free_memory_bytes(*given) is None
    assert quota_cores(*given) is None


def test_a_system_without_groups_has_no_limit(tmp_path):
    assert free_memory_bytes(tmp_path / "none", tmp_path / "none") is None
    assert quota_cores(tmp_path / "none", tmp_path / "none") is None
