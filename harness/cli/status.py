"""``harness status RUN``: what of a run is done and what is left, for a person and, as JSON, for a script."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.options import AnyRunFolder, AsJson, print_result
from harness.cli.run_state import is_over, left_out

if TYPE_CHECKING:
    from pandas import DataFrame

    from harness.records import Records


def command(folder: AnyRunFolder, as_json: AsJson = False) -> None:
    """Say what of a run, or of several workloads, is done and what is left."""
    from harness.cli import workloads
    from harness.records.workloads import has_workloads

    if has_workloads(folder):
        document = workloads.status_of_workloads(folder)
        print_result(document, workloads.status_lines(document), as_json)
    else:
        document = status(folder)
        print_result(document, status_lines(document), as_json)


def status(folder: Path) -> dict[str, Any]:
    """Return the state of a run: trials and seeds per arm, done and wanted, and the epochs so far of the runs under way."""
    from harness.records import open_records, schema
    from harness.records.promised import summary

    records = open_records(folder)
    seeds = records.meta.benchmark["compare"]["seeds"]
    compared = records.compared()
    arms = []
    for arm in records.meta.arms:
        trials = records.trials[records.trials["arm"] == arm]
        arms.append(
            {
                "arm": arm,
                "trials": {**_count_states(trials), "total": records.trials_wanted(arm)},
                "exhausted": records.exhausted(arm),
                "seeds": {**_count_states(compared[compared["arm"] == arm]), "total": seeds},
            }
        )
    waiting = records.runs[records.runs["state"] == schema.WAITING]
    under_way = records.epochs[records.epochs["run_id"].isin(waiting["run_id"])].groupby("run_id")["epoch"].max()
    return {
        "run": str(folder),
        "name": records.name,
        "state": "finished" if is_over(records) else "unfinished",
        "arms": arms,
        "measurements": _measurements(records),
        "under_way": {str(run): int(epoch) for run, epoch in under_way.items()},
        "seconds": float(records.runs["seconds"].sum()),
        "left_out": left_out(records),
        "lacking": summary(records.find_lacking(whole=False)),
        "command": records.meta.command,
    }


def _measurements(records: Records) -> dict[str, dict[str, int]]:
    """Return by probe how many measurements are made, and how many there will be; those that a limit leaves out are not."""
    from harness.records import database
    from harness.records.tables import count_measured

    with database.reading(records.folder) as db:
        made = count_measured(db, records.meta)
    counts = {}
    for probe, total in records.meta.measurements.items():
        note = records.meta.probes.get(probe, {})
        counts[probe] = {"done": made.get(probe, 0), "total": int(note["planned"]) if note.get("over") else total}
    return counts


def _count_states(runs: DataFrame) -> dict[str, int]:
    from harness.records import schema

    return {state: int((runs["state"] == state).sum()) for state in (*schema.ENDED, schema.WAITING)}


def status_lines(document: Mapping[str, Any]) -> list[str]:
    """Return the status for a person."""
    lines = [f"{document['run']}: {document['state']}, {document['seconds']:.0f} s of training so far"]
    for arm in document["arms"]:
        grid = f", all {arm['exhausted']} combinations" if arm["exhausted"] else ""
        lines.append(f"  {arm['arm']}: trials {_progress(arm['trials'], grid)}; seeds {_progress(arm['seeds'])}")
    for probe, counts in document["measurements"].items():
        lines.append(f"  {probe}: measurements {counts['done']}/{counts['total']}")
    lines += [f"  under way: run {run}, {epoch} epochs recorded" for run, epoch in document["under_way"].items()]
    return lines + [f"  {sentence}" for sentence in (*document["left_out"], document["lacking"]) if sentence]


def _progress(counts: Mapping[str, int], grid: str = "") -> str:
    """Return the number of runs that ended and the total, with those that ended badly: ``4/8, 1 diverged``."""
    from harness.records import schema

    ended = sum(counts[state] for state in schema.ENDED)
    bad = [f", {counts[state]} {state}" for state in ("stopped", "diverged", "failed") if counts[state]]
    return f"{ended}/{counts['total']}{grid}{''.join(bad)}"
