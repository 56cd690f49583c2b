"""What was measured of a network's runs: numbers by run, and distances by pair of runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.records import Records
from harness.statistics import pairwise
from harness.verdict.design import ARMS, Cell, Pair, Row
from harness.verdict.matrices import Matrices, matrices
from harness.verdict.measures import PROBES, Measure
from harness.verdict.numbers import FEWEST, Numbers, Unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

COLUMNS = {"accuracy": "test_accuracy", "test_loss": "test_loss", "train_loss": "train_loss"}  # of records.comparison
KAPPA = "error_kappa"  # of being right: shown beside disagreement
GAP = 0.005  # of error: so much may an endpoint with recalibrated statistics differ from the network as it was
SEARCHES = 3  # so many searches make it a claim about optimizers, not about one set of hyperparameters


@dataclass(frozen=True)
class Missing:
    """Why two arms cannot be compared by a measure, and what would help."""

    reason: str
    applicable: bool = True


@dataclass
class Sources:
    """What was measured of one network, each thing read once."""

    records: Records
    cell: Cell
    refused: dict[str, int] = field(default_factory=dict)  # measure -> pairs that were measured and may not be used
    moved: dict[str, frozenset[str]] = field(
        default_factory=dict
    )  # measure -> runs that its probe could not leave alone
    _read: dict[tuple[str, str], Matrix | None] = field(default_factory=dict)  # by probe and name

    def compared(self, measure: Measure, pair: Pair) -> Numbers | Matrices | Missing:
        """Return two arms compared by a primary measure."""
        if measure.facet == "representation" and self.cell.convex:
            return Missing("the representation is frozen: nothing of it is trained", applicable=False)
        if measure.facet == "loss":
            return self._losses(measure, pair)
        if measure.facet == "geometry":
            return self._sharpness(pair)
        if measure.facet == "function":
            return self.between(self._function.get(measure.name), measure, pair)
        return self.between(self.probed(PROBES[measure.facet], measure.name), measure, pair)

    def distances(self, measure: str) -> Matrix | None:
        """Return a measure's distances between all runs, in the order of ``runs``; None where it is no distance."""
        if measure in self._function:
            return self._function[measure]
        facet = {"cka": "representation", "pro": "representation", "ali": "connectivity"}.get(measure[:3])
        return self.probed(PROBES[facet], measure) if facet else None

    @cached_property
    def runs(self) -> Mapping[str, int]:
        """The place of every run that ended well in the matrices, by run_id."""
        names = (*self.cell.arms, *self.cell.controls)
        return {str(row["run_id"]): i for i, row in enumerate(r for n in names for r in self.cell.done(n).values())}

    @cached_property
    def scale(self) -> float:
        """What a difference in train loss is divided by: 1 for nats and classes, else the variance of the test targets."""
        import numpy as np

        meta = self.records.meta
        if meta.data.get("classes") or meta.metrics.get("loss", {}).get("unit") == "nats":
            return 1.0
        try:
            spread = float(np.var(np.asarray(self.records.targets, dtype=float), axis=0).mean())
        except HarnessError:
            return 1.0
        return spread if spread > 0 else 1.0

    # --- numbers

    def _losses(self, measure: Measure, pair: Pair) -> Numbers | Missing:
        column = COLUMNS[measure.name]
        searches = self.searches(pair)
        if searches >= SEARCHES:
            a, b = (self._by_search(arm, column, measure) for arm in (pair.one, pair.other))
            return Numbers(a, b, covers=f"{searches} searches, each the mean over its seeds")
        a, b = (self._by_seed(arm, column, measure) for arm in (pair.one, pair.other))
        if not a and not b:
            metric = column.partition("_")[2]
            known = column in self.records.comparison or metric in self.records.meta.metrics
            return Missing(f"no run has a finite {column}" if known else f"the task has no metric '{metric}'")
        found = Numbers(a, b)
        return Numbers(a, b, covers=f"{len(found.units)} seeds")

    def searches(self, pair: Pair) -> int:
        """Return how many searches both arms have that brought a result; the claim is about their hyperparameters."""
        of = [self.cell.replicates.get(arm, {}) if pair.kind == ARMS else {} for arm in (pair.one, pair.other)]
        ended = [{h for h, runs in each.items() if any(row["state"] == "done" for row in runs.values())} for each in of]
        return len(ended[0] & ended[1])

    def _by_seed(self, arm: str, column: str, measure: Measure) -> dict[Unit, float]:
        found = {("seed", seed): self._scaled(row, column, measure) for seed, row in self.cell.done(arm).items()}
        return {unit: value for unit, value in found.items() if math.isfinite(value)}

    def _by_search(self, arm: str, column: str, measure: Measure) -> dict[Unit, float]:
        found: dict[Unit, float] = {}
        for search, runs in self.cell.replicates[arm].items():
            values = [self._scaled(row, column, measure) for row in runs.values() if row["state"] == "done"]
            finite = [value for value in values if math.isfinite(value)]
            if finite:
                found["search", search] = sum(finite) / len(finite)
        return found

    def _scaled(self, row: Row, column: str, measure: Measure) -> float:
        value = float(row.get(column, math.nan))
        if measure.scale == "log ratio":
            return math.log(value) if value > 0 else math.nan
        return value / (self.scale if measure.name == "train_loss" else 1.0)

    def _sharpness(self, pair: Pair) -> Numbers | Missing:
        table = self.records.measured
        mine = table[(table["probe"] == PROBES["geometry"]) & (table["name"] == "value") & (table["other"] == "")]
        values = dict(zip(map(str, mine["one"]), map(float, mine["value"]), strict=True))
        raw: list[dict[Unit, float]] = []
        for arm in (pair.one, pair.other):
            runs = {("seed", seed): str(row["run_id"]) for seed, row in self.cell.done(arm).items()}
            raw.append({unit: values[run] for unit, run in runs.items() if math.isfinite(values.get(run, math.nan))})
        if not any(raw):
            return Missing(unprobed(self.records, "geometry"))
        a, b = ({unit: math.log(value) for unit, value in each.items() if value > 0} for each in raw)
        found = Numbers(a, b, raw=(raw[0], raw[1]))
        zeros = len(raw[0].keys() & raw[1].keys()) - len(found.units)
        without = f"; {zeros} without, where an arm's is 0" if zeros else ""
        return replace(found, covers=f"{len(found.units)} seeds{without}")

    # --- distances

    def between(self, every: Matrix | None, measure: Measure, pair: Pair) -> Matrices | Missing:
        """Return two arms compared by the distances ``every`` of all runs, in the order of ``runs``; None for none."""
        import numpy as np

        if every is None:
            known = measure.facet in PROBES and (self.records.measured["probe"] == PROBES[measure.facet]).any()
            return Missing(
                f"'{PROBES[measure.facet]}' found no {measure.name}" if known else unprobed(self.records, measure.facet)
            )
        one, other = self.cell.done(pair.one), self.cell.done(pair.other)
        there = [seed for seed in one if seed in other]
        moved = self.moved.get(measure.name, frozenset())
        out = {str(runs[seed]["run_id"]) for runs in (one, other) for seed in there} & moved
        seeds = [seed for seed in there if not {str(one[seed]["run_id"]), str(other[seed]["run_id"])} & out]
        a, b = ([self.runs[str(runs[seed]["run_id"])] for seed in seeds] for runs in (one, other))
        statistic = pairwise.excess if measure.scale == "excess" else pairwise.log_rho
        blocks = [every[np.ix_(rows, columns)] for rows, columns in ((a, a), (b, b), (a, b))]
        units = [("seed", seed) for seed in seeds]
        found = matrices(units, (blocks[0], blocks[1]), blocks[2], statistic)
        refused = self.refused.get(measure.name, 0)
        of = f"{len(out)} of {2 * len(there)} networks"
        why = f"{of} were refused, which recalibrated batch norm moved by more than {GAP:.1%} of error"
        if len(there) >= FEWEST and not found.units:
            bare = f"{refused} pairs were refused: batch norm was not recalibrated"
            return Missing(why if out else bare if refused else unprobed(self.records, measure.facet))
        return replace(found, covers=f"{found.covers}; {why}") if out else found

    @property
    def _function(self) -> Mapping[str, Matrix]:
        """The distances of the test predictions, by measure; empty where there are none."""
        return self.records.once(("function", *self.runs), self._predicted)

    def _predicted(self) -> Mapping[str, Matrix]:
        import numpy as np

        there: dict[int, Any] = {}
        for run_id, place in self.runs.items():
            try:
                there[place] = self.records.predictions(run_id)
            except HarnessError:
                continue
        shapes = {each.shape for each in there.values()}
        if len(shapes) != 1:
            return {}
        predictions, places = np.stack(list(there.values())), list(there)
        found = distances_of(self.records, predictions)
        if "disagreement" in found:
            found[KAPPA] = self._kappa(as_classes(predictions))
        whole = {name: np.full((len(self.runs), len(self.runs)), np.nan) for name in found}
        for name, matrix in found.items():
            whole[name][np.ix_(places, places)] = matrix
        return whole

    def _kappa(self, predictions: NDArray[np.float32]) -> Matrix:
        import numpy as np

        from harness.statistics import function

        try:
            return function.error_kappa(predictions, self.records.targets)
        except (HarnessError, ValueError):  # of records without targets
            return np.full((len(predictions), len(predictions)), np.nan)

    def probed(self, probe: str, name: str) -> Matrix | None:
        """Return what a probe of two networks measured, [R, R]; NaN where it did not, or may not be used; None for nothing."""
        if (probe, name) not in self._read:
            self._read[probe, name] = self._matrix(probe, name)
        return self._read[probe, name]

    def _matrix(self, probe: str, name: str) -> Matrix | None:
        import numpy as np

        numbers = self._pairs(probe)
        found = np.full((len(self.runs), len(self.runs)), np.nan)
        self.refused[name] = 0
        walked = numbers if probe == PROBES["connectivity"] else {}
        barriers = {pair: values for pair, values in walked.items() if name in values}
        self.moved[name] = _moved(barriers)
        for (one, other), values in numbers.items():
            if (one, other) in barriers and values.get("bn_recalibrated") != 1:
                self.refused[name] += 1
            elif name in values and not {one, other} & self.moved[name]:
                i, j = self.runs[one], self.runs[other]
                found[i, j] = found[j, i] = values[name]
        return found if any(name in values for values in numbers.values()) else None

    def names(self, probe: str) -> set[str]:
        """Return what a probe of two networks measured."""
        return self.records.once(("names", probe, *self.runs), lambda: set().union(*self._pairs(probe).values()))

    def _pairs(self, probe: str) -> Mapping[tuple[str, str], Mapping[str, float]]:
        """Return the numbers by name that a probe of two networks told, by pair of run_ids."""
        return self.records.once(("pairs", probe, *self.runs), lambda: self._told(probe))

    def _told(self, probe: str) -> Mapping[tuple[str, str], Mapping[str, float]]:
        table = self.records.measured
        mine = table[(table["probe"] == probe) & (table["other"] != "") & (table["third"] == "")]
        mine = mine[mine["one"].isin(list(self.runs)) & mine["other"].isin(list(self.runs))]
        numbers: dict[tuple[str, str], dict[str, float]] = {}
        columns = (map(str, mine["one"]), map(str, mine["other"]), map(str, mine["name"]), map(float, mine["value"]))
        for one, other, key, value in zip(*columns, strict=True):
            numbers.setdefault((one, other), {})[key] = value
        return numbers


def distances_of(records: Records, predictions: NDArray[np.float32]) -> dict[str, Matrix]:
    """Return the distances [R, R] of test predictions [R, N, ...] by measure, of classes where the task has an accuracy.

    It is empty for predictions that are neither probabilities of classes nor numbers like the targets.
    """
    from harness.statistics import function

    try:
        if "accuracy" not in records.meta.metrics:
            return {"prediction_distance": function.rms_distance(predictions, records.targets)}
        classes = as_classes(predictions)
        return {"disagreement": function.disagreement(classes), "root_jsd": function.root_jsd(classes)}
    except (HarnessError, ValueError, IndexError):
        return {}


def as_classes(predictions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return probabilities [R, N, K]; of [R, N], which are those of the second of two classes, both."""
    import numpy as np

    return np.stack([1 - predictions, predictions], axis=2) if predictions.ndim == 2 else predictions


def _moved(barriers: Mapping[tuple[str, str], Mapping[str, float]]) -> frozenset[str]:
    """Return the networks that recalibrated batch norm has moved too far: their barriers are not theirs.

    A pair has the larger gap of its two ends, so a network has not moved where any of its pairs has a small one. A pair
    of two networks of which that cannot be said, or of which it is said of both, is out with both of them.
    """
    gaps = {pair: values.get("endpoint_gap", math.inf) for pair, values in barriers.items()}
    stayed = {run for pair, gap in gaps.items() if gap <= GAP for run in pair}
    wide = [pair for pair, gap in gaps.items() if not gap <= GAP]
    return frozenset(run for pair in wide for run in pair if run not in stayed or stayed.issuperset(pair))


def unprobed(records: Records, facet: str) -> str:
    """Return why a facet was not measured, and what would measure it."""
    if facet not in PROBES:
        return "the runs have no test predictions that can be compared"
    name = PROBES[facet]
    about = records.meta.probes.get(name)
    if about is None:
        asked = records.meta.benchmark["compare"].get("probes", ())
        add = records.again("compare.probes", list(dict.fromkeys([*asked, *PROBES.values()])))
        return f"probe '{name}' has not measured yet" if name in asked else f"add '{name}' to compare.probes: {add}"
    if about.get("problems"):
        return f"probe '{name}' failed: {about['problems'][0]}"
    if about.get("planned") == 0 and about.get("left_out"):
        return str(about["left_out"])
    return f"probe '{name}' found nothing that can be compared"
