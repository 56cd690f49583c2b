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
from harness.errors import DataError, HarnessError, did_you_mean, one_line, shown
from harness.run.baseline.file import Baseline, read_baseline
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
    where = source.where("baseline", "file")
    baseline = read_baseline(beside / section.file, where)
    try:
        return _matched(setting, source, baseline, where)
    except HarnessError:
        raise
    except Exception as error:  # anything may stand in a stranger's file
        raise DataError(
            f"{where}: must be a whole baseline, got {one_line(error)} in '{section.file}'; export it again"
        ) from error


def _matched(setting: Setting, source: Source, baseline: Baseline, where: str) -> Imported:
    section = setting.plan.benchmark.baseline
    arms = _wanted(baseline, section.arms, source.where("baseline", "arms"))
    _check_names(setting.plan, arms, baseline, where)
    for what, found in (
        ("data", _data(baseline, setting)),
        ("task", _task(baseline, setting.plan, arms, where)),
        ("budget and training", _settings(baseline, setting.plan, where)),
    ):
        if found:
            raise refusal(where, f"match this benchmark in its {what}", _shown(found))
    strange = _environment(baseline, setting)
    if strange and section.environment != "any":
        hint = 'environment = "any" in [baseline] takes it all the same, and the report says so'
        raise refusal(where, "match this machine in its environment", _shown(strange), hint)
    return Imported(baseline, tuple(arms), tuple(strange))


def _wanted(baseline: Baseline, names: Sequence[str], where: str) -> list[str]:
    """Return the arms that were named, by their name or by their optimizer's; all of them where none was."""
    known = {arm: arm.rsplit("/", 2)[1] for arm in baseline.arms}
    for name in names:
        if name not in {*known, *known.values()}:
            hint = did_you_mean(name, [*known, *known.values()])
            raise refusal(where, "be arms of the baseline", shown(name), hint)
    return [arm for arm, optimizer in known.items() if not names or arm in names or optimizer in names]


def _check_names(plan: Plan, arms: Sequence[str], baseline: Baseline, where: str) -> None:
    own = [competitor.arm.name for competitor in (*plan.competitors, *plan.controls)]
    new = [*arms, *(name for name, about in baseline.about["roles"].items() if about["of"] in arms)]
    if both := [name for name in new if name in own]:
        hint = "leave it out of one, or name the others with arms = [...] in [baseline]"
        raise refusal(where, "bring arms that this benchmark does not train", f"{both[0]} in both", hint)


def _data(baseline: Baseline, setting: Setting) -> list[str]:
    there, here = baseline.about["data"]["fingerprint"], setting.data.fingerprint
    found = [f"data {there[:12]}... there and {here[:12]}... here"] if there != here else []
    weights = {name: each.sha256 for name, each in setting.plan.weights.items()}
    both = [(name, baseline.about["weights"].get(name, sha256), sha256) for name, sha256 in weights.items()]
    return found + [f"weights of {n} {one[:12]}... there and {two[:12]}... here" for n, one, two in both if one != two]


def _task(baseline: Baseline, plan: Plan, arms: Sequence[str], where: str) -> list[str]:
    """Return what differs in the task, its deciding metric, and the sources of the networks of one name."""
    found = _differences({"metric": baseline.about["metric"]}, {"metric": plan.metric})
    there = _benchmark(baseline, where)["train"]["task"]
    found += _differences({"task": there}, {"task": plan.task.name})
    own = {(c.arm.backbone, c.arm.head): c.plugins for c in plan.competitors}
    said = set()
    for row in baseline.tables["runs"]:
        recipe = json.loads(row["recipe"])
        arm, plugins = recipe["arm"], own.get((recipe["arm"]["backbone"], recipe["arm"].get("head", "")))
        kinds = {"task": plan.task.name, "backbone": arm["backbone"], "head": arm.get("head", "")}
        for kind, name in kinds.items() if plugins and row["arm"] in arms else ():
            if plugins and recipe["plugins"].get(kind) != plugins.get(kind):
                said.add(f"another source of {kind} {name}")
    return found + sorted(said)


def _settings(baseline: Baseline, plan: Plan, where: str) -> list[str]:
    """Return what differs in how the arms are tuned, trained and scored."""
    there, here = _benchmark(baseline, where), as_plain(plan.benchmark)
    heads = [head for head in plan.benchmark.train.heads if head in there["train"]["heads"]]
    return _differences(decisive_values(there, heads), decisive_values(here, heads))


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
        return as_plain(Benchmark.model_validate(baseline.about["benchmark"]))
    except ValidationError as error:
        wrong = error.errors()[0]
        place = ".".join(map(str, wrong["loc"]))
        complaint, hint = f"{place}: {wrong['msg']}", "use the release that wrote it"
        raise refusal(where, "be of a benchmark that this release knows", complaint, hint) from error


def _environment(baseline: Baseline, setting: Setting) -> list[str]:
    now, then = environment(setting.device), baseline.about["environment"]
    found = _differences(_machine(then), _machine(now))
    if len(baseline.about["environments"]) > 1:
        found.append(f"runs made in {len(baseline.about['environments'])} environments there")
    return found


def _machine(about: Mapping[str, Any]) -> dict[str, Any]:
    hardware, versions = about["hardware"], about["versions"]
    return {
        "torch": versions.get("torch"),
        "optimizer-harness": versions.get("optimizer-harness"),
        "device": hardware.get("type", "not recorded"),
        "precision": hardware.get("precision"),
    }


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    keys = dict.fromkeys((*there, *here))
    return [
        f"{key} {_word(there.get(key))} there and {_word(here.get(key))} here"
        for key in keys
        if there.get(key) != here.get(key)
    ]


def _word(value: object) -> str:
    return "none" if value is None else json.dumps(value)


def _shown(found: Sequence[str]) -> str:
    more = f", and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{', '.join(found[:SHOWN])}{more}"
