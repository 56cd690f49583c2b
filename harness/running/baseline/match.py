"""Whether a baseline may stand beside a benchmark's own arms: the same data, budget, training, task and environment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.benchmark.meaning import key_meanings, named_section_of
from harness.benchmark.plan import Plan, Setting
from harness.benchmark.sections import Benchmark, as_plain
from harness.benchmark.toml import Source, refusal
from harness.console.numbers import first_of
from harness.errors import DataError, HarnessError, did_you_mean, one_line, shown
from harness.plugin.runs import split_arm_name
from harness.running.baseline.file import Baseline, read_baseline
from harness.training.device import environment

SHOWN = 4  # differences that are named


@dataclass(frozen=True)
class Imported:
    """A baseline and those of its arms that a benchmark is compared with."""

    baseline: Baseline
    arms: tuple[str, ...]
    warnings: tuple[str, ...] = ()  # what does not match and was allowed not to


def matched(setting: Setting, source: Source, beside: Path) -> Imported | None:
    """Return what ``[baseline]`` asks for, or None where it asks for nothing.

    Raises DataError for a file that is no baseline, and BenchmarkError where it may not be compared, saying what differs.
    """
    section = setting.plan.benchmark.baseline
    if not section.file:
        return None
    place = source.where("baseline", "file")
    baseline = read_baseline(beside / section.file, place)
    try:
        return _matched(setting, source, baseline, place)
    except HarnessError:
        raise
    except Exception as error:  # anything may stand in a stranger's file
        raise DataError(
            f"{place}: must be a whole baseline, got {one_line(error)} in '{section.file}'; export it again"
        ) from error


def _matched(setting: Setting, source: Source, baseline: Baseline, where: str) -> Imported:
    section = setting.plan.benchmark.baseline
    arms = _wanted(baseline, section.arms, source.where("baseline", "arms"))
    _check_names(setting.plan, arms, baseline, where)
    for subject, differences in (
        ("data", _data_differences(baseline, setting)),
        ("task", _task_differences(baseline, setting.plan, arms, where)),
        ("budget and training", _setting_differences(baseline, setting.plan, where)),
    ):
        if differences:
            raise refusal(where, f"match this benchmark in its {subject}", first_of(differences, SHOWN))
    differences = _environment_differences(baseline, setting)
    if differences and section.environment != "any":
        hint = 'environment = "any" in [baseline] takes it all the same, and the report says so'
        raise refusal(where, "match this machine in its environment", first_of(differences, SHOWN), hint)
    return Imported(baseline, tuple(arms), tuple(differences))


def _wanted(baseline: Baseline, names: Sequence[str], where: str) -> list[str]:
    """Return the arms that were named, by their name or by their optimizer's; all of them where none was."""
    optimizers = {arm: split_arm_name(arm).optimizer for arm in baseline.arms}
    choices = [*optimizers, *optimizers.values()]
    for name in names:
        if name not in choices:
            raise refusal(where, "be arms of the baseline", shown(name), did_you_mean(name, choices))
    return [arm for arm, optimizer in optimizers.items() if not names or arm in names or optimizer in names]


def _check_names(plan: Plan, arms: Sequence[str], baseline: Baseline, where: str) -> None:
    trained = [competitor.name for competitor in (*plan.competitors, *plan.controls)]
    controls = [name for name, role in baseline.notes["roles"].items() if role["of"] in arms]
    if shared := [name for name in (*arms, *controls) if name in trained]:
        hint = "leave it out of one, or name the others with arms = [...] in [baseline]"
        raise refusal(where, "bring arms that this benchmark does not train", f"{shared[0]} in both", hint)


def _data_differences(baseline: Baseline, setting: Setting) -> list[str]:
    """Return what differs in the data, and in the weights of backbones that both have."""
    pairs = [("data", baseline.notes["data"]["fingerprint"], setting.data.fingerprint)]
    for name, weights in setting.plan.weights.items():
        pairs.append((f"weights of {name}", baseline.notes["weights"].get(name, weights.sha256), weights.sha256))
    return [
        f"{subject} {theirs[:12]}... there and {ours[:12]}... here" for subject, theirs, ours in pairs if theirs != ours
    ]


def _task_differences(baseline: Baseline, plan: Plan, arms: Sequence[str], where: str) -> list[str]:
    """Return what differs in the task, in the metrics that decide, and in the sources of the networks of one name."""
    theirs = {name: baseline.notes[name] for name in ("metric", "search_metric")}
    theirs["task"] = _benchmark(baseline, where)["train"]["task"]
    ours = {"metric": plan.metric, "search_metric": plan.searched.name, "task": plan.task.name}
    differences = _differences(theirs, ours)
    plugins_of_network = {(c.arm.backbone, c.arm.head): c.plugins for c in plan.competitors}
    sources = set()
    for row in baseline.tables["runs"]:
        recipe = json.loads(row["recipe"])
        backbone, head = recipe["arm"]["backbone"], recipe["arm"].get("head", "")
        plugins = plugins_of_network.get((backbone, head))
        if plugins is None or row["arm"] not in arms:
            continue
        for kind, name in {"task": plan.task.name, "backbone": backbone, "head": head}.items():
            if recipe["plugins"].get(kind) != plugins.get(kind):
                sources.add(f"another source of {kind} {name}")
    return differences + sorted(sources)


def _setting_differences(baseline: Baseline, plan: Plan, where: str) -> list[str]:
    """Return what differs in how the arms are tuned, trained and scored."""
    theirs, ours = _benchmark(baseline, where), as_plain(plan.benchmark)
    heads = [head for head in plan.benchmark.train.heads if head in theirs["train"]["heads"]]
    return _differences(decisive_values(theirs, heads), decisive_values(ours, heads))


def decisive_values(benchmark: Mapping[str, Any], heads: Sequence[str] = ()) -> dict[str, Any]:
    """Return the values that a baseline must share, by dotted key: those whose meaning says so.

    ``heads`` are those whose own settings count.
    """
    values = {}
    for key, field, meaning in key_meanings(Benchmark):
        if meaning.effect.baseline != "equal" or named_section_of(field.annotation):
            continue
        for head in heads if "*" in key else ("",):
            path = tuple(head if part == "*" else part for part in key)
            values[".".join(path)] = _value_at(benchmark, path)
    return values


def _value_at(table: Any, path: Sequence[str]) -> Any:
    """Return the value at a path of nested tables; None where there is none."""
    for part in path:
        table = table.get(part) if isinstance(table, Mapping) else None
    return table


def _benchmark(baseline: Baseline, where: str) -> dict[str, Any]:
    """Return the baseline's benchmark with whatever settings have been added since, at their defaults."""
    try:
        return as_plain(Benchmark.model_validate(baseline.notes["benchmark"]))
    except ValidationError as error:
        wrong = error.errors()[0]
        place = ".".join(map(str, wrong["loc"]))
        complaint, hint = f"{place}: {wrong['msg']}", "use the release that wrote it"
        raise refusal(where, "be of a benchmark that this release knows", complaint, hint) from error


def _environment_differences(baseline: Baseline, setting: Setting) -> list[str]:
    """Return what differs in the machine and the versions, as far as it may change the numbers."""
    theirs, ours = baseline.notes["environment"], environment(setting.device)
    differences = _differences(_machine(theirs), _machine(ours))
    if len(baseline.notes["environments"]) > 1:
        differences.append(f"runs made in {len(baseline.notes['environments'])} environments there")
    return differences


def _machine(environment: Mapping[str, Any]) -> dict[str, Any]:
    hardware, versions = environment["hardware"], environment["versions"]
    return {
        "torch": versions.get("torch"),
        "optimizer-harness": versions.get("optimizer-harness"),
        "device": hardware.get("type", "not recorded"),
        "precision": hardware.get("precision"),
    }


def _differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Return a few words on each key whose values differ in the baseline and in this benchmark."""
    return [
        f"{key} {_word(theirs.get(key))} there and {_word(ours.get(key))} here"
        for key in dict.fromkeys((*theirs, *ours))
        if theirs.get(key) != ours.get(key)
    ]


def _word(value: object) -> str:
    return "none" if value is None else json.dumps(value)
