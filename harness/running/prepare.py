"""From what the user typed to a benchmark that is checked and open: nothing more can be wrong with the input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from harness.benchmark import loading
from harness.benchmark.checks.data import check_data
from harness.benchmark.data_request import data_request
from harness.benchmark.lines import refusal
from harness.benchmark.naming import called_after_data
from harness.benchmark.plan import Plan, Setting, check_profile, resolve
from harness.benchmark.sections import Benchmark
from harness.benchmark.toml import Source
from harness.console.progress import Reporter
from harness.data.exclusion import exclude, read_exclusion
from harness.data.photos import Skipped, skipped_line
from harness.data.places import Root, find_root
from harness.data.squares import Cut
from harness.errors import DataError, PluginError, did_you_mean, on_one_line, printable, shown
from harness.plugin.boundary import Boundary
from harness.plugin.contracts import Data, Split
from harness.plugin.discovery import discover
from harness.plugin.process_settings import kept
from harness.plugin.registry import Registry
from harness.plugin.runs import full_arm_name, short_arm_names
from harness.records.attempts import Attempts
from harness.results.tables.against import checked_reference
from harness.running import search
from harness.running.baseline import Imported, matched, with_networks
from harness.running.defaults import complete_defaults, default_lines
from harness.running.executor import check_executor
from harness.running.fairness import Fairness, check_fairness
from harness.running.setting_checks import check_layer_factor, check_overrides
from harness.training.device import Device, set_up_device
from harness.training.features import extract, extract_mirrored
from harness.training.pretrained import Fit, check_fit


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
    extend: bool = False
    retry: bool = False  # what was given up because the process died in it again and again
    reuse: Path | None = None  # a run folder, or a folder of run folders, to take runs from beside those in ``out``
    no_reuse: bool = False  # train everything here
    workload: str | None = None  # one of the file's workloads
    common: str = ""  # the folder of all its workloads, in ``out``; "" where the file itself is the benchmark
    preset: str | None = None  # how much is searched and repeated, laid over the file
    only_measure: bool = False  # train nothing; no time limit holds for the measurements
    refit: bool = False  # the best arm is trained once more, on train and tune together
    refit_arms: tuple[str, ...] = ()  # so are these; their names may be short
    began: float | None = None  # the reading of ``time.monotonic`` from which a time limit counts; None for now
    share: int = 1  # of so many workloads this is one, each with an equal part of the time limit
    most_looks: int | None = None  # after so many looks the call ends, and a later one goes on; None for all

    @property
    def place(self) -> Path:
        """The folder that the run folder goes into."""
        return self.out / self.common


@dataclass(frozen=True, kw_only=True)
class Prepared(Setting):
    """A setting with everything that carries it out: nothing more can be wrong with the input."""

    registry: Registry
    imported: Imported | None = None  # arms of a baseline, to be compared with
    fairness: Fairness = field(default_factory=Fairness)
    attempts: Attempts = field(default_factory=Attempts)
    preset: Mapping[str, Any] | None = None  # what the records say of it


def prepare(request: Request, reporter: Reporter, journal: bool = False) -> Prepared:
    """Return the request checked and opened; raises HarnessError and writes no run folder.

    With a ``journal``, what is under way is noted beside the run folder from here on.
    """
    benchmark, source = loading.load(request.file, request.profile, request.overrides, request.workload, request.preset)
    if request.workload is None:  # a workload has the name that its common folder knows it by
        benchmark = called_after_data(benchmark, source, request.data)
    registry = plugins_of(request, benchmark, reporter)
    with reporter.during("checking the benchmark"):
        return _checked(request, benchmark, source, registry, reporter, journal)


def _checked(
    request: Request, benchmark: Benchmark, source: Source, registry: Registry, reporter: Reporter, journal: bool
) -> Prepared:
    """Return the request checked and opened, once its file is read and its plugins are loaded."""
    plan = resolve(benchmark, source, registry)
    for notice in source.notices:  # not before the names are known to be right: a slip takes settings out too
        reporter.say(f"note: {notice}")
    _check_other_profiles(request, benchmark, registry)
    search.check(plan, source.where)
    check_executor(plan.executor)
    train = benchmark.train
    threads = train.threads or plan.executor.threads
    device = set_up_device(train.device, train.precision, threads, source.where("train", "device"))
    setting = _opened(request, plan, source, device, reporter)
    _check_refits(request, plan)
    check_overrides(setting, source.where)
    check_layer_factor(setting, source.where)
    with ExitStack() as closing:
        attempts = _open_journal(request, setting, reporter, closing) if journal else Attempts()
        with reporter.during("checking that the optimizers are treated alike"):
            fairness = check_fairness(setting, registry, attempts)
        for note in fairness.notes():
            reporter.say(f"note: {note}", style="bold yellow")
        with reporter.during("reading the optimizers' own defaults"):
            setting = complete_defaults(setting, attempts)
        for line in default_lines(setting):
            reporter.say(f"note: {line}", style="yellow")
        imported = matched(setting, source, request.file.parent)
        _check_reference(setting, imported, source)
        closing.pop_all()  # the journal stays open: the caller closes it
    setting = with_networks(setting, imported, registry, reporter.say)
    values = {part.name: getattr(setting, part.name) for part in fields(Setting)}
    return Prepared(
        **values, registry=registry, imported=imported, fairness=fairness, attempts=attempts, preset=source.preset
    )


def _check_refits(request: Request, plan: Plan) -> None:
    """Raise BenchmarkError for an arm to be trained on all data that the benchmark has not."""
    arms = [competitor.name for competitor in plan.competitors]
    for name in request.refit_arms:
        if full_arm_name(name, arms) not in arms:
            hint = did_you_mean(name, [*arms, *short_arm_names(arms).values()]) or f"it has {', '.join(arms)}"
            raise refusal("--refit-arm", "be an arm of the benchmark", shown(name), hint)


def _check_reference(setting: Setting, imported: Imported | None, source: Source) -> None:
    """Raise BenchmarkError where the arm that the others are to be compared with is none of the benchmark or its baseline."""
    if named := setting.plan.benchmark.report.against:
        arms = [competitor.name for competitor in setting.plan.competitors]
        checked_reference(named, [*arms, *(imported.arms if imported else ())], source.where("report", "against"))


def plugins_of(request: Request, benchmark: Benchmark, reporter: Reporter) -> Registry:
    """Return the plugins; say which files of the user's are run, and which plugins cannot be loaded."""
    loose = [*(request.file.parent / name for name in benchmark.plugins), *request.plugins]
    block = {*benchmark.block, *request.block}
    if running := [str(file) for file in loose if file.stem not in block]:
        reporter.say(f"plugin files that are run: {', '.join(running)}")
    registry = discover(loose, block)
    for name, reason in registry.broken.items():
        reporter.say(f"warning: plugin {name} cannot be loaded and is left out: {reason}", style="yellow")
    return registry


def _check_other_profiles(request: Request, benchmark: Benchmark, registry: Registry) -> None:
    """Check the names in the profiles that are not chosen, as far as they use the same plugin files."""
    for profile, alternative, source in loading.other_profiles(request.file, request.profile, request.workload):
        if (alternative.plugins, alternative.block) == (benchmark.plugins, benchmark.block):
            with loading.in_profile(profile):
                check_profile(alternative, source, registry)


def _opened(request: Request, plan: Plan, source: Source, device: Device, reporter: Reporter) -> Setting:
    """Return the setting: the data opened and checked, and what frozen backbones make of them."""
    benchmark = plan.benchmark
    data = _open(plan, request, reporter)
    check_data(benchmark, data, source)
    with reporter.during("reading the pretrained weights"):
        fits = _fits(plan, data, source.where("train", "pretrained"), reporter)
    features: dict[str, Data] = {}
    mirrored: dict[str, Split] = {}
    if benchmark.train.regime == "features":
        features = {name: _extracted(extract, plan, name, data, device, reporter) for name in plan.backbones}
        if benchmark.compare.tta:
            mirrored = {name: _extracted(extract_mirrored, plan, name, data, device, reporter) for name in features}
    if benchmark.data.exclude:  # after the features: those of the whole data serve
        file = request.file.parent / benchmark.data.exclude
        names = read_exclusion(file, source.where("data", "exclude"))
        data = exclude(data, names, file)
        features = {name: exclude(split, names, file) for name, split in features.items()}
    data, features = _printable(data), {name: _printable(split) for name, split in features.items()}
    return Setting(plan, data, device, features, mirrored, fits)


def _open_journal(request: Request, setting: Setting, reporter: Reporter, closing: ExitStack) -> Attempts:
    """Return the journal of the run folder, after the deaths that it tells of have been said."""
    with suppress(OSError):  # the folder is there; or it cannot be made, which the run folder will say
        request.place.mkdir(parents=True)
        closing.callback(_remove_empty, request.place)
    file = request.place / f"{setting.folder_name}.attempts"
    attempts = Attempts(file, lambda line: reporter.say(f"warning: {line}", style="yellow"))
    if request.retry:
        attempts.forget()
    closing.callback(attempts.close)
    return attempts


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _extracted(make: Callable[..., Any], plan: Plan, name: str, data: Data, device: Device, reporter: Reporter) -> Any:
    """Return the features that ``make`` extracts with a backbone; raises PluginError where the backbone fails."""
    with (
        Boundary("backbone", name, "give features of the photos"),
        kept(f"backbone '{name}', whose features were extracted,"),
    ):
        return make(plan.backbones[name], plan.weights[name], data, device, reporter.preparing, plan.sources[name])


def _open(plan: Plan, request: Request, reporter: Reporter) -> Data:
    """Return the benchmark's data; raises DataError where the folder the user named is not there."""
    root = _root_of(plan, request)
    if root.downloaded:
        reporter.say(f"data: {root.path}, where 'harness data get' put it")
    cut = cut_of(plan)
    skipped = Skipped(root.path)
    request_for_data = data_request(
        plan.dataset,
        plan.benchmark.data,
        root,
        progress=reporter.preparing,
        skipped=skipped,
        interpolation=cut.interpolation,
        crop=cut.crop,
    )
    with Boundary("dataset", plan.dataset.name, "open"):
        with kept(f"dataset '{plan.dataset.name}'"), reporter.during(f"opening the data of '{plan.dataset.name}'"):
            data = plan.dataset.open(request_for_data)
        fault = _data_fault(data)
        if not fault:
            data = _printable(data)
            fault = _outputs_fault(data, plan)
    if fault:
        raise PluginError(f"dataset '{plan.dataset.name}': {fault}")
    if data.notice:
        reporter.say(f"note: {data.notice}", style="bold yellow")
    if data.left_out:
        first = "; ".join(data.left_out[:3]) + (" ..." if len(data.left_out) > 3 else "")
        reporter.say(f"warning: {len(data.left_out)} unreadable examples are left out: {first}", style="yellow")
    if skipped.by_reason:
        reporter.say(f"note: {skipped_line(skipped.by_reason)}", style="yellow")
    return replace(data, skipped={reason: tuple(names) for reason, names in skipped.by_reason.items()})


def _root_of(plan: Plan, request: Request) -> Root:
    """Return the folder that the dataset looks in; none for one that looks in no folder.

    Raises DataError where the user named a folder for such a dataset alone. Of several workloads the others may want it.
    """
    root, dataset = find_root(request.data, plan.dataset.name), plan.dataset
    if dataset.takes_folder:
        return root
    if root.required and request.workload is None:
        raise DataError(
            f"data.dataset: '{dataset.name}' looks in no folder and must be given none, got '{root.path}'; "
            "leave out --data and HARNESS_DATA"
        )
    return Root(None)


def _fits(plan: Plan, data: Data, where: str, reporter: Reporter) -> dict[str, Fit]:
    """Return by backbone how many of its tensors came from its pretrained weights, and say it.

    Raises DataError where that is not all of them.
    """
    fits = {}
    for name, weights in plan.weights.items():
        fit = check_fit(plan.backbones[name], weights, data.train.input_shape, where)
        if fit:
            reporter.say(f"weights of {name}: {fit.loaded} of {fit.tensors} tensors, from {weights.file}")
            fits[name] = fit
    return fits


def _printable(data: Data) -> Data:
    """Return a dataset's data with its arrays read-only and every text printable, whatever names of files are in it."""

    def printable_split(split: Split) -> Split:
        return replace(split.read_only(), names=tuple(map(printable, split.names)))

    return replace(
        data,
        train=printable_split(data.train),
        tune=printable_split(data.tune),
        test=printable_split(data.test),
        source=printable(data.source),
        classes=tuple(map(printable, data.classes)),
        notice=on_one_line(data.notice),
        left_out=tuple(map(printable, data.left_out)),
    )


def cut_of(plan: Plan) -> Cut:
    """Return how photos become squares: as the first pretrained backbone wants them, the same for all arms."""
    size, looks = plan.benchmark.data.size, next(iter(plan.weights.values()), None)
    return Cut(size, looks.interpolation, looks.crop) if looks else Cut(size)


def _data_fault(data: Any) -> str:
    """Return what is wrong with a dataset's data; empty where nothing is."""
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
    return ""


def _outputs_fault(data: Data, plan: Plan) -> str:
    """Return what is wrong with a task's outputs for this data, or ""; raises DataError where the task refuses it."""
    with Boundary("task", plan.task.name, "say how many outputs it needs"), kept(f"task '{plan.task.name}'"):
        outputs = plan.task.outputs(data)
    return "" if outputs >= 1 else f"must need one output or more for task '{plan.task.name}', got {outputs}"
