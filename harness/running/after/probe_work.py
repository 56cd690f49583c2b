"""What a probe can measure: groups of networks, pairs or triples, each of which treats all arms alike.

A probe that is not costly measures every solution of the arms and of the controls that were tuned. A costly one makes as
many measurements as ``compare.probe_sizes`` asks for up to the last look, all where it is not named there. Single networks
are measured seed by seed. A pair has networks of two replicates, and of each the network of its first seed, for two networks
of one replicate share their hyperparameters. Every replicate is paired with the nearest ones before it. So a replicate that
comes later brings pairs of its own, and changes nothing among those that were there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from harness.benchmark.comparison import ComparisonRun
from harness.benchmark.plan import Setting
from harness.plugin.contracts import Probe
from harness.plugin.runs import Run
from harness.running.after.measuring import Runs
from harness.verdict.sizes import Measured

UNITS = {
    1: ("network", "networks"),
    2: ("pair of networks", "pairs of networks"),
    3: ("triple of networks", "triples of networks"),
}  # what a measurement looks at, by its number of networks: one of them, and several
COMPARED = ("fresh", "aa", "different")  # the roles of the runs whose networks are compared


def seconds_needed(seconds: float) -> str:
    """Return seconds in words, rounded up."""
    return f"{math.ceil(seconds):,} s" if seconds >= 10 else f"{math.ceil(10 * seconds) / 10:g} s"


@dataclass(frozen=True)
class Work:
    """What a probe could measure: groups of measurements, each of which treats all arms and seeds alike."""

    groups: Sequence[Sequence[Runs]]
    networks: int  # that a measurement looks at
    asked: int  # so many first groups are asked for, by ``compare.probe_sizes``

    @property
    def all(self) -> list[Runs]:
        """Every measurement that could be made, group by group."""
        return self.first(len(self.groups))

    @property
    def wanted(self) -> list[Runs]:
        """Every measurement that is asked for, group by group."""
        return self.first(self.asked)

    @property
    def unit(self) -> str:
        """What a measurement looks at, in the plural."""
        return UNITS[self.networks][1]

    def first(self, groups: int) -> list[Runs]:
        """Return the measurements of so many first groups."""
        return [runs for group in self.groups[:groups] for runs in group]

    def count(self, number: int) -> str:
        """Return so many measurements in words: "1 pair of networks"."""
        return f"{number} {UNITS[self.networks][number != 1]}"

    def part(self, groups: int) -> str:
        """Return in words what so many first groups are, where they are not all; "" where they are."""
        if groups == len(self.groups):
            return ""
        if self.networks == 1:
            choice = f": of every arm the first {'seed' if groups == 1 else f'{groups} seeds'}"
        else:
            choice = f": every replicate paired with the {'one' if groups == 1 else groups} before it"
        return f"{len(self.first(groups))} of {self.count(len(self.all))}{choice if groups else ''}"


def work_of(probe: Probe, setting: Setting, cells: Sequence[ComparisonRun]) -> Work:
    """Return what a probe can measure on the networks of these runs, which ended well, and what of it is asked.

    A costly probe compares arms that share a network, and a control with the arm that it belongs to. Only the seeds count
    that every arm of a network has; a control that lost some takes nothing from the arms.
    """
    if not probe.costly:
        solutions = _every_solution(cells)
        return Work(solutions, 1, len(solutions))
    runs = _by_arm(cells)
    # A step is the seed of single networks, and of a pair how far apart its replicates are.
    groups: dict[int, list[Runs]] = {}
    for arms in _of_one_network(setting, list(runs)):
        competitors = [arm for arm in arms if setting.plan.competitor(arm).role == "arm"]
        shared = sorted(set.intersection(*(set(runs[arm]) for arm in competitors))) if competitors else []
        for step, group in _groups(probe.networks, setting, arms, runs, shared):
            groups.setdefault(step, []).extend(group)
    steps = [step for step in sorted(groups) if groups[step]]
    last = _last_step(probe, setting)
    groups_asked = len(steps) if last is None else sum(step <= last for step in steps)
    return Work([groups[step] for step in steps], probe.networks, groups_asked)


def _every_solution(cells: Sequence[ComparisonRun]) -> list[list[Runs]]:
    """Return every solution of the arms and of the tuned controls, a group a seed."""
    runs = {cell.run.id: cell.run for cell in cells if cell.role in COMPARED}
    by_seed: dict[int, list[Runs]] = {}
    for run in runs.values():
        by_seed.setdefault(run.init_seed, []).append((run,))
    return [by_seed[seed] for seed in sorted(by_seed)]


def _last_step(probe: Probe, setting: Setting) -> int | None:
    """Return up to which step ``compare.probe_sizes`` asks for groups, counted at the last look; None for all."""
    plan, compare = setting.plan, setting.plan.benchmark.compare
    size = compare.probe_sizes.get(probe.name)
    if size is None or probe.networks > 2:
        return None
    measured = Measured.among([*(c.name for c in plan.competitors), *plan.baseline_arms], plan.roles)
    return measured.last_seed(size) if probe.networks == 1 else measured.last_apart(size, compare.looks[-1])


def _by_arm(cells: Sequence[ComparisonRun]) -> dict[str, dict[int, Run]]:
    """Return the runs whose networks are compared, by arm and seed."""
    runs: dict[str, dict[int, Run]] = {}
    for cell in cells:
        if cell.role in COMPARED:
            runs.setdefault(cell.run.arm.name, {})[cell.run.init_seed] = cell.run
    return runs


def _of_one_network(setting: Setting, names: Sequence[str]) -> Iterator[list[str]]:
    """Yield the arms and controls of these names, those of one network together."""
    plan = setting.plan
    measured_arms = [c for c in (*plan.competitors, *plan.imported, *plan.controls) if c.name in names]
    for network in dict.fromkeys(c.arm.network for c in measured_arms):
        yield [c.name for c in measured_arms if c.arm.network == network]


def _groups(
    networks: int, setting: Setting, arms: Sequence[str], runs: dict[str, dict[int, Run]], seeds: Sequence[int]
) -> Iterator[tuple[int, list[Runs]]]:
    """Yield groups of measurements with their steps, each alike for all arms, the first the most wanted."""
    if networks == 1:
        for seed in seeds:
            yield seed, [(runs[arm][seed],) for arm in arms if seed in runs[arm]]
        return
    firsts = {
        setting.replicate_of(seed): seed for seed in seeds if seed == setting.seeds_of(setting.replicate_of(seed))[0]
    }
    if networks == 2:
        yield from _groups_of_pairs(setting, arms, runs, firsts)
    else:
        competitors = [arm for arm in arms if setting.plan.competitor(arm).role == "arm"]
        yield 0, _triple(competitors, runs, list(firsts.values()) if len(firsts) > 1 else seeds)


def _groups_of_pairs(
    setting: Setting, arms: Sequence[str], runs: dict[str, dict[int, Run]], firsts: Mapping[int, int]
) -> Iterator[tuple[int, list[Runs]]]:
    """Yield pairs of networks by how far apart their replicates are; ``firsts`` has the seed of each replicate."""
    compared = _compared(setting, arms)
    for gap in range(1, max(firsts, default=0) + 1):
        group: list[Runs] = []
        for replicate, later in firsts.items():
            if replicate - gap not in firsts:
                continue
            s, t = firsts[replicate - gap], later
            ends = [((arm, s), (arm, t)) for arm in arms]
            ends += [((a, s), (b, t)) for a, b in compared] + [((a, t), (b, s)) for a, b in compared]
            for (a, seed_of_a), (b, seed_of_b) in ends:
                if seed_of_a in runs[a] and seed_of_b in runs[b]:
                    group.append((runs[a][seed_of_a], runs[b][seed_of_b]))
        yield gap, group


def _triple(competitors: Sequence[str], runs: dict[str, dict[int, Run]], seeds: Sequence[int]) -> list[Runs]:
    """Return the triple of networks that is measured: those of three arms, or of fewer arms and as many seeds as needed."""
    places = [(arm, seed) for seed in seeds for arm in competitors]
    return [tuple(runs[arm][seed] for arm, seed in places[:3])] if len(places) > 2 else []


def _compared(setting: Setting, arms: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pairs of arms of a network that are compared."""
    return [pair for pair in combinations(arms, 2) if _belong(setting, *pair)]


def _belong(setting: Setting, one: str, other: str) -> bool:
    """Return whether two arms are compared: both are no controls, or one is a control of the other."""
    first, second = setting.plan.competitor(one), setting.plan.competitor(other)
    return (first.role == second.role == "arm") or first.of == other or second.of == one
