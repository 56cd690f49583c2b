"""What a pool notes of each of its jobs and of each of its workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.plugin.runs import Job


@dataclass(eq=False)
class Work:
    """A job that a pool has, from ``submit`` until its last event is yielded."""

    job: Job
    metrics: Mapping[str, float] = field(default_factory=dict)  # of the last epoch that was yielded
    seconds: float = 0.0  # that it took in workers that have died
    began: float = 0.0  # when the worker that has it was given it
    alone: bool = False  # it is tried alone, because it may have been what killed a worker with several jobs
    stopped: bool = False  # its last event is waiting to be yielded
    over: str = ""  # the limit that it has passed: its worker is killed for it


@dataclass
class Member:
    """A worker of a pool."""

    environment: Mapping[str, Any] | None = None  # versions and hardware, where it is ready and has said them
    is_ready: bool = False
    retires: bool = False
    only_measures: bool = False
    dismissed: bool = False  # it was killed because it is not needed any more, and has not ended yet
    jobs: dict[str, Work | None] = field(default_factory=dict)  # None for one that was stopped; its events are dropped
