"""A whole benchmark: plan, search, comparison and report; the same call again goes on where it was left."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import config, device, search
from harness.contracts import Data, DataRequest, Split
from harness.driver import Driver
from harness.errors import BenchmarkError, DataError, HarnessError, PluginError, one_line
from harness.features import extract
from harness.plan import Plan, Setting, describe_space, resolve
from harness.progress import Reporter
from harness.records import Store, schema
from harness.records.store import save_arrays
from harness.registry import Registry, discover
from harness.report import write_reports
from harness.workbench import check_overrides


@dataclass(frozen=True)
class Request:
    """What the user typed."""

    file: Path
    profile: str | None = None
    data: Path | None = None
    out: Path = Path("runs")
    plugins: tuple[Path, ...] = ()
    block: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    only_search: bool = False


@dataclass(frozen=True)
class Ready:
    """A request checked and opened: nothing more can be wrong with the input."""

    setting: Setting
    registry: Registry


def prepare(request: Request, reporter: Reporter) -> Ready:
    """Return the request checked: file, plugins, names, device and data; raises HarnessError and writes no run folder."""
    benchmark, source = config.load(request.file, request.profile, request.overrides)
    loose = [*(request.file.parent / name for name in benchmark.plugins), *request.plugins]
    registry = discover(loose, {*benchmark.block, *request.block})
    for name, why in registry.broken.items():
        reporter.say(f"warning: plugin {name} cannot be loaded and is left out: {why}", style="yellow")
    plan = resolve(benchmark, source, registry)
    search.check(plan, source.where)
    train = benchmark.train
    chosen = device.choose(train.device, train.precision, train.threads, source.where("train", "device"))
    data = _open(plan, request.data, reporter)
    if train.regime == "features" and data.train.inputs.ndim != 4:
        raise BenchmarkError(f"{source.where('train', 'regime')}: must be 'scratch' for data that are not images")
    if train.regime == "features" and train.augment:
        raise BenchmarkError(
            f"{source.where('train', 'augment')}: must be empty in the regime 'features', where the images are seen once, "
            f"got {train.augment}"
        )
    if train.augment and data.train.inputs.ndim != 4:
        raise BenchmarkError(
            f"{source.where('train', 'augment')}: must be empty for data that are not images, got {train.augment}"
        )
    features = {}
    if train.regime == "features":
        features = {
            name: extract(backbone, plan.weights[name], data, chosen, reporter.preparing)
            for name, backbone in plan.backbones.items()
        }
    setting = Setting(plan, data, chosen, features)
    check_overrides(setting, source.where)
    return Ready(setting, registry)


def _open(plan: Plan, named: Path | None, reporter: Reporter) -> Data:
    """Return the benchmark's data; raises DataError where the folder the user named is not there."""
    variable = os.environ.get("HARNESS_DATA")
    root, who = (named, "--data") if named else (Path(variable), "HARNESS_DATA") if variable else (None, "")
    if root is not None and not root.is_dir():
        raise DataError(
            f"{who}: must be a folder with the data, got '{root}', which is {'a file' if root.exists() else 'not there'}; check the path"
        )
    section = plan.benchmark.data
    looks = next(iter(plan.weights.values()), None)  # photos are cut as the first pretrained backbone wants them
    request = DataRequest(
        root=root or (Path("data") if Path("data").is_dir() else None),
        required=root is not None,
        size=section.size,
        tune=section.tune,
        seed=section.seed,
        on_bad_image=section.on_bad_image,
        options={**plan.dataset.options, **section.options},
        progress=reporter.preparing,
        interpolation=looks.interpolation if looks else "lanczos",
        crop=looks.crop if looks else 1.0,
    )
    try:
        data = plan.dataset.open(request)
        wrong = _wrong(data, plan)
    except HarnessError:
        raise
    except Exception as error:  # a plugin may raise anything
        raise PluginError(f"dataset '{plan.dataset.name}': must open, got {one_line(error)}") from error
    if wrong:
        raise PluginError(f"dataset '{plan.dataset.name}': {wrong}")
    if data.notice:
        reporter.say(f"note: {data.notice}", style="bold yellow")
    if data.left_out:
        first = "; ".join(data.left_out[:3])
        reporter.say(
            f"warning: {len(data.left_out)} unreadable examples are left out: {first}{' ...' if len(data.left_out) > 3 else ''}",
            style="yellow",
        )
    return data


def _wrong(data: Any, plan: Plan) -> str:
    """Return what is wrong with a dataset's data; empty where nothing is. Raises DataError where the task refuses it."""
    if not isinstance(data, Data):
        return f"must open as a Data, got {type(data).__name__}"
    for name in ("train", "tune", "test"):
        split: Split = getattr(data, name)
        if not len(split) or not len(split.inputs) == len(split.targets) == len(split.names):
            return (
                f"must have as many inputs, targets and names, and at least one, in '{name}', "
                f"got {len(split.inputs)}, {len(split.targets)} and {len(split.names)}"
            )
        kind, axes = str(split.inputs.dtype), split.inputs.ndim
        if (kind, axes) != ("uint8", 4) and kind != "float32":
            return f"must have images uint8 [N, H, W, 3] or float32 inputs in '{name}', got {kind} with {axes} axes"
    outputs = plan.task.outputs(data)
    return "" if outputs >= 1 else f"must need one output or more for task '{plan.task.name}', got {outputs}"


def run(request: Request, reporter: Reporter, command: Sequence[str] = ()) -> int:
    """Carry out a benchmark and write its reports; return 0, or 1 where some runs failed."""
    ready = prepare(request, reporter)
    setting = ready.setting
    folder = request.out / setting.folder_name
    with Store(folder) as store:
        environment = device.environment(setting.device)
        _describe(store, ready)
        driver = Driver(setting, store, reporter, request.only_search)
        if left := driver.left():
            store.work_begins(environment, command)
            where = (
                f"{environment['hardware']['device']} ({setting.device.precision}, {setting.device.threads} threads)"
            )
            reporter.say(f"{left} runs to do on {where}, into {folder}")
            if busy := device.contention(setting.device):
                reporter.say(f"warning: {busy}", style="yellow")
            driver.drive()
        else:
            what = "its search is finished" if request.only_search else "it is finished"
            reporter.say(f"nothing left to do in {folder}: {what}")
        failures = driver.failures()
    for path in write_reports(folder, setting.plan.benchmark.report.formats, ready.registry):
        reporter.say(f"report: {path}")
    for line in failures:
        reporter.say(f"warning: {line}", style="yellow")
    return 1 if failures else 0


def _describe(store: Store, ready: Ready) -> None:
    """Write down what this run is about."""
    setting, plan = ready.setting, ready.setting.plan
    data = setting.data
    used = {found.plugin: found for kind in ready.registry.found.values() for found in kind.values()}
    store.describe(
        config.as_plain(plan.benchmark),
        {
            "data": {
                "name": data.name,
                "source": data.source,
                "notice": data.notice,
                "fingerprint": data.fingerprint,
                "classes": list(data.classes),
                "left_out": list(data.left_out),
                "counts": {"train": len(data.train), "tune": len(data.tune), "test": len(data.test)},
                "input_shape": list(data.train.inputs.shape[1:]),
            },
            "metrics": {name: {"goal": m.goal, "unit": m.unit} for name, m in plan.task.metrics.items()},
            "metric": plan.metric,
            "arms": [c.arm.name for c in plan.competitors],
            "spaces": {c.arm.name: describe_space(c) for c in plan.competitors},
            "references": {c.arm.optimizer: c.optimizer.reference for c in plan.competitors},
            "plugins": {name: {"origin": f.origin, "sha256": f.sha256} for name, f in sorted(used.items())},
            "broken_plugins": ready.registry.broken,
        },
    )
    if not schema.targets(store.folder).is_file():
        save_arrays(schema.targets(store.folder), {"targets": data.test.targets})
