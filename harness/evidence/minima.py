"""Late probes: what is measured on the solutions once the comparison is over, one by one, in pairs or in threes.

Each probe says what it costs before it is spent, from a few that are timed, and makes as many measurements as fit in
``compare.probe_budget``. What is left out is chosen so that every arm and every seed is in as many measurements as any
other: the first seeds of all arms, or the pairs of seeds that are the same distance apart in a circle of all seeds. The
choice is noted, so a run that goes on after a kill measures what it would have measured.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

from harness import interruption
from harness.comparison import Cell
from harness.contracts import Probe
from harness.errors import one_line
from harness.plan import Setting
from harness.progress import Reporter, duration
from harness.records import Store, schema
from harness.runs import Run, digest
from harness.training.probing import sorted_out
from harness.workbench import Bench

if TYPE_CHECKING:
    from harness.training.parts import Parts

TIMED = 3  # measurements of each network, the first of which warms up
MOST_PROBLEMS = 20  # that are kept of a probe
HELD = 2 * 10**9  # bytes of weights of networks that are held ready, at the most

Runs = tuple[Run, ...]


@dataclass(frozen=True)
class Work:
    """What a probe could measure: groups of measurements, each of which treats all arms and seeds alike."""

    groups: Sequence[Sequence[Runs]]
    unit: str  # what a measurement looks at

    @property
    def all(self) -> list[Runs]:
        """Every measurement, group by group."""
        return [runs for group in self.groups for runs in group]


@dataclass
class Solutions:
    """The networks that were trained, ready to be measured; those used last are held."""

    bench: Bench
    _held: OrderedDict[str, tuple[Parts, int]] = field(default_factory=OrderedDict)

    def parts(self, run: Run) -> Parts:
        """Return a run's parts, its network with the final weights and in evaluation mode."""
        if run.id not in self._held:
            parts = self.bench.solved(run)
            size = sum(t.numel() * t.element_size() for t in parts.model.state_dict().values())
            self._held[run.id] = (parts, size)
            while len(self._held) > 3 and sum(size for _, size in self._held.values()) > HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(run.id)
        return self._held[run.id][0]


def measure_minima(setting: Setting, cells: Sequence[Cell], store: Store, reporter: Reporter) -> list[str]:
    """Carry out every late probe; return a line for each that failed or did not fit."""
    ended = [cell for cell in cells if (store.run(cell.run.id) or {}).get("state") == schema.DONE]
    lines = []
    for probe in setting.plan.late_probes:
        solutions = Solutions(Bench(setting, store.state, store.solution))  # a probe's own notes go with it
        lines += _carry_out(probe, setting, ended, solutions, store, reporter)
    names = {probe.name for probe in setting.plan.late_probes}
    noted = store.noted("probes") or {}
    store.note("probes", {name: about for name, about in noted.items() if name in names})
    return lines


def _carry_out(
    probe: Probe, setting: Setting, cells: Sequence[Cell], solutions: Solutions, store: Store, reporter: Reporter
) -> list[str]:
    """Measure group by group, as long as the next one will fit into what is left of the budget."""
    version = setting.plan.late_versions[probe.name][:16]
    work = work_of(probe, setting, cells)
    compare = setting.plan.benchmark.compare
    budget = compare.probe_budgets.get(probe.name, compare.probe_budget)
    of = digest([[run.id for run in runs] for runs in work.all])
    about = (store.noted("probes") or {}).get(probe.name, {})
    if (about.get("version"), about.get("of"), about.get("budget")) != (version, of, budget):
        about = {
            "version": version, "of": of, "budget": budget, "networks": probe.networks, "unit": work.unit,
            "possible": len(work.all), "groups": 0, "planned": 0, "done": 0, "seconds": 0.0, "seconds_each": 0.0,
            "over": False, "subset": "", "problems": [],
        }  # fmt: skip

    def note(**more: Any) -> None:
        about.update(more)
        store.note("probes", {**(store.noted("probes") or {}), probe.name: about})

    failed: set[tuple[str, str, str]] = set()  # in this call; the next one tries them again

    def measure(runs: Runs) -> float:
        start = time.perf_counter()
        if not _measure(probe, version, runs, solutions, store, about["problems"]):
            failed.add(_key(runs))
        spent = time.perf_counter() - start
        note(seconds=about["seconds"] + spent)  # at once: a kill is not to buy a second budget
        return spent

    if not about["groups"] and not about["over"] and work.groups:
        before = store.measured(probe.name, version)
        each = _price([runs for runs in work.groups[0] if _key(runs) not in before], measure)
        note(seconds_each=each)
        reporter.say(_cost_line(probe, work, each, budget))
    for number, group in enumerate(work.groups if not about["over"] else ()):
        done = store.measured(probe.name, version) | failed
        todo = [runs for runs in group if _key(runs) not in done]
        if number >= about["groups"]:  # else it was begun before
            if todo and about["seconds"] + about["seconds_each"] * len(todo) > budget:
                break
            note(groups=number + 1, planned=sum(len(each) for each in work.groups[: number + 1]))
        spent = 0.0
        for place, runs in enumerate(todo):
            interruption.check()
            spent += measure(runs)
            reporter.preparing(f"{probe.name}: {work.unit}", about["planned"] - len(todo) + place + 1, about["planned"])
        if todo:
            note(seconds_each=spent / len(todo))
    planned = {_key(runs) for runs in work.all[: about["planned"]]}
    there = store.measured(probe.name, version)
    if work.groups and not about["groups"]:  # priced, and not gone on with
        store.drop_measured(probe.name, version, there & {_key(runs) for runs in work.groups[0]})
    note(over=True, done=len(planned & there), subset=_subset(probe, work, about["groups"]))
    lines = [f"probe '{probe.name}' failed: {why}" for why in about["problems"][:1]]
    if work.groups and not about["groups"]:
        least = duration(len(work.groups[0]) * about["seconds_each"])
        lines.append(
            f"probe '{probe.name}' was left out: the least that treats all arms alike takes {least}, "
            f"compare.probe_budget is {duration(budget)}"
        )
    elif about["subset"]:
        reporter.say(f"probe {probe.name}: {about['subset']}", style="yellow")
    return lines


def _price(group: Sequence[Runs], measure: Callable[[Runs], float]) -> float:
    """Return what a measurement of the group costs in the mean over its networks, each timed after a warm-up."""
    if not group:
        return 0.0
    prices = []
    for network in dict.fromkeys(runs[0].arm.network for runs in group):
        mine = [runs for runs in group if runs[0].arm.network == network]
        timed = [measure(runs) for runs in mine[:TIMED]]
        prices.append((min(timed[1:] or timed), len(mine)))
    return sum(price * count for price, count in prices) / sum(count for _, count in prices)


def _measure(probe: Probe, version: str, runs: Runs, solutions: Solutions, store: Store, problems: list[str]) -> bool:
    """Measure these networks and enter what was found; return False, and say why, where that failed."""
    parts = [solutions.parts(run) for run in runs]
    before = [{name: each.detach().clone() for name, each in one.model.state_dict().items()} for one in parts]
    try:
        numbers, arrays = sorted_out(probe.measure(*parts, **probe.options))
    except Exception as error:  # a probe may raise anything
        who = " and ".join(f"{run.arm.name} seed {run.init_seed}" for run in runs)
        problems[MOST_PROBLEMS - 1 :] = [f"{who}: {one_line(error)}"]
        for one, weights in zip(parts, before, strict=True):
            one.model.load_state_dict(weights)  # it may have raised in the middle of a change
        return False
    store.add_measured(probe.name, version, [run.id for run in runs], numbers, arrays)
    return True


def _key(runs: Runs) -> tuple[str, str, str]:
    one, other, third = ([run.id for run in runs] + ["", ""])[:3]
    return one, other, third


def _subset(probe: Probe, work: Work, groups: int) -> str:
    """Return in words what is measured where not all is; "" where it is."""
    if groups == len(work.groups):
        return ""
    kept = sum(len(group) for group in work.groups[:groups])
    how = f"the first {groups} seeds of every arm" if probe.networks == 1 else f"seeds up to {groups} apart in a circle"
    return f"{kept} of {len(work.all)} {work.unit}: {how}"


def _cost_line(probe: Probe, work: Work, each: float, budget: float) -> str:
    every = len(work.all)
    line = f"probe {probe.name}: {every} {work.unit} at about {each:.2g} s, {duration(every * each)}"
    return line if every * each <= budget else f"{line}; as many as fit into compare.probe_budget, {duration(budget)}"


# --- what there is to measure --------------------------------------------------------------------------------


def work_of(probe: Probe, setting: Setting, cells: Sequence[Cell]) -> Work:
    """Return what a probe can measure on the networks of these cells, the runs that ended well.

    Arms are compared where they share a network; a control is compared with the arm that it belongs to. Of the arms
    only the seeds count that every arm of their network has; a control that lost some takes nothing from them.
    """
    runs = _by_arm(cells)
    groups: list[list[Runs]] = []
    for arms in _of_one_network(setting, runs):
        own = [arm for arm in arms if setting.plan.competitor(arm).role == "arm"]
        shared = sorted(set.intersection(*(set(runs[arm]) for arm in own))) if own else []
        _merge(groups, list(_groups(probe.networks, setting, arms, runs, shared)))
    units = {1: "networks", 2: "pairs of networks", 3: "threes of networks"}
    return Work(groups, units[probe.networks])


def _by_arm(cells: Sequence[Cell]) -> dict[str, dict[int, Run]]:
    found: dict[str, dict[int, Run]] = {}
    for cell in cells:
        if cell.role in ("fresh", "aa", "different"):
            found.setdefault(cell.run.arm.name, {})[cell.run.init_seed] = cell.run
    return found


def _of_one_network(setting: Setting, runs: dict[str, dict[int, Run]]) -> Iterator[list[str]]:
    plan = setting.plan
    every = [c for c in (*plan.competitors, *plan.imported, *plan.controls) if c.arm.name in runs]
    for network in dict.fromkeys(c.arm.network for c in every):
        yield [c.arm.name for c in every if c.arm.network == network]


def _groups(
    networks: int, setting: Setting, arms: Sequence[str], runs: dict[str, dict[int, Run]], seeds: Sequence[int]
) -> Iterator[list[Runs]]:
    """Yield groups of measurements, each alike for all arms and seeds, the first the most wanted."""
    own = [arm for arm in arms if setting.plan.competitor(arm).role == "arm"]
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
    elif len(own) > 2 and seeds:
        yield [tuple(runs[arm][seeds[0]] for arm in own[:3])]
    elif len(seeds) > 1:
        places = [(own[0], seeds[0]), (own[-1], seeds[0] if len(own) > 1 else seeds[-1]), (own[0], seeds[1])]
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
