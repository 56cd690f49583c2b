"""The runs that a verdict is about: by network, arm and replicate, with the controls that belong to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

from harness.records import Records
from harness.verdict.arms import names_among, network_of, short_name
from harness.verdict.protocol import Protocol
from harness.verdict.replicates import CONTROLS, FRESH, ended_replicates, look_after

if TYPE_CHECKING:
    from pandas import DataFrame

Row = Mapping[str, Any]  # of records.comparison
RunsBySeed = Mapping[int, Row]
ARMS = "arms"  # the kind of a pair that is no control
NO_CHOICE = "its search chose nothing"


@dataclass(frozen=True)
class Pair:
    """Two arms of one network that are compared. In a pair with a control, ``other`` is the arm that it belongs to."""

    one: str
    other: str
    kind: str  # "arms", "aa" or "different"


@dataclass(frozen=True)
class Network:
    """One network of the benchmark at one look: its arms, and their runs in the replicates that count there."""

    name: str
    regime: str
    convex: bool
    protocol: Protocol
    arms: tuple[str, ...]
    look: int  # from 1; 0 where no look was reached yet, and then every replicate counts that has ended
    replicates: tuple[int, ...]  # that count
    ended: int  # how many replicates have ended
    controls: Mapping[str, tuple[str, str]]  # name of a control arm -> (role, the arm it belongs to)
    runs: Mapping[str, Mapping[int, RunsBySeed]]  # arm or control -> replicate -> its runs, of all replicates
    twins: Mapping[str, RunsBySeed]  # arm -> the runs with the same initial weights and another order of the data
    restarts: Mapping[str, RunsBySeed]  # arm -> the runs that went on from the peak of the schedule
    promised: frozenset[str] = frozenset()  # roles of the controls that the benchmark asked for, run or not

    def name_of(self, arm: str) -> str:
        """Return the short name of an arm, as every text about the network has it."""
        return names_among(self.arms).get(arm) or short_name(arm)

    def at(self, look: int) -> Network:
        """Return the network as it stood at an earlier look."""
        return replace(self, look=look, replicates=tuple(range(self.protocol.looks[look - 1])))

    @property
    def level(self) -> float:
        """The level of the tests at this look."""
        return self.protocol.levels[max(self.look, 1) - 1]

    @property
    def pairs(self) -> list[Pair]:
        """Every pair of arms, then each control with its arm."""
        arms = [Pair(first, second, ARMS) for first, second in combinations(self.arms, 2)]
        return arms + [Pair(name, arm, role) for name, (role, arm) in self.controls.items()]

    @property
    def arm_pairs(self) -> list[Pair]:
        """Every pair of arms."""
        return [pair for pair in self.pairs if pair.kind == ARMS]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the arms' runs in the replicates that count."""
        runs = [self.runs.get(arm, {}).get(number, {}) for arm in self.arms for number in self.replicates]
        return tuple(sorted(set().union(*runs)))

    def done_runs(self, arm: str) -> dict[int, Row]:
        """Return an arm's runs in the replicates that count, by seed: those that ended well."""
        done: dict[int, Row] = {}
        for number in self.replicates:
            runs = self.runs.get(arm, {}).get(number, {})
            done |= {seed: runs[seed] for seed in sorted(runs) if runs[seed]["state"] == "done"}
        return done

    def whole_replicates(self, arm: str) -> dict[int, tuple[Row, ...]]:
        """Return an arm's runs by replicate, in the order of their seeds: of those replicates that the arm has not lost."""
        lost, runs = self.lost_replicates(arm), self.runs.get(arm, {})
        return {
            number: tuple(runs[number][seed] for seed in sorted(runs[number]))
            for number in self.replicates
            if number not in lost
        }

    def first_runs(self, arm: str) -> dict[int, Row]:
        """Return the run of the first seed of each replicate that the arm has not lost: distances are between these."""
        return {number: runs[0] for number, runs in self.whole_replicates(arm).items()}

    def lost_replicates(self, arm: str) -> dict[int, str]:
        """Return the replicates that an arm has lost, with the reason: the state of a run, or that its search chose nothing.

        A replicate with a single run that did not end well is lost, for what is left of it was chosen by the loss.
        """
        lost: dict[int, str] = {}
        for number in self.replicates:
            runs = self.runs.get(arm, {}).get(number, {})
            states = [str(runs[seed]["state"]) for seed in sorted(runs)]
            failures = [state for state in states if state != "done"]
            if not runs:
                lost[number] = NO_CHOICE
            elif failures or len(states) < self.protocol.seeds:
                lost[number] = failures[0] if failures else "missing"
        return lost

    def count_lost(self, arm: str) -> dict[str, int]:
        """Return how many replicates an arm has lost, by reason."""
        return dict(Counter(self.lost_replicates(arm).values()))

    def step_counts(self, epochs: DataFrame) -> set[int]:
        """Return the different numbers of optimizer steps that the arms' runs took, from ``records.epochs``."""
        run_ids = {str(row["run_id"]) for arm in self.arms for row in self.done_runs(arm).values()}
        if not len(epochs):
            return set()
        rows = epochs[epochs["run_id"].isin(run_ids)]
        return {int(steps) for steps in rows.groupby("run_id")["steps"].max()}

    def has_control(self, role: str) -> bool:
        """Return whether a control of that role has a replicate that it did not lose."""
        return any(kind == role and self.whole_replicates(name) for name, (kind, _) in self.controls.items())


def networks_of(records: Records, protocol: Protocol) -> list[Network]:
    """Return a protocol's networks at the last look that was reached, in the order of its arms.

    There are none for records without a comparison.
    """
    rows: list[Row] = [
        {str(name): value for name, value in row.items()} for row in records.comparison.to_dict("records")
    ]
    if not rows:
        return []
    ended = ended_replicates(records, protocol)
    names = dict.fromkeys(network_of(arm) for arm in protocol.arms)
    return [_network(records, protocol, name, rows, ended) for name in names]


def _network(records: Records, protocol: Protocol, name: str, comparison: list[Row], ended: int) -> Network:
    rows = [row for row in comparison if network_of(str(row["arm"])) == name]
    arms = tuple(arm for arm in protocol.arms if network_of(arm) == name)
    fresh = [row for row in rows if row["role"] == FRESH and row["arm"] in arms]
    controls = [row for row in rows if row["role"] in CONTROLS]
    roles = {str(control["role"]) for control in records.meta.roles.values() if control["of"] in arms}
    look = look_after(ended, protocol)
    return Network(
        name=name,
        regime=str(records.meta.benchmark["train"]["regime"]),
        convex=bool(records.meta.convex.get(name, False)),
        protocol=protocol,
        arms=arms,
        look=look,
        replicates=tuple(range(protocol.looks[look - 1] if look else ended)),
        ended=ended,
        controls={str(row["arm"]): (str(row["role"]), str(row["of"])) for row in controls},
        runs=_by_replicate([*fresh, *controls], protocol.seeds),
        twins=_by_seed([row for row in rows if row["role"] == "twin"], "of"),
        restarts=_by_seed([row for row in rows if row["role"] == "restart"], "of"),
        promised=frozenset(CONTROLS) & (roles | {str(row["role"]) for row in controls}),
    )


def _by_replicate(rows: list[Row], seeds: int) -> dict[str, dict[int, dict[int, Row]]]:
    """Return rows by arm, replicate and seed, with at most the first ``seeds`` seeds of each replicate."""
    grouped: dict[str, dict[int, dict[int, Row]]] = {}
    for row in sorted(rows, key=lambda row: int(row["init_seed"])):
        runs = grouped.setdefault(str(row["arm"]), {}).setdefault(int(row["replicate"]), {})
        if len(runs) < seeds:
            runs[int(row["init_seed"])] = row
    return grouped


def _by_seed(rows: list[Row], column: str) -> dict[str, RunsBySeed]:
    """Return rows by the name in a column and by the seed of their initial weights."""
    grouped: dict[str, dict[int, Row]] = {}
    for row in rows:
        grouped.setdefault(str(row[column]), {})[int(row["init_seed"])] = row
    return dict(grouped)
