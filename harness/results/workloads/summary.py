"""A folder of several workloads as ``harness show`` tells it, and the lines that its run ends with, from a shell or from Python."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.console.numbers import counted, number
from harness.records.tables import plain_rows
from harness.results.document import SHOW_VERSION
from harness.results.run_state import NOT_BEGUN, state_of, state_of_workloads
from harness.results.workloads import open_workloads
from harness.verdict.stating import NO_VERDICT

if TYPE_CHECKING:
    from harness.plugin.contracts import Workloads
    from harness.plugin.registry import Registry

FACET_TABLES = ("workloads", "words", "pooled", "effects")  # the core's own; the others are of analyses


def show_workloads(folder: Path, registry: Registry) -> dict[str, Any]:
    """Return what the workloads of a common folder say, each and together, as one document."""
    return describe_workloads(open_workloads(folder, registry), folder)


def describe_workloads(workloads: Workloads, folder: Path) -> dict[str, Any]:
    """Return the workloads as one strict JSON document; a number that is not known is absent."""
    tables = workloads.tables
    members = plain_rows(tables["workloads"])
    for member in members:
        member["state"] = state_of(workloads.records.get(member["workload"]))
    words = {row["facet"]: {"word": row["word"], "rests_on": row["rests_on"]} for row in plain_rows(tables["words"])}
    statement = words.pop("statement", {"word": NO_VERDICT, "rests_on": ""})
    return {
        "schema_version": SHOW_VERSION,
        "run": str(folder),
        "name": workloads.name,
        "state": state_of_workloads(members),
        "statement": statement["word"],
        "rests_on": statement["rests_on"],
        "facets": words,
        "workloads": members,
        "pooled": plain_rows(tables["pooled"]),
        "effects": plain_rows(tables["effects"]),
        "across": {name: plain_rows(table) for name, table in tables.items() if name not in FACET_TABLES},
        "problems": list(workloads.problems),
    }


def common_lines(workloads: Workloads, folder: Path) -> list[str]:
    """Return the lines that a run of several workloads ends with."""
    return workloads_lines(describe_workloads(workloads, folder))


def workloads_lines(document: Mapping[str, Any]) -> list[str]:
    """Return the workloads for a person: the statement and the words of all together, then a line for each."""
    counts = counted(len(document["workloads"]), "workload")
    basis = f" ({document['rests_on']})" if document["rests_on"] else ""
    lines = [
        f"{document['name']}: {document['state']}; {counts}",
        f"do the optimizers reach the same minimum, over workloads? {document['statement']}{basis}",
    ]
    lines += [f"  {facet}: {basis['word']} ({basis['rests_on']})" for facet, basis in document["facets"].items()]
    lines += [f"    {_pooled_line(row)}" for row in document["pooled"] if "mean" in row]
    lines += [_member_line(member, document) for member in document["workloads"]]
    return [*lines, *(f"warning: {problem}" for problem in document["problems"])]


def _pooled_line(row: Mapping[str, Any]) -> str:
    """Return what the workloads say together of one pair on one measure, in margins."""
    predicted = f"{number(row['predicted_low'])} to {number(row['predicted_high'])}"
    pair = f"{row['measure']} of {row['arm']} and {row['other']}"
    mean = f"{number(row['mean'])} margins in the mean of {counted(row['workloads'], 'workload')}"
    return f"{pair}: {row['word']}: {mean}, one more predicted at {predicted}"


def _member_line(member: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Return what one workload says, or why it says nothing."""
    if member["problem"]:
        return f"  workload {member['workload']}: no run: {member['problem']}"
    if member["state"] == NOT_BEGUN:
        return f"  workload {member['workload']}: not begun"
    words = ", ".join(f"{facet} {member[facet]}" for facet in document["facets"])
    line = f"  workload {member['workload']} ({member['state']}): {member['statement']}"
    return f"{line}: {words}" if words else line
