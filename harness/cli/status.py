"""``harness status RUN``: what of a run is done and what is left, for a person and, as JSON, for a script."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.options import AnyRunFolder, AsJson, print_result
from harness.console.numbers import counted, duration
from harness.results.run_state import NOT_BEGUN, count_measurements, left_out, state_of, state_of_workloads

BESIDE = {
    "untuned": "untuned",
    "twin": "twins",
    "restart": "restarts",
}  # by the role of a comparison run, with the verdict's controls

if TYPE_CHECKING:
    from pandas import DataFrame

    from harness.records import Records


def command(folder: AnyRunFolder, as_json: AsJson = False) -> None:
    """Say what of a run is done, and what is left.

    Of a folder of several workloads it says so for each of them.
    """
    from harness.records.workloads import has_workloads

    if has_workloads(folder):
        document = status_of_workloads(folder)
        print_result(document, lines_of_workloads(document), as_json)
    else:
        document = status(folder)
        print_result(document, status_lines(document), as_json)


def status(folder: Path) -> dict[str, Any]:
    """Return the state of a run: trials and seeds per arm up to its look, done and wanted, its controls, and what is under way.

    ``replicates`` says how many have ended, how many there are up to the look that the run has come to, and the looks.
    """
    from harness.records import open_records, schema
    from harness.records.promised import summary
    from harness.verdict.trials import arm_trials

    records = open_records(folder)
    replicates, compared = _replicates(records), records.compared()
    seeds = records.meta.planned_seeds
    arms = []
    for arm in records.meta.arms:
        wanted = records.trials_wanted(arm) * replicates["total"]
        arms.append(
            {
                "arm": arm,
                "trials": {**_count_states(arm_trials(records, arm)), "total": wanted},
                "exhausted": records.exhausted(arm),
                "seeds": {**_count_states(compared[compared["arm"] == arm]), "total": seeds},
            }
        )
    waiting = records.runs[records.runs["state"] == schema.WAITING]
    under_way = records.epochs[records.epochs["run_id"].isin(waiting["run_id"])].groupby("run_id")["epoch"].max()
    return {
        "run": str(folder),
        "name": records.name,
        "state": state_of(records),
        "replicates": replicates,
        "arms": arms,
        "controls": _controls(records),
        "measurements": _measurements(records),
        "under_way": {str(run): int(epoch) for run, epoch in under_way.items()},
        "seconds": float(records.runs["seconds"].sum()),
        "budget": {key: records.meta.budget.get(key) for key in ("asked", "used", "units")},
        "left_out": left_out(records),
        "lacking": summary(records.find_lacking(whole=False)),
        "reports": [str(file) for file in sorted(folder.glob("report.*")) if file.is_file()],
        "command": records.meta.command,
    }


def _replicates(records: Records) -> dict[str, Any]:
    """Return how many replicates have ended, how many there are up to the look that was come to, and the looks."""
    from harness.records import schema

    looks = records.meta.benchmark["compare"].get("looks", [1])
    rows = records.comparison[records.comparison["role"].isin(["fresh", "aa", "different"])]
    ended = rows["state"].isin(schema.ENDED).groupby(rows["replicate"]).all()
    return {"ended": int(ended.sum()), "total": records.meta.planned_replicates, "looks": looks}


def _controls(records: Records) -> dict[str, dict[str, int]]:
    """Return by role how many runs beside the arms have ended, and how many are known so far."""
    from harness.verdict.replicates import CONTROLS

    by_role = {role: records.comparison[records.comparison["role"] == role] for role in (*BESIDE, *CONTROLS)}
    return {role: {**_count_states(rows), "total": len(rows)} for role, rows in by_role.items() if len(rows)}


def _measurements(records: Records) -> dict[str, dict[str, int]]:
    """Return by probe how many measurements are made, and how many there will be."""
    counts = count_measurements(records)
    return {probe: {"done": count.done, "total": count.total} for probe, count in counts.items()}


def _count_states(runs: DataFrame) -> dict[str, int]:
    from harness.records import schema

    return {state: int((runs["state"] == state).sum()) for state in (*schema.ENDED, schema.WAITING)}


def status_lines(document: Mapping[str, Any]) -> list[str]:
    """Return the status for a person."""
    lines = [f"{document['run']}: {document['state']}, {document['seconds']:.0f} s of training so far"]
    if (budget := document["budget"])["asked"]:
        lines.append(f"  budget: {duration(budget['asked'])}, of which {duration(budget['used'])} is used")
    lines += _look_line(document["replicates"])
    for arm in document["arms"]:
        grid = f", all {arm['exhausted']} combinations" if arm["exhausted"] else ""
        lines.append(f"  {arm['arm']}: trials {_progress(arm['trials'], grid)}; seeds {_progress(arm['seeds'])}")
    from harness.verdict.replicates import CONTROLS

    words = {**BESIDE, **CONTROLS}
    if controls := [f"{words[role]} {_progress(counts)}" for role, counts in document["controls"].items()]:
        lines.append(f"  controls so far: {'; '.join(controls)}")
    for probe, counts in document["measurements"].items():
        lines.append(f"  {probe}: measurements {counts['done']}/{counts['total']}")
    lines += [f"  under way: run {run}, {epoch} epochs recorded" for run, epoch in document["under_way"].items()]
    lines += [f"  {sentence}" for sentence in (*document["left_out"], document["lacking"]) if sentence]
    return lines + [f"  report: {report}" for report in document["reports"]]


def _look_line(replicates: Mapping[str, Any]) -> list[str]:
    """Return how far the replicates of a run with looks have come; nothing for a run of one replicate."""
    looks, total = replicates["looks"], replicates["total"]
    if looks == [1]:
        return []
    look = f" to look {looks.index(total) + 1} of {len(looks)}" if total in looks and len(looks) > 1 else ""
    return [f"  replicates {replicates['ended']}/{total}{look}"]


def _progress(counts: Mapping[str, int], grid: str = "") -> str:
    """Return the number of runs that ended and the total, with those that ended badly: ``4/8, 1 diverged``."""
    from harness.records import schema

    ended = sum(counts[state] for state in schema.ENDED)
    bad = [f", {counts[state]} {state}" for state in ("stopped", "diverged", "failed") if counts[state]]
    return f"{ended}/{counts['total']}{grid}{''.join(bad)}"


def status_of_workloads(folder: Path) -> dict[str, Any]:
    """Return the state of each workload of a common folder, as ``harness status`` has it for a run."""
    from harness.records.workloads import read_workbook, run_folders

    book, runs = read_workbook(folder), run_folders(folder)
    rows: list[dict[str, Any]] = []
    for member in book.members:
        row = {"workload": member.name, "optional": member.optional, "problem": member.problem}
        rows.append({**row, **(status(runs[member.name]) if member.name in runs else {"state": NOT_BEGUN})})
    return {
        "run": str(folder),
        "name": book.name,
        "state": state_of_workloads(rows),
        "workloads": rows,
        "command": list(book.command),
    }


def lines_of_workloads(document: Mapping[str, Any]) -> list[str]:
    """Return the state of several workloads for a person."""
    lines = [f"{document['run']}: {document['state']}, {counted(len(document['workloads']), 'workload')}"]
    for row in document["workloads"]:
        lines.append(f"workload {row['workload']}: {row['problem'] or row['state']}")
        if "arms" in row:
            lines += [f"  {line}" for line in status_lines(row)]
    return lines
