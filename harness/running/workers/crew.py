"""A crew: jobs that one process carries out side by side, each advanced in turn.

On a GPU a run's turn is a few steps, put on a stream of its own, and no run waits for another one's. On a CPU a turn is
an epoch. What a turn draws and what it changes of the process's settings stays the run's (``harness.training.turns``,
``kept_apart``), so a run gives the same numbers in a crew as alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from harness.plugin.process_settings.members import Members, changed_members, members_taken
from harness.plugin.runs import Event, Failed
from harness.running.workers.messages import Assignment, FromWorker, Happened, PutBack
from harness.training.memory import tells_of_no_memory

Begin = Callable[[Assignment], Iterator[Event | None]]


@dataclass(eq=False)
class _Member:
    """A job under way."""

    turns: Iterator[Event | None]
    alone: bool  # no other job comes beside it
    begun: bool = False


class Crew:
    """Jobs side by side in this process.

    Args:
        begin: Returns the turns of a job, each of which ends with an event, or with None where it brings none. The last
            one ends the job. Nothing of the job is done before its first turn.
    """

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._members: dict[str, _Member] = {}

    def __len__(self) -> int:
        return len(self._members)

    def take(self, assignment: Assignment) -> None:
        """Take a job; it begins at the next turn."""
        self._members[assignment.job.id] = _Member(self._begin(assignment), assignment.alone)

    def leave(self, job_id: str) -> bool:
        """Leave a job where it is; return whether it was under way."""
        return self._end(job_id) is not None

    def turn(self) -> Iterator[FromWorker]:
        """Give every job its turn; yield what has come of it.

        Jobs can be taken and left in between. A job for which the GPU has no memory beside the others is put back, and so
        is one that has replaced functions which the others call: it must be alone.
        """
        for job_id, member in list(self._members.items()):
            if self._members.get(job_id) is not member:
                continue  # it was left in the meantime
            event = self._advance(member)
            if isinstance(event, PutBack):
                self._end(job_id)
                yield replace(event, job_id=job_id)
            elif event is not None:
                yield from self._happened(job_id, event)

    def _advance(self, member: _Member) -> Event | PutBack | None:
        """Advance a member by one turn; the first one, in which its plugins build, shows whether it must be alone."""
        if member.begun or member.alone:
            member.begun = True
            return next(member.turns)
        members: Members = members_taken()
        event = next(member.turns)
        member.begun = True
        if event is not None and event.ends_run:
            return event
        replaced = [change.name for change in changed_members(members)]
        if replaced:
            return PutBack("", f"it has replaced {replaced[0]}, which all runs of a crew share", alone=True)
        return event

    def _happened(self, job_id: str, event: Event) -> Iterator[FromWorker]:
        if not event.ends_run:
            yield Happened(job_id, event)
            return
        self._end(job_id)
        if any(member.begun for member in self._members.values()) and lacks_memory(event):
            yield PutBack(job_id, "the GPU has no memory for it beside the others", places=len(self._members))
        else:
            yield Happened(job_id, event)

    def _end(self, job_id: str) -> _Member | None:
        """Take a job out and free what it has."""
        member = self._members.pop(job_id, None)
        if member is None:
            return None
        member.turns.close()  # type: ignore[attr-defined]  # they are a generator
        return member


def is_out_of_memory(event: Event) -> bool:
    """Return whether a job has failed because the GPU had no memory left.

    >>> is_out_of_memory(Failed("error", "OutOfMemoryError: CUDA out of memory")), is_out_of_memory(Failed("error", "a bug"))
    (True, False)
    """
    return isinstance(event, Failed) and tells_of_no_memory(event.reason + event.traceback)


def lacks_memory(event: Event) -> bool:
    """Return whether a run has failed because the GPU had no memory left; what it had is then free for others."""
    if not is_out_of_memory(event):
        return False
    from harness.training.turns import free_memory  # it needs torch, and a run has just used that

    free_memory()  # frames of the error have held its tensors
    return True
