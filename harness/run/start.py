"""A whole benchmark: plan, search, comparison and report; the same call again goes on where it was left."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from harness.benchmark import sections
from harness.benchmark.arms import describe_space
from harness.console.progress import Reporter, counted
from harness.console.safe_text import impersonal
from harness.errors import printable
from harness.plugin.contracts import Data, Results
from harness.plugin.process_settings import take_notes
from harness.plugin.registry import Registry
from harness.records import Store, schema
from harness.records.checked import save_arrays
from harness.records.files import check_out_folder
from harness.results.reports import Written, write_reports
from harness.run.after.collect import collect
from harness.run.after.photos import name_examples
from harness.run.after.probe_costs import foretell
from harness.run.baseline import bring_in
from harness.run.disk_space import naming_need, room_for, warning
from harness.run.driver import Driver
from harness.run.prepare import Ready, Request, cut_of, prepare
from harness.run.search.centring import centre
from harness.run.search.extension import ROUNDS, extend, extended
from harness.training import device
from harness.training.constant import constant_scores


def run(
    request: Request,
    reporter: Reporter,
    command: Sequence[str] = (),
    closing: Callable[[Results, Registry, float], Sequence[str]] | None = None,
) -> int:
    """Carry out a benchmark and write its reports; return 0, or 1 where a run, a measurement, an analysis or a report failed.

    ``closing`` makes the lines that it ends with, from the results, the plugins found and the seconds it all took.
    """
    began = time.monotonic()
    check_out_folder(request.out)
    ready = prepare(request, reporter, journal=True)
    with contextlib.closing(ready.attempts):
        failures, written = _in_folder(ready, request, reporter, command)
    failures += [*written.failures, *take_notes()]  # a report may have changed settings too
    for line in failures:
        reporter.say(f"warning: {line}", style="yellow")
    for line in closing(written.results, ready.registry, time.monotonic() - began) if closing else ():
        reporter.say(line)
    for path in written.files:
        reporter.say(f"report: {path}")
    return 1 if failures else 0


def _in_folder(ready: Ready, request: Request, reporter: Reporter, command: Sequence[str]) -> tuple[list[str], Written]:
    """Carry the benchmark out in its run folder; return a line for whatever went wrong, and the reports."""
    folder = request.out / ready.setting.folder_name
    with (
        naming_need(ready.setting, folder),
        Store(folder, lambda line: reporter.say(f"warning: {line}", style="yellow"), ready.attempts) as store,
    ):
        centred = centre(ready.setting, store, reporter)
        for rounds_left in range(ROUNDS if request.extend else 0, -1, -1):
            ready = replace(ready, setting=extended(centred, store))
            failures = _carry_out(ready, request, store, reporter, command)
            if not request.extend:
                break
            more, lines = extend(ready.setting, store, rounds_left)
            for line in lines:
                reporter.say(line, style="bold")
            if not more:
                break
    formats = ready.setting.plan.benchmark.report.formats
    return failures, write_reports(folder, formats, ready.registry, attempts=ready.attempts)


def _carry_out(ready: Ready, request: Request, store: Store, reporter: Reporter, command: Sequence[str]) -> list[str]:
    """Carry out what is left of the benchmark; return a line for whatever went wrong."""
    setting = ready.setting
    environment = device.environment(setting.device)
    store.restore()
    _describe(store, ready)
    if line := _of_unequal_classes(store.noted("constant")):
        reporter.say(line, style="yellow")
    bring_in(ready.imported, store)
    driver = Driver(setting, store, reporter, request.only_search).open()
    if left := driver.left():
        store.work_begins(environment, [impersonal(printable(word)) for word in command])
        precision = setting.precision_of(
            setting.plan.competitors[0].arm
        )  # all arms of a benchmark have a head, or none
        where = f"{environment['hardware']['device']} ({precision}, {counted(setting.device.threads, 'thread')})"
        reporter.say(f"{counted(left, 'run')} to do on {where}, into {store.folder}")
        if busy := device.contention(setting.device):
            reporter.say(f"warning: {busy}", style="yellow")
        if little_room := warning(room_for(setting), store.folder):
            reporter.say(f"warning: {little_room}", style="yellow")
        for line in () if request.only_search or driver.compared else foretell(setting, command):
            reporter.say(line)
        driver.drive()
    else:
        what = "its search is finished" if request.only_search else "it is finished"
        reporter.say(f"nothing left to do in {store.folder}: {what}")
    for line in driver.undefined():
        reporter.say(f"note: {line}")
    failures = driver.failures() + collect(setting, driver, store, ready.registry, reporter)
    store.note_changes(take_notes())
    return failures + store.changes()


def _describe(store: Store, ready: Ready) -> None:
    """Write down what this run is about."""
    setting, plan = ready.setting, ready.setting.plan
    data = setting.data
    used = {found.plugin: found for kind in ready.registry.found.values() for found in kind.values()}
    store.describe(
        sections.as_plain(plan.benchmark),
        {
            "data": {
                "name": data.name,
                "source": impersonal(data.source),
                "notice": impersonal(data.notice),
                "fingerprint": data.fingerprint,
                "classes": list(data.classes),
                "left_out": impersonal(list(data.left_out)),
                "skipped": {reason: len(names) for reason, names in data.skipped.items()},
                "excluded": {
                    "file": impersonal(plan.benchmark.data.exclude),
                    **{k: list(v) for k, v in data.excluded.items()},
                },
                "counts": {"train": len(data.train), "tune": len(data.tune), "test": len(data.test)},
                "class_counts": _class_counts(data),
                "input_shape": list(data.train.inputs.shape[1:]),
                "interpolation": cut_of(plan).interpolation,
                "crop": cut_of(plan).crop,
            },
            "weights": {
                name: {
                    "file": str(w.file.resolve()),
                    "sha256": w.sha256,
                    "mean": list(w.mean),
                    "std": list(w.std),
                    **(asdict(setting.fits[name]) if name in setting.fits else {}),
                }
                for name, w in plan.weights.items()
            },
            "metrics": {
                **{
                    name: {"goal": m.goal, "unit": m.unit, "each": m.each is not None}
                    for name, m in plan.task.metrics.items()
                },
                # the loss is measured for every task
                **({} if "loss" in plan.task.metrics else {"loss": {"goal": "min", "unit": "", "each": False}}),
            },
            "metric": plan.metric,
            "constant": constant_scores(plan.task, data),
            "arms": [c.arm.name for c in plan.competitors],
            "spaces": {c.arm.name: describe_space(c) for c in plan.competitors},
            "optimizers": {c.arm.name: c.arm.optimizer for c in plan.competitors},
            "references": {c.arm.optimizer: c.optimizer.reference for c in plan.competitors},
            "scheduler_references": {c.arm.scheduler: c.scheduler.reference for c in plan.competitors},
            "roles": {c.arm.name: {"role": c.role, "of": c.of} for c in plan.controls},
            "convex": {c.arm.network: c.network.convex for c in plan.competitors},
            "plugins": {name: {"origin": impersonal(f.origin), "sha256": f.sha256} for name, f in sorted(used.items())},
            "broken_plugins": impersonal(ready.registry.broken),
            "fairness": ready.fairness.plain(),
        },
    )
    name_examples(data, store)
    if not schema.targets(store.folder).is_file():
        save_arrays(schema.targets(store.folder), {"targets": data.test.targets})
        store.promise([schema.targets(store.folder)])


def _class_counts(data: Data) -> dict[str, list[int]]:
    """Return by split how many examples each class has, in the order of the classes; nothing where there are none."""
    splits = {"train": data.train, "tune": data.tune, "test": data.test}
    if not data.classes or any(
        split.targets.ndim != 1 or split.targets.dtype.kind not in "iu" for split in splits.values()
    ):
        return {}
    return {name: np.bincount(split.targets, minlength=len(data.classes)).tolist() for name, split in splits.items()}


def _of_unequal_classes(constant: Mapping[str, Any]) -> str:
    """Return in a line what the largest class alone scores, where classes are unequal; else ""."""
    score = constant.get("scores", {}).get("test", {}).get("accuracy", {}).get("score")
    if not constant["unequal"] or score is None:
        return ""
    return (
        f"note: classes are unequal: always answering '{constant['answer']}' gives a test accuracy of {100 * score:.2f} %; "
        'search.metric = "balanced_accuracy" counts every class alike'
    )
