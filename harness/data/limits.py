"""How many cores and how much memory this process may use, which is often less than the machine has.

Three things limit the cores: the affinity that the process was started with, the share of processor time that a container is
given (a quota of its control group), and ``OMP_NUM_THREADS`` where the user has set it. The memory is limited by control
groups too.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

MEMBERSHIP = Path("/proc/self/cgroup")  # lines such as 0::/user.slice (version 2) and 4:cpu,cpuacct:/job (version 1)
MOUNTS = Path("/proc/self/mountinfo")  # where the file systems of control groups are mounted


def usable_cores() -> int:
    """Return how many cores this process may use, at least 1: the least that affinity, quota and OMP_NUM_THREADS allow.

    A quota that is no whole number of cores is rounded to the nearest one, for a core that is mostly there is worth using.
    What the system does not say limits nothing.

    >>> usable_cores() >= 1
    True
    """
    return count_cores(os.environ, MEMBERSHIP, MOUNTS)


def count_cores(environ: Mapping[str, str], membership: Path, mounts: Path) -> int:
    """Return the cores that these allow, at least 1.

    ``environ`` are the environment variables, ``membership`` is the file that names the control groups of the process, and
    ``mounts`` the one that says where the file systems of control groups are.
    """
    cores = [_affinity(), *_from_environment(environ)]
    cores += [max(1, round(quota)) for quota in _quotas(membership, mounts)]
    return max(1, min(cores))


def usable_memory() -> float:
    """Return how many bytes of memory this process may use with those beside it: the machine's, or its container's.

    What the system does not say limits nothing.

    >>> usable_memory() > 0
    True
    """
    return least_memory(MEMBERSHIP, MOUNTS)


def least_memory(membership: Path, mounts: Path) -> float:
    """Return the bytes that the machine and these control groups allow; infinity where nothing says."""
    names = {1: "memory.limit_in_bytes", 2: "memory.max"}
    texts = (
        " ".join(_lines(folder / names[version])).strip() for version, folder in _folders("memory", membership, mounts)
    )
    return min([_memory_of_machine(), *(float(text) for text in texts if text.isascii() and text.isdigit())])


def _memory_of_machine() -> float:
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return math.inf


def _affinity() -> int:
    """Return on how many cores the system would let this process run; all cores where it does not say."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _from_environment(environ: Mapping[str, str]) -> list[int]:
    """Return the number in OMP_NUM_THREADS, of which "4,2" gives 4 to the outermost level; nothing where it has none."""
    first = environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return [int(first)] if first.isascii() and first.isdigit() and int(first) else []


def _quotas(membership: Path, mounts: Path) -> Iterator[float]:
    """Yield, in cores, the quotas of the control groups that this process is in."""
    for version, folder in _folders("cpu", membership, mounts):
        quota = _quota_of_2(folder) if version == 2 else _quota_of_1(folder)
        if quota is not None:
            yield quota


def _folders(controller: str, membership: Path, mounts: Path) -> Iterator[tuple[int, Path]]:
    """Yield the folders of the control groups that this process is in, those of the groups above included.

    Each comes with the version of its control groups, of version 1 those of one ``controller``: ``cpu`` or ``memory``.
    """
    groups = _groups(controller, membership)
    for version, root, mounted in _hierarchies(controller, mounts):
        if version in groups:
            yield from ((version, folder) for folder in _upwards(mounted, root, groups[version]))


def _groups(controller: str, membership: Path) -> dict[int, str]:
    """Return the process's group by the version of control groups, of version 1 the one of the controller."""
    groups = {}
    for line in _lines(membership):
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if number == "0" and not controllers:
            groups[2] = group
        elif controller in controllers.split(","):
            groups[1] = group
    return groups


def _hierarchies(controller: str, mounts: Path) -> Iterator[tuple[int, str, Path]]:
    """Yield the file systems of control groups that have the controller: version, the group at their top, folder."""
    for line in _lines(mounts):
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(), after.split()
        if len(fields) < 5 or len(kinds) < 3:
            continue
        root, mounted, kind, options = fields[3], Path(fields[4]), kinds[0], kinds[2].split(",")
        if kind == "cgroup2":
            yield 2, root, mounted
        elif kind == "cgroup" and controller in options:
            yield 1, root, mounted


def _upwards(mounted: Path, root: str, group: str) -> Iterator[Path]:
    """Yield the folder of a group and those of the groups above it, as far as they are mounted.

    In a container the mounted top is often the container's group itself, whose path is then not below it.
    """
    path = PurePosixPath(group)
    below = path.relative_to(root) if path.is_relative_to(root) else PurePosixPath(group.lstrip("/"))
    for part in (below, *below.parents):
        if ".." not in part.parts:
            yield mounted / part


def _quota_of_2(folder: Path) -> float | None:
    """Return the quota that ``cpu.max`` states as ``QUOTA PERIOD``, in cores; None for ``max``."""
    words = " ".join(_lines(folder / "cpu.max")).split()
    return _in_cores(words[0], words[1]) if len(words) == 2 else None


def _quota_of_1(folder: Path) -> float | None:
    """Return the quota that two files state, in cores; None for -1, which is no quota."""
    quota, period = (" ".join(_lines(folder / f"cpu.cfs_{name}_us")).strip() for name in ("quota", "period"))
    return _in_cores(quota, period)


def _in_cores(quota: str, period: str) -> float | None:
    if not (quota.isascii() and quota.isdigit() and period.isascii() and period.isdigit() and int(period)):
        return None
    return int(quota) / int(period)


def _lines(file: Path) -> list[str]:
    """Return the lines of one of the system's files; none where it is missing or may not be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
