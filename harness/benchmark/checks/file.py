"""The first wave: what the file alone says, when its types and ranges are right."""

from __future__ import annotations

from typing import Any

from harness.benchmark.meaning import key_meanings
from harness.benchmark.sections import BaselineSection, Benchmark, Choices, Range, Target, as_plain
from harness.benchmark.sections.base import ENDS
from harness.benchmark.spaces import COMMON
from harness.benchmark.toml import Source
from harness.benchmark.validation import validate
from harness.errors import did_you_mean, shown
from harness.plugin.validate import is_penalty


def check_file(benchmark: Benchmark, source: Source) -> None:
    """Make all checks of the first wave."""
    check_budget(benchmark, source)
    check_spaces(benchmark, source)
    check_heads(benchmark, source)
    check_regime(benchmark, source)
    check_head_stage(benchmark, source)
    check_twins(benchmark, source)
    check_baseline(benchmark, source)
    check_target_table(benchmark, source)


def check_budget(benchmark: Benchmark, source: Source) -> None:
    """Refuse a budget that is given twice, or not at all."""
    search, key = benchmark.search, ("search", "budget")
    if search.unit == "trials" and search.budget:
        hint = "a budget in trials is search.trials"
        raise source.refusal(key, 'go with unit = "epochs" or "seconds"', f"{search.budget:g}", hint)
    if search.unit != "trials" and not search.budget:
        raise source.refusal(key, f"say how many {search.unit} each arm gets", "none", "add budget = ...")


def check_heads(benchmark: Benchmark, source: Source) -> None:
    """Refuse settings of a head that takes no part, and check those of the others as the file's own are checked."""
    for head in benchmark.heads:
        key = ("heads", head)
        if benchmark.train.regime != "features":
            raise source.refusal(key, "go with the regime 'features'", f"'{benchmark.train.regime}'")
        if head not in benchmark.train.heads:
            raise source.refusal(key, "be one of train.heads", shown(head), did_you_mean(head, benchmark.train.heads))
        epochs = benchmark.of_head(head).search.epochs
        if epochs != sorted(epochs):
            raise source.refusal((*key, "search", "epochs"), "be [from, to] with from <= to", str(epochs))
        check_spaces(benchmark.of_head(head), source, *key)


def check_spaces(benchmark: Benchmark, source: Source, *above: str) -> None:
    """Refuse a line of ``[search.space]`` that nothing would search, and a penalty that is one arm's own."""
    parts = {*benchmark.train.optimizers, *benchmark.train.schedulers}
    for part in benchmark.search.constraints:
        if part not in parts:
            place = ("search", "constraints", part)
            must, hint = "be for an arm's optimizer or scheduler", did_you_mean(part, parts)
            raise source.refusal(place, must, shown(part), hint)
    for part, space in benchmark.search.space.items():
        key = (*above, "search", "space", part)
        if part not in parts:
            raise source.refusal(key, "be for an arm's optimizer or scheduler", shown(part), did_you_mean(part, parts))
        for name, entry in space.items():
            if name in COMMON:
                must = "be searched alike for every arm"
                raise source.refusal((*key, name), must, f"it for '{part}'", f"use search.{name}")
            penalty = is_penalty(name) if isinstance(entry, dict) else is_penalty(name, entry)
            if penalty and benchmark.search.objective == "common":
                hint = (
                    'the penalty they have in common is train.l2, and with search.objective = "free" each has its own'
                )
                raise source.refusal((*key, name), "be 0 where the arms have one objective", shown(entry), hint)
            check_hyperparameter(entry, source, *key, name)


def check_hyperparameter(entry: Any, source: Source, *key: str) -> None:
    """Refuse a line of ``[search.space.NAME]`` that is neither a value nor a range nor choices."""
    if isinstance(entry, str | int | float | bool):
        least, most = ENDS
        if isinstance(entry, int | float) and not least <= entry <= most:
            raise source.refusal(key, f"be a number >= {least:g} and <= {most:g}", shown(entry))
        return
    if not isinstance(entry, dict):
        raise source.refusal(key, "be a value, {low, high, log, step} or {choices}", shown(entry))
    if "choices" in entry:
        validate(Choices, entry, source, *key)
        return
    _check_range(validate(Range, entry, source, *key), entry, source, key)


def _check_range(searched: Range, entry: dict[str, Any], source: Source, key: tuple[str, ...]) -> None:
    """Refuse a range without values between its ends, and a scale or a step that does not fit it."""
    if not searched.low < searched.high:
        raise source.refusal(key, "be a range with low < high", shown(entry), "one value stands without {}")
    if searched.log and not searched.low > 0:
        raise source.refusal(key, "have a low above 0 where log = true", str(entry["low"]))
    if searched.step is None:
        return
    if searched.log:
        raise source.refusal(key, "have log = true or a step", "both", "leave one out")
    steps = (searched.high - searched.low) / searched.step
    if not steps >= 1 or abs(steps - round(steps)) > 1e-9 * steps:
        must = "have a step that divides the range from low to high into whole steps"
        raise source.refusal(key, must, shown(entry))


def check_regime(benchmark: Benchmark, source: Source) -> None:
    """Refuse settings of another regime than the benchmark's."""
    plain, defaults, regime = as_plain(benchmark), as_plain(Benchmark(name="defaults")), benchmark.train.regime
    for key, _, meaning in key_meanings(Benchmark):
        if not meaning.regimes or regime in meaning.regimes or key[0] == "heads":  # check_heads has its own words
            continue
        section, name = key
        value, default = plain[section][name], defaults[section][name]
        if value != default:
            allowed = " or ".join(f'"{regime_name}"' for regime_name in meaning.regimes)
            must = f"be {shown(default)} in the regime '{regime}'"
            raise source.refusal(key, must, shown(value), f"it needs regime = {allowed}")


def check_head_stage(benchmark: Benchmark, source: Source) -> None:
    """Refuse a stage of the head alone that is as long as a whole run."""
    head_epochs = benchmark.train.head_epochs
    lengths = {"search.epochs": min(benchmark.search.epochs), "compare.epochs": benchmark.compare.epochs}
    for name, epochs in lengths.items():
        if head_epochs >= epochs:
            must = f"be less than {name}, which is {epochs} at the least"
            raise source.refusal(("train", "head_epochs"), must, str(head_epochs), "train longer or the head for less")


def check_twins(benchmark: Benchmark, source: Source) -> None:
    """Refuse more twins than the first look has seeds."""
    compare = benchmark.compare
    if compare.twins > compare.first_seeds:
        must = f"be at most {compare.first_seeds}, the seeds of the first look (compare.seeds times compare.looks[0])"
        raise source.refusal(("compare", "twins"), must, str(compare.twins), "each is the twin of a seed")


def check_baseline(benchmark: Benchmark, source: Source) -> None:
    """Refuse settings of a baseline without its file."""
    baseline = benchmark.baseline
    if not baseline.file and baseline != BaselineSection():
        name = "arms" if baseline.arms else "environment"
        hint = f"add file = ..., or leave {name} out"
        raise source.refusal(("baseline", name), "go with baseline.file", "none", hint)


def check_target_table(benchmark: Benchmark, source: Source) -> None:
    """Refuse a target without a metric or a value, or with anything else."""
    if target := benchmark.report.target:
        validate(Target, target, source, "report", "target")
