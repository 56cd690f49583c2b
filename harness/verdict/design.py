"""Which runs a verdict is about: by network, arm and seed, with the controls that belong to them."""

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
CONTROLS = {"aa": "A/A", "different": "known different"}  # by role, in words
ARMS = "arms"  # the kind of a pair that is no control


@dataclass(frozen=True)
class Pair:
    """Two arms of one network that are compared; of a control the second one is the arm that it belongs to."""

    one: str
    other: str
    kind: str  # "arms", "aa" or "different"


@dataclass(frozen=True)
class Cell:
    """One network of the benchmark: its arms and their runs."""

    network: str
    regime: str
    convex: bool
    protocol: Protocol
    arms: tuple[str, ...]
    seeds: tuple[int, ...]  # of initial weights, as many as the protocol promises
    controls: Mapping[str, tuple[str, str]]  # name of a control arm -> (role, of)
    runs: Mapping[str, Mapping[int, Row]]  # arm or control -> seed -> its run
    replicates: Mapping[str, Mapping[int, Mapping[int, Row]]]  # arm -> search -> seed -> its run
    twins: Mapping[str, Mapping[int, Row]]  # arm -> seed -> the run with the same start and another order
    restarts: Mapping[str, Mapping[int, Row]]  # arm -> seed -> the run that went on
    promised: frozenset[str] = frozenset()  # roles of controls that were to be run, whatever became of them

    @property
    def pairs(self) -> list[Pair]:
        """Every pair of arms, then the controls with their own."""
        arms = [Pair(one, other, ARMS) for one, other in combinations(self.arms, 2)]
        return arms + [Pair(name, of, role) for name, (role, of) in self.controls.items()]

    @property
    def rivals(self) -> int:
        """How many pairs of arms there are."""
        return len(self.arms) * (len(self.arms) - 1) // 2

    def done(self, arm: str) -> dict[int, Row]:
        """Return an arm's runs that ended well, by seed."""
        runs = self.runs.get(arm, {})
        return {seed: runs[seed] for seed in self.seeds if seed in runs and runs[seed]["state"] == "done"}

    def lost(self, arm: str) -> dict[str, int]:
        """Return how many of an arm's promised seeds have no result, by state; "missing" were never run."""
        found: dict[str, int] = {}
        for seed in self.seeds:
            state = str(self.runs.get(arm, {}).get(seed, {"state": "missing"})["state"])
            if state != "done":
                found[state] = found.get(state, 0) + 1
        return found

    def steps(self, epochs: DataFrame) -> set[int]:
        """Return the numbers of optimizer steps that the arms' runs took, of the table ``records.epochs``."""
        wanted = {str(row["run_id"]) for arm in self.arms for row in self.done(arm).values()}
        if not len(epochs):
            return set()
        mine = epochs[epochs["run_id"].isin(wanted)]
        return {int(steps) for steps in mine.groupby("run_id")["steps"].max()}

    def has(self, role: str) -> bool:
        """Return whether there is a control of that role with a run that ended well."""
        return any(kind == role and self.done(name) for name, (kind, _) in self.controls.items())


def cells(records: Records, protocol: Protocol) -> list[Cell]:
    """Return the networks of a protocol, in the order of its arms; none for records without a comparison."""
    rows: list[Row] = [{str(k): v for k, v in row.items()} for row in records.comparison.to_dict("records")]
    if not rows:
        return []
    networks = list(dict.fromkeys(network_of(arm) for arm in protocol.arms))
    return [_cell(records, protocol, network, rows) for network in networks]


def _cell(records: Records, protocol: Protocol, network: str, every: list[Row]) -> Cell:
    rows = [row for row in every if network_of(str(row["arm"])) == network]
    arms = tuple(arm for arm in protocol.arms if network_of(arm) == network)
    fresh = [row for row in rows if row["role"] == "fresh" and row["arm"] in arms]
    seeds = tuple(sorted({int(row["init_seed"]) for row in fresh}))[: protocol.seeds]
    beside = [row for row in rows if row["role"] in CONTROLS]
    roles = {str(about["role"]) for about in records.meta.roles.values() if about["of"] in arms}
    replicates: dict[str, dict[int, dict[int, Row]]] = {arm: {} for arm in arms}
    for row in rows:
        if row["role"] in ("fresh", "replicate") and row["of"] in arms and int(row["init_seed"]) in seeds:
            replicates[row["of"]].setdefault(int(row["replicate"]), {})[int(row["init_seed"])] = row
    return Cell(
        network=network,
        regime=str(records.meta.benchmark["train"]["regime"]),
        convex=bool(records.meta.convex.get(network, False)),
        protocol=protocol,
        arms=arms,
        seeds=seeds,
        controls={str(row["arm"]): (str(row["role"]), str(row["of"])) for row in beside},
        runs=_by_seed([*fresh, *beside], "arm"),
        replicates=replicates,
        twins=_by_seed([row for row in rows if row["role"] == "twin"], "of"),
        restarts=_by_seed([row for row in rows if row["role"] == "restart"], "of"),
        promised=frozenset(CONTROLS) & (roles | {str(row["role"]) for row in beside}),
    )


def _by_seed(rows: list[Row], key: str) -> dict[str, dict[int, Row]]:
    found: dict[str, dict[int, Row]] = {}
    for row in rows:
        found.setdefault(str(row[key]), {})[int(row["init_seed"])] = row
    return found
