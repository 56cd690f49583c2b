"""``harness plan FILE.toml``: what a run would cost on this machine, from a few timed steps."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from harness.cli.options import (
    AsJson,
    BenchmarkFile,
    Blocked,
    DataFolder,
    NoReuse,
    Overrides,
    PluginFiles,
    Profile,
    Reuse,
    RunsFolder,
    print_result,
)
from harness.console.numbers import counted, duration
from harness.errors import PluginError, disk

if TYPE_CHECKING:
    from harness.benchmark.arms import Competitor
    from harness.benchmark.comparison import ComparisonRun
    from harness.benchmark.plan import Setting
    from harness.console.progress import Reporter
    from harness.run.prepare import Request
    from harness.training.parts import Parts

SECONDS_PER_ARM = 2.0  # of timing, after a warm-up
SECONDS_PER_ASK = 0.02  # of Optuna on SQLite, measured over twenty trials of two parameters


def command(
    file: BenchmarkFile,
    profile: Profile = None,
    data: DataFolder = None,
    out: RunsFolder = Path("runs"),
    plugin: PluginFiles = None,
    block: Blocked = None,
    set_: Overrides = None,
    reuse: Reuse = None,
    no_reuse: NoReuse = False,
    as_json: AsJson = False,
) -> None:
    """Say what a run would do, how long it would take here and how much disk, before anything is spent."""
    from harness.console.progress import Reporter
    from harness.run.prepare import Request

    request = Request(
        file,
        profile,
        data,
        out,
        tuple(plugin or ()),
        tuple(block or ()),
        tuple(set_ or ()),
        reuse=reuse,
        no_reuse=no_reuse,
    )
    document = estimate(request, Reporter(quiet=as_json))
    print_result(document, lines(document), as_json)
    raise typer.Exit(1 if any(arm["problem"] for arm in document["arms"]) else 0)


def estimate(request: Request, reporter: Reporter) -> dict[str, Any]:
    """Return runs, seconds and bytes per arm and in all, and what the design can show; no run folder is written."""
    from harness.run import disk_space
    from harness.run.after.probe_costs import planned_cells, probe_costs
    from harness.run.prepare import prepare
    from harness.run.reuse import earlier_runs, foreseen, reusable_folders
    from harness.training.device import contention, environment

    run_folders = reusable_folders(request.out, request.reuse, request.no_reuse)
    setting = prepare(request, reporter)
    benchmark = setting.plan.benchmark
    busy = contention(setting.device)
    planned = planned_cells(setting)
    arms = [_estimate_arm(setting, competitor, planned) for competitor in setting.plan.competitors]
    folds, longest = (
        benchmark.compare.folds,
        max(arm["seconds_per_seed"] for arm in arms),
    )  # the best arm is not known yet
    probes = probe_costs(setting, planned)
    weights = {arm["arm"]: arm["weights"] for arm in arms if not arm["problem"]}
    trials, epochs = sum(arm["trials"] for arm in arms), sum(arm["epochs"] for arm in arms)
    room = disk_space.room_of(setting, planned, weights, trials, epochs)
    folder = request.out / setting.folder_name
    imported = setting.imported.arms if setting.imported else ()
    return {
        "name": benchmark.name,
        "folder": str(folder),
        "exists": folder.is_dir(),
        "data": {"source": setting.data.source, "notice": setting.data.notice, "fingerprint": setting.data.fingerprint},
        "environment": environment(setting.device),
        "notes": setting.fairness.notes(),
        "busy": busy,
        "arms": arms,
        "probes": probes,
        "power": power(setting, imported, _pairs_circle(probes)),
        "runs": sum(arm["runs"] for arm in arms) + folds,
        "taken": foreseen(setting, earlier_runs(setting, folder, run_folders)),
        "seconds": sum(arm["seconds"] for arm in arms) + folds * longest + sum(probe["seconds"] for probe in probes),
        "bytes": room.kept,
        "bytes_passing": room.passing,
        "bytes_free": disk.free(folder),
        "bytes_cached": _cached_bytes(setting),
        "little_room": disk_space.warning(room, folder),
    }


def _pairs_circle(probes: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the largest distance of two seeds whose representations are compared; None where time allows all pairs."""
    from harness.verdict.protocol import PROBES

    circles = {probe["probe"]: probe["groups"] for probe in probes if probe["fits"] < probe["possible"]}
    return circles.get(PROBES["representation"]) or None


def power(setting: Setting, imported: Sequence[str] = (), circle: int | None = None) -> list[dict[str, Any]]:
    """Return for each network with two arms the probability that its claim is supported if its arms are identical.

    Of the representation only the pairs of seeds up to ``circle`` apart will be measured; all where it is None.
    """
    from harness.benchmark.sections import as_plain
    from harness.plugin.runs import split_arm_name
    from harness.verdict import protocol as protocols

    plan = setting.plan
    arms = [*(competitor.name for competitor in plan.competitors), *imported]
    protocol = protocols.resolve(as_plain(plan.benchmark), arms, tuple(plan.task.metrics))
    convex = {competitor.arm.network: competitor.network.convex for competitor in plan.competitors}
    rows = []
    for network, count in Counter(split_arm_name(arm).network for arm in arms).items():
        if count < 2 or network not in convex:
            continue
        probability = protocol.power(count, convex[network], circle)
        rows.append(
            {
                "network": network,
                "arms": count,
                "seeds": protocol.seeds,
                "supported_if_identical": probability,
                "exploratory": probability < protocols.EXPLORATORY,
            }
        )
    return rows


def _estimate_arm(setting: Setting, competitor: Competitor, planned: Sequence[ComparisonRun]) -> dict[str, Any]:
    """Return the cost of an arm; an arm whose plugins fail costs nothing, and its ``problem`` names the plugin and the reason."""
    from harness.run.search.budget import amount, expected
    from harness.run.search.range_test import range_test_steps

    benchmark = competitor.benchmark
    comparison = [planned_run for planned_run in planned if planned_run.of == competitor.name]
    roles = Counter(planned_run.role for planned_run in comparison)
    searches = benchmark.search.replicates + bool(roles["aa"])
    try:
        timing, problem = _time_arm(setting, competitor), ""
    except PluginError as error:
        timing, problem = Timing(), str(error)
    trials, search_epochs = (0, 0.0) if problem else expected(competitor, searches, timing.step * timing.batches)
    epochs = 0.0 if problem else search_epochs + sum(planned_run.run.epochs for planned_run in comparison)
    range_test = timing.step * range_test_steps(competitor) if benchmark.search.lr_range_test else 0.0
    epoch = timing.step * timing.batches + timing.tune
    return {
        "arm": competitor.name,
        "problem": problem,
        "unit": benchmark.search.unit,
        "budget": amount(benchmark.search, competitor),
        "searches": searches,
        "trials": trials,
        "seeds": benchmark.compare.seeds,
        "comparison": dict(roles),
        "runs": 0 if problem else trials * benchmark.search.seeds + len(comparison),
        "epochs": epochs,
        "parameters": timing.parameters,
        "examples_per_second": timing.batch_size / timing.step if timing.step else 0.0,
        "seconds_per_seed": benchmark.compare.epochs * epoch,
        "seconds": trials * SECONDS_PER_ASK + range_test + epochs * epoch + len(comparison) * timing.scoring,
        "weights": timing.weights,
    }


def _cached_bytes(setting: Setting) -> int:
    """Return the bytes of the decoded images and of the features that the cache holds for these data."""
    splits = list(setting.mirrored.values())
    for data in (setting.data, *setting.features.values()):
        splits += [data.train, data.tune, data.test]
    return sum(split.inputs.nbytes for split in splits)


@dataclass(frozen=True)
class Timing:
    """Measured times and sizes of an arm; all 0 for one that cannot be timed."""

    step: float = 0.0  # seconds, as are the next two
    tune: float = 0.0  # of one look at the tune split
    scoring: float = 0.0  # of the test split and the train split, at a comparison run's end
    batches: int = 0  # an epoch
    batch_size: int = 0
    parameters: int = 0
    weights: int = 0  # bytes


def _time_arm(setting: Setting, competitor: Competitor) -> Timing:
    """Time some steps of an arm, one look at the tune split, one at the test split; its controls cost as much a run.

    Raises PluginError, naming the plugin, where one fails.
    """
    from harness.run.after.probe_costs import middle
    from harness.run.workbench import Bench

    params = {name: middle(space) for name, space in competitor.space.items()}
    run = replace(setting.compare_run(competitor, params, seed=0), head_epochs=0)  # the costlier stage is timed
    parts = Bench(setting, lambda _: None).parts(run)
    step = _step_seconds(parts)
    tune = _seconds(partial(parts.predict, parts.ingredients.tune))
    test = _seconds(partial(parts.predict, parts.ingredients.test or parts.ingredients.tune, exact=True))
    return Timing(
        step=step,
        tune=tune,
        scoring=test * (1 + len(parts.ingredients.train) / len(setting.data.test)),
        batches=len(parts.batches),
        batch_size=parts.batches.batch_size,
        parameters=sum(parameter.numel() for parameter in parts.parameters),
        weights=sum(tensor.numel() * tensor.element_size() for tensor in parts.model.state_dict().values()),
    )


def _step_seconds(parts: Parts) -> float:
    """Return seconds per optimizer step, the median after a warm-up."""
    moments: list[float] = []  # seconds of training at each step's end
    until = 0.0
    for _ in parts.resume(None, 1):
        for epoch in range(1, 10_000):
            for inputs, targets in parts.batches.of(epoch):
                with parts.clock:
                    parts.step(inputs, targets)
                moments.append(parts.clock.seconds)
                until = until or time.monotonic() + SECONDS_PER_ARM
                if len(moments) > 8 and time.monotonic() > until:
                    steps = sorted(later - earlier for earlier, later in pairwise(moments[4:]))
                    return steps[len(steps) // 2]
    raise AssertionError("an epoch has at least one batch")


def _seconds(work: Callable[[], object]) -> float:
    """Return the seconds that a piece of work takes, when it is done for the second time."""
    work()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def lines(document: Mapping[str, Any]) -> list[str]:
    """Return the estimate for a person."""
    from harness.data.places import cache_folder
    from harness.run.after.probe_costs import probe_line

    hardware = document["environment"]["hardware"]
    machine = f"{hardware['device']} ({hardware['precision']}, {counted(hardware['threads'], 'thread')})"
    out = [f"{document['name']}: {counted(document['runs'], 'run')} on {machine}"]
    if document["busy"]:
        out.append(f"warning: {document['busy']}")
    out.append(f"data: {document['data']['source']}")
    for run_folder, number in document["taken"].items():
        out.append(f"  up to {counted(number, 'run')} will be taken from {run_folder}, where they were trained before")
    for arm in document["arms"]:
        out += _arm_lines(arm)
    out += [f"  {probe_line(probe)}" for probe in document["probes"]]
    out += [_power_line(row) for row in document["power"]]
    out.append(f"  the cache holds {disk.size(document['bytes_cached'])} of these data, in {cache_folder()}")
    out.append(_total_line(document))
    return [*out, *([f"warning: {document['little_room']}"] if document["little_room"] else [])]


def _arm_lines(arm: Mapping[str, Any]) -> list[str]:
    if arm["problem"]:
        return [f"  {arm['arm']}: cannot be estimated: {arm['problem']}"]
    line = (
        f"  {arm['arm']}: {_budget(arm)}, {counted(arm['seeds'], 'seed')}, about {arm['epochs']:.0f} epochs "
        f"at {arm['examples_per_second']:,.0f} examples/s: {duration(arm['seconds'])}, {arm['parameters']:,} parameters"
    )
    controls = [f"{count} {role}" for role, count in arm["comparison"].items() if role != "fresh"]
    return [line, *([f"    beside its seeds: {', '.join(controls)}"] if controls else [])]


def _budget(arm: Mapping[str, Any]) -> str:
    trials = counted(arm["trials"], "trial")
    if arm["unit"] != "trials":
        trials = f"{arm['budget']:g} {arm['unit']} of search (about {trials})"
    return f"{trials} in {arm['searches']} searches" if arm["searches"] > 1 else trials


def _power_line(row: Mapping[str, Any]) -> str:
    design = f"{row['arms']} arms of {row['network']}, {counted(row['seeds'], 'seed')}"
    remark = "; exploratory: more seeds would show more" if row["exploratory"] else ""
    probability = f"P(supported if the arms are identical) at most {row['supported_if_identical']:.2f}"
    return f"  power, {design}: {probability}{remark}"


def _total_line(document: Mapping[str, Any]) -> str:
    room = f"{disk.size(document['bytes'])}, {disk.size(document['bytes_passing'])} more on the way,"
    line = f"in all about {duration(document['seconds'])} and {room} in {document['folder']}"
    line += " (already begun)" if document["exists"] else ""
    failed = sum(bool(arm["problem"]) for arm in document["arms"])
    return line + (f", without the {counted(failed, 'arm')} that cannot be estimated" if failed else "")
