"""What travels between the driver and its workers: jobs one way, events the other. ``packing`` makes bytes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.plugin.runs import Event, Job, Run, State


@dataclass(frozen=True)
class Assignment:
    """A job for a worker, with all that it needs from the run folder."""

    job: Job
    state: State | None = None  # of a run, to go on from
    solutions: Mapping[str, Any] = field(default_factory=dict)  # by run_id: weights, or the path of the file with them
    alone: bool = True  # no other job comes beside it in its worker
    scale_free: Mapping[str, Any] | None = None  # the scale-free tensors of its network, where a worker has tested it


@dataclass(frozen=True)
class Cancel:
    """Tells a worker to leave a job. It answers with an event that ends the job, unless one is on its way already."""

    job_id: str


@dataclass(frozen=True)
class Rehearse:
    """Asks a worker without jobs how fast it takes steps of a run, in so many copies side by side."""

    run: Run
    numbers: Sequence[int]
    seconds: float  # for each number
    work: float = 0.0  # steps that there are to take; where they are few, the first number is enough; 0: unknown


@dataclass(frozen=True)
class Rehearsed:
    """The steps a second of a rehearsal, by number. Numbers that failed, or that need not be tried, are left out."""

    rates: Mapping[int, float]


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
class PutBack:
    """A job that a worker cannot carry out beside others. It goes on from its last state, later or elsewhere."""

    job_id: str
    reason: str
    places: int = 0  # so many jobs are the most that the worker can hold; 0 for as many as before
    alone: bool = False  # the job must be the only one of its worker


@dataclass(frozen=True)
class Retiring:
    """A worker takes no more jobs, because a plugin has changed its process. It ends when those that it has are over."""

    reason: str


@dataclass(frozen=True)
class Left:
    """A worker's process has ended. The transport makes this message.

    >>> Left("signal 9").last_words
    ''
    """

    reason: str  # "signal 9", "exit code 1"
    last_words: str = ""  # the last lines of its standard error
    lost: bool = False  # its machine has gone: none of its jobs had to do with that


FromWorker = Ready | Happened | PutBack | Rehearsed | Retiring | Left
ToWorker = Assignment | Cancel | Rehearse
