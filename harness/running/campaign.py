"""A benchmark look by look: its replicates up to a look, what is measured of them, and whether more are needed.

All replicates up to a look are carried out, and their networks are measured. Then the verdict is looked at, by records
alone. Where a facet could still get its word from more replicates, those up to the next look begin; the workers stay open
in between. How far the run has come is noted in the run folder, so that the same command goes on at the same look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from harness.console.numbers import counted
from harness.console.safe_text import impersonal
from harness.errors import printable
from harness.plugin.boundary import Boundary, PluginFailed
from harness.records import Records, open_records
from harness.results.reports import PAGE
from harness.running.after.imported import imported_runs
from harness.running.after.late_probes import expect_measurements, measure_solutions
from harness.running.after.probe_costs import foretell, planned_cells, wanted_measurements
from harness.running.disk_space import room_for, warning
from harness.running.driver import Driver
from harness.running.forecast.ending import seconds_of_ending
from harness.running.looks import decided, look_of, next_look, replicates_of_baseline
from harness.running.machine import machine_line, precisions_of
from harness.running.prepare import Prepared, Request
from harness.running.session import Session
from harness.running.throughput import Work
from harness.training import device
from harness.verdict.looks import settled
from harness.verdict.protocol import Registered, registered_protocols
from harness.verdict.tables import verdict as verdict_table

T = TypeVar("T")


class Campaign:
    """One benchmark under way, look by look."""

    def __init__(self, setting: Prepared, session: Session, request: Request, command: Sequence[str]) -> None:
        self._setting = setting
        self._store = session.store
        self._reporter = session.reporter
        self._limit = session.limit
        self._command = command
        self._looks = setting.plan.benchmark.compare.looks
        self._only_measures = request.only_measure
        self._most_looks = request.most_looks or len(self._looks)
        trains = not request.only_measure
        self.driver = Driver(setting, session, request.only_search, self._seconds_measuring, trains)
        compare = setting.plan.benchmark.compare
        self.driver.epochs_after = (compare.folds + request.refit + len(request.refit_arms)) * compare.epochs
        self._measuring: dict[int, dict[str, int]] = {}  # by replicates: the measurements of each probe
        self._failures: list[str] = []
        self._worked = False  # whether there was anything to do

    def carry_out(self) -> list[str]:
        """Carry out the looks that are needed; return a line for whatever went wrong."""
        replicates = look_of(self._looks, (self._store.noted("looks") or {}).get("replicates", 0))
        if self._only_measures:
            self._measure_only(replicates)
            return self._all_failures()
        self._note(replicates)
        if PAGE in self._setting.plan.benchmark.report.formats:
            seconds = seconds_of_ending(len(self._setting.plan.competitors), 0)
            self._reporter.ahead.expect("report", 1, seconds)
        while True:
            self._go_on_to(replicates)
            if self.driver.only_search:
                break
            following = self._after(replicates)
            if following is None:
                break
            replicates = following
        if not self._worked and not (self._store.noted("looks") or {}).get("left_out"):
            reason = "its search is finished" if self.driver.only_search else "it is finished"
            self._reporter.say(f"nothing left to do in {self._store.folder}: {reason}")
        return self._all_failures()

    def _all_failures(self) -> list[str]:
        return list(dict.fromkeys([*self.driver.failures(), *self._failures]))

    def _measure_only(self, replicates: int) -> None:
        """Measure what is missing of the networks that are there, and train nothing."""
        self.driver.go_on_to(replicates)
        cells = self._cells()
        left = expect_measurements(self._setting, cells, self._store, self._reporter, ended=True)
        words = f"{counted(left, 'measurement')} to make" if left else "nothing left to measure"
        reason = "" if cells else ": no replicate is compared yet, and without --only-measure the same command goes on"
        self._reporter.say(f"{words}, into {self._store.folder}{reason}")
        if cells:
            self._note_work()
            self._failures += measure_solutions(
                self._setting, cells, self._store, self._reporter, lambda: self.driver.executor, self._limit
            )

    def _note_work(self) -> Mapping[str, Any]:
        """Write down where and by which command the work is done; return the environment."""
        environment = device.environment(self._setting.device)
        words = [impersonal(printable(word)) for word in self._command if word != "--only-measure"]
        self._store.work_begins(environment, words)
        return environment

    def _go_on_to(self, replicates: int) -> None:
        """Carry out what is left up to a look: searches, comparison and measurements."""
        with self._reporter.during("planning the runs"):
            self.driver.go_on_to(replicates)
            measurements = self._expect(replicates)
            if self.driver.left():
                self._announce(replicates)
        if self.driver.left():
            self.driver.drive()
        elif measurements:
            self._reporter.say(f"{counted(measurements, 'measurement')} to make, into {self._store.folder}")
        self._worked = self._worked or bool(measurements or self.driver.left())
        if self.driver.compared:
            self._failures += measure_solutions(
                self._setting, self._cells(), self._store, self._reporter, lambda: self.driver.executor, self._limit
            )

    def _seconds_measuring(self, replicates: int) -> float:
        """Return what the measurements of so many replicates take, as far as it is known what one of them does."""
        if self.driver.only_search or not self._limit.probes:
            return 0.0
        if replicates not in self._measuring:
            self._measuring[replicates] = wanted_measurements(self._setting, self._planned(replicates))
        notes, seconds = self._store.noted("probes") or {}, 0.0
        for probe, count in self._measuring[replicates].items():
            left = max(0, count - int(notes.get(probe, {}).get("done", 0)))
            seconds += left * self._limit.probes.get(probe, 0.0)
        return seconds / self.driver.workers

    def _cells(self) -> list[Any]:
        return [*self.driver.comparison, *imported_runs(self._setting, self._store)]

    def _expect(self, replicates: int) -> int:
        """Note how many measurements are left up to a look, and return it."""
        if self.driver.only_search:
            return 0
        compared = self.driver.compared
        cells = self._cells() if compared else self._planned(replicates)
        return expect_measurements(self._setting, cells, self._store, self._reporter, compared)

    def _planned(self, replicates: int) -> list[Any]:
        return [*planned_cells(self._setting, replicates), *imported_runs(self._setting, self._store)]

    def _announce(self, replicates: int) -> None:
        """Say how much work there is up to a look; at first also where and how it is done, and what may be in its way."""
        setting, store = self._setting, self._store
        left = counted(self.driver.left(), "run")
        if self._worked:
            self._reporter.say(f"{left} to do up to {self._name(replicates)}")
            return
        self._worked = True
        environment = self._note_work()
        machine = machine_line(environment["hardware"], precisions_of(setting))
        upto = f" up to {self._name(replicates)}" if len(self._looks) > 1 else ""
        self._reporter.say(f"{left} to do{upto} on {machine}, into {store.folder}")
        if busy := device.contention(setting.device):
            self._reporter.say(f"warning: {busy}", style="yellow")
        if little_room := warning(room_for(setting, replicates), store.folder):
            self._reporter.say(f"warning: {little_room}", style="yellow")
        if not self.driver.only_search and not self.driver.compared:
            for line in foretell(setting, replicates, self._limit, self._reporter):
                self._reporter.say(line)

    # --- at a look

    def _after(self, replicates: int) -> int | None:
        """Return the replicates of the look that follows; None where the run is over, for a reason that is noted."""
        following = next_look(self._looks, replicates)
        if self.driver.put_off or self.driver.left_out or self._limit.units is not None:
            self._end_by_limit(replicates, replicates)
            return None
        if following is None:
            self._end(replicates, "this was the last look", "last look")
            return None
        records = open_records(self._store.folder)
        if (over := self._is_settled(records)) is None:
            return None
        most = replicates_of_baseline(self._store)
        if over:
            self._end(replicates, "no facet needs more replicates", "settled", records)
        elif most is not None and most < following:
            reason = f"the baseline has {counted(most, 'replicate')}, too few for the next look"
            self._end(replicates, reason, "baseline", records)
        elif not self._limit.fits(self._seconds_to(following, replicates)):
            self._say_look(replicates, f"the time has no room for the next look, at {following} replicates", records)
            self._end_by_limit(replicates, following)
        else:
            more = following - replicates
            begin = "begins" if more == 1 else "begin"
            self._say_look(replicates, f"{counted(more, 'more replicate')} {begin}", records)
            self._note(following)
            return following if self._looks.index(replicates) + 1 < self._most_looks else None
        return None

    def _is_settled(self, records: Records) -> bool | None:
        """Return whether no facet needs more replicates; None, after saying why, where that cannot be told."""
        return self._looked(lambda: settled(records, self._protocol(records)))

    def _protocol(self, records: Records) -> Registered | None:
        """Return the protocol of the benchmark as it stands now, which need not be the one whose verdict leads."""
        return next(
            (entry for entry in registered_protocols(records.meta) if entry.protocol.hash == self.driver.protocol), None
        )

    def _say_look(self, replicates: int, then: str, records: Records | None = None) -> None:
        """Say in a line what a look has decided; nothing where there is only one, because the verdict follows it."""
        if len(self._looks) == 1:
            return
        words = self._looked(lambda: decided(records or open_records(self._store.folder), self.driver.protocol))
        if words is not None:
            self._reporter.say(f"{self._name(replicates)} ({counted(replicates, 'replicate')}): {words}; {then}")

    def _looked(self, look: Callable[[], T]) -> T | None:
        """Return what a look at the verdict gives; None where it fails, which is noted: the results are kept all the same."""
        try:
            with (
                self._reporter.during("looking at the verdict"),
                Boundary("analysis", verdict_table.ANALYSIS.name, "be looked at", everything=True),
            ):
                return look()
        except PluginFailed as error:
            self._failures.append(f"the look at the verdict failed: {error.why}")
            return None

    def _name(self, replicates: int) -> str:
        return f"look {self._looks.index(replicates) + 1} of {len(self._looks)}"

    def _end(self, replicates: int, why: str, word: str, records: Records | None = None) -> None:
        if self._worked:
            self._say_look(replicates, why, records)
        self._note(replicates, word)

    def _seconds_to(self, following: int, replicates: int) -> float:
        """Return about what the replicates up to the next look take: each as long as those before it did in the mean."""
        runs = len(self.driver.comparison) + sum(search.asked for search in self.driver.searches)
        so_far = self._limit.throughput.seconds(Work(self._store.epochs_trained(), runs))
        trained = so_far * (following - replicates) / replicates
        return trained + self._seconds_measuring(following) - self._seconds_measuring(replicates)

    def _end_by_limit(self, replicates: int, wanted: int) -> None:
        """Say and note what the time limit has left out, and the command that goes on."""
        limit, compared = self._limit, 0 if self._limit.units == 0 else replicates - self.driver.put_off
        needed = limit.throughput.seconds(self.driver.work_wanted(wanted)) + self._seconds_measuring(wanted)
        needed = needed if compared else self.driver.smallest  # first of all there should be a comparison
        words = []
        if limit.units is not None:
            unit = self._setting.plan.benchmark.search.unit
            words.append(f"each search has {limit.units:g} of {self.driver.searches[0].whole:g} {unit}")
        if compared < wanted:
            words.append(f"{counted(compared, 'replicate')} of {wanted} {'is' if compared == 1 else 'are'} compared")
        if left_out := self.driver.left_out:
            words.append(f"{counted(left_out, 'run')} of the comparison {'is' if left_out == 1 else 'are'} left out")
        remedy = limit.remedy(needed, self._command or self._store.noted("command") or ())
        sentence = f"the time limit of {limit.words} has no room for more: {'; '.join(words)}; to go on: {remedy}"
        self._reporter.say(sentence, style="yellow")
        self._note(replicates, "budget", sentence)

    def _note(self, replicates: int, ended: str = "", left_out: str = "") -> None:
        """Note how many replicates the run goes to, and why it goes no further."""
        self._store.note("looks", {"replicates": replicates, "ended": ended, "left_out": left_out})
