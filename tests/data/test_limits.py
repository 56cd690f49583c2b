"""The cores and the memory that a process may use are counted from files of control groups as containers have them."""

from __future__ import annotations

import os

import pytest

from harness.data import limits
from harness.data.limits import count_cores, least_memory
from harness.training import device

ALONE = "0::/\n"  # as /proc/self/cgroup says in a container with version 2
JOB = "12:cpuset:/job\n4:cpu,cpuacct:/job\n1:name=systemd:/\n0::/\n"  # version 1 beside an empty version 2


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Return a function that counts the cores of a made-up machine of 16 cores."""
    monkeypatch.setattr(limits, "_affinity", lambda: 16)

    def count(groups="", mounts="", files=None, environ=None):
        for name, text in (files or {}).items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        (tmp_path / "cgroup").write_text(groups, encoding="utf-8")
        lines = [f"31 23 0:28 {line.replace('TOP', str(tmp_path / 'top'))}\n" for line in mounts.splitlines()]
        (tmp_path / "mountinfo").write_text("".join(lines), encoding="utf-8")
        return count_cores(environ or {}, tmp_path / "cgroup", tmp_path / "mountinfo")

    return count


TWO = "/ TOP rw,relatime - cgroup2 cgroup rw"
ONE = "/ TOP rw,relatime - cgroup cgroup rw,cpu,cpuacct"


def test_without_a_limit_all_cores_are_used(machine):
    assert machine() == 16
    assert machine(ALONE, TWO) == 16  # the top group has no cpu.max
    assert machine(ALONE, TWO, {"top/cpu.max": "max 100000\n"}) == 16


@pytest.mark.parametrize(
    ("quota", "count"), [("200000 100000", 2), ("250000 100000", 2), ("180000 100000", 2), ("20000 100000", 1)]
)
def test_a_quota_of_version_2_is_kept(machine, quota, count):
    assert machine(ALONE, TWO, {"top/cpu.max": quota}) == count


def test_a_quota_of_a_group_above_is_kept(machine):
    files = {"top/slice/cpu.max": "300000 100000", "top/slice/job/cpu.max": "max 100000"}
    assert machine("0::/slice/job\n", TWO, files) == 3
    files["top/slice/job/cpu.max"] = "100000 100000"
    assert machine("0::/slice/job\n", TWO, files) == 1


def test_a_quota_of_version_1_is_kept(machine):
    files = {"top/job/cpu.cfs_quota_us": "400000\n", "top/job/cpu.cfs_period_us": "100000\n"}
    assert machine(JOB, ONE, files) == 4
    files["top/job/cpu.cfs_quota_us"] = "-1\n"
    assert machine(JOB, ONE, files) == 16


def test_a_container_that_sees_its_own_group_as_the_top_is_limited(machine):
    """The host's path of the group stands in /proc/self/cgroup, while the group itself is what is mounted."""
    files = {"top/cpu.cfs_quota_us": "200000", "top/cpu.cfs_period_us": "100000"}
    mounted = "/docker/ab12 TOP ro,relatime master:9 - cgroup cgroup rw,cpu,cpuacct"
    assert machine("4:cpu,cpuacct:/docker/ab12\n", mounted, files) == 2
    assert machine("4:cpu,cpuacct:/docker/ab12\n", mounted.replace("/docker/ab12", "/"), files) == 2
    assert machine("0::/../other\n", TWO, {"top/cpu.max": "500000 100000"}) == 5


def test_a_group_that_does_not_count_processor_time_limits_nothing(machine):
    files = {"top/job/cpu.cfs_quota_us": "100000", "top/job/cpu.cfs_period_us": "100000"}
    assert machine(JOB, ONE.replace("cpu,cpuacct", "cpuset"), files) == 16


@pytest.mark.parametrize("text", ["", "max", "a b", "100000 0", "-5 100000", "100000", "1 2 3", "²00000 100000"])
def test_a_quota_that_cannot_be_read_limits_nothing(machine, text):
    assert machine(ALONE, TWO, {"top/cpu.max": text}) == 16


def test_lines_that_no_kernel_writes_limit_nothing(machine):
    assert machine("\n:::\n4\n0:\n", "/\n- cgroup2\n\n", {}) == 16


@pytest.mark.parametrize(
    ("value", "count"),
    [("1", 1), ("3", 3), (" 2 ", 2), ("4,2", 4), ("64", 16), ("", 16), ("0", 16), ("-1", 16), ("many", 16)],
)
def test_omp_num_threads_is_kept_where_it_is_a_number(machine, value, count):
    assert machine(environ={"OMP_NUM_THREADS": value}) == count


def test_the_least_of_all_limits_is_kept(machine):
    quota = {"top/cpu.max": "300000 100000"}
    assert machine(ALONE, TWO, quota, {"OMP_NUM_THREADS": "5"}) == 3
    assert machine(ALONE, TWO, quota, {"OMP_NUM_THREADS": "2"}) == 2


def test_the_system_is_asked_for_the_affinity(monkeypatch):
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 7})
    else:
        monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert limits._affinity() == 3


def test_a_machine_that_does_not_say_has_a_core(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert limits._affinity() == 1


def test_the_threads_of_a_device_are_the_usable_cores(monkeypatch):
    pinned = []
    monkeypatch.setattr("torch.set_num_threads", pinned.append)
    monkeypatch.setattr(device, "usable_cores", lambda: 3)
    assert device.set_up_device("cpu", "fp32", 0).threads == 3
    assert device.set_up_device("cpu", "fp32", 5).threads == 5
    assert pinned == [3, 5]


@pytest.mark.parametrize(
    ("files", "memory"),
    [
        ({}, 64e9),  # the machine's
        ({"top/slice/job/memory.max": "max"}, 64e9),
        ({"top/slice/job/memory.max": "max", "top/slice/memory.max": "16000000000"}, 16e9),
        ({"top/slice/job/memory.max": "8000000000", "top/slice/memory.max": "16000000000"}, 8e9),
        ({"top/slice/job/memory.max": "9223372036854771712"}, 64e9),
        ({"top/slice/job/memory.max": "no number"}, 64e9),
    ],
)
def test_the_memory_is_the_least_that_machine_and_groups_allow(monkeypatch, tmp_path, files, memory):
    monkeypatch.setattr(limits, "_memory_of_machine", lambda: 64e9)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    (tmp_path / "cgroup").write_text("0::/slice/job\n")
    (tmp_path / "mountinfo").write_text(f"31 23 0:28 / {tmp_path / 'top'} rw,relatime - cgroup2 cgroup rw\n")
    assert least_memory(tmp_path / "cgroup", tmp_path / "mountinfo") == memory


def test_a_limit_of_memory_of_version_1_is_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(limits, "_memory_of_machine", lambda: 64e9)
    (tmp_path / "top/job").mkdir(parents=True)
    (tmp_path / "top/job/memory.limit_in_bytes").write_text("4000000000\n")
    (tmp_path / "cgroup").write_text("9:memory:/job\n4:cpu,cpuacct:/other\n0::/\n")
    (tmp_path / "mountinfo").write_text(f"31 23 0:28 / {tmp_path / 'top'} rw,relatime - cgroup cgroup rw,memory\n")
    assert least_memory(tmp_path / "cgroup", tmp_path / "mountinfo") == 4e9
