"""What a run would cost on this machine, from a few timed steps: the whole of ``harness plan``."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from harness.benchmark.arms import Competitor
from harness.benchmark.comparison import ComparisonRun
from harness.benchmark.plan import Setting
from harness.benchmark.sections import as_plain
from harness.console.progress import Reporter, counted, duration
from harness.data.places import cache_folder
from harness.errors import PluginError, disk
from harness.run import disk_space
from harness.run.after.probe_costs import late_probes, middle, planned_cells, probe_line
from harness.run.prepare import Request, prepare
from harness.run.search.budget import amount, expected
from harness.run.search.range_test import range_test_steps
from harness.run.workbench import Bench
from harness.training.device import contention, environment
from harness.verdict import protocol as protocols

if TYPE_CHECKING:
    from harness.training.parts import Parts

REPRESENTATION = protocols.PROBES["representation"]
SECONDS_PER_ARM = 2.0  # of timing, after a warm-up
SECONDS_PER_ASK = 0.02  # of Optuna on SQLite, measured over twenty trials of two parameters


def estimate(request: Request, reporter: Reporter) -> dict[str, Any]:
    """Return runs, seconds and bytes per arm and in all, and what the design can show; no run folder is written."""
    ready = prepare(request, reporter)
    setting = ready.setting
    busy = contention(setting.device)
    planned = planned_cells(setting)
    arms = [_arm(setting, competitor, planned) for competitor in setting.plan.competitors]
    folds = setting.plan.benchmark.compare.folds
    longest = max(arm["seconds_per_seed"] for arm in arms)  # nobody knows which arm will be best
    folder = request.out / setting.folder_name
    probes = late_probes(setting, planned)
    imported = ready.imported.arms if ready.imported else ()
    weights = {arm["arm"]: arm["weights"] for arm in arms if not arm["problem"]}
    needed = disk_space.room_of(
        setting, planned, weights, sum(a["trials"] for a in arms), sum(a["epochs"] for a in arms)
    )
    circle = {row["probe"]: row["groups"] for row in probes if row["fits"] < row["possible"]}.get(REPRESENTATION)
    return {
        "name": setting.plan.benchmark.name,
        "folder": str(folder),
        "exists": folder.is_dir(),
        "data": {"source": setting.data.source, "notice": setting.data.notice, "fingerprint": setting.data.fingerprint},
        "environment": environment(setting.device),
        "notes": ready.fairness.notes(),
        "busy": busy,
        "arms": arms,
        "probes": probes,
        "power": power(setting, imported, circle or None),
        "runs": sum(arm["runs"] for arm in arms) + folds,
        "seconds": sum(arm["seconds"] for arm in arms) + folds * longest + sum(probe["seconds"] for probe in probes),
        "bytes": needed.kept,
        "bytes_passing": needed.passing,
        "bytes_free": disk.free(folder),
        "bytes_cached": _cached(setting),
        "little_room": disk_space.warning(needed, folder),
    }


def power(setting: Setting, imported: Sequence[str] = (), circle: int | None = None) -> list[dict[str, Any]]:
    """Return for each network with two arms the probability that its claim is supported if its arms are identical.

    Of the representation only the pairs of seeds up to ``circle`` apart will be measured; all where it is None.
    """
    plan = setting.plan
    arms = [*(competitor.arm.name for competitor in plan.competitors), *imported]
    protocol = protocols.resolve(as_plain(plan.benchmark), arms, tuple(plan.task.metrics))
    convex = {competitor.arm.network: competitor.network.convex for competitor in plan.competitors}
    counts = Counter(arm.rsplit("/", 2)[0] for arm in arms)
    found = []
    for network, count in counts.items():
        if count < 2 or network not in convex:
            continue
        value = protocol.power(count, convex[network], circle)
        about = {"network": network, "arms": count, "seeds": protocol.seeds, "supported_if_identical": value}
        found.append({**about, "exploratory": value < protocols.EXPLORATORY})
    return found


def _arm(setting: Setting, competitor: Competitor, planned: Sequence[ComparisonRun]) -> dict[str, Any]:
    """Return what an arm comes to; one whose plugins fail costs nothing, and ``problem`` names the plugin and says why."""
    benchmark = competitor.benchmark
    mine = [cell for cell in planned if cell.of == competitor.arm.name]
    roles = Counter(cell.role for cell in mine)
    searches = benchmark.search.replicates + bool(roles["aa"])
    try:
        timing, problem = _time(setting, competitor), ""
    except PluginError as error:
        timing, problem = Timing(), str(error)
    trials, search_epochs = (0, 0.0) if problem else expected(competitor, searches, timing.step * timing.batches)
    epochs = 0.0 if problem else search_epochs + sum(cell.run.epochs for cell in mine)
    swept = timing.step * range_test_steps(competitor) if benchmark.search.lr_range_test else 0.0
    epoch = timing.step * timing.batches + timing.tune
    return {
        "arm": competitor.arm.name,
        "problem": problem,
        "unit": benchmark.search.unit,
        "budget": amount(benchmark.search, competitor),
        "searches": searches,
        "trials": trials,
        "seeds": benchmark.compare.seeds,
        "comparison": dict(roles),
        "runs": 0 if problem else trials * benchmark.search.seeds + len(mine),
        "epochs": epochs,
        "parameters": timing.parameters,
        "examples_per_second": timing.batch_size / timing.step if timing.step else 0.0,
        "seconds_per_seed": benchmark.compare.epochs * epoch,
        "seconds": trials * SECONDS_PER_ASK + swept + epochs * epoch + len(mine) * timing.scoring,
        "weights": timing.weights,
    }


def _cached(setting: Setting) -> int:
    """Return the bytes of the decoded images and of the features that the cache holds for these data."""
    every = [setting.data, *setting.features.values()]
    splits = [split for data in every for split in (data.train, data.tune, data.test)]
    return sum(split.inputs.nbytes for split in (*splits, *setting.mirrored.values()))


@dataclass(frozen=True)
class Timing:
    """What an arm was found to take; nothing for one that cannot be timed."""

    step: float = 0.0  # seconds, as are the next two
    tune: float = 0.0  # of one look at the tune split
    scoring: float = 0.0  # of the test split and the train split, at a comparison run's end
    batches: int = 0  # an epoch
    batch_size: int = 0
    parameters: int = 0
    weights: int = 0  # bytes


def _time(setting: Setting, competitor: Competitor) -> Timing:
    """Time some steps of an arm, one look at the tune split, one at the test split; its controls cost as much a run.

    Raises PluginError, naming the plugin, where one fails.
    """
    params = {name: middle(space) for name, space in competitor.space.items()}
    run = replace(setting.compare_run(competitor, params, seed=0), head_epochs=0)  # the costlier stage is timed
    parts = Bench(setting, lambda _: None).parts(run)
    step = _step_seconds(parts)
    tune = _seconds(partial(parts.predict, parts.use.tune))
    test = _seconds(partial(parts.predict, parts.use.test or parts.use.tune, exact=True))
    return Timing(
        step=step,
        tune=tune,
        scoring=test * (1 + len(parts.use.train) / len(setting.data.test)),
        batches=len(parts.batches),
        batch_size=parts.batches.batch_size,
        parameters=sum(p.numel() for p in parts.parameters),
        weights=sum(t.numel() * t.element_size() for t in parts.model.state_dict().values()),
    )


def _step_seconds(parts: Parts) -> float:
    """Return seconds per optimizer step, the median after a warm-up."""
    found: list[float] = []
    until = 0.0
    for _ in parts.resume(None, 1):
        for epoch in range(1, 10_000):
            for inputs, targets in parts.batches.of(epoch):
                with parts.clock:
                    parts.step(inputs, targets)
                found.append(parts.clock.seconds)
                until = until or time.monotonic() + SECONDS_PER_ARM
                if len(found) > 8 and time.monotonic() > until:
                    steps = sorted(b - a for a, b in pairwise(found[4:]))
                    return steps[len(steps) // 2]
    raise AssertionError("an epoch has at least one batch")


def _seconds(work: Any) -> float:
    work()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def lines(found: dict[str, Any]) -> list[str]:
    """Return the estimate for a person."""
    hardware = found["environment"]["hardware"]
    out = [
        f"{found['name']}: {counted(found['runs'], 'run')} on {hardware['device']} ({hardware['precision']}, {counted(hardware['threads'], 'thread')})"
    ]
    if found["busy"]:
        out.append(f"warning: {found['busy']}")
    out.append(f"data: {found['data']['source']}")
    for arm in found["arms"]:
        if arm["problem"]:
            out.append(f"  {arm['arm']}: cannot be estimated: {arm['problem']}")
            continue
        out.append(
            f"  {arm['arm']}: {_budget(arm)}, {counted(arm['seeds'], 'seed')}, about {arm['epochs']:.0f} epochs "
            f"at {arm['examples_per_second']:,.0f} examples/s: {duration(arm['seconds'])}, {arm['parameters']:,} parameters"
        )
        controls = [f"{count} {role}" for role, count in arm["comparison"].items() if role != "fresh"]
        out += [f"    beside its seeds: {', '.join(controls)}"] if controls else []
    out += [f"  {probe_line(probe)}" for probe in found["probes"]]
    out += [_power_line(each) for each in found["power"]]
    room_needed = f"{disk.size(found['bytes'])}, {disk.size(found['bytes_passing'])} more on the way,"
    whole = f"in all about {duration(found['seconds'])} and {room_needed} in {found['folder']}"
    whole += " (already begun)" if found["exists"] else ""
    failed = sum(bool(arm["problem"]) for arm in found["arms"])
    whole += f", without the {counted(failed, 'arm')} that cannot be estimated" if failed else ""
    out.append(f"  the cache holds {disk.size(found['bytes_cached'])} of these data, in {cache_folder()}")
    return [*out, whole, *([f"warning: {found['little_room']}"] if found["little_room"] else [])]


def _budget(arm: dict[str, Any]) -> str:
    trials = counted(arm["trials"], "trial")
    if arm["unit"] != "trials":
        trials = f"{arm['budget']:g} {arm['unit']} of search (about {trials})"
    return f"{trials} in {arm['searches']} searches" if arm["searches"] > 1 else trials


def _power_line(each: dict[str, Any]) -> str:
    about = f"{each['arms']} arms of {each['network']}, {counted(each['seeds'], 'seed')}"
    so = "; exploratory: more seeds would show more" if each["exploratory"] else ""
    return f"  power, {about}: P(supported if the arms are identical) at most {each['supported_if_identical']:.2f}{so}"
