"""Late probes: what is measured on the solutions once the comparison is over, one by one, in pairs or in threes.

Each probe says what its measurements cost before the time is spent, from a few that are timed. Where the user has set a
limit in seconds (``compare.probe_budget``), a costly probe makes as many of them as fit. What is measured is noted group
by group, so a run that goes on after a kill measures the same, and only the measurement that was under way is lost.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from harness.benchmark.comparison import ComparisonRun
from harness.benchmark.plan import Setting
from harness.console import interruption
from harness.console.progress import Reporter
from harness.console.safe_text import command_with
from harness.plugin.boundary import PluginFailed
from harness.plugin.contracts import Probe
from harness.plugin.process_settings import note_line
from harness.plugin.runs import digest
from harness.records import Store, schema
from harness.run.after.measuring import (
    Key,
    Runs,
    Solutions,
    first_timed,
    key_of,
    measure_networks,
    networks_in_words,
)
from harness.run.after.probe_work import Work, work_of
from harness.run.workbench import Bench

TIMED = 3  # measurements of each network, the first of which warms up
MOST_PROBLEMS = 20  # that are kept of a probe
ROOM = 1.5  # a limit that is proposed leaves so much more room than the measurements are expected to need
VERSION = 16  # digits of a probe's version in the records


def measure_solutions(
    setting: Setting, comparison: Sequence[ComparisonRun], store: Store, reporter: Reporter
) -> list[str]:
    """Carry out every probe; return a line for each that failed. What a limit in seconds leaves out is no failure."""
    probings = _probings(setting, _ended(comparison, store), store, reporter)
    _expect(probings)
    failures = [failure for probing in probings for failure in probing.carry_out()]
    notes = store.noted("probes") or {}
    store.note("probes", {probe.name: notes[probe.name] for probe in setting.plan.probes})
    return failures


def expect_measurements(
    setting: Setting, comparison: Sequence[ComparisonRun], store: Store, reporter: Reporter, ended: bool
) -> int:
    """Note how many measurements are left, for the console and for ``harness status``; return how many.

    Only runs of the comparison that ended well count once it is over; before that all that are planned.
    """
    runs = _ended(comparison, store) if ended else comparison
    return _expect(_probings(setting, runs, store, reporter))


def _expect(probings: Sequence[Probing]) -> int:
    for probing in probings:
        probing.expect()
    if probings:
        wanted = {probing.probe.name: len(probing.work.wanted) for probing in probings}
        probings[0].store.note("measurements", wanted)
    return sum(probing.left for probing in probings)


def _ended(comparison: Sequence[ComparisonRun], store: Store) -> list[ComparisonRun]:
    """Return the runs of the comparison that ended well."""
    return [planned for planned in comparison if (store.run(planned.run.id) or {}).get("state") == schema.DONE]


def _probings(setting: Setting, runs: Sequence[ComparisonRun], store: Store, reporter: Reporter) -> list[Probing]:
    """Return the work of every probe; a probe's own notes on networks go with it."""
    return [
        Probing(
            probe, setting, work_of(probe, setting, runs),
            Solutions(Bench(setting, store.state, store.solution).solved), store, reporter,
        )
        for probe in setting.plan.probes
    ]  # fmt: skip


@dataclass
class Probing:
    """A probe at work: what it measures, and its note in the records, which says how far it has come."""

    probe: Probe
    setting: Setting
    work: Work
    solutions: Solutions
    store: Store
    reporter: Reporter
    failed: set[Key] = field(default_factory=set)  # in this call; the next one tries them again

    @cached_property
    def version(self) -> str:
        """The version of the probe, as the records have it."""
        return self.setting.plan.probe_versions[self.probe.name][:VERSION]

    @cached_property
    def limit(self) -> float | None:
        """The limit in seconds that the user has set; None for none."""
        return limit_of(self.setting, self.probe)[0]

    @cached_property
    def key(self) -> str:
        """The key of the benchmark file that sets the limit."""
        return limit_of(self.setting, self.probe)[1]

    @cached_property
    def note(self) -> dict[str, Any]:
        """The probe's note: the former one, where the same is asked of the same networks, or a new one."""
        networks = digest([[run.id for run in runs] for runs in self.work.all])
        former = (self.store.noted("probes") or {}).get(self.probe.name, {})
        same = (former.get("version"), former.get("of")) == (self.version, networks)
        if same and (former["asked"], former["budget"]) == (self.work.asked, self.limit):
            return dict(former)
        return {
            "version": self.version, "of": networks, "asked": self.work.asked, "budget": self.limit,
            "costly": self.probe.costly, "networks": self.probe.networks, "unit": self.work.unit,
            "possible": len(self.work.all), "groups": 0, "planned": 0, "done": 0,
            "seconds": former["seconds"] if same else 0.0, "seconds_each": former["seconds_each"] if same else 0.0,
            "over": False, "subset": "", "left_out": "", "problems": [],
        }  # fmt: skip

    @property
    def left(self) -> int:
        """How many measurements are still to be made, at the most."""
        if self.note["over"]:
            return 0
        done = self._measured() | self.failed
        return sum(key_of(runs) not in done for runs in self.work.wanted)

    def expect(self) -> None:
        """Note for the console how many measurements are left, and what one of them takes, where that is known."""
        self.reporter.ahead.expect("measurement", self.left, self.note["seconds_each"] or None, of=self.probe.name)

    def carry_out(self) -> list[str]:
        """Measure group by group, under a limit as long as the next group fits; return a line where something failed."""
        if not self.note["groups"] and not self.note["over"] and self.work.groups:
            self._estimate()
        if not self.note["over"]:
            self._measure_groups()
        self._end()
        if self.note["left_out"]:
            self.reporter.say(self.note["left_out"], style="yellow")
        return [f"probe '{self.probe.name}' failed: {problem}" for problem in self.note["problems"][:1]]

    def _write(self, **values: Any) -> None:
        """Write values into the probe's note, at once: a kill must not buy a second budget."""
        self.note.update(values)
        self.store.note("probes", {**(self.store.noted("probes") or {}), self.probe.name: self.note})

    def _measured(self) -> set[Key]:
        """Return what is measured, from the records."""
        return self.store.measured(self.probe.name, self.version)

    def _estimate(self) -> None:
        """Time a few measurements of the first group, and say what all of them will take."""
        measured = self._measured()
        if left := [runs for runs in self.work.groups[0] if key_of(runs) not in measured]:
            self._write(seconds_each=self._time(left))
        if any(key_of(runs) not in measured for runs in self.work.wanted):
            each = self.note["seconds_each"]
            self.reporter.say(_cost_line(self.probe, self.work, each, self.limit, self.key))
        if self.limit is None:
            self._write(groups=self.work.asked, planned=len(self.work.wanted))

    def _time(self, group: Sequence[Runs]) -> float:
        """Return the seconds of a measurement, in the mean over networks, each timed after a warm-up."""
        total = 0.0
        counts = {network: len(measurements) for network, measurements in first_timed(group, len(group)).items()}
        for network, measurements in first_timed(group, TIMED).items():
            seconds = [self._measure(runs) for runs in measurements]
            total += min(seconds[1:] or seconds) * counts[network]
        return total / len(group)

    def _measure_groups(self) -> None:
        """Measure what is asked for and not measured yet; a limit stops before the group that does not fit."""
        for number, group in enumerate(self.work.groups[: self.work.asked]):
            done = self._measured() | self.failed
            left = [runs for runs in group if key_of(runs) not in done]
            if number >= self.note["groups"]:  # else it was begun before
                needed = self.note["seconds"] + self.note["seconds_each"] * len(left)
                if self.limit is not None and left and needed > self.limit:
                    break
                self._write(groups=number + 1, planned=len(self.work.first(number + 1)))
            self._measure_group(left, len(self.work.first(number + 1)) - len(left))

    def _measure_group(self, left: Sequence[Runs], before: int) -> None:
        """Measure what is left of a group; ``before`` is how many measurements come before it."""
        seconds = 0.0
        for position, runs in enumerate(left, 1):
            interruption.check()
            seconds += self._measure(runs)
            self.expect()
            self.reporter.preparing(f"{self.probe.name}: {self.work.unit}", before + position, self.note["planned"])
        if left:
            self._write(seconds_each=seconds / len(left))

    def _measure(self, runs: Runs) -> float:
        """Make one measurement and note what failed; return its seconds."""
        start = time.perf_counter()
        attempt = " ".join(("probe", self.probe.name, *(run.id for run in runs)))
        if why := self.store.attempts.given_up(attempt):
            self._note_problem(runs, why)
            return 0.0
        with self.store.attempts.during(attempt, f"probe '{self.probe.name}' of {networks_in_words(runs)}"):
            why = self._measure_and_enter(runs)
        if why:
            self._note_problem(runs, why)
        seconds = time.perf_counter() - start
        self._write(seconds=self.note["seconds"] + seconds)
        return seconds

    def _measure_and_enter(self, runs: Runs) -> str:
        """Measure and enter the numbers and arrays; return why that failed, "" where it did not."""
        try:
            measured = measure_networks(self.probe, runs, self.solutions)
        except PluginFailed as error:
            return error.why
        for line in measured.changed:
            note_line(line)
        run_ids = [run.id for run in runs]
        self.store.add_measured(self.probe.name, self.version, run_ids, measured.numbers, measured.arrays)
        return ""

    def _note_problem(self, runs: Runs, why: str) -> None:
        self.failed.add(key_of(runs))
        self.note["problems"][MOST_PROBLEMS - 1 :] = [f"{networks_in_words(runs)}: {why}"]

    def _end(self) -> None:
        """Write down how much was measured, and take out measurements that were only made to be timed."""
        planned = {key_of(runs) for runs in self.work.first(self.note["groups"])}
        measured = self._measured()
        if self.work.groups and not self.note["groups"]:
            first = {key_of(runs) for runs in self.work.groups[0]}
            self.store.drop_measured(self.probe.name, self.version, measured & first)
        self._write(over=True, done=len(planned & measured), subset=self.work.part(self.note["groups"]))
        self.expect()
        self._write(left_out=self._left_out(self.store.noted("command") or ()))

    def _left_out(self, command: Sequence[str]) -> str:
        """Return a sentence on what the limit in seconds has left out, with the command that adds it; "" for nothing."""
        note, work = self.note, self.work
        lacking = len(work.wanted) - note["planned"]
        if note["budget"] is None or lacking <= 0:
            return ""
        remedy = command_with(command, *more_seconds(self.probe, note["seconds"] + note["seconds_each"] * lacking))
        limit = f"{self.key} is {seconds_allowed(note['budget'])}"
        if not note["groups"]:
            least = len(work.groups[0])
            needed = seconds_needed(note["seconds_each"] * least)
            return (
                f"probe {self.probe.name} was left out: {work.count(least)}, the fewest that treat all arms alike, "
                f"take about {needed}, and {limit}; to measure them: {remedy}"
            )
        return (
            f"probe {self.probe.name}: only {work.part(note['groups'])}, because {limit}; to measure the "
            f"{work.count(lacking)} that are missing: {remedy}"
        )


def limit_of(setting: Setting, probe: Probe) -> tuple[float | None, str]:
    """Return the limit in seconds that the user has set for a costly probe, None for none, and the key that sets it."""
    compare = setting.plan.benchmark.compare
    if probe.name in compare.probe_budgets:
        return compare.probe_budgets[probe.name], f"compare.probe_budgets.{probe.name}"
    return compare.probe_budget if probe.costly else None, "compare.probe_budget"


def more_seconds(probe: Probe, needed: float) -> tuple[str, int]:
    """Return the key and the value of a limit under which a probe that needs so many seconds is measured whole."""
    seconds = max(ROOM * needed, 10.0)
    tens = 10 ** (math.floor(math.log10(seconds)) - 1)  # two digits are enough
    return f"compare.probe_budgets.{probe.name}", math.ceil(seconds / tens) * tens


def seconds_needed(seconds: float) -> str:
    """Return seconds in words, rounded up, so that what needs more than a limit never reads like the limit."""
    return f"{math.ceil(seconds):,} s" if seconds >= 10 else f"{math.ceil(10 * seconds) / 10:g} s"


def seconds_allowed(seconds: float) -> str:
    """Return a limit in seconds as the user has set it."""
    return f"{seconds:,.10g} s"


def _cost_line(probe: Probe, work: Work, each: float, limit: float | None, key: str) -> str:
    count = len(work.wanted)
    line = f"probe {probe.name}: {work.count(count)} at about {each:.2g} s, {seconds_needed(count * each)} in all"
    fits = limit is None or count * each <= limit
    return line if fits else f"{line}; as many of them as fit into {key}, {seconds_allowed(limit or 0)}"
