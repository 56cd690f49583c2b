"""An executor behind the boundary to plugins: whatever it raises is an error that names it.

It also keeps the journal of attempts. A job in which process after process has died is ended here as failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from harness.errors import PluginError, repr_of
from harness.plugin.boundary import Boundary, through
from harness.plugin.contracts import Executor, Workbench
from harness.plugin.runs import Done, Epoch, Event, Failed, Interrupted, Job, Measured, Measurement
from harness.records.attempts import Attempts, of_job


def check_executor(executor: Executor) -> None:
    """Raise PluginError with one line where an executor cannot work with its options; nothing is opened for it."""
    if executor.check is not None:
        with Boundary("executor", executor.name, "work here"):
            executor.check(**executor.options)


class GuardedExecutor:
    """A running executor; whatever it raises names it. The journal notes which jobs it has, and the deaths in them."""

    def __init__(self, executor: Executor, workbench: Workbench, attempts: Attempts | None = None) -> None:
        self.name = executor.name
        self._attempts = attempts or Attempts()
        self._jobs: dict[str, Job] = {}  # that it has, by id
        self._progress: dict[str, int] = {}  # by the id of a run: its furthest epoch
        self._said = ""  # the line that ``new_line`` has returned last
        with self._boundary("build"):
            self._running: Any = executor.build(workbench, **executor.options)
            self.isolated = bool(getattr(self._running, "isolated", False))  # its jobs do not die with this process

    @property
    def room(self) -> int:
        """How many jobs it takes at once."""
        with self._boundary("have room"):
            return int(self._running.room)

    @property
    def at_once(self) -> int:
        """How many jobs it carries out at the same time; as many as it takes, where it does not say."""
        with self._boundary("say how it works"):
            return int(getattr(self._running, "at_once", self._running.room))

    @property
    def line(self) -> str:
        """How it carries jobs out, in a line for people; "" where it says nothing."""
        with self._boundary("say how it works"):
            return str(getattr(self._running, "line", ""))

    def new_line(self) -> str:
        """Return the line where it differs from the one that this has returned before, else ""."""
        if (line := self.line) == self._said:
            return ""
        self._said = line
        return line

    @property
    def workers(self) -> int:
        """How many processes measure at the same time."""
        with self._boundary("say how many workers it has"):
            return int(getattr(self._running, "workers", 1))

    def submit(self, jobs: Sequence[Job]) -> None:
        """Hand jobs over."""
        for job in jobs:
            self._jobs[job.id] = job
            if not self.isolated:
                self._attempts.begin(of_job(job), label_of(job))
        with self._boundary("take runs"):
            self._running.submit(jobs)

    def stop(self, run_id: str) -> None:
        """Have a run end after its current epoch."""
        with self._boundary("stop a run"):
            self._running.stop(run_id)

    def close(self) -> None:
        """End the processes that it has; it is given no more jobs."""
        with self._boundary("close"):
            getattr(self._running, "close", lambda: None)()

    def events(self) -> Iterator[tuple[str, Event]]:
        """Yield what happens to the jobs; raises PluginError for anything else."""
        with self._boundary("give events"):
            events = self._running.events()
        for item in through(self._boundary("give events"), events):
            match item:
                case (str(job_id), Epoch() | Done() | Failed() | Measured() | Interrupted() as event):
                    event = self._counted(job_id, event)
                    yield job_id, event
                    self._note(job_id, event)  # once it is written down
                case _:
                    raise PluginError(
                        f"executor '{self.name}': must give a run's id and an event, got {repr_of(item):.80}"
                    )

    def _counted(self, job_id: str, event: Event) -> Event:
        """Return the event; Failed in its place where it is the last death that a job is allowed."""
        job = self._jobs.get(job_id)
        if not isinstance(event, Interrupted) or job is None:
            return event
        if event.lost:
            self._attempts.lost(label_of(job), event.reason)
            return event
        progress = self._progress.get(job_id, 0)
        self._attempts.died(of_job(job), label_of(job), event.reason, progress, event.alone)
        if not (reason := self._attempts.given_up(of_job(job))):
            return event
        self.stop(job_id)
        return Failed("error", reason, event.last_words)

    def _note(self, job_id: str, event: Event) -> None:
        """Note in the journal how far a job is."""
        if (job := self._jobs.get(job_id)) is None:
            return
        if event.ends_run:
            del self._jobs[job_id]
            self._progress.pop(job_id, None)
            if not (isinstance(event, Failed) and self._attempts.given_up(of_job(job))):
                self._attempts.end(of_job(job))
        elif isinstance(event, Epoch):
            self._progress[job_id] = max(event.number, self._progress.get(job_id, 0))
            self._attempts.come_to(of_job(job), event.number)

    def _boundary(self, what: str) -> Boundary:
        return Boundary("executor", self.name, what)


def label_of(job: Job) -> str:
    """Return what a job is called in messages about its being under way."""
    if isinstance(job, Measurement):
        networks = " and ".join(f"{run.arm.name} seed {run.init_seed}" for run in job.runs)
        return f"probe '{job.probe}' of {networks}"
    return f"{job.arm.name}, {job.phase} run {job.id}, seed {job.init_seed}"
