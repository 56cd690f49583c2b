"""The ``[[workload]]`` tables of a file: several data sets, backbones and regimes that are one benchmark.

Each workload is the file with its own sections laid over it. Its name takes the place of the file's. Profiles and ``--set``
are laid over every workload.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.benchmark.lines import KeyPath, refusal
from harness.benchmark.sections.workload import WorkloadSection
from harness.errors import did_you_mean, shown

WORKLOAD = "workload"  # the name of the list of tables
SECTIONS = ("data", "train", "search", "compare", "heads", "verdict")  # that a workload may change
OWN = tuple(WorkloadSection.model_fields)  # keys of the table itself
MOST = 100


@dataclass(frozen=True)
class Workload:
    """A table of the list: its place in the file, and what it lays over the file."""

    name: str
    number: int  # its place in the list, from 0 on
    table: Mapping[str, Any] = field(default_factory=dict)  # the sections that it changes
    optional: bool = False  # whether a run may go without it where its data or weights are not there

    @property
    def key(self) -> KeyPath:
        """Where it stands in the file."""
        return (WORKLOAD, str(self.number))


def checked_workloads(tables: Any, places: Mapping[KeyPath, str], file: str) -> tuple[Workload, ...]:
    """Return the workloads of a file; raises BenchmarkError where a table is none, or two have one name.

    What stands in their sections is checked where these are laid over the file.
    """
    where = f"{places.get((WORKLOAD,), file)}: {WORKLOAD}"
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise refusal(where, "be tables, [[workload]]", shown(tables))
    if len(tables) > MOST:
        raise refusal(where, f"be at most {MOST}", str(len(tables)))
    workloads: list[Workload] = []
    for number, table in enumerate(tables):
        workload = _checked(table, number, places, where)
        if any(workload.name.casefold() == before.name.casefold() for before in workloads):
            place = _place((*workload.key, "name"), places, where)
            raise refusal(place, "be another name for each workload", f"{shown(workload.name)} twice")
        workloads.append(workload)
    return tuple(workloads)


def _checked(table: Mapping[str, Any], number: int, places: Mapping[KeyPath, str], where: str) -> Workload:
    """Return one workload, after its name and the names of its keys were checked."""
    key = (WORKLOAD, str(number))
    for inner in table:
        if inner not in (*OWN, *SECTIONS):
            hint = did_you_mean(inner, (*OWN, *SECTIONS))
            raise refusal(_place((*key, inner), places, where), "be a key that a workload may have", shown(inner), hint)
    name, optional = table.get("name"), table.get("optional", False)
    if not isinstance(name, str) or not name:
        name_text = "none" if name is None else shown(name)
        raise refusal(
            _place((*key, "name"), places, where), "be the name of the workload", name_text, 'add name = "..."'
        )
    if not isinstance(optional, bool):
        raise refusal(_place((*key, "optional"), places, where), "be true or false", shown(optional))
    return Workload(name, number, {section: table[section] for section in SECTIONS if section in table}, optional)


def _place(key: KeyPath, places: Mapping[KeyPath, str], where: str) -> str:
    """Return ``FILE:LINE: workload.KEY`` of a key, or of the nearest key above it that was written."""
    for length in range(len(key), 1, -1):
        if key[:length] in places:
            return f"{places[key[:length]]}: {'.'.join((WORKLOAD, *key[2:]))}"
    return f"{where}.{'.'.join(key[2:])}"


def find_workload(name: str, workloads: Sequence[Workload], file: str) -> Workload:
    """Return the workload of a name; raises BenchmarkError where there is none."""
    for workload in workloads:
        if workload.name == name:
            return workload
    hint = did_you_mean(name, names_of(workloads)) if workloads else "the file has none"
    raise refusal(f"{file}: --workload", "name a workload of the file", shown(name), hint)


def names_of(workloads: Iterable[Workload]) -> list[str]:
    """Return their names, in their order."""
    return [workload.name for workload in workloads]
