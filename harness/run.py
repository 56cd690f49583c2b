"""A whole benchmark: plan, search, comparison and report; the same call again goes on where it was left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness import config, device, search
from harness.centring import centre
from harness.confirm import confirm
from harness.contracts import Data, DataRequest, Split
from harness.discovery import discover
from harness.driver import Driver
from harness.errors import BenchmarkError, HarnessError, PluginError, one_line
from harness.exclusion import exclude, read_exclusion
from harness.features import extract, extract_mirrored
from harness.images import Cut
from harness.looking import are_photos, look, name_examples
from harness.paths import paths
from harness.places import find_root
from harness.plan import Plan, Setting, describe_space, resolve
from harness.progress import Reporter
from harness.records import Store, schema, write_scores
from harness.records.store import save_arrays
from harness.registry import Registry
from harness.report import write_reports
from harness.schedules import note_schedules
from harness.workbench import check_layer_factor, check_overrides


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
    if benchmark.compare.tta and data.train.inputs.ndim != 4:
        raise BenchmarkError(f"{source.where('compare', 'tta')}: must be false for data that are not images")
    mirrored = {
        name: extract_mirrored(plan.backbones[name], plan.weights[name], data, chosen, reporter.preparing)
        for name in (features if benchmark.compare.tta else ())
    }
    if benchmark.compare.folds and not are_photos(data):
        raise BenchmarkError(f"{source.where('compare', 'folds')}: must be 0 for data that are not photos of classes")
    if benchmark.data.exclude:  # after the features: those of the whole data serve
        file = request.file.parent / benchmark.data.exclude
        names = read_exclusion(file, source.where("data", "exclude"))
        data = exclude(data, names, file)
        features = {name: exclude(each, names, file) for name, each in features.items()}
    setting = Setting(plan, data, chosen, features, mirrored)
    check_overrides(setting, source.where)
    check_layer_factor(setting, source.where)
    return Ready(setting, registry)


def _open(plan: Plan, named: Path | None, reporter: Reporter) -> Data:
    """Return the benchmark's data; raises DataError where the folder the user named is not there."""
    found = find_root(named, plan.dataset.name)
    if found.downloaded:
        reporter.say(f"data: {found.path}, where 'harness data get' put it")
    section = plan.benchmark.data
    cut = _cut(plan)
    request = DataRequest(
        root=found.path,
        required=found.required,
        size=section.size,
        tune=section.tune,
        seed=section.seed,
        on_bad_image=section.on_bad_image,
        options={**plan.dataset.options, **section.options},
        progress=reporter.preparing,
        interpolation=cut.interpolation,
        crop=cut.crop,
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


def _cut(plan: Plan) -> Cut:
    """Return how photos become squares: as the first pretrained backbone wants them, the same for all arms."""
    size, looks = plan.benchmark.data.size, next(iter(plan.weights.values()), None)
    return Cut(size, looks.interpolation, looks.crop) if looks else Cut(size)


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
        setting = centre(setting, store, reporter)
        _describe(store, replace(ready, setting=setting))
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
        if setting.plan.benchmark.report.paths:
            _walk(driver, store)
        note_schedules(setting, _tuned(driver), store)
        failures = driver.failures()
        if wrong := write_scores(folder, setting.plan.metric, setting.plan.goal):
            failures = [*failures, wrong]
        if driver.compared:
            failures += confirm(setting, store, ready.registry, reporter)
        failures += look(setting, driver, store, ready.registry, reporter)
    for path in write_reports(folder, setting.plan.benchmark.report.formats, ready.registry):
        reporter.say(f"report: {path}")
    for line in failures:
        reporter.say(f"warning: {line}", style="yellow")
    return 1 if failures else 0


def _tuned(driver: Driver) -> dict[str, Any]:
    """Return the parameters that the searches which have ended have chosen, by arm."""
    bests = {search.arm: search.best() for search in driver.searches if search.finished}
    return {arm: best["params"] for arm, best in bests.items() if best is not None}


def _walk(driver: Driver, store: Store) -> None:
    """Record the tuned optimizers' paths over two parameters, for the report, unless they are there already."""
    chosen = _tuned(driver)
    competitors = {arm: driver.setting.plan.competitor(arm) for arm in chosen}
    tuned = {
        arm: dict(driver.setting.compare_run(competitors[arm], params, 0).optimizer) for arm, params in chosen.items()
    }
    if tuned and tuned != store.paths_of():
        table = paths({arm: (competitors[arm].optimizer, chosen) for arm, chosen in tuned.items()})
        store.set_paths(tuned, table.itertuples(index=False, name=None))


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
                "excluded": {"file": plan.benchmark.data.exclude, **{k: list(v) for k, v in data.excluded.items()}},
                "counts": {"train": len(data.train), "tune": len(data.tune), "test": len(data.test)},
                "input_shape": list(data.train.inputs.shape[1:]),
                "interpolation": _cut(plan).interpolation,
                "crop": _cut(plan).crop,
            },
            "weights": {
                name: {"file": str(w.file.resolve()), "sha256": w.sha256, "mean": list(w.mean), "std": list(w.std)}
                for name, w in plan.weights.items()
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
    name_examples(data, store)
    if not schema.targets(store.folder).is_file():
        save_arrays(schema.targets(store.folder), {"targets": data.test.targets})
