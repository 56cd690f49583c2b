"""A file of several workloads carried out: one workload after the other, into one folder, with one report.

The first look of every workload comes before the second look of any. So an early stop leaves all with equal looks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.benchmark import loading
from harness.benchmark.loading import WorkloadFile
from harness.benchmark.plan import check_profile
from harness.benchmark.workloads import Workload, find_workload
from harness.console.progress import Reporter
from harness.console.safe_text import impersonal
from harness.errors import DiskError, HarnessError, printable
from harness.plugin.contracts import Results, Workloads
from harness.plugin.registry import Registry
from harness.records import open_records
from harness.records.files import check_out_folder
from harness.records.workloads import Member, Workbook, has_workloads, held, read_workbook, run_folders, write_workbook
from harness.results.workloads.writing import WrittenTogether, write_common_reports
from harness.running.forecast.estimate import estimate
from harness.running.prepare import Request, plugins_of
from harness.running.start import run

Closing = Callable[[Results, Registry], Sequence[str]]
ClosingTogether = Callable[[Workloads, Path], Sequence[str]]


def run_file(
    request: Request, reporter: Reporter, command: Sequence[str] = (), closing: Closing | None = None,
    closing_together: ClosingTogether | None = None, opened: Callable[[Path], object] = lambda folder: None,
) -> int:  # fmt: skip
    """Carry out a benchmark, or every workload of a file that has some, or the one that the request names.

    Returns 0, or 1 where something failed or a workload could not be opened that is not optional. Raises HarnessError where
    the input is wrong, and where no workload could be opened. ``closing`` makes the last lines of each workload, and
    ``closing_together`` those of all. ``opened`` is called with the run folder, or with the folder of the workloads, when
    nothing more can be wrong with the file.
    """
    check_out_folder(request.out)
    loaded = _load(request)
    if loaded is None:
        return run(request, reporter, command, closing, lambda name: opened(request.place / name))
    file, registry = loaded
    folder = request.out / file.folder_name
    words = _Words(command, closing)
    with held(folder):
        _begin(folder, file, command)
        opened(folder)
        chosen = _chosen(file, request)
        of_workload = replace(request, common=folder.name, share=len(file.workloads), began=None)
        outcomes = _look_by_look(chosen, file, of_workload, reporter, words)
        with reporter.during("making the reports of all workloads"):
            written = write_common_reports(folder, file.benchmarks[0].report.formats, registry)
    _say_end(reporter, written, folder, closing_together)
    errors = [outcome.error for outcome in outcomes if outcome.error]
    if len(errors) == len(outcomes):
        raise errors[-1]
    return 1 if written.failures or any(outcome.failed for outcome in outcomes) else 0


@dataclass(frozen=True)
class _Words:
    """What each run is told of the command, and what it is to say at its end."""

    command: Sequence[str]
    closing: Closing | None


@dataclass(frozen=True)
class _Outcome:
    """How one workload ended."""

    failed: bool
    error: HarnessError | None = None  # why it could not be opened or carried out

    def after(self, before: _Outcome | None) -> _Outcome:
        """Return how it ended after an earlier look: what failed there has failed."""
        return replace(self, failed=self.failed or bool(before and before.failed))


def _load(request: Request) -> tuple[WorkloadFile, Registry] | None:
    """Return the file of workloads, its names checked against the plugins; None for a file that is one benchmark."""
    file = loading.load_workloads(request.file, request.profile, request.overrides, request.preset)
    if request.workload is not None:
        find_workload(request.workload, file.workloads if file else (), str(request.file))
    if file is None:
        return None
    registry = plugins_of(request, file.benchmarks[0], Reporter(quiet=True))  # each workload says again what there is
    for workload, benchmark, source in zip(file.workloads, file.benchmarks, file.sources, strict=True):
        with loading.in_workload(workload.name):
            check_profile(benchmark, source, registry)
    return file, registry


def _chosen(file: WorkloadFile, request: Request) -> list[Workload]:
    """Return the workloads that a request is for."""
    return [workload for workload in file.workloads if request.workload in (None, workload.name)]


def _begin(folder: Path, file: WorkloadFile, command: Sequence[str]) -> None:
    """Write down which workloads there are, with what is known of them from before."""
    before: dict[str, Member] = {}
    if has_workloads(folder):
        before = {member.name: member for member in read_workbook(folder).members}
    members = tuple(
        replace(before.get(workload.name, Member(workload.name)), optional=workload.optional)
        for workload in file.workloads
    )
    words = tuple(impersonal(printable(word)) for word in command)
    write_workbook(folder, Workbook(file.name, members, words))


def _look_by_look(
    chosen: Sequence[Workload], file: WorkloadFile, request: Request, reporter: Reporter, words: _Words
) -> list[_Outcome]:
    """Carry out each look of all workloads before the next look of any; return how each workload ended."""
    outcomes: dict[str, _Outcome] = {}
    most = (
        1
        if request.only_search or request.only_measure
        else max(len(benchmark.compare.looks) for benchmark in file.benchmarks)
    )
    for look in range(1, most + 1):
        for place, workload in enumerate(chosen, 1):
            if look > 1 and not _goes_on(request.place, workload, outcomes[workload.name]):
                continue
            of_looks = f", look {look}" if most > 1 else ""
            reporter.say(f"workload {workload.name} ({place} of {len(chosen)}{of_looks})", style="bold")
            outcome = _carry_out(workload, replace(request, most_looks=look), reporter, words)
            outcomes[workload.name] = outcome.after(outcomes.get(workload.name))
            _note_end(request.place, workload, outcome)
    return [outcomes[workload.name] for workload in chosen]


def _goes_on(folder: Path, workload: Workload, outcome: _Outcome) -> bool:
    """Return whether a workload has looks to come: it was carried out, and its run says that it has not ended."""
    if outcome.error or workload.name not in run_folders(folder):
        return False
    return not open_records(run_folders(folder)[workload.name]).meta.looks.get("ended", "")


def _carry_out(workload: Workload, request: Request, reporter: Reporter, words: _Words) -> _Outcome:
    """Carry out one workload; if it fails, a line says why, and the others go on. A full disk ends them all."""
    folder = request.place

    def opened(run_folder: str) -> None:
        member = Member(workload.name, run_folder, optional=workload.optional)
        write_workbook(folder, read_workbook(folder).with_member(member))

    try:
        code = run(replace(request, workload=workload.name), reporter, words.command, words.closing, opened)
    except DiskError:
        raise
    except HarnessError as error:
        left_out = "left out" if workload.optional else "warning: not carried out"
        reporter.say(f"workload {workload.name}: {left_out}: {error}", style="yellow")
        return _Outcome(failed=not workload.optional, error=error)
    return _Outcome(failed=bool(code))


def _note_end(folder: Path, workload: Workload, outcome: _Outcome) -> None:
    """Write down why a workload could not be carried out, or that nothing is in its way any more."""
    book = read_workbook(folder)
    (member,) = (member for member in book.members if member.name == workload.name)
    problem = impersonal(str(outcome.error)) if outcome.error else ""
    if member.problem != problem:
        write_workbook(folder, book.with_member(replace(member, problem=problem)))


def _say_end(reporter: Reporter, written: WrittenTogether, folder: Path, closing: ClosingTogether | None) -> None:
    """Say what went wrong, what the workloads say together, and where the report is."""
    for line in written.failures:
        reporter.say(f"warning: {line}", style="yellow")
    for line in closing(written.workloads, folder) if closing else ():
        reporter.say(line)
    for path in written.files:
        reporter.say(f"report: {path}")


def estimate_file(request: Request, reporter: Reporter) -> dict[str, Any]:
    """Return what a benchmark costs, as ``estimate`` does; of a file with workloads each of them, and their sum.

    A workload that cannot be opened has a ``problem`` instead of an estimate.
    """
    loaded = _load(request)
    if loaded is None:
        return estimate(request, reporter)
    file, _ = loaded
    folder = request.out / file.folder_name
    rows: list[dict[str, Any]] = []
    for workload in _chosen(file, request):
        row = {"workload": workload.name, "optional": workload.optional}
        try:
            row |= estimate(replace(request, workload=workload.name, common=folder.name), reporter)
        except DiskError:
            raise
        except HarnessError as error:
            row["problem"] = str(error)
        rows.append(row)
    opened = [row for row in rows if "problem" not in row]
    sums = {name: sum(row[name] for row in opened) for name in ("runs", "seconds", "seconds_wall", "bytes")}
    return {"name": file.name, "folder": str(folder), "exists": folder.is_dir(), "workloads": rows, **sums}
