"""The arms of a benchmark with their plugins and search spaces, and the controls that run beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from harness.benchmark.sections import Benchmark
from harness.benchmark.spaces import arm_space, middle_of
from harness.benchmark.toml import Source
from harness.errors import did_you_mean, shown
from harness.plugin.contracts import Backbone, Optimizer, Scheduler, Space, Weights
from harness.plugin.registry import Registry
from harness.plugin.rules import NO_RULES, Rules, allowed_near
from harness.plugin.runs import Arm
from harness.training.read_defaults import ReadDefault

UNSCHEDULED = "constant"  # the schedule of an optimizer that needs none

Role = Literal["arm", "aa", "different", "untuned"]


@dataclass(frozen=True)
class Competitor:
    """An arm with its plugins and its search space."""

    arm: Arm
    network: Backbone  # what is trained: the backbone, or the head on its features
    weights: Weights | None  # what the backbone starts from, or is frozen at
    optimizer: Optimizer
    scheduler: Scheduler
    space: Space  # searched: name -> distribution; the schedule's behind SCHEDULE, and "epochs"
    fixed: Mapping[str, Any]  # fixed by the benchmark file, named alike
    plugins: Mapping[str, str]  # SHA-256 of each plugin's source
    benchmark: Benchmark  # as it holds for the arm's head
    role: Role = "arm"  # others are controls: they run beside the arms, and are never ranked with them
    of: str = ""  # the arm that a control belongs to
    rules: Rules = NO_RULES  # what of its space is in force, and what holds between hyperparameters
    extra: float = 0.0  # what its search's budget was extended by, in the benchmark's unit
    read_defaults: Mapping[str, ReadDefault] = field(default_factory=dict)  # what its plugins leave undeclared

    @property
    def name(self) -> str:
        """The name of its arm, under which all that is recorded about it stands."""
        return self.arm.name

    @property
    def entered(self) -> str:
        """The name that ``train.optimizers`` and ``[search.space]`` have for its optimizer."""
        return self.arm.alias if self.role == "arm" and self.arm.alias else self.arm.optimizer

    def allowed(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Return the setting near to a wanted one that its rules allow, without what is not in force."""
        near = allowed_near(self.space, self.rules, wanted)
        return self.rules.in_force(wanted) if near is None else near  # where there is none, the arm was refused


@dataclass(frozen=True)
class Networks:
    """The plugins of the networks that a benchmark trains."""

    backbones: Mapping[str, Backbone]
    heads: Mapping[str, Backbone]  # empty where whole backbones are trained
    weights: Mapping[str, Weights]  # by backbone; empty in the regime "scratch"


def resolve_arms(
    networks: Networks, optimizers: list[str], benchmark: Benchmark, source: Source, registry: Registry
) -> tuple[Competitor, ...]:
    """Return every backbone with every head, optimizer and schedule; ``optimizers`` are named as in the file."""
    train = benchmark.train
    for name in train.schedulers:
        registry.get("scheduler", name, Scheduler, source.where("train", "schedulers"))
    pairs = []
    for entered in optimizers:
        plugin = train.aliases.get(entered, entered)
        optimizer = registry.get("optimizer", plugin, Optimizer, source.where("train", "optimizers"))
        schedulers = train.schedulers if optimizer.scheduled else [UNSCHEDULED]
        pairs += [(entered, plugin, scheduler) for scheduler in schedulers]
    competitors = []
    for backbone in networks.backbones:
        for head in networks.heads or ("",):
            for entered, plugin, scheduler in pairs:
                arm = Arm(backbone, plugin, scheduler, head, entered if entered in train.aliases else "")
                competitors.append(_resolve_arm(arm, networks, benchmark.of_head(head), source, registry))
    return tuple(competitors)


def _resolve_arm(arm: Arm, networks: Networks, benchmark: Benchmark, source: Source, registry: Registry) -> Competitor:
    """Return an arm with its plugins and its space; the benchmark is as it holds for the arm's head."""
    optimizer = registry.get("optimizer", arm.optimizer, Optimizer)
    scheduler = registry.get("scheduler", arm.scheduler, Scheduler)
    entered = arm.alias or arm.optimizer
    tried = arm_space(benchmark, arm.head, (entered, optimizer), (arm.scheduler, scheduler), source)
    return Competitor(
        arm=arm,
        network=networks.heads[arm.head] if arm.head else networks.backbones[arm.backbone],
        weights=networks.weights.get(arm.backbone),
        optimizer=optimizer,
        scheduler=scheduler,
        space=tried.space,
        fixed=tried.fixed,
        rules=tried.rules,
        plugins=registry.source_hashes(arm, benchmark.train.task),
        benchmark=benchmark,
    )


def resolve_controls(
    competitors: tuple[Competitor, ...], benchmark: Benchmark, source: Source
) -> tuple[Competitor, ...]:
    """Return the arms that run beside the others, so that a reader knows what the comparison can tell."""
    compare = benchmark.compare
    named = compare.aa if isinstance(compare.aa, str) and compare.aa else benchmark.train.optimizers[0]
    if compare.aa and named not in {competitor.entered for competitor in competitors}:
        hint = did_you_mean(named, benchmark.train.optimizers)
        must = "be one of train.optimizers, true or false"
        raise source.refusal(("compare", "aa"), must, shown(compare.aa), hint)
    controls = []
    with_different: set[str] = set()  # networks that have their known-different arm
    untuned: set[Arm] = set()
    for competitor in competitors:
        if compare.aa and competitor.entered == named:
            controls.append(_make_control(competitor, "aa", "again"))
        if compare.label_noise and competitor.arm.network not in with_different and competitor.entered == named:
            controls.append(_make_control(competitor, "different", "noise"))
            with_different.add(competitor.arm.network)
        unaliased = replace(competitor.arm, alias="")
        if compare.untuned and unaliased not in untuned:  # an alias has its optimizer's defaults
            controls.append(_make_control(competitor, "untuned", "untuned"))
            untuned.add(unaliased)
    return tuple(controls)


def _make_control(competitor: Competitor, role: Role, mark: str) -> Competitor:
    """Return the control of a role that belongs to an arm, under a name of its own."""
    arm = competitor.arm
    renamed = replace(arm, alias=f"{arm.alias or arm.optimizer}~{mark}")
    return replace(competitor, arm=renamed, role=role, of=competitor.name)


def describe_space(competitor: Competitor) -> dict[str, dict[str, Any]]:
    """Return what is searched as the benchmark file would have it: {low, high, log}, {choices} or {fixed}."""
    from optuna.distributions import CategoricalDistribution

    described: dict[str, dict[str, Any]] = {}
    for name, distribution in competitor.space.items():
        if isinstance(distribution, CategoricalDistribution):
            described[name] = {"choices": list(distribution.choices)}
        else:
            described[name] = {key: getattr(distribution, key) for key in ("low", "high", "log")}
    described |= {name: {"fixed": value} for name, value in competitor.fixed.items()}
    for name in described:
        if condition := competitor.rules.when.get(name):
            described[name]["when"] = {above: list(values) for above, values in condition.items()}
        if texts := [rule.text for rule in competitor.rules.constraints if name in rule.names]:
            described[name]["constraints"] = texts
    return described


def ends(competitor: Competitor, which: int) -> dict[str, Any]:
    """Return the low end of everything that is searched, or, for 1, the high end; the first or the last of choices.

    Where the arm's rules do not allow that, it is the setting near to it that they allow.
    """
    return competitor.allowed({name: end_of(space, which) for name, space in competitor.space.items()})


def middle(competitor: Competitor) -> dict[str, Any]:
    """Return the setting in the middle of everything that is searched, or the one near to it that the rules allow."""
    return competitor.allowed({name: middle_of(space) for name, space in competitor.space.items()})


def end_of(distribution: Any, which: int) -> Any:
    """Return the low end of a distribution, or, for 1, the high end; the first or the last of choices."""
    choices = getattr(distribution, "choices", None)
    return choices[-which] if choices else (distribution.low, distribution.high)[which]
