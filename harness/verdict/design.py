"""The runs that a verdict is about: by network, arm and seed, with the controls that belong to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from harness.records import Records
from harness.verdict.arms import network_of
from harness.verdict.protocol import Protocol

if TYPE_CHECKING:
    from pandas import DataFrame

Row = Mapping[str, Any]  # of records.comparison
RunsBySeed = Mapping[int, Row]
CONTROLS = {"aa": "A/A", "different": "known different"}  # by role, in words
ARMS = "arms"  # the kind of a pair that is no control


@dataclass(frozen=True)
class Pair:
    """Two arms of one network that are compared. In a pair with a control, ``other`` is the arm that it belongs to."""

    one: str
    other: str
    kind: str  # "arms", "aa" or "different"


@dataclass(frozen=True)
class Network:
    """One network of the benchmark: its arms, and their runs in the comparison."""

    name: str
    regime: str
    convex: bool
    protocol: Protocol
    arms: tuple[str, ...]
    seeds: tuple[int, ...]  # of initial weights, at most as many as the protocol promises
    controls: Mapping[str, tuple[str, str]]  # name of a control arm -> (role, the arm it belongs to)
    runs: Mapping[str, RunsBySeed]  # arm or control -> its runs
    replicates: Mapping[str, Mapping[int, RunsBySeed]]  # arm -> number of the search -> its runs
    twins: Mapping[str, RunsBySeed]  # arm -> the runs with the same initial weights and another order of the data
    restarts: Mapping[str, RunsBySeed]  # arm -> the runs that went on from the peak of the schedule
    promised: frozenset[str] = frozenset()  # roles of the controls that the benchmark asked for, run or not

    @property
    def pairs(self) -> list[Pair]:
        """Every pair of arms, then each control with its arm."""
        arms = [Pair(one, other, ARMS) for one, other in combinations(self.arms, 2)]
        return arms + [Pair(name, arm, role) for name, (role, arm) in self.controls.items()]

    @property
    def arm_pairs(self) -> list[Pair]:
        """Every pair of arms."""
        return [pair for pair in self.pairs if pair.kind == ARMS]

    def done_runs(self, arm: str) -> dict[int, Row]:
        """Return an arm's runs that ended well, by seed."""
        runs = self.runs.get(arm, {})
        return {seed: runs[seed] for seed in self.seeds if seed in runs and runs[seed]["state"] == "done"}

    def count_lost(self, arm: str) -> dict[str, int]:
        """Return how many of an arm's seeds have no result, by state; the state is "missing" for a run never done."""
        counts: dict[str, int] = {}
        for seed in self.seeds:
            state = str(self.runs.get(arm, {}).get(seed, {"state": "missing"})["state"])
            if state != "done":
                counts[state] = counts.get(state, 0) + 1
        return counts

    def step_counts(self, epochs: DataFrame) -> set[int]:
        """Return the different numbers of optimizer steps that the arms' runs took, from ``records.epochs``."""
        run_ids = {str(row["run_id"]) for arm in self.arms for row in self.done_runs(arm).values()}
        if not len(epochs):
            return set()
        rows = epochs[epochs["run_id"].isin(run_ids)]
        return {int(steps) for steps in rows.groupby("run_id")["steps"].max()}

    def has_control(self, role: str) -> bool:
        """Return whether a control of that role has a run that ended well."""
        return any(kind == role and self.done_runs(name) for name, (kind, _) in self.controls.items())


def networks_of(records: Records, protocol: Protocol) -> list[Network]:
    """Return a protocol's networks in the order of its arms; none for records without a comparison."""
    rows: list[Row] = [
        {str(name): value for name, value in row.items()} for row in records.comparison.to_dict("records")
    ]
    if not rows:
        return []
    names = dict.fromkeys(network_of(arm) for arm in protocol.arms)
    return [_network(records, protocol, name, rows) for name in names]


def _network(records: Records, protocol: Protocol, name: str, comparison: list[Row]) -> Network:
    rows = [row for row in comparison if network_of(str(row["arm"])) == name]
    arms = tuple(arm for arm in protocol.arms if network_of(arm) == name)
    fresh = [row for row in rows if row["role"] == "fresh" and row["arm"] in arms]
    controls = [row for row in rows if row["role"] in CONTROLS]
    asked = {str(control["role"]) for control in records.meta.roles.values() if control["of"] in arms}
    seeds = tuple(sorted({int(row["init_seed"]) for row in fresh}))[: protocol.seeds]
    return Network(
        name=name,
        regime=str(records.meta.benchmark["train"]["regime"]),
        convex=bool(records.meta.convex.get(name, False)),
        protocol=protocol,
        arms=arms,
        seeds=seeds,
        controls={str(row["arm"]): (str(row["role"]), str(row["of"])) for row in controls},
        runs=_by_seed([*fresh, *controls], "arm"),
        replicates=_replicates(rows, arms, seeds),
        twins=_by_seed([row for row in rows if row["role"] == "twin"], "of"),
        restarts=_by_seed([row for row in rows if row["role"] == "restart"], "of"),
        promised=frozenset(CONTROLS) & (asked | {str(row["role"]) for row in controls}),
    )


def _replicates(rows: list[Row], arms: tuple[str, ...], seeds: tuple[int, ...]) -> dict[str, dict[int, dict[int, Row]]]:
    """Return each arm's runs by the search that tuned them and by seed."""
    replicates: dict[str, dict[int, dict[int, Row]]] = {arm: {} for arm in arms}
    for row in rows:
        if row["role"] in ("fresh", "replicate") and row["of"] in arms and int(row["init_seed"]) in seeds:
            replicates[row["of"]].setdefault(int(row["replicate"]), {})[int(row["init_seed"])] = row
    return replicates


def _by_seed(rows: list[Row], column: str) -> dict[str, dict[int, Row]]:
    """Return rows by the name in a column and by the seed of their initial weights."""
    grouped: dict[str, dict[int, Row]] = {}
    for row in rows:
        grouped.setdefault(str(row[column]), {})[int(row["init_seed"])] = row
    return grouped
