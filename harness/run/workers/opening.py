"""What a worker opens: the benchmark as plain values, so that no process needs the dataset's code or the user's files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.benchmark.plan import Setting
from harness.plugin.contracts import Workbench


@dataclass(frozen=True)
class StoredArray:
    """An array that a worker maps into its memory from a file of its machine."""

    file: str
    dtype: str
    shape: tuple[int, ...]
    offset: int  # bytes


@dataclass(frozen=True)
class BenchmarkOpening:
    """A benchmark as plain values. Arrays are stored in files (``StoredArray``), or travel as they are."""

    benchmark: str  # resolved, as TOML
    plugins: Mapping[str, bytes]  # loose plugin files: their names, and what is in them
    block: tuple[str, ...]  # plugins that are left out
    sys_path: tuple[str, ...]
    data: Any  # ``Data``, with a StoredArray in the place of each array
    features: Mapping[str, Any]
    mirrored: Mapping[str, Any]
    device: tuple[str, str, int]  # name, precision, threads
    folder: str  # the run folder
    save_every: float  # seconds of work that a kill may cost
    imported: tuple[Any, ...] = field(default=())  # arms of a baseline whose networks are measured

    def open(self) -> Workbench:
        """Open the benchmark in this process."""
        raise NotImplementedError


def opening_of(setting: Setting) -> BenchmarkOpening:
    """Return a benchmark as plain values."""
    raise NotImplementedError
