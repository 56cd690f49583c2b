"""What is searched: the distributions that a plugin and the benchmark file give for an arm's hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.benchmark.sections import Benchmark
from harness.benchmark.toml import Source, refusal
from harness.errors import BenchmarkError, did_you_mean, shown
from harness.plugin.contracts import Optimizer, Scheduler
from harness.plugin.limits import fault, takes_fractions
from harness.plugin.rules import (
    DRAWS,
    Constraint,
    Rules,
    allowed_near,
    as_values,
    circle_of,
    constraint_fault,
    is_among,
)

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

SCHEDULE = "schedule."  # goes before a schedule's hyperparameters, in Optuna and in the tables
COMMON = ("epochs", "batch_size", "layer_factor")  # searched alike for every arm; no hyperparameters of an optimizer
DECAY, DECAYS = (
    "weight_decay",
    (1e-6, 0.1),
)  # searched on a logarithmic scale where each arm has an objective of its own


class ArmSpace(NamedTuple):
    """What an arm's search tries, what the file fixes, and the rules for both."""

    space: Mapping[str, BaseDistribution]
    fixed: Mapping[str, Any]
    rules: Rules


def arm_space(
    benchmark: Benchmark, head: str, optimizer: tuple[str, Optimizer], scheduler: tuple[str, Scheduler], source: Source
) -> ArmSpace:
    """Return what an arm's search tries; raises BenchmarkError for what a plugin's limits or rules refuse.

    ``benchmark`` is as it holds for the head. ``optimizer`` and ``scheduler`` come with the names that the file has for
    them. With ``search.objective = "free"`` the weight decay is searched too, for every optimizer that has one. What is
    never in force is left out.
    """
    space: dict[str, BaseDistribution] = {**_own_decay(benchmark, optimizer[1]), **optimizer[1].space}
    space |= {f"{SCHEDULE}{name}": distribution for name, distribution in scheduler[1].space.items()}
    fixed: dict[str, Any] = {}
    for prefix, (part, plugin) in (("", optimizer), (SCHEDULE, scheduler)):
        for name, value in space_overrides(benchmark, head, part, plugin, source).items():
            space.pop(f"{prefix}{name}", None)
            table = fixed if isinstance(value, str | int | float | bool) else space
            table[f"{prefix}{name}"] = value
    constants = {**optimizer[1].settings({}), **_prefixed(SCHEDULE, scheduler[1].settings({})), **fixed}
    when = _conditions(benchmark, head, optimizer, scheduler, {**constants, **space}, source)
    others = {name: value for name, value in constants.items() if name not in space}
    for name in [name for name in (*space, *fixed) if name in when]:
        if _is_never(name, when, space, others):
            space.pop(name, None)
            fixed.pop(name, None)
    when = _still_open(when, space, others)
    rules = Rules(when, _constraints(benchmark, optimizer, scheduler, source, others, space), others)
    arm = ArmSpace(space | _common_space(benchmark), fixed, rules)
    _check_possible(arm, optimizer[0], source)
    return arm


def _prefixed(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}{name}": value for name, value in values.items()}


Condition = dict[str, tuple[Any, ...]]  # by hyperparameter: the values that it must have


def _conditions(
    benchmark: Benchmark, head: str, optimizer: tuple[str, Optimizer], scheduler: tuple[str, Scheduler],
    known: Mapping[str, Any], source: Source,
) -> dict[str, Condition]:  # fmt: skip
    """Return under which other values a hyperparameter is in force: as the file says, else as its plugin does."""
    above = ("heads", head) if head in benchmark.heads else ()
    conditions: dict[str, Condition] = {}
    for prefix, (part, plugin) in (("", optimizer), (SCHEDULE, scheduler)):
        declared: dict[str, Mapping[str, Any]] = dict(plugin.when)
        for name, entry in benchmark.search.space.get(part, {}).items():
            if isinstance(entry, dict) and entry.get("when") is not None:
                declared[name] = entry["when"]
                key = (*above, "search", "space", part, name, "when")
                if unknown := [
                    parameter for parameter in entry["when"] if f"{prefix}{parameter}" not in known or parameter == name
                ]:
                    hint = did_you_mean(unknown[0], [name_known.removeprefix(prefix) for name_known in known])
                    must = f"be for other hyperparameters of '{part}'"
                    raise source.refusal(key, must, shown(unknown[0]), hint)
        if circle := circle_of(declared):
            key = (*above, "search", "space", part)
            raise source.refusal(key, "have conditions that end somewhere", f"a circle through {circle!r}")
        for name, others in declared.items():
            if others:
                values = {f"{prefix}{parameter}": as_values(value) for parameter, value in others.items()}
                conditions[f"{prefix}{name}"] = values
    return conditions


def _is_never(
    name: str, when: Mapping[str, Condition], space: Mapping[str, Any], others: Mapping[str, Any]
) -> bool:  # fmt: skip
    """Return whether a hyperparameter is in force under no setting that can be tried."""
    for above, values in when.get(name, {}).items():
        if _is_never(above, when, space, others):
            return True
        if above not in space:
            if not is_among(others.get(above), values):
                return True
        elif (choices := getattr(space[above], "choices", None)) and not any(
            is_among(choice, values) for choice in choices
        ):
            return True
    return False


def _still_open(
    when: Mapping[str, Condition], space: Mapping[str, Any], others: Mapping[str, Any]
) -> dict[str, Condition]:  # fmt: skip
    """Return the conditions that the search decides; those that always hold are left out."""
    conditions: dict[str, Condition] = {}
    for name, condition in when.items():
        deciding = {above: values for above, values in condition.items() if above in space}
        if deciding and (name in space or name in others):
            conditions[name] = deciding
    return conditions


def _constraints(
    benchmark: Benchmark, optimizer: tuple[str, Optimizer], scheduler: tuple[str, Scheduler], source: Source,
    others: Mapping[str, Any], space: Mapping[str, Any],
) -> tuple[Constraint, ...]:  # fmt: skip
    """Return what holds between hyperparameters: as the file says, else as their plugin does."""
    constraints: list[Constraint] = []
    for prefix, (part, plugin) in (("", optimizer), (SCHEDULE, scheduler)):
        texts = benchmark.search.constraints.get(part)
        for text in plugin.constraints if texts is None else texts:
            constraint, key = Constraint(text, prefix), ("search", "constraints", part)
            if texts is not None and (wrong := constraint_fault(text)):
                raise BenchmarkError(f"{source.where(*key)}:{wrong}")
            names_known = {*space, *others, *_prefixed(prefix, plugin.limits), *_prefixed(prefix, plugin.space)}
            if texts is not None and (unknown := [name for name in constraint.names if name not in names_known]):
                names = [name.removeprefix(prefix) for name in names_known]
                hint = did_you_mean(unknown[0].removeprefix(prefix), names)
                must = f"name hyperparameters of '{part}'"
                raise source.refusal(key, must, f"{shown(unknown[0].removeprefix(prefix))} in {shown(text)}", hint)
            if any(name in space for name in constraint.names):
                constraints.append(constraint)
    return tuple(constraints)


def _check_possible(arm: ArmSpace, optimizer: str, source: Source) -> None:
    """Refuse a space in which no setting keeps the constraints."""
    middle = {name: middle_of(distribution) for name, distribution in arm.space.items()}
    if allowed_near(arm.space, arm.rules, middle) is not None:
        return
    text = arm.rules.broken(arm.rules.in_force(middle))
    raise source.refusal(
        ("search", "space", optimizer),
        f"have settings that keep the constraint {text!r}",
        f"none in {DRAWS:,} that were drawn",
        "widen a range, or pin what the constraint names",
    )


def middle_of(distribution: Any) -> Any:
    """Return the value in the middle of a distribution, on its scale; the first of choices."""
    if hasattr(distribution, "choices"):
        return distribution.choices[0]
    low, high = distribution.low, distribution.high
    value = (low * high) ** 0.5 if distribution.log else low + (high - low) * 0.5
    return int(value) if isinstance(low, int) else value


def _own_decay(benchmark: Benchmark, optimizer: Optimizer) -> dict[str, BaseDistribution]:
    """Return the space of an optimizer's own weight decay; nothing where all arms minimise one function."""
    from optuna.distributions import FloatDistribution

    limit = optimizer.limits.get(DECAY)
    if benchmark.search.objective == "common" or not isinstance(limit, FloatDistribution):
        return {}
    low, high = max(DECAYS[0], limit.low), min(DECAYS[1], limit.high)
    return {DECAY: FloatDistribution(low, high, log=True)} if low < high else {}


def _common_space(benchmark: Benchmark) -> dict[str, BaseDistribution]:
    """Return what is searched alike for every arm: epochs, and where the file says so batch size and layer factor."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    search = benchmark.search
    first, last = search.epochs[0], search.epochs[-1]
    if search.pruner != "none":
        first = last  # a pruner compares trials at equal epochs, so all must share one schedule horizon
    space: dict[str, BaseDistribution] = {"epochs": IntDistribution(first, last)}
    if search.batch_size:
        space["batch_size"] = CategoricalDistribution(search.batch_size)
    if search.layer_factor:
        low, high = search.layer_factor
        space["layer_factor"] = FloatDistribution(low, high, log=True)
    return space


def space_overrides(
    benchmark: Benchmark, head: str, part: str, plugin: Optimizer | Scheduler, source: Source
) -> dict[str, Any]:
    """Return what ``[search.space.PART]`` gives by hyperparameter: a fixed value, or a distribution."""
    above = ("heads", head) if head in benchmark.heads else ()
    entries = benchmark.search.space.get(part, {})
    return {
        name: _parse_entry(entry, plugin, name, source.where(*above, "search", "space", part, name))
        for name, entry in entries.items()
    }


def _parse_entry(entry: Any, plugin: Optimizer | Scheduler, name: str, where: str) -> Any:
    """Return what a line of ``[search.space.NAME]`` gives: a fixed value, or a distribution.

    Raises BenchmarkError for a value, an end or a choice that the plugin's limits refuse.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    values = entry.get("choices", [entry.get("low"), entry.get("high")]) if isinstance(entry, dict) else [entry]
    for value in values:
        if wrong := fault(plugin, name, value):
            raise BenchmarkError(f"{where}:{wrong}")
    if not isinstance(entry, dict):
        return entry
    entry = {key: value for key, value in entry.items() if key != "when"}
    if "choices" in entry:
        return CategoricalDistribution(entry["choices"])
    are_integers = (
        isinstance(entry["low"], int) and isinstance(entry["high"], int) and not takes_fractions(plugin, name)
    )
    if are_integers and entry.get("step") is not None and entry["step"] != int(entry["step"]):
        raise refusal(f"{where}.step", "be a whole number between whole numbers", repr(entry["step"]))
    return (IntDistribution if are_integers else FloatDistribution)(**entry)
