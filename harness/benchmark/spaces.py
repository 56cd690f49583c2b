"""What is searched: the distributions that a plugin and the benchmark file give for an arm's hyperparameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.benchmark.sections import Benchmark
from harness.benchmark.toml import Source, refusal
from harness.errors import BenchmarkError
from harness.plugin.contracts import Optimizer, Scheduler
from harness.plugin.validate import fault, takes_fractions

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

SCHEDULE = "schedule."  # goes before a schedule's hyperparameters, in Optuna and in the tables
COMMON = ("epochs", "batch_size", "layer_factor")  # searched alike for every arm; no hyperparameters of an optimizer
DECAY, DECAYS = (
    "weight_decay",
    (1e-6, 0.1),
)  # searched on a logarithmic scale where each arm has an objective of its own


def arm_space(
    benchmark: Benchmark, head: str, optimizer: tuple[str, Optimizer], scheduler: tuple[str, Scheduler], source: Source
) -> tuple[dict[str, BaseDistribution], dict[str, Any]]:
    """Return what an arm's search tries, and what the file fixes; raises BenchmarkError for what a plugin's limits refuse.

    ``benchmark`` is as it holds for the head. ``optimizer`` and ``scheduler`` come with the names that the file has for
    them. With ``search.objective = "free"`` the weight decay is searched too, for every optimizer that has one.
    """
    space: dict[str, BaseDistribution] = {**_own_decay(benchmark, optimizer[1]), **optimizer[1].space}
    space |= {f"{SCHEDULE}{name}": distribution for name, distribution in scheduler[1].space.items()}
    fixed: dict[str, Any] = {}
    for prefix, (part, plugin) in (("", optimizer), (SCHEDULE, scheduler)):
        for name, value in space_overrides(benchmark, head, part, plugin, source).items():
            space.pop(f"{prefix}{name}", None)
            table = fixed if isinstance(value, str | int | float | bool) else space
            table[f"{prefix}{name}"] = value
    return space | _common_space(benchmark), fixed


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
    if "choices" in entry:
        return CategoricalDistribution(entry["choices"])
    are_integers = (
        isinstance(entry["low"], int) and isinstance(entry["high"], int) and not takes_fractions(plugin, name)
    )
    if are_integers and entry.get("step") is not None and entry["step"] != int(entry["step"]):
        raise refusal(f"{where}.step", "be a whole number between whole numbers", repr(entry["step"]))
    return (IntDistribution if are_integers else FloatDistribution)(**entry)
