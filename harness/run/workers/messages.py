"""What travels between the driver and its workers: jobs one way, events the other. ``packing`` makes bytes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.plugin.runs import Event, Job, State


@dataclass(frozen=True)
class Assignment:
    """A job for a worker, with all that it needs from the run folder."""

    job: Job
    state: State | None = None  # of a run, to go on from
    solutions: Mapping[str, Any] = field(default_factory=dict)  # by run_id: weights, or the path of the file with them


@dataclass(frozen=True)
class Cancel:
    """Tells a worker to leave a job. It answers with an event that ends the job, unless one is on its way already."""

    job_id: str


@dataclass(frozen=True)
class Ready:
    """A worker has opened the benchmark, and takes jobs."""

    environment: Mapping[str, Any] = field(default_factory=dict)  # hash, versions and hardware; empty: the driver's


@dataclass(frozen=True)
class Happened:
    """An event of a job."""

    job_id: str
    event: Event


@dataclass(frozen=True)
class Retiring:
    """A worker takes no more jobs, because a plugin has changed its process. It ends when those that it has are over."""

    reason: str


@dataclass(frozen=True)
class Left:
    """A worker's process has ended. The transport makes this message."""

    reason: str  # "signal 9", "exit code 1"
    last_words: str = ""  # the last lines of its standard error


FromWorker = Ready | Happened | Retiring | Left
ToWorker = Assignment | Cancel
