"""What a plugin may use of a run's records: its tables, and what the run folder keeps beside them."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness.plugin.contracts.tables import empty_table
from harness.plugin.copies import lazy_copy
from harness.plugin.meta import Deciding, Meta

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame


T = TypeVar("T")


@dataclass(frozen=True)
class Lack:
    """A file that the records promise and the run folder lacks, because it is gone or is not as it was written."""

    file: str  # its place in the run folder
    run_id: str  # the run that it belongs to; "" for a file of no single run
    exists: bool

    def __str__(self) -> str:
        """Return it in a few words."""
        return f"{self.file} is {'not as it was written' if self.exists else 'not there'}"


@dataclass(frozen=True)
class Records(ABC):
    """Everything a run folder tells, as tables; analyses and reports are made from this alone.

    ``arms``    arm, backbone, optimizer, scheduler, tuned_trial, tuned_value, tuned_params (a dict)
    ``trials``  arm, number, state, value, reason, run_id, seconds, trained (epochs, of all its seeds), params (a dict),
                epochs (that one seed is to train); and of the run that trained it once more at full length, before the
                search chose, confirmation (its run_id, "" for none), confirmation_state ("" for none) and confirmed (its
                score, NaN where it did not end well)
    ``runs``    run_id, arm, phase, seed, precision, state, reason, seconds, started, ended, environment, taken_from (the
                run folder that it was trained in, "" where that is this one), and a column a
                metric; of the comparison, only the runs of the arms' tuned parameters
    ``epochs``  run_id, arm, phase, seed, epoch, steps, gradients (evaluations so far), lr, seconds, and a column a
                metric
    ``range_tests``  arm, step, lr, loss, smoothed: the curve of every arm whose search was centred by a range test
    ``paths``   arm, landscape, step, gradients, x, y, value, lr, problem: each arm's optimizer over two parameters
    ``examples``  split, row, name, target, excluded: every photo, where the data are photos of classes
    ``comparison``  every run of the comparison, controls too: the columns of ``runs``, and role, of, replicate,
                init_seed, order_seed. The role is "fresh" (those that ``runs`` has), "twin" (the same initial weights,
                another order), "restart" (20 % more steps), "untuned" (the optimizer's own defaults), "aa" (an arm
                under an alias) or "different" (trained with label noise); ``of`` is the arm that a control belongs to
    ``measured``  probe, one, other, third, name, value: what probes measured; one, other and third are run_ids,
                "" where there are fewer
    ``repeated``  the trials of searches that are no arm's first: the columns of ``trials`` but epochs, and search, the
                study, the arm it belongs to, the replicate, chosen (whether the search chose it), and control (the A/A arm's
                name, "" for an arm's own search)

    >>> scores = records.compared()  # a row per arm and seed
    >>> scores.groupby("arm")["test_accuracy"].mean().between(0, 1).all()
    np.True_
    """

    folder: Path
    meta: Meta  # benchmark, data, environment, command, plugins, metrics, ...
    arms: DataFrame
    trials: DataFrame
    runs: DataFrame
    epochs: DataFrame
    range_tests: DataFrame = field(default_factory=lambda: empty_table("range_tests"))
    paths: DataFrame = field(default_factory=lambda: empty_table("paths"))
    examples: DataFrame = field(default_factory=lambda: empty_table("examples"))
    comparison: DataFrame = field(default_factory=lambda: empty_table("comparison"))
    measured: DataFrame = field(default_factory=lambda: empty_table("measured"))
    repeated: DataFrame = field(default_factory=lambda: empty_table("repeated"))

    @cached_property
    def cache(self) -> dict[Hashable, Any]:
        """What several analyses computed from these records, by key; see ``once``. Copies by ``own()`` share it."""
        return {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return ``make()``, called once for these records and this key; nobody may write to what is returned."""
        if key not in self.cache:
            self.cache[key] = make()
        value: T = self.cache[key]
        return value

    def own(self) -> Records:
        """Return a copy for one plugin. The plugin may write to it, and no other plugin sees that.

        A table is copied when it is first looked at.

        It has the same ``cache``, so that analyses share their work.
        """
        return lazy_copy(self, {"folder": self.folder, "cache": self.cache})

    @property
    def name(self) -> str:
        """The benchmark's name."""
        return str(self.meta.benchmark["name"])

    @property
    def deciding(self) -> Deciding:
        """The metric that ranks arms, on the test split (``compare.metric``)."""
        return self.meta.deciding

    @property
    def searched(self) -> Deciding:
        """The metric that scores the trials of a search, on the tune split (``search.metric``)."""
        return self.meta.searched

    def search_over(self, arm: str) -> bool:
        """Return whether an arm's (first) search has spent its budget and nothing of it is under way."""
        search, trials = self.meta.benchmark["search"], self.trials[self.trials["arm"] == arm]
        all_asked = len(trials) >= self.trials_wanted(arm) if search["unit"] == "trials" else arm in self.meta.counted
        under_way = (trials["state"] == "waiting") | (trials["confirmation_state"] == "waiting")
        return all_asked and not under_way.any()

    def trials_wanted(self, arm: str) -> int:
        """Return how many trials an arm is to have; those it has where the budget is not in trials, or was too large."""
        count = int((self.trials["arm"] == arm).sum())
        return count if self.exhausted(arm) is not None else self._trials_allowed(arm) or count

    def exhausted(self, arm: str) -> int | None:
        """Return how many combinations an arm's space has, where that ended its search before the budget; else None."""
        combinations: int | None = self.meta.exhausted.get(arm)
        spent = (self.trials["arm"] == arm).sum() == self._trials_allowed(arm)
        return None if spent else combinations

    def _trials_allowed(self, arm: str) -> int:
        """Return how many trials the budget and its extensions give an arm; 0 for a budget in another unit."""
        search = self.meta.benchmark["search"]
        if search["unit"] != "trials":
            return 0
        return int(search["trials"] + sum(e["extra"] for e in self.meta.extensions if e["arm"] == arm))

    def compared(self) -> DataFrame:
        """Return the comparison runs, ordered by arm and seed."""
        return self.runs[self.runs["phase"] == "compare"].reset_index(drop=True)

    def bounds_of(self, column: str) -> tuple[float, float]:
        """Return the least and the largest value of a column: (0, 1) of a metric in "%", no end above of seconds, else none."""
        if column == "seconds":
            return 0.0, math.inf
        _, metric = _split_and_metric(column)
        unit = self.meta.metrics.get(metric, {}).get("unit", "")
        return (0.0, 1.0) if unit == "%" else (-math.inf, math.inf)

    def examples_of(self, column: str) -> int:
        """Return of how many examples a column, like ``test_accuracy``, is a proportion; 0 where it is none.

        A proportion is a metric in "%" that is a mean over examples (``Metric.each``), on a split that the networks were
        not trained on: balanced accuracy, a loss and anything on train are none.
        """
        split, metric = _split_and_metric(column)
        properties = self.meta.metrics.get(metric, {})
        if split not in ("test", "tune") or properties.get("unit") != "%" or not properties.get("each", False):
            return 0
        return int(self.meta.data["counts"][split])

    def again(self, key: str, value: Any) -> str:
        """Return the command that goes on with the run under one changed setting, as it is typed in a shell.

        It has no time limit, for the run's may be used up.
        """
        from harness.console.continuing import NO_LIMIT, continuing, has_limit

        limit_of_file = self.meta.benchmark.get("budget") is not None and not has_limit(self.meta.command)
        return continuing(self.meta.command, {key: value}, NO_LIMIT if limit_of_file else "")

    def measuring(self, probes: Iterable[str]) -> str:
        """Return the command that lets these probes measure too, as it is typed in a shell; it trains nothing."""
        from harness.console.continuing import continuing

        probes_asked = list(self.meta.benchmark["compare"].get("probes", ()))
        probes_wanted = list(dict.fromkeys([*probes_asked, *probes]))
        settings = {} if probes_wanted == probes_asked else {"compare.probes": probes_wanted}
        return continuing(self.meta.command, settings, only_measure=True)

    @property
    @abstractmethod
    def changes(self) -> list[str]:
        """A line for each setting of the process that a plugin changed while it ran; they were put back after it."""

    # What follows is read from the run folder when it is asked for.

    @property
    @abstractmethod
    def lacking(self) -> tuple[Lack, ...]:
        """The files that the records promise and the run folder lacks, because they are gone or damaged; all are read."""

    @abstractmethod
    def predictions(self, run_id: str, split: str = "test") -> NDArray[np.float32]:
        """Return a comparison run's predictions ``[N, ...]`` of test or tune; raises RunFolderError where they are missing."""

    @abstractmethod
    def probed(self, probe: str, *run_ids: str) -> dict[str, NDArray[Any]]:
        """Return the arrays by name that a probe kept of these networks; none where it kept none."""

    @property
    @abstractmethod
    def targets(self) -> NDArray[Any]:
        """The test targets ``[N, ...]``."""

    @property
    @abstractmethod
    def tune_targets(self) -> NDArray[Any]:
        """The targets of the tune split ``[N, ...]``; raises RunFolderError where they are missing."""

    @property
    @abstractmethod
    def out_of_fold(self) -> NDArray[np.float32] | None:
        """Predictions ``[N, ...]`` of the train split, each by a model trained without it; None without ``compare.folds``."""

    @abstractmethod
    def thumbnail(self, split: str, row: int) -> bytes | None:
        """Return a small copy of a photo as JPEG, made anew from its pixels; None where there is none."""

    @property
    @abstractmethod
    def recipes(self) -> Mapping[str, Mapping[str, Any]]:
        """Everything that decided a comparison run's outcome, as plain values, by run (``harness.Run``)."""

    @property
    @abstractmethod
    def scores(self) -> Mapping[str, NDArray[Any]]:
        """The deciding test metric of every example, ``[N]`` in the order of the test split, by comparison run.

        Their mean is the metric. Empty where the metric is no mean over examples, or the comparison is not over.
        """


def _split_and_metric(column: str) -> tuple[str, str]:
    """Return the split and the metric of a column of ``runs`` or ``epochs``: ("test", "accuracy") of ``tta_test_accuracy``."""
    match = re.fullmatch(r"(?:(?:tta|snapshots|snapshot\d+)_)?(train|tune|test)_(.+)", column)
    return (match[1], match[2]) if match else ("", column)
