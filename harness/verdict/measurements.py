"""What was measured of a network's runs: numbers by run, and distances by pair of runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.records import Records
from harness.statistics import pairwise
from harness.verdict.design import ARMS, Network, Pair, Row
from harness.verdict.distance_blocks import DistanceBlocks, measured_blocks
from harness.verdict.measures import PROBES, Measure
from harness.verdict.paired_numbers import FEWEST, PairedNumbers, Unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]
    PairNumbers = Mapping[tuple[str, str], Mapping[str, float]]  # by the two run_ids, then by the number's name

COLUMNS = {"accuracy": "test_accuracy", "test_loss": "test_loss", "train_loss": "train_loss"}  # of records.comparison
KAPPA = "error_kappa"  # Cohen's kappa of the networks' errors: shown beside disagreement
PROBED_FACETS = {
    "cka": "representation",
    "pro": "representation",
    "ali": "connectivity",
}  # by a measure's first letters
GAP = 0.005  # of error: recalibrated batch norm may change the end of a line by so much
SEARCHES = 3  # with so many searches of each arm, the loss compares optimizers and not single sets of hyperparameters


@dataclass(frozen=True)
class Missing:
    """Why two arms cannot be compared by a measure, and what would help."""

    reason: str
    applicable: bool = True


@dataclass(frozen=True)
class Distances:
    """The distances [R, R] between a network's runs by one measure; NaN for a pair that was not measured or is not used."""

    matrix: Matrix
    refused: int = 0  # pairs that were measured without recalibrated batch norm
    moved: frozenset[str] = frozenset()  # runs whose network recalibrated batch norm has changed too much


Comparison = PairedNumbers | DistanceBlocks | Missing


@dataclass(frozen=True)
class Measurements:
    """What was measured of one network. Whatever is costly is computed once for the same records."""

    records: Records
    network: Network

    @cached_property
    def run_places(self) -> Mapping[str, int]:
        """The row of every run that ended well in the matrices of distances, by run_id: arms first, then controls."""
        names = (*self.network.arms, *self.network.controls)
        rows = [row for name in names for row in self.network.done_runs(name).values()]
        return {str(row["run_id"]): place for place, row in enumerate(rows)}

    def compare(self, measure: Measure, pair: Pair) -> Comparison:
        """Return two arms compared by a primary measure."""
        if measure.facet == "representation" and self.network.convex:
            return Missing("the representation is frozen: nothing of it is trained", applicable=False)
        if measure.facet == "loss":
            return self._compare_losses(measure, pair)
        if measure.facet == "geometry":
            return self._compare_sharpness(pair)
        if measure.facet == "function":
            return self.compare_distances(self._function_distances.get(measure.name), measure, pair)
        return self.compare_distances(self.probe_distances(PROBES[measure.facet], measure.name), measure, pair)

    def distances_by(self, measure: str) -> Distances | None:
        """Return the distances between all runs by the measure of that name; None where there are none."""
        if measure in self._function_distances:
            return self._function_distances[measure]
        facet = PROBED_FACETS.get(measure[:3])
        return self.probe_distances(PROBES[facet], measure) if facet else None

    # --- numbers

    def count_searches(self, pair: Pair) -> int:
        """Return how many searches both arms have that brought a result; 0 for a pair with a control."""
        if pair.kind != ARMS:
            return 0
        one, other = (self._searches_done(arm) for arm in (pair.one, pair.other))
        return len(one & other)

    def _searches_done(self, arm: str) -> set[int]:
        replicates = self.network.replicates.get(arm, {})
        return {search for search, runs in replicates.items() if any(row["state"] == "done" for row in runs.values())}

    def _compare_losses(self, measure: Measure, pair: Pair) -> PairedNumbers | Missing:
        column = COLUMNS[measure.name]
        searches = self.count_searches(pair)
        if searches >= SEARCHES:
            a, b = (self._by_search(arm, column, measure) for arm in (pair.one, pair.other))
            return PairedNumbers(a, b, covers=f"{searches} searches, each the mean over its seeds")
        a, b = (self._by_seed(arm, column, measure) for arm in (pair.one, pair.other))
        if not a and not b:
            metric = column.partition("_")[2]
            known = column in self.records.comparison or metric in self.records.meta.metrics
            return Missing(f"no run has a finite {column}" if known else f"the task has no metric '{metric}'")
        numbers = PairedNumbers(a, b)
        return replace(numbers, covers=f"{len(numbers.units)} seeds")

    def _by_seed(self, arm: str, column: str, measure: Measure) -> dict[Unit, float]:
        """Return an arm's finite values by seed, in the measure's scale."""
        runs = self.network.done_runs(arm)
        values = {("seed", seed): self._scaled(row, column, measure) for seed, row in runs.items()}
        return {unit: value for unit, value in values.items() if math.isfinite(value)}

    def _by_search(self, arm: str, column: str, measure: Measure) -> dict[Unit, float]:
        """Return the mean of an arm's finite values over seeds, by search, in the measure's scale."""
        means: dict[Unit, float] = {}
        for search, runs in self.network.replicates[arm].items():
            values = [self._scaled(row, column, measure) for row in runs.values() if row["state"] == "done"]
            finite = [value for value in values if math.isfinite(value)]
            if finite:
                means["search", search] = sum(finite) / len(finite)
        return means

    def _scaled(self, row: Row, column: str, measure: Measure) -> float:
        value = float(row.get(column, math.nan))
        if measure.scale == "log ratio":
            return math.log(value) if value > 0 else math.nan
        return value / (self._train_loss_unit if measure.name == "train_loss" else 1.0)

    @cached_property
    def _train_loss_unit(self) -> float:
        """What a difference in train loss is divided by: 1 for nats and for classes, else the variance of the test targets."""
        import numpy as np

        meta = self.records.meta
        if meta.data.get("classes") or meta.metrics.get("loss", {}).get("unit") == "nats":
            return 1.0
        try:
            variance = float(np.var(np.asarray(self.records.targets, dtype=float), axis=0).mean())
        except HarnessError:
            return 1.0
        return variance if variance > 0 else 1.0

    def _compare_sharpness(self, pair: Pair) -> PairedNumbers | Missing:
        table = self.records.measured
        rows = table[(table["probe"] == PROBES["geometry"]) & (table["name"] == "value") & (table["other"] == "")]
        values = dict(zip(map(str, rows["one"]), map(float, rows["value"]), strict=True))
        one, other = (self._finite_by_seed(arm, values) for arm in (pair.one, pair.other))
        if not one and not other:
            return Missing(why_unprobed(self.records, "geometry"))
        a, b = ({unit: math.log(value) for unit, value in raw.items() if value > 0} for raw in (one, other))
        numbers = PairedNumbers(a, b, raw=(one, other))
        zeros = len(one.keys() & other.keys()) - len(numbers.units)
        without = f"; {zeros} without, where an arm's is 0" if zeros else ""
        return replace(numbers, covers=f"{len(numbers.units)} seeds{without}")

    def _finite_by_seed(self, arm: str, values: Mapping[str, float]) -> dict[Unit, float]:
        """Return an arm's finite values by seed, of ``values`` by run_id."""
        by_seed: dict[Unit, float] = {}
        for seed, row in self.network.done_runs(arm).items():
            value = values.get(str(row["run_id"]), math.nan)
            if math.isfinite(value):
                by_seed["seed", seed] = value
        return by_seed

    # --- distances

    def compare_distances(self, distances: Distances | None, measure: Measure, pair: Pair) -> DistanceBlocks | Missing:
        """Return two arms compared by these distances between all runs; Missing where there are none."""
        import numpy as np

        if distances is None:
            return self._why_no_distances(measure)
        one, other = self.network.done_runs(pair.one), self.network.done_runs(pair.other)
        common = [seed for seed in one if seed in other]
        run_ids = {seed: (str(one[seed]["run_id"]), str(other[seed]["run_id"])) for seed in common}
        moved = {run for seed in common for run in run_ids[seed]} & distances.moved
        seeds = [seed for seed in common if not moved.intersection(run_ids[seed])]
        a, b = ([self.run_places[run_ids[seed][arm]] for seed in seeds] for arm in (0, 1))
        aa, bb, ab = (distances.matrix[np.ix_(rows, columns)] for rows, columns in ((a, a), (b, b), (a, b)))
        statistic = pairwise.excess if measure.scale == "excess" else pairwise.log_rho
        blocks = measured_blocks([("seed", seed) for seed in seeds], (aa, bb), ab, statistic)
        refusal = (
            f"{len(moved)} of {2 * len(common)} networks were refused: recalibrated batch norm changed their error by more "
            f"than {GAP:.1%}"
        )
        if len(common) >= FEWEST and not blocks.units:
            if moved:
                return Missing(refusal)
            unrecalibrated = f"{distances.refused} pairs were refused: batch norm was not recalibrated"
            return Missing(unrecalibrated if distances.refused else why_unprobed(self.records, measure.facet))
        return replace(blocks, covers=f"{blocks.covers}; {refusal}") if moved else blocks

    def _why_no_distances(self, measure: Measure) -> Missing:
        probe = PROBES.get(measure.facet)
        if probe is not None and (self.records.measured["probe"] == probe).any():
            return Missing(f"'{probe}' found no {measure.name}")
        return Missing(why_unprobed(self.records, measure.facet))

    @property
    def _function_distances(self) -> Mapping[str, Distances]:
        """The distances between the test predictions, by measure; empty where there are none."""
        return self.records.once(("distances of predictions", *self.run_places), self._read_function_distances)

    def _read_function_distances(self) -> Mapping[str, Distances]:
        import numpy as np

        predictions: dict[int, Any] = {}
        for run_id, place in self.run_places.items():
            try:
                predictions[place] = self.records.predictions(run_id)
            except HarnessError:
                continue
        if len({array.shape for array in predictions.values()}) != 1:
            return {}
        stacked, places = np.stack(list(predictions.values())), list(predictions)
        matrices = distances_of(self.records, stacked)
        if "disagreement" in matrices:
            matrices[KAPPA] = self._error_kappa(as_classes(stacked))
        distances = {}
        for name, matrix in matrices.items():
            whole = np.full((len(self.run_places), len(self.run_places)), np.nan)
            whole[np.ix_(places, places)] = matrix
            distances[name] = Distances(whole)
        return distances

    def _error_kappa(self, predictions: NDArray[np.float32]) -> Matrix:
        import numpy as np

        from harness.statistics import function

        try:
            return function.error_kappa(predictions, self.records.targets)
        except (HarnessError, ValueError):  # of records without targets
            return np.full((len(predictions), len(predictions)), np.nan)

    def probe_distances(self, probe: str, name: str) -> Distances | None:
        """Return the distances that a probe of two networks measured under that name; None where it measured none."""
        key = ("distances of a probe", probe, name, *self.run_places)
        return self.records.once(key, lambda: self._read_probe_distances(probe, name))

    def _read_probe_distances(self, probe: str, name: str) -> Distances | None:
        import numpy as np

        numbers = self._pair_numbers(probe)
        if not any(name in values for values in numbers.values()):
            return None
        walked = numbers if probe == PROBES["connectivity"] else {}
        barriers = {pair: values for pair, values in walked.items() if name in values}
        moved, refused = moved_networks(barriers), 0
        matrix = np.full((len(self.run_places), len(self.run_places)), np.nan)
        for pair, values in numbers.items():
            if pair in barriers and values.get("bn_recalibrated") != 1:
                refused += 1
            elif name in values and not moved.intersection(pair):
                i, j = (self.run_places[run] for run in pair)
                matrix[i, j] = matrix[j, i] = values[name]
        return Distances(matrix, refused, moved)

    def probe_names(self, probe: str) -> set[str]:
        """Return the names of the numbers that a probe of two networks measured."""
        key = ("names of a probe", probe, *self.run_places)
        return self.records.once(key, lambda: set().union(*self._pair_numbers(probe).values()))

    def _pair_numbers(self, probe: str) -> PairNumbers:
        """Return the numbers that a probe measured of two networks, by their run_ids and by name."""
        return self.records.once(("numbers of pairs", probe, *self.run_places), lambda: self._read_pair_numbers(probe))

    def _read_pair_numbers(self, probe: str) -> PairNumbers:
        table = self.records.measured
        rows = table[(table["probe"] == probe) & (table["other"] != "") & (table["third"] == "")]
        rows = rows[rows["one"].isin(list(self.run_places)) & rows["other"].isin(list(self.run_places))]
        numbers: dict[tuple[str, str], dict[str, float]] = {}
        columns = (map(str, rows["one"]), map(str, rows["other"]), map(str, rows["name"]), map(float, rows["value"]))
        for one, other, name, value in zip(*columns, strict=True):
            numbers.setdefault((one, other), {})[name] = value
        return numbers


def distances_of(records: Records, predictions: NDArray[np.float32]) -> dict[str, Matrix]:
    """Return the distances [R, R] between test predictions [R, N, ...] by measure.

    They are of class probabilities where the task has an accuracy, else of numbers in the unit of the targets. There are
    none for predictions that are neither.
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
    """Return probabilities [R, N, K]; probabilities [R, N] are those of the second of two classes."""
    import numpy as np

    return np.stack([1 - predictions, predictions], axis=2) if predictions.ndim == 2 else predictions


def moved_networks(barriers: PairNumbers) -> frozenset[str]:
    """Return the run_ids of the networks that recalibrated batch norm has changed too much for their barriers to count.

    A pair's ``endpoint_gap`` is the larger gap of its two ends. So a network has stayed where it was if any of its pairs has
    a small gap. Of a pair with a large gap, drop the end that has not stayed; drop both ends if neither or both have.
    """
    gaps = {pair: numbers.get("endpoint_gap", math.inf) for pair, numbers in barriers.items()}
    stayed = {run for pair, gap in gaps.items() if gap <= GAP for run in pair}
    wide = [pair for pair, gap in gaps.items() if not gap <= GAP]
    return frozenset(run for pair in wide for run in pair if run not in stayed or stayed.issuperset(pair))


def why_unprobed(records: Records, facet: str) -> str:
    """Return why a facet was not measured, and what would measure it."""
    if facet not in PROBES:
        return "the runs have no test predictions that can be compared"
    name = PROBES[facet]
    probe = records.meta.probes.get(name)
    if probe is None:
        asked = records.meta.benchmark["compare"].get("probes", ())
        command = records.again("compare.probes", list(dict.fromkeys([*asked, *PROBES.values()])))
        if name in asked:
            return f"probe '{name}' has not measured yet"
        return f"add '{name}' to compare.probes: {command}"
    if probe.get("problems"):
        return f"probe '{name}' failed: {probe['problems'][0]}"
    if probe.get("planned") == 0 and probe.get("left_out"):
        return str(probe["left_out"])
    return f"probe '{name}' found nothing that can be compared"
