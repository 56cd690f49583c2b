"""What a probe can measure: groups of networks, pairs or triples, each of which treats all arms and seeds alike.

A probe that is not costly measures every solution of the arms and of the controls that were tuned. A costly one makes as many measurements as ``compare.probe_sizes`` asks for, all where it is not named there. The
first seeds of all arms are measured, or the pairs of seeds that are the same distance apart in a circle of all seeds: so
every arm and every seed is in as many measurements as any other, whatever is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations, product

from harness.benchmark.comparison import ComparisonRun
from harness.benchmark.plan import Setting
from harness.plugin.contracts import Probe
from harness.plugin.runs import Run
from harness.run.after.measuring import Runs

UNITS = {
    1: ("network", "networks"),
    2: ("pair of networks", "pairs of networks"),
    3: ("triple of networks", "triples of networks"),
}  # what a measurement looks at, by its number of networks: one of them, and several
COMPARED = ("fresh", "aa", "different")  # the roles of the runs whose networks are compared


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
        seeds = "seed" if groups == 1 else f"{groups} seeds"
        which = f"of every arm the first {seeds}" if self.networks == 1 else f"every seed paired with the next {seeds}"
        how = f": {which}" if groups else ""
        return f"{len(self.first(groups))} of {self.count(len(self.all))}{how}"


def work_of(probe: Probe, setting: Setting, cells: Sequence[ComparisonRun]) -> Work:
    """Return what a probe can measure on the networks of these runs, which ended well, and what of it is asked.

    A costly probe compares arms that share a network, and a control with the arm that it belongs to. Only the seeds count
    that every arm of a network has; a control that lost some takes nothing from the arms.
    """
    if not probe.costly:
        every = _every_solution(cells)
        return Work(every, 1, len(every))
    runs = _by_arm(cells)
    groups: list[list[Runs]] = []
    for arms in _of_one_network(setting, runs):
        competitors = [arm for arm in arms if setting.plan.competitor(arm).role == "arm"]
        shared = sorted(set.intersection(*(set(runs[arm]) for arm in competitors))) if competitors else []
        _merge(groups, list(_groups(probe.networks, setting, arms, runs, shared)))
    size = setting.plan.benchmark.compare.probe_sizes.get(probe.name)
    return Work(groups, probe.networks, len(groups) if size is None else _asked(groups, size))


def _every_solution(cells: Sequence[ComparisonRun]) -> list[list[Runs]]:
    """Return every solution of the arms and of the tuned controls, a group a seed."""
    runs = {cell.run.id: cell.run for cell in cells if cell.role in COMPARED}
    by_seed: dict[int, list[Runs]] = {}
    for run in runs.values():
        by_seed.setdefault(run.init_seed, []).append((run,))
    return [by_seed[seed] for seed in sorted(by_seed)]


def _asked(groups: Sequence[Sequence[Runs]], size: int) -> int:
    """Return how many first groups have at most so many measurements in all; the first one at the least."""
    totals = accumulate(len(group) for group in groups)
    return min(len(groups), max(1, sum(total <= size for total in totals)))


def _by_arm(cells: Sequence[ComparisonRun]) -> dict[str, dict[int, Run]]:
    found: dict[str, dict[int, Run]] = {}
    for cell in cells:
        if cell.role in COMPARED:
            found.setdefault(cell.run.arm.name, {})[cell.run.init_seed] = cell.run
    return found


def _of_one_network(setting: Setting, runs: dict[str, dict[int, Run]]) -> Iterator[list[str]]:
    plan = setting.plan
    every = [c for c in (*plan.competitors, *plan.imported, *plan.controls) if c.name in runs]
    for network in dict.fromkeys(c.arm.network for c in every):
        yield [c.name for c in every if c.arm.network == network]


def _groups(
    networks: int, setting: Setting, arms: Sequence[str], runs: dict[str, dict[int, Run]], seeds: Sequence[int]
) -> Iterator[list[Runs]]:
    """Yield groups of measurements, each alike for all arms and seeds, the first the most wanted."""
    competitors = [arm for arm in arms if setting.plan.competitor(arm).role == "arm"]
    if networks == 1:
        for seed in seeds:
            yield [(runs[arm][seed],) for arm in arms if seed in runs[arm]]
    elif networks == 2:
        compared = [pair for pair in combinations(arms, 2) if _belong(setting, *pair)]
        for apart in range(1, len(seeds) // 2 + 1):
            circle = {tuple(sorted((s, (s + apart) % len(seeds)))) for s in range(len(seeds))}
            pairs = [(seeds[s], seeds[t]) for s, t in sorted(circle)]
            ends = [
                *(((arm, s), (arm, t)) for (s, t), arm in product(pairs, arms)),
                *(((a, s), (b, t)) for (s, t), (a, b) in product(pairs, compared)),
                *(((a, t), (b, s)) for (s, t), (a, b) in product(pairs, compared)),
            ]
            yield [
                (runs[a][s], runs[b][t])
                for (a, s), (b, t) in ends
                if all(seed in runs[arm] for arm in (a, b) for seed in (s, t))  # of a control that lost one
            ]
    elif len(competitors) > 2 and seeds:
        yield [tuple(runs[arm][seeds[0]] for arm in competitors[:3])]
    elif len(seeds) > 1:
        places = [
            (competitors[0], seeds[0]),
            (competitors[-1], seeds[0] if len(competitors) > 1 else seeds[-1]),
            (competitors[0], seeds[1]),
        ]
        if len({(arm, seed) for arm, seed in places}) == 3:
            yield [tuple(runs[arm][seed] for arm, seed in places)]


def _belong(setting: Setting, one: str, other: str) -> bool:
    """Return whether two arms are compared: both are no controls, or one is a control of the other."""
    first, second = setting.plan.competitor(one), setting.plan.competitor(other)
    return (first.role == second.role == "arm") or first.of == other or second.of == one


def _merge(groups: list[list[Runs]], more: list[list[Runs]]) -> None:
    """Add one network's groups to those of the others, place by place."""
    for place, group in enumerate(more):
        if place < len(groups):
            groups[place] += group
        else:
            groups.append(list(group))
