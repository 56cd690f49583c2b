"""One probe at work: the measurements that it hands out, group by group, and its note, which says how far it has come.

Each probe says what its measurements cost as soon as a few have been made. Under a time limit (``budget``) a costly probe
begins a group only where all of it fits beside the first groups of the other probes and the report. What is measured is noted
group by group, so a run that goes on after a kill measures the same, and only the measurements that were under way are lost.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from harness.benchmark.plan import Setting
from harness.console.continuing import continuing
from harness.console.numbers import duration
from harness.console.progress import Reporter
from harness.plugin.contracts import Probe
from harness.plugin.runs import Failed, Measured, Measurement, digest
from harness.records import Store
from harness.running.after.measuring import Key, Runs, first_timed, key_of, networks_in_words
from harness.running.after.probe_work import Work, seconds_needed
from harness.running.time_limit import TimeLimit
from harness.verdict.protocol import VERSION_DIGITS

TIMED = 3  # measurements of each network with one worker, where the first warms up; one more for each further worker
MOST_PROBLEMS = 20  # that are kept of a probe


@dataclass
class Probing:
    """A probe at work, as a phase of the event loop: what it measures, and its note, which says how far it has come."""

    probe: Probe
    setting: Setting
    work: Work
    store: Store
    reporter: Reporter
    time_limit: TimeLimit
    failed: set[Key] = field(default_factory=set)  # in this call; the next one tries them again
    handed_out: dict[Key, float] = field(default_factory=dict)  # measurements under way, and when they were handed out
    _count_workers: Callable[[], int] = field(default=lambda: 1)
    _timed: dict[Key, float | None] = field(default_factory=dict)  # the first ones: their seconds, None until they end
    _waiting: deque[Runs] = field(default_factory=deque)  # of the groups that were begun
    _is_full: bool = False  # there is no further group, or the time limit has no room for it
    _seconds: list[float] = field(default_factory=list)  # of the measurements since the last group was begun
    _left_at_first: int = 0  # measurements that were still to be made when it began

    @cached_property
    def version(self) -> str:
        """The version of the probe, as the records have it."""
        return self.setting.plan.probe_versions[self.probe.name][:VERSION_DIGITS]

    @property
    def limit(self) -> float | None:
        """The seconds that the run may take in all, where the probe is costly; None for no limit."""
        return self.time_limit.seconds if self.probe.costly else None

    @cached_property
    def note(self) -> dict[str, Any]:
        """The probe's note: the former one, where the same is asked of the same networks, or a new one."""
        networks = digest([[run.id for run in runs] for runs in self.work.all])
        first = digest([run.id for run in self.work.all[0]] if self.work.all else [])
        former = (self.store.noted("probes") or {}).get(self.probe.name, {})
        unchanged = (former.get("version"), former.get("first")) == (
            self.version,
            first,
        )  # with more replicates perhaps
        former_request = (former.get("of"), former.get("asked"), former.get("budget"))
        if unchanged and former_request == (networks, self.work.asked, self.limit):
            return dict(former)
        return {
            "version": self.version, "of": networks, "first": first, "asked": self.work.asked, "budget": self.limit,
            "costly": self.probe.costly, "networks": self.probe.networks, "unit": self.work.unit,
            "possible": len(self.work.all), "groups": 0, "planned": 0, "done": 0,
            "timed": former["timed"] if unchanged and not former["groups"] else [],
            "seconds": former["seconds"] if unchanged else 0.0, "seconds_each": former["seconds_each"] if unchanged else 0.0,
            "over": False, "subset": "", "left_out": "", "problems": [],
        }  # fmt: skip

    @property
    def left(self) -> int:
        """How many measurements are still to be made, at the most."""
        return 0 if self.note["over"] else len(self._open)

    @property
    def _workers(self) -> int:
        """How many measurements are made at a time; it falls where the GPU has no memory for so many."""
        return self._count_workers()

    def expect(self) -> None:
        """Note for the console how many measurements are left, and what one of them takes, where that is known."""
        seconds = self.note["seconds_each"] / self._workers or None
        self.reporter.ahead.expect("measurement", self.left, seconds, of=self.probe.name)

    @property
    def has_work(self) -> bool:
        """Whether anything that it is asked for may have to be measured."""
        return not self.note["over"] and bool(self._missing(self.work.wanted))

    # --- as a phase of the event loop

    def begin(self, count_workers: Callable[[], int]) -> None:
        """Choose the measurements that show what all of them will take; so many are made at a time as there are workers."""
        self._count_workers = count_workers
        self._left_at_first = self.left
        if not self.has_work:
            return
        self._reserve()
        if not self.note["groups"]:
            first = first_timed(self._missing(self.work.groups[0]), TIMED + self._workers - 1)
            timed = [runs for measurements in first.values() for runs in measurements]
            if not self._has_room(len(timed), self.time_limit.probes.get(self.probe.name, 0.0)):
                self._is_full = True
                return
            self._timed = {key_of(runs): None for runs in timed}
            self._write(timed=[*self.note["timed"], *self._timed])
            self._waiting.extend(timed)
            if not timed:
                self._say_cost()
            if self.limit is None:
                self._write(groups=self.work.asked, planned=len(self.work.wanted))
        for group in self.work.groups[: self.note["groups"]]:
            self._waiting.extend(runs for runs in self._missing(group) if key_of(runs) not in self._timed)

    def next(self) -> Measurement | None:
        """Return the next measurement; under a limit none until it is known whether the next group fits into it."""
        if self.note["over"]:
            return None
        if not self._waiting and not self.handed_out and not self._is_full:
            self._is_full = not self._begin_group()
        if not self._waiting:
            return None
        runs = self._waiting.popleft()
        self.handed_out[key_of(runs)] = time.monotonic()
        self._show()
        return Measurement(self.probe.name, self.version, runs)

    def enter(self, measurement: Measurement, event: Measured | Failed) -> None:
        """Enter what a measurement gave, or note why it gave nothing."""
        key = key_of(measurement.runs)
        began = self.handed_out.pop(key)
        self._open.discard(key)
        if isinstance(event, Measured):
            run_ids = [run.id for run in measurement.runs]
            self.store.add_measured(self.probe.name, self.version, run_ids, event.numbers, event.arrays)
            self._known.add(key)
            seconds = event.seconds
        else:
            self._note_problem(measurement.runs, event.reason)
            seconds = time.monotonic() - began
        self.store.note_changes(event.changed)
        self._seconds.append(seconds)
        self._write(seconds=self.note["seconds"] + seconds)
        if self.time_limit.is_set:
            self.time_limit.write()
        if key in self._timed:
            self._timed[key] = seconds
            if None not in self._timed.values():
                self._write(seconds_each=self._estimate())
                self._reserve()
                self._say_cost()
        self.expect()
        self._show()

    def end(self) -> Iterator[str]:
        """Write down how much was measured; yield a line where something failed.

        Measurements that were only made to be timed are taken out.
        """
        if not self.note["over"]:
            if not self.has_work:
                self._begin_group()  # all that is asked for was measured before
            if self._seconds and self.note["groups"]:
                self._write(seconds_each=sum(self._seconds) / len(self._seconds))
            self._write_end()
        self.time_limit.reserve(self._purpose, 0.0)
        if self._seconds and 0 < self.note["planned"] < len(self.work.wanted):  # a limit ends it
            self.reporter.preparing(self._phase, self.note["planned"], self.note["planned"])
        if self.note["seconds_each"]:
            self.time_limit.probes[self.probe.name] = self.note["seconds_each"]
        if self.note["left_out"]:
            self.reporter.say(self.note["left_out"], style="yellow")
        yield from (f"probe '{self.probe.name}' failed: {problem}" for problem in self.note["problems"][:1])

    # --- inside

    def _write(self, **values: Any) -> None:
        """Write values into the probe's note, at once: a kill must not buy a second budget."""
        self.note.update(values)
        self.store.note("probes", {**(self.store.noted("probes") or {}), self.probe.name: self.note})

    @cached_property
    def _open(self) -> set[Key]:
        """What is asked for and has not been tried yet."""
        return {key_of(runs) for runs in self.work.wanted} - self._known

    @cached_property
    def _known(self) -> set[Key]:
        """What is measured, as the records had it at first and with what this call has entered."""
        return self.store.measured(self.probe.name, self.version)

    def _missing(self, measurements: Sequence[Runs]) -> list[Runs]:
        """Return those measurements that are neither made nor under way, nor have failed in this call."""
        taken = self._known | self.failed | self.handed_out.keys()
        return [runs for runs in measurements if key_of(runs) not in taken]

    @property
    def _phase(self) -> str:
        return f"{self.probe.name}: {self.work.unit}"

    def _show(self) -> None:
        """Show how far it is: of all that is asked for, or of what is timed before a limit lets the first group begin."""
        if self.note["groups"]:
            done = max(0, int(self.note["planned"]) - len(self._waiting) - len(self.handed_out))
            self.reporter.preparing(self._phase, done, len(self.work.wanted))
        else:
            timed = sum(seconds is not None for seconds in self._timed.values())
            self.reporter.preparing(f"{self.probe.name}: timing {self.work.unit}", timed, len(self._timed))

    def _estimate(self) -> float:
        """Return the seconds of a measurement, in the mean over networks, each timed after a warm-up."""
        group, total, count = self.work.groups[0], 0.0, 0
        for measurements in first_timed(group, len(group)).values():
            timed = [self._timed.get(key_of(runs)) for runs in measurements]
            seconds = [taken for taken in timed if taken is not None]
            if seconds:
                total += min(seconds[1:] or seconds) * len(measurements)
                count += len(measurements)
        return total / count

    def _say_cost(self) -> None:
        """Say what all measurements take."""
        seconds_each, left = self.note["seconds_each"], self._left_at_first
        self.reporter.say(_cost_line(self.probe, self.work.count(left), left, seconds_each, self.limit, self._workers))

    def _begin_group(self) -> bool:
        """Begin the next group that has something to measure; False where there is none, or a limit has no room for it."""
        for number in range(self.note["groups"], self.work.asked):
            if self._seconds and number:
                self._write(seconds_each=sum(self._seconds) / len(self._seconds))
            left = self._missing(self.work.groups[number])
            if left and not self._has_room(len(left), self.note["seconds_each"]):
                return False
            self._write(groups=number + 1, planned=len(self.work.first(number + 1)))
            self._reserve()
            if left:
                self._seconds = []
                self._waiting.extend(left)
                return True
        return False

    @property
    def _purpose(self) -> str:
        return f"probe {self.probe.name}"

    def _reserve(self) -> None:
        """Keep time free for the first group, until it has begun; other probes then leave it."""
        seconds = self.note["seconds_each"] or self.time_limit.probes.get(self.probe.name, 0.0)
        first = self._missing(self.work.groups[0]) if self.work.groups and not self.note["groups"] else ()
        self.time_limit.reserve(self._purpose, seconds * len(first) / self._workers)

    def _has_room(self, many: int, each: float) -> bool:
        """Return whether so many measurements fit; one that is not costly is made whatever the limit."""
        return self.limit is None or self.time_limit.fits(each * many / self._workers, of=self._purpose)

    def _note_problem(self, runs: Runs, reason: str) -> None:
        reason_alone = reason.removeprefix(f"probe '{self.probe.name}': must measure, got ")
        self.failed.add(key_of(runs))
        self.note["problems"][MOST_PROBLEMS - 1 :] = [f"{networks_in_words(runs)}: {reason_alone}"]

    def _write_end(self) -> None:
        """Write down how much was measured, and take out measurements that were only made to be timed.

        What was measured of the replicates of an earlier look stays, for words may rest on it.
        """
        planned = {key_of(runs) for runs in self.work.first(self.note["groups"])}
        measured = self.store.measured(self.probe.name, self.version)
        if not self.note["groups"]:
            timed = {(str(first), str(second), str(third)) for first, second, third in self.note["timed"]}
            self.store.drop_measured(self.probe.name, self.version, measured & timed)
            planned = {key_of(runs) for runs in self.work.wanted} & measured - timed
            self._write(planned=len(planned))
        self._write(over=True, done=len(planned & measured), subset=self.work.part(self.note["groups"]))
        self.expect()
        self._write(left_out=self._left_out(self.store.noted("command") or ()))

    def _left_out(self, command: Sequence[str]) -> str:
        """Return a sentence on what the time limit has left out, with the command that adds it; "" for nothing."""
        note, work = self.note, self.work
        lacking = len(work.wanted) - note["planned"]
        if note["budget"] is None or lacking <= 0:
            return ""
        seconds_each = note["seconds_each"] or self.time_limit.probes.get(self.probe.name, 0.0)
        seconds = seconds_each * lacking / self._workers
        duration_text = f" takes about {duration(seconds)} and" if seconds else ""
        remedy = f"this command{duration_text} measures them: {continuing(command, only_measure=True)}"
        limit = f"the time limit of {self.time_limit.words} has no room for more"
        if not note["groups"] and note["planned"]:
            return f"probe {self.probe.name}: {work.count(lacking)} of later replicates left out, because {limit}; {remedy}"
        if not note["groups"]:
            least = len(work.groups[0])
            return (
                f"probe {self.probe.name} was left out: {work.count(least)} are the fewest that treat all arms alike, and "
                f"{limit}; {remedy}"
            )
        return (
            f"probe {self.probe.name}: only {work.part(note['groups'])}, because {limit}; {work.count(lacking)} are missing; "
            f"{remedy}"
        )


def _cost_line(
    probe: Probe, counted: str, count: int, each: float, limit: float | None, workers: int
) -> str:  # fmt: skip
    line = f"probe {probe.name} measures {counted} at about {each:.2g} s each, "
    line += f"{seconds_needed(math.ceil(count / workers) * each)} in all"
    line += f" with {workers} workers" if workers > 1 else ""
    return line if limit is None else f"{line}; as many of them as fit into the budget"
