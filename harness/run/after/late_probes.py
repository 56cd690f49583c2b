"""Late probes: what is measured on the solutions once the comparison is over, one by one, in pairs or in threes.

Each probe makes as many measurements as ``compare.probe_sizes`` asks for, all where it is not named there, and says
what they cost before the time is spent, from a few that are timed. Where the user has set a limit in seconds
(``compare.probe_budget``), it makes as many of them as fit. Whatever is left out, every arm and every seed is in as many
measurements as any other: the first seeds of all arms are measured, or the pairs of seeds that are the same distance
apart in a circle of all seeds. The choice is noted, so a run that goes on after a kill measures the same.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import accumulate, combinations, product
from typing import TYPE_CHECKING, Any

from harness.benchmark.comparison import ComparisonRun
from harness.benchmark.plan import Setting
from harness.console import interruption
from harness.console.progress import Reporter
from harness.console.safe_text import command_with
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Probe
from harness.plugin.process_settings import kept, note_line
from harness.plugin.runs import Run, digest
from harness.records import Store, schema
from harness.run.workbench import Bench
from harness.training.probing import network_kept, sorted_out

if TYPE_CHECKING:
    from harness.training.parts import Parts

TIMED = 3  # measurements of each network, the first of which warms up
MOST_PROBLEMS = 20  # that are kept of a probe
HELD = 2 * 10**9  # bytes of weights of networks that are held ready, at the most

UNITS = {
    1: ("network", "networks"),
    2: ("pair of networks", "pairs of networks"),
    3: ("triple of networks", "triples of networks"),
}  # what a measurement looks at, by its number of networks: one of them, and several
ROOM = 1.5  # a limit that is proposed leaves so much more room than the measurements are expected to need

Runs = tuple[Run, ...]


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


def measure_minima(setting: Setting, cells: Sequence[ComparisonRun], store: Store, reporter: Reporter) -> list[str]:
    """Carry out every late probe; return a line for each that failed. What a limit in seconds leaves out is no failure."""
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
    probe: Probe,
    setting: Setting,
    cells: Sequence[ComparisonRun],
    solutions: Solutions,
    store: Store,
    reporter: Reporter,
) -> list[str]:
    """Measure group by group, and under a limit in seconds as long as the next group will fit into what is left of it."""
    version = setting.plan.late_versions[probe.name][:16]
    work = work_of(probe, setting, cells)
    limit, key = limit_of(setting, probe)
    of = digest([[run.id for run in runs] for runs in work.all])
    about = (store.noted("probes") or {}).get(probe.name, {})
    same = (about.get("version"), about.get("of")) == (version, of)
    if not same or (about["asked"], about["budget"]) != (work.asked, limit):
        earlier = {name: about[name] if same else 0.0 for name in ("seconds", "seconds_each")}
        about = {
            "version": version, "of": of, "asked": work.asked, "budget": limit, "networks": probe.networks, "unit": work.unit,
            "possible": len(work.all), "groups": 0, "planned": 0, "done": 0, **earlier, "over": False, "subset": "",
            "left_out": "", "problems": [],
        }  # fmt: skip

    def note(**more: Any) -> None:
        about.update(more)
        store.note("probes", {**(store.noted("probes") or {}), probe.name: about})

    failed: set[tuple[str, str, str]] = set()  # in this call; the next one tries them again

    def measure(runs: Runs) -> float:
        start = time.perf_counter()
        work = " ".join(("probe", probe.name, *(run.id for run in runs)))
        if why := store.attempts.given_up(work):
            about["problems"][MOST_PROBLEMS - 1 :] = [f"{_who(runs)}: {why}"]
            failed.add(_key(runs))
            return 0.0
        with store.attempts.during(work, f"probe '{probe.name}' of {_who(runs)}"):
            measured = _measure(probe, version, runs, solutions, store, about["problems"])
        if not measured:
            failed.add(_key(runs))
        spent = time.perf_counter() - start
        note(seconds=about["seconds"] + spent)  # at once: a kill is not to buy a second budget
        return spent

    if not about["groups"] and not about["over"] and work.groups:
        before = store.measured(probe.name, version)
        if first := [runs for runs in work.groups[0] if _key(runs) not in before]:
            note(seconds_each=_price(first, measure))
        if any(_key(runs) not in before for runs in work.wanted):
            reporter.say(_cost_line(probe, work, about["seconds_each"], limit, key))
        if limit is None:
            note(groups=work.asked, planned=len(work.wanted))
    for number, group in enumerate(work.groups[: work.asked] if not about["over"] else ()):
        done = store.measured(probe.name, version) | failed
        todo = [runs for runs in group if _key(runs) not in done]
        if number >= about["groups"]:  # else it was begun before
            if limit is not None and todo and about["seconds"] + about["seconds_each"] * len(todo) > limit:
                break
            note(groups=number + 1, planned=len(work.first(number + 1)))
        spent, before_it = 0.0, len(work.first(number + 1)) - len(todo)
        for place, runs in enumerate(todo):
            interruption.check()
            spent += measure(runs)
            reporter.preparing(f"{probe.name}: {work.unit}", before_it + place + 1, about["planned"])
        if todo:
            note(seconds_each=spent / len(todo))
    planned = {_key(runs) for runs in work.first(about["groups"])}
    existing = store.measured(probe.name, version)
    if work.groups and not about["groups"]:  # priced, and not gone on with
        store.drop_measured(probe.name, version, existing & {_key(runs) for runs in work.groups[0]})
    note(over=True, done=len(planned & existing), subset=work.part(about["groups"]))
    note(left_out=_left_out(probe, work, about, key, store.noted("command") or ()))
    if about["left_out"]:
        reporter.say(about["left_out"], style="yellow")
    return [f"probe '{probe.name}' failed: {why}" for why in about["problems"][:1]]


def limit_of(setting: Setting, probe: Probe) -> tuple[float | None, str]:
    """Return the limit in seconds that the user has set for a late probe, None for none, and the key that sets it."""
    compare = setting.plan.benchmark.compare
    if probe.name in compare.probe_budgets:
        return compare.probe_budgets[probe.name], f"compare.probe_budgets.{probe.name}"
    return compare.probe_budget, "compare.probe_budget"


def _left_out(probe: Probe, work: Work, about: Mapping[str, Any], key: str, command: Sequence[str]) -> str:
    """Return a sentence on what the limit in seconds has left out, with the command that adds it; "" for nothing."""
    lacking = len(work.wanted) - about["planned"]
    if about["budget"] is None or lacking <= 0:
        return ""
    remedy = command_with(command, *more_seconds(probe, about["seconds"] + about["seconds_each"] * lacking))
    limit = f"{key} is {seconds_allowed(about['budget'])}"
    if not about["groups"]:
        least = len(work.groups[0])
        needed = seconds_needed(about["seconds_each"] * least)
        return (
            f"probe {probe.name} was left out: {work.count(least)}, the fewest that treat all arms alike, "
            f"take about {needed}, and {limit}; to measure them: {remedy}"
        )
    return (
        f"probe {probe.name}: only {work.part(about['groups'])}, because {limit}; to measure the "
        f"{work.count(lacking)} that are missing: {remedy}"
    )


def more_seconds(probe: Probe, needed: float) -> tuple[str, int]:
    """Return the key and the value of a limit under which a probe that needs so many seconds is measured whole."""
    seconds = max(ROOM * needed, 10.0)
    tens = 10 ** (math.floor(math.log10(seconds)) - 1)  # two digits are enough
    return f"compare.probe_budgets.{probe.name}", math.ceil(seconds / tens) * tens


def seconds_needed(seconds: float) -> str:
    """Return seconds in words, rounded up, so that what needs more than a limit never reads like the limit."""
    return f"{math.ceil(seconds):,} s" if seconds >= 10 else f"{math.ceil(10 * seconds) / 10:g} s"


def seconds_allowed(seconds: float) -> str:
    """Return a limit in seconds as the user has set it."""
    return f"{seconds:,.10g} s"


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
    from harness.training.batches import mix, seed_all

    parts = [solutions.parts(run) for run in runs]
    who = f"probe '{probe.name}'"
    try:
        with Boundary("probe", probe.name, "measure", everything=True), ExitStack() as around:
            seed_all(mix(*(run.order_seed for run in runs)))
            for one in parts:
                around.enter_context(network_kept(one.model, who, note_line))
            around.enter_context(kept(who))
            measured = probe.measure(*parts, **probe.options)
            numbers, arrays = sorted_out(measured)
    except PluginFailed as error:
        problems[MOST_PROBLEMS - 1 :] = [f"{_who(runs)}: {error.why}"]
        return False
    store.add_measured(probe.name, version, [run.id for run in runs], numbers, arrays)
    return True


def _who(runs: Runs) -> str:
    return " and ".join(f"{run.arm.name} seed {run.init_seed}" for run in runs)


def _key(runs: Runs) -> tuple[str, str, str]:
    one, other, third = ([run.id for run in runs] + ["", ""])[:3]
    return one, other, third


def _cost_line(probe: Probe, work: Work, each: float, limit: float | None, key: str) -> str:
    count = len(work.wanted)
    line = f"probe {probe.name}: {work.count(count)} at about {each:.2g} s, {seconds_needed(count * each)} in all"
    fits = limit is None or count * each <= limit
    return line if fits else f"{line}; as many of them as fit into {key}, {seconds_allowed(limit or 0)}"


# --- what there is to measure --------------------------------------------------------------------------------


def work_of(probe: Probe, setting: Setting, cells: Sequence[ComparisonRun]) -> Work:
    """Return what a probe can measure on the networks of these cells, the runs that ended well, and what of it is asked.

    Arms are compared where they share a network; a control is compared with the arm that it belongs to. Of the arms
    only the seeds count that every arm of their network has; a control that lost some takes nothing from them.
    """
    runs = _by_arm(cells)
    groups: list[list[Runs]] = []
    for arms in _of_one_network(setting, runs):
        own = [arm for arm in arms if setting.plan.competitor(arm).role == "arm"]
        shared = sorted(set.intersection(*(set(runs[arm]) for arm in own))) if own else []
        _merge(groups, list(_groups(probe.networks, setting, arms, runs, shared)))
    size = setting.plan.benchmark.compare.probe_sizes.get(probe.name)
    return Work(groups, probe.networks, len(groups) if size is None else _asked(groups, size))


def _asked(groups: Sequence[Sequence[Runs]], size: int) -> int:
    """Return how many first groups have at most so many measurements in all; the first one at the least."""
    totals = accumulate(len(group) for group in groups)
    return min(len(groups), max(1, sum(total <= size for total in totals)))


def _by_arm(cells: Sequence[ComparisonRun]) -> dict[str, dict[int, Run]]:
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
