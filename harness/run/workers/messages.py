"""What travels between the driver and its workers: jobs one way, events the other, as values and as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.plugin.runs import Event, Job, State

if TYPE_CHECKING:
    import torch

Place = (
    str | Mapping[str, "torch.Tensor"]
)  # where a run's weights are: the path of their file, or the weights themselves


@dataclass(frozen=True)
class Assignment:
    """A job for a worker, with all that it needs from the run folder."""

    job: Job
    state: State | None = None  # of a run, to go on from
    solutions: Mapping[str, Any] = field(default_factory=dict)  # by run_id: the weights it begins with or looks at


@dataclass(frozen=True)
class Cancel:
    """Tells a worker to leave a job."""

    job_id: str


@dataclass(frozen=True)
class Ready:
    """A worker has opened the benchmark, and takes jobs."""

    environment: Mapping[str, Any] = field(default_factory=dict)  # versions and hardware, as ``device.environment``


@dataclass(frozen=True)
class Happened:
    """An event of a job."""

    job_id: str
    event: Event


@dataclass(frozen=True)
class Retiring:
    """A worker takes no more jobs, because a plugin has changed its process; it ends when those it has are over."""

    reason: str


@dataclass(frozen=True)
class Left:
    """A worker's process has ended. The transport makes this message."""

    reason: str  # "signal 9", "exit code 1"
    last_words: str = ""  # the last lines of its standard error


FromWorker = Ready | Happened | Retiring | Left
ToWorker = Assignment | Cancel
