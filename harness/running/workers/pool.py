"""The pool: it hands jobs to workers, takes their events, and begins anew what a worker's death has cost.

It knows nothing of processes and connections. A ``Transport`` starts workers and moves messages.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.errors import PluginError
from harness.plugin.contracts import Workbench
from harness.plugin.runs import Done, Epoch, Event, Failed, Interrupted, Job, Measurement, Run
from harness.running.workers.choosing import Rehearsal, staff_line
from harness.running.workers.crew import is_out_of_memory
from harness.running.workers.measuring_workers import AHEAD, MeasuringWorkers
from harness.running.workers.messages import (
    Assignment,
    Cancel,
    FromWorker,
    Happened,
    Left,
    PutBack,
    Ready,
    Rehearsed,
    Retiring,
)
from harness.running.workers.pool_records import Member, Work
from harness.running.workers.transport import Transport

LOOK = 1.0  # seconds after which limits are looked at again
MOST_STARTS = 3  # workers, one after the other, that may end before they take a job


class WorkerPool:
    """An executor's jobs on workers: a ``RunningExecutor`` that needs nothing but a transport.

    Args:
        transport: Starts workers and moves messages (``harness.running.workers.transport.Transport``).
        workbench: What the executor was given.
        workers: How many workers there are; or a function that returns how many there can be now, where machines come
            and go.
        places: How many jobs a worker carries out side by side: the size of a crew; 1 on a CPU.
        choose: These are the most there may be, and as many are taken as raise the throughput, chosen by a few timed
            steps: of places where there are several, else of workers.
        line: How many workers there are and why, in a line for people; without it the pool says so itself.
        measuring: How many more workers there are while late probes measure: on a GPU these are bound by Python, and
            further processes help. They carry out nothing else. They end with the measurements, and at once where the GPU
            or the machine has no memory for them.
        place: Returns, by run_id, the weights of a finished run as they travel to a worker; without it, the path of
            their file in the run folder.

    >>> class Nowhere:
    ...     def start(self, worker): pass
    >>> WorkerPool(Nowhere(), workbench=None, workers=2, places=4).room
    10
    """

    isolated = True

    def __init__(
        self, transport: Transport, workbench: Workbench, workers: int | Callable[[], int], places: int = 1,
        choose: bool = False, line: str = "", place: Callable[[str], Any] | None = None, measuring: int = 0,
    ) -> None:  # fmt: skip
        self._line = line
        self._measuring = MeasuringWorkers(measuring)
        self._transport = transport
        self._workbench = workbench
        self._places = places
        self._place = place or getattr(workbench, "solution_file", None)
        self._members: dict[int, Member] = {}
        self._started = 0  # workers so far
        self._failed_starts = 0  # one after the other
        self._waiting: deque[Work] = deque()
        self._works: dict[str, Work] = {}  # by the id of the job
        self._events: deque[tuple[str, Event]] = deque()  # to be yielded
        self._most = workers if callable(workers) else lambda: workers
        self._rehearsal = Rehearsal(self._most(), places, workbench.staffing.steps) if choose else None
        self._chosen = ""  # why there are so many workers or places
        self._scale_free: dict[
            tuple[str, str], Mapping[str, Any]
        ] = {}  # by network and its mode of batch norm, once tested
        self._staff()

    @property
    def room(self) -> int:
        """How many jobs it can hold: one more than a worker's places, so that none waits while the driver writes."""
        return self._most() * (self._places + 1) + self._measuring.room(self._works.values())

    @property
    def workers(self) -> int:
        """How many workers there are while late probes measure."""
        return self._most() + self._measuring.most

    @property
    def at_once(self) -> int:
        """How many jobs it carries out at the same time."""
        return self._most() * self._places

    @property
    def line(self) -> str:
        """How many workers there are, and why; "" before that is known."""
        if self._line or self._rehearsal is not None:
            return self._line
        return staff_line(self._most(), self._places, self._workbench.staffing, self._chosen)

    @property
    def staff(self) -> tuple[Transport, int, int]:
        """What has started the workers, how many, and the places of each; before the choice, the most there may be."""
        return self._transport, self._most(), self._places

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take these jobs; those that came first begin first."""
        for job in jobs:
            work = Work(job)
            self._works[job.id] = work
            self._waiting.append(work)
        self._staff()
        self._assign()

    def stop(self, run_id: str) -> None:
        """End a run with the metrics of the last epoch that was yielded; what its worker does later is dropped."""
        work = self._works.get(run_id)
        if work is None:
            return
        work.stopped = True
        self._events = deque(item for item in self._events if item[0] != run_id)
        if work in self._waiting:
            self._waiting.remove(work)
        for number, member in self._members.items():
            if member.jobs.get(run_id) is work:
                member.jobs[run_id] = None
                self._transport.send(number, Cancel(run_id))
        self._events.append((run_id, Done(work.metrics, stopped=True)))

    def events(self) -> Iterator[tuple[str, Event]]:
        """Yield what happens, until nothing is left; raises PluginError where no worker can be started."""
        while self._works:
            while self._events:
                job_id, event = self._events.popleft()
                if isinstance(event, Epoch):
                    self._works[job_id].metrics = event.metrics
                if event.ends_run:
                    del self._works[job_id]
                yield job_id, event
                if isinstance(event, Interrupted) and not self._works[job_id].stopped:
                    self._waiting.appendleft(self._works[job_id])
                    self._assign()
            if self._works:
                self._listen()
        self._dismiss()

    def close(self) -> None:
        """End the workers."""
        self._transport.close()
        self._members.clear()

    # --- inside

    def _listen(self) -> None:
        """Wait for messages, and do what follows from them."""
        for number, message in self._transport.receive(LOOK):
            member = self._members.get(number)
            if member is not None:
                self._take(number, member, message)
        self._keep_limits()
        self._staff()
        self._assign()

    def _take(self, number: int, member: Member, message: FromWorker) -> None:
        match message:
            case Ready(environment):
                member.is_ready, member.environment = True, environment or None
                self._failed_starts = 0
            case Happened(job_id, event):
                self._happened(member, job_id, event)
            case PutBack(job_id, reason, places, alone):
                self._put_back(member, job_id, reason, places, alone)
            case Rehearsed(rates):
                if self._rehearsal is not None:
                    self._rehearsal.take(number, rates)
            case Retiring():
                member.retires = True
            case Left():
                del self._members[number]
                if member.dismissed:
                    self._measuring.note_dismissed()
                    return
                if self._rehearsal is not None:
                    self._rehearsal.take(number, {})
                self._left(member, message)

    def _happened(self, member: Member, job_id: str, event: Event) -> None:
        """Pass an event on; the one of a job that was stopped is dropped, and the last one frees a place.

        A job for which the GPU had no memory waits again where workers that only measure can make room for it.
        """
        work = member.jobs.get(job_id)
        if event.ends_run:
            member.jobs.pop(job_id, None)
        if work is not None and is_out_of_memory(event) and self._measuring.crowded(work, self._members.values()):
            self._measuring.give_way()
            self._dismiss()
            self._waiting.appendleft(work)
            return
        if isinstance(event, Epoch):
            event = replace(event, environment=member.environment)
            if work is not None and event.scale_free is not None:
                self._scale_free[_network_of(work.job)] = event.scale_free
        if work is not None:
            self._events.append((job_id, event))

    def _put_back(self, member: Member, job_id: str, reason: str, places: int, alone: bool) -> None:
        """Have a job that did not fit beside others wait again, before all others; crews are smaller from then on."""
        work = member.jobs.pop(job_id, None)
        if places and places < self._places:
            self._places, self._chosen = places, reason
        if work is not None:
            work.alone = work.alone or alone
            self._waiting.appendleft(work)

    def _left(self, member: Member, left: Left) -> None:
        """Begin the jobs of a worker that has ended anew, except one that was over its limit."""
        others = sum(one.only_measures for one in self._members.values())
        if member.only_measures and self._measuring.lose(member, left.reason, others):
            self._waiting.extendleft(work for work in member.jobs.values() if work)
            if not self._measuring.most:
                self._dismiss()
            return
        over = any(work.over for work in member.jobs.values() if work)
        if not member.is_ready:
            self._failed_starts += 1
            if self._failed_starts >= MOST_STARTS and not any(one.is_ready for one in self._members.values()):
                self.close()
                raise PluginError(f"its workers cannot be started: {left.reason}: {_last_line(left.last_words)}")
        if member.retires:  # it ended as it has said, perhaps before it read of its last job
            self._waiting.extendleft(work for work in member.jobs.values() if work)
            return
        alone = len(member.jobs) == 1
        for job_id, work in member.jobs.items():
            if work is None:
                continue
            if work.over:
                self._events.append((job_id, Failed("error", work.over)))
                continue
            work.seconds += time.monotonic() - work.began
            work.alone = work.alone or not (alone or over or left.lost)
            if over:
                self._waiting.appendleft(work)
            else:  # it begins again once whoever listens has had the chance to stop it
                self._events.append((job_id, Interrupted(left.reason, alone, left.last_words, lost=left.lost)))

    def _staff(self) -> None:
        """Start workers where some are missing, and dismiss those that only measure where there is nothing to measure."""
        measuring = self._measuring.wanted(self._works.values())
        for only_measures, most in ((False, self._most()), (True, measuring)):
            working = sum(not one.retires for one in self._members.values() if one.only_measures == only_measures)
            for _ in range(most - working):
                number, self._started = self._started, self._started + 1
                self._members[number] = Member(only_measures=only_measures)
                self._transport.start(number)
        if not measuring:
            self._dismiss()

    def _dismiss(self) -> None:
        """End the workers that only measure; their jobs wait again."""
        for number, member in self._members.items():
            if member.only_measures and not member.dismissed:
                member.dismissed = True
                self._waiting.extendleft(work for work in member.jobs.values() if work)
                member.jobs.clear()
                self._transport.kill(number)

    def _assign(self) -> None:
        """Give waiting jobs to workers with free places, those with the most free places first.

        All jobs wait until the workers that were dismissed have ended, and have given back their memory of the GPU.
        """
        if any(member.dismissed for member in self._members.values()) or self._rehearses():
            return
        while self._waiting:
            free = [number for number, member in self._members.items() if self._takes(member, self._waiting[0])]
            if not free:
                return
            number = min(free, key=lambda number: len(self._members[number].jobs))
            work = self._waiting.popleft()
            work.began = time.monotonic()
            self._members[number].jobs[work.job.id] = work
            self._transport.send(number, self._assignment(work.job))

    def _rehearses(self) -> bool:
        """Return whether the jobs have to wait until it is known how many workers or places there should be.

        That is asked once, when several runs wait and all workers are idle.
        """
        rehearsal = self._rehearsal
        if rehearsal is None or any(member.jobs for member in self._members.values()):
            return False
        runs = [work.job for work in self._waiting if isinstance(work.job, Run)]
        if not rehearsal.has_begun and (len(runs) < 2 or len(runs) < len(self._waiting)):
            return False
        ready = [number for number, one in self._members.items() if one.is_ready and not one.only_measures]
        if not ready or (self._places == 1 and len(ready) < len(self._members)):  # one worker tries all sizes of a crew
            return True
        for worker, message in rehearsal.go_on(runs[0], ready):
            self._transport.send(worker, message)
        if rehearsal.is_over:
            self._choose(rehearsal)
        return self._rehearsal is not None

    def _choose(self, rehearsal: Rehearsal) -> None:
        """Keep as many workers and places as the rehearsal has shown to be good."""
        self._rehearsal, self._chosen = None, rehearsal.line
        self._places = rehearsal.places
        if rehearsal.workers != self._most():
            self._most = lambda: rehearsal.workers
        for number in list(self._members)[self._most() :]:
            del self._members[number]
            self._transport.kill(number)

    def _takes(self, member: Member, work: Work) -> bool:
        """Return whether a worker has a place for a job; one that is tried alone gets a worker of its own."""
        if not member.is_ready or member.retires or work.job.id in member.jobs:
            return False
        if member.only_measures:
            return not member.jobs and isinstance(work.job, Measurement)
        if work.alone:
            return not member.jobs
        if self._measuring.most and isinstance(work.job, Measurement) and len(member.jobs) >= AHEAD:
            return False  # it would wait here while another worker has nothing to do
        return len(member.jobs) < self._places and not any(job.alone for job in member.jobs.values() if job)

    def _assignment(self, job: Job) -> Assignment:
        """Return a job with what it needs from the run folder."""
        assert self._place is not None
        alone, tested = self._places == 1 or self._works[job.id].alone, self._scale_free.get(_network_of(job))
        if isinstance(job, Measurement):
            return Assignment(job, None, {run.id: self._place(run.id) for run in job.runs}, alone, tested)
        solutions = {job.follows: self._place(job.follows)} if job.follows else {}
        return Assignment(job, self._workbench.state(job.id), solutions, alone, tested)

    def _keep_limits(self) -> None:
        """Kill the workers with a job that is over a limit. Of several jobs with too much memory each is then tried alone."""
        staffing, now = self._workbench.staffing, time.monotonic()
        for number, member in self._members.items():
            works = [work for work in member.jobs.values() if work and not work.over]
            for work in works if staffing.max_seconds else ():
                work.over = staffing.over(seconds=work.seconds + now - work.began)
            if works and staffing.max_memory and (over := staffing.over(memory=self._transport.memory(number))):
                if len(works) == 1:
                    works[0].over = works[0].over or over
                self._transport.kill(number)
            if any(work.over for work in works):
                self._transport.kill(number)
        for number in self._rehearsal.late(staffing.max_seconds) if self._rehearsal else ():
            self._transport.kill(number)


def _network_of(job: Job) -> tuple[str, str]:
    """Return the network of a job, and the mode of its batch norm, which decide what is scale-free in one benchmark."""
    run = job.runs[0] if isinstance(job, Measurement) else job
    return run.arm.network, run.batch_norm


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]
