"""The second wave: what the installed plugins say of the names and options in the file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.benchmark.absent import names_in
from harness.benchmark.facets import FACET_PROBES
from harness.benchmark.sections import Benchmark
from harness.benchmark.toml import Source
from harness.errors import BenchmarkError, did_you_mean, shown
from harness.plugin.contracts import (
    Backbone,
    Dataset,
    Executor,
    Listener,
    Metric,
    Optimizer,
    Probe,
    Report,
    Scheduler,
    Task,
)
from harness.plugin.limits import fault
from harness.plugin.meta import LOSS
from harness.plugin.registry import Registry
from harness.plugin.validate import clash


def check_options(
    offer: Dataset | Executor | Probe | Listener, options: Mapping[str, Any], source: Source, *above: str
) -> None:
    """Refuse options that an offer does not have, or does not take with that value."""
    kind = type(offer).__name__.lower()
    for name, value in options.items():
        key = (*above, name)
        if name not in offer.options:
            hint = did_you_mean(name, offer.options)
            raise source.refusal(key, f"be an option of {kind} '{offer.name}'", shown(name), hint)
        wrong = fault(offer, name, value)
        if not wrong and isinstance(offer, Probe) and not isinstance(value, str | bool) and not value > 0:
            wrong = f" must be above 0, got {value!r}"
        if wrong:
            raise BenchmarkError(f"{source.where(*key)}:{wrong}")


def check_metrics(benchmark: Benchmark, task: Task, source: Source) -> None:
    """Refuse a metric or a target that the task does not have, and a target that cannot be reached.

    Every task has a loss, by which trials may be scored, whether it is among the task's metrics or not.
    """
    target = benchmark.report.target
    for key, name, names_known in (
        (("search", "metric"), benchmark.search.metric, {*task.metrics, LOSS}),
        (("compare", "metric"), benchmark.compare.metric, set(task.metrics)),
        (("report", "target", "metric"), target.get("metric", ""), set(task.metrics)),
    ):
        if name and name not in names_known:
            hint = did_you_mean(name, names_known)
            raise source.refusal(key, f"be a metric of task '{task.name}'", shown(name), hint)
    if target:
        _check_target_value(target["metric"], task.metrics[target["metric"]], target["value"], source)


def _check_target_value(name: str, metric: Metric, value: float, source: Source) -> None:
    """Refuse a value that the metric can never have."""
    low, high = (0.0, 1.0) if metric.unit == "%" else metric.bounds
    if not low <= value <= high:
        ends = [f">= {low:g}"] * math.isfinite(low) + [f"<= {high:g}"] * math.isfinite(high)
        must = f"be a number {' and '.join(ends)} for the metric '{name}'"
        raise source.refusal(("report", "target", "value"), must, repr(value))


def check_class_weights(benchmark: Benchmark, task: Task, source: Source) -> None:
    """Refuse weights of classes for a task whose loss takes none."""
    weights = benchmark.train.class_weights
    if weights != "none" and task.weighted_loss is None:
        must = f"be 'none' for task '{task.name}', whose loss takes no weights of classes"
        raise source.refusal(("train", "class_weights"), must, shown(weights))


def check_formats(benchmark: Benchmark, source: Source, registry: Registry) -> None:
    """Refuse formats that nobody writes, and two that write the same file."""
    place = source.where("report", "formats")
    reports = [registry.get("report", name, Report, place) for name in benchmark.report.formats]
    if clashing := clash(reports):
        raise BenchmarkError(f"{place}: {clashing}")


def check_listeners(benchmark: Benchmark, source: Source, registry: Registry) -> tuple[Listener, ...]:
    """Return the listeners with their options; refuses options of a listener that is not listed, or that it does not take."""
    section, place = benchmark.report, source.where("report", "listeners")
    for name in section.listener_options:
        if name not in section.listeners:
            hint = did_you_mean(name, section.listeners)
            raise source.refusal(("report", "listener_options", name), "be one of report.listeners", shown(name), hint)
    listeners = []
    for name in section.listeners:
        listener, options = registry.get("listener", name, Listener, place), section.listener_options.get(name, {})
        check_options(listener, options, source, "report", "listener_options", name)
        listeners.append(replace(listener, options={**listener.options, **options}))
    return tuple(listeners)


def check_aliases(benchmark: Benchmark, source: Source, registry: Registry) -> None:
    """Refuse an alias that is no arm, or that is the name of an optimizer."""
    train = benchmark.train
    for alias, name in train.aliases.items():
        key = ("train", "aliases", alias)
        if alias not in train.optimizers:
            hint = did_you_mean(alias, train.optimizers)
            raise source.refusal(key, "be one of train.optimizers", shown(alias), hint)
        registry.get("optimizer", name, Optimizer, source.where(*key))
        if alias in registry.offers["optimizer"]:
            raise source.refusal(key, "be a new name", "that of an optimizer", "choose another")


def check_snapshots(benchmark: Benchmark, source: Source, registry: Registry) -> None:
    """Refuse snapshots at the ends of cycles where no schedule has cycles."""
    names, key = benchmark.train.schedulers, ("compare", "snapshots")
    cycles = [registry.get("scheduler", name, Scheduler, source.where(*key)).cycle_ends for name in names]
    if benchmark.compare.snapshots and not any(cycles):
        hint = "add one that has, such as sgdr, to train.schedulers"
        raise source.refusal(key, "be false where no schedule has cycles", f"true with {', '.join(names)}", hint)


def check_layer_groups(backbones: Mapping[str, Backbone], benchmark: Benchmark, source: Source) -> None:
    """Refuse training by layer groups with a backbone that has none."""
    train = benchmark.train
    wanted_by = {
        ("train", "head_epochs"): train.head_epochs > 0,
        ("train", "layer_factor"): train.layer_factor != 1,
        ("search", "layer_factor"): bool(benchmark.search.layer_factor),
    }
    for key in (key for key, is_wanted in wanted_by.items() if is_wanted):
        for backbone in backbones.values():
            if backbone.groups is None:
                must = "be left out for a backbone without layer groups"
                hint = "its plugin can offer Backbone(groups=...)"
                raise source.refusal(key, must, f"it for '{backbone.name}'", hint)


def check_probes(benchmark: Benchmark, probes: tuple[Probe, ...], source: Source, registry: Registry) -> None:
    """Refuse settings for probes that take no part, for probes of the wrong kind, and for options that a probe has not."""
    compare = benchmark.compare
    named = names_in(source, {}, "compare", "probes") | {probe.name for probe in probes}
    for setting in ("probe_options", "probe_sizes"):
        for name in getattr(compare, setting):
            key = ("compare", setting, name)
            place = source.where(*key)
            if name not in compare.probes and name in FACET_PROBES.values() and name not in registry.offers["probe"]:
                continue  # it is blocked, and nobody asks for it
            probe = registry.get("probe", name, Probe, place)
            if setting != "probe_options" and not probe.costly:
                raise source.refusal(key, "be for a costly probe", shown(name))
            # A profile or a --set may leave a probe out that the file has settings for.
            allowed = compare.probes if place.startswith("--set") else sorted(named)
            if name not in (*allowed, *FACET_PROBES.values()):
                hint = "add it there, or leave this out"
                raise source.refusal(key, "be one of compare.probes", shown(name), hint)
            if setting == "probe_options":
                check_options(probe, compare.probe_options[name], source, *key)
