"""What a run is about, as its records note it: ``Meta``, one attribute a note, and ``Deciding``, a metric that decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from harness.console.numbers import first_of, measure
from harness.errors import arguments

Goal = Literal["min", "max"]
LOSS = "loss"  # the metric that every task has: the mean of its loss over the examples of a split


def sign_of(goal: str) -> int:
    """Return what a metric is multiplied by so that more is better.

    Args:
        goal: "max" or "min".

    Returns:
        1 for "max", -1 for "min".

    Raises:
        ValueError: The goal is another word.

    >>> sign_of("min")
    -1
    """
    return 1 if arguments.one_of("goal", goal, ("min", "max")) == "max" else -1


@dataclass(frozen=True)
class Deciding:
    """A metric that decides: among arms on the test split, or among the trials of a search on the tune split.

    >>> deciding = Deciding(name="accuracy", goal="max", unit="%")
    >>> deciding.column, deciding.text(0.9125)
    ('test_accuracy', '91.25 %')
    """

    name: str  # "accuracy"
    goal: Goal
    unit: str  # "%" for a proportion between 0 and 1, "" for none

    @property
    def column(self) -> str:
        """The column of ``runs`` and ``comparison`` that it has on the test split, "test_accuracy"."""
        return f"test_{self.name}"

    @property
    def tune_column(self) -> str:
        """The column that it has on the tune split, "tune_accuracy"; ``epochs`` has it too."""
        return f"tune_{self.name}"

    @property
    def sign(self) -> int:
        """What a value is multiplied by so that more is better: 1 or -1."""
        return sign_of(self.goal)

    @property
    def is_share(self) -> bool:
        """Whether it is a proportion between 0 and 1, which is shown in percent."""
        return self.unit == "%"

    def text(self, value: float) -> str:
        """Return a value with its unit: "91.25 %" or "0.421 nats"."""
        return measure(value, self.unit)


NAMED = 8  # tensors that a line names


def penalty_line(network: str, tested: Mapping[str, Any]) -> str:
    """Return what the penalty has to do with a network's scale-free tensors, "" where it has nothing to do with any.

    ``tested`` is the network's value in ``Meta.scale_free``.
    """
    if not tested["l2"]:
        return ""
    if tested["problem"]:
        return f"{network}: the L2 is on all tensors, because their scales could not be tested ({tested['problem']})"
    names = list(tested["tensors"])
    if not names:
        return ""
    named = first_of(names, NAMED)
    if tested["l2_on"] == "all":
        return (
            f"{network}: its objective has no minimum, because the L2 is on tensors whose scales change no output "
            f"({named}); see train.l2_on"
        )
    return f"{network}: the L2 is not on tensors whose scales change no output ({named}); see train.l2_on"


@dataclass(frozen=True, kw_only=True)
class Meta:
    """What a run is about: a value for each key of the table ``meta``. Its values are plain, as JSON has them.

    A note that this run does not have, because nothing of the kind was done, is empty or None. Some notes have keys of their own:

    - ``scale_free``, by network: its scale-free ``tensors``, each with its unit; their ``groups``; the ``problem`` of the test;
      ``l2``, and what that is on, ``l2_on``.
    - ``work``, by arm: the operations of a gradient evaluation, of its ``network`` for an example and its optimizer's ``own``;
      its number of ``weights``.
    - ``budget``: ``asked``, the seconds that the run may take, or None; ``used``, those that it has taken; ``units``, what each
      search got, or None for all.
    - ``looks``: ``replicates``, how many the run goes to; ``ended``, why it goes no further, "" before that; ``left_out``, a
      sentence.
    - ``refits``, by arm: ``arm``, ``run_id`` and ``seed`` of the run on train and tune, and the run that it is ``of``.

    >>> records.meta.deciding.column
    'test_accuracy'
    """

    benchmark: Mapping[str, Any]  # the resolved benchmark file, by section
    data: Mapping[str, Any]  # name, source, notice, fingerprint, classes, counts by split, input_shape, ...
    metrics: Mapping[str, Mapping[str, Any]]  # by metric: goal ("min" or "max"), unit, each (a mean over examples)
    metric: str  # the name of the metric that ranks arms, on the test split
    search_metric: str  # the name of the metric that scores trials, on the tune split
    arms: Sequence[str]  # the names of the competitors, in the order of the benchmark
    spaces: Mapping[str, Mapping[str, Any]]  # by arm and hyperparameter: low, high, log; choices; or fixed
    environment: Mapping[str, Any] = field(default_factory=dict)  # hash, versions, hardware, ... of the last work
    environments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by hash: of all machines that trained
    command: Sequence[str] = ()  # the words of the command that the last work was started with
    schema_version: int = 0  # of the tables

    optimizers: Mapping[str, str] = field(default_factory=dict)  # the optimizer plugin, by arm
    references: Mapping[str, str] = field(default_factory=dict)  # the source of every optimizer
    scheduler_references: Mapping[str, str] = field(default_factory=dict)  # the source of every scheduler
    roles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by control under an alias: role, of
    convex: Mapping[str, bool] = field(default_factory=dict)  # by network: whether its objective is convex
    weights: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by backbone: file, sha256, mean, std, ...
    constant: Mapping[str, Any] = field(default_factory=dict)  # what the best constant answer scores
    plugins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by module: origin, sha256
    broken_plugins: Mapping[str, Any] = field(default_factory=dict)  # by module that could not be loaded: why
    fairness: Mapping[str, Any] = field(default_factory=dict)  # the notes on how evenly the arms are treated
    preset: Mapping[str, Any] | None = None  # name, line, sets (values by key), replaced (keys); None without one
    changed_settings: Mapping[str, Sequence[str]] = field(default_factory=dict)  # lines by run; "" for none
    unrepeatable: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by run: operations with random results

    scale_free: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    work: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    range_tests: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by arm: where its search is centred
    exhausted: Mapping[str, int] = field(default_factory=dict)  # by search that tried all: its number of combinations
    counted: Mapping[str, int] = field(default_factory=dict)  # by search whose budget is not in trials: how many count
    extensions: Sequence[Mapping[str, Any]] = ()  # the searches that got wider ranges or more trials, in order
    protocols: Sequence[Mapping[str, Any]] = ()  # hash, protocol and registered of each, the first registered first
    comparison: Sequence[Mapping[str, Any]] | None = None  # the runs of the comparison; None before it is planned
    compare_runs: Sequence[str] | None = None  # those that rank the arms; None before the comparison is planned
    baseline: Mapping[str, Any] | None = None  # what another run's file brought in

    budget: Mapping[str, Any] = field(default_factory=dict)
    looks: Mapping[str, Any] = field(default_factory=dict)
    measurements: Mapping[str, int] = field(default_factory=dict)  # by probe: how many it is to make, where known
    probes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by probe: version, groups, seconds, ...
    schedules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by arm: steps and rates of its schedule
    confirmations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by arm: cached features tested
    listeners: Mapping[str, str] = field(default_factory=dict)  # by listener that was left out: why
    paths_of: Mapping[str, Any] | None = None  # settings: by arm the hyperparameters that its walks have
    folds: Mapping[str, Any] | None = None  # arm, count and runs of the out-of-fold predictions
    refits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    likeness: Mapping[str, Any] | None = None  # the photos that are nearly alike
    examples: Mapping[str, Any] | None = None  # fingerprint: of the data whose photos the table ``examples`` names

    @property
    def deciding(self) -> Deciding:
        """The metric that ranks arms, on the test split."""
        return self._decides(self.metric)

    @property
    def searched(self) -> Deciding:
        """The metric that scores the trials of a search, on the tune split."""
        return self._decides(self.search_metric)

    def _decides(self, name: str) -> Deciding:
        return Deciding(name, self.metrics[name]["goal"], str(self.metrics[name]["unit"]))

    def penalty_lines(self) -> list[str]:
        """Return a line for each network whose scale-free tensors matter to its objective."""
        return [line for network, tested in self.scale_free.items() if (line := penalty_line(network, tested))]

    @property
    def planned_replicates(self) -> int:
        """How many replicates there are up to the look that the run goes to, as far as that is known."""
        return int(self.looks.get("replicates", self.benchmark["compare"].get("looks", [1])[0]))

    @property
    def planned_seeds(self) -> int:
        """How many comparison seeds each arm has up to that look.

        >>> records.meta.planned_seeds
        3
        """
        return self.planned_replicates * int(self.benchmark["compare"]["seeds"])

    def sign(self, metric: str) -> int:
        """Return what a metric's value is multiplied by so that more is better: 1 or -1."""
        return sign_of(self.metrics[metric]["goal"])

    def mapped(self, function: Callable[[Any], Any]) -> Meta:
        """Return a copy in which a function was applied to every value."""
        return replace(self, **{note.name: function(getattr(self, note.name)) for note in fields(self)})


KEYS = frozenset(note.name for note in fields(Meta))  # of the table ``meta``
