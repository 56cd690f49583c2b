"""The distances between the networks of one backbone: of their predictions, and as probes of two networks measured them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.errors import RunFolderError
from harness.records import Records
from harness.verdict.design import Network
from harness.verdict.measures import PROBES, facet_of
from harness.verdict.sizes import apart_asked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]
    PairNumbers = Mapping[tuple[str, str], Mapping[str, float]]  # by the two run_ids, then by the number's name

KAPPA = "error_kappa"  # Cohen's kappa of the networks' errors: shown beside disagreement
GAP = 0.005  # of error: recalibrated batch norm may change the end of a line by so much


@dataclass(frozen=True)
class Distances:
    """The distances [R, R] between a network's runs by one measure; NaN for a pair that was not measured or is not used."""

    matrix: Matrix
    refused: int = 0  # pairs that were measured without recalibrated batch norm
    moved: frozenset[str] = frozenset()  # runs whose network recalibrated batch norm has changed too much


@dataclass(frozen=True)
class NetworkDistances:
    """The distances between all runs of a network that ended well. What is costly is computed once for the same records."""

    records: Records
    network: Network

    @cached_property
    def run_places(self) -> Mapping[str, int]:
        """The row of every run in the matrices of distances, by run_id: arms first, then controls; whatever the look."""
        run_ids: list[str] = []
        for name in (*self.network.arms, *self.network.controls):
            for _, runs in sorted(self.network.runs.get(name, {}).items()):
                run_ids += [str(row["run_id"]) for row in runs.values() if row["state"] == "done"]
        return {run_id: place for place, run_id in enumerate(run_ids)}

    def by(self, name: str) -> Distances | None:
        """Return the distances of that name between all runs; None where there are none."""
        if name in self._of_predictions:
            return self._of_predictions[name]
        facet = facet_of(name)
        return self.probed(PROBES[facet], name) if facet else None

    # --- of predictions

    @property
    def _of_predictions(self) -> Mapping[str, Distances]:
        """The distances between the test predictions, by measure; empty where there are none."""
        return self.records.once(("distances of predictions", *self.run_places), self._read_predictions)

    def _read_predictions(self) -> Mapping[str, Distances]:
        import numpy as np

        predictions: dict[int, Any] = {}
        for run_id, place in self.run_places.items():
            try:
                predictions[place] = self.records.predictions(run_id)
            except RunFolderError:  # there are none, or ``records.lacking`` names their file
                continue
        if len({array.shape for array in predictions.values()}) != 1:
            return {}
        stacked, places = np.stack(list(predictions.values())), list(predictions)
        matrices = distances_of(self.records, stacked)
        if "disagreement" in matrices:
            matrices[KAPPA] = self._error_kappa(as_classes(stacked))
        distances = {}
        for name, matrix in matrices.items():
            square = np.full((len(self.run_places), len(self.run_places)), np.nan)
            square[np.ix_(places, places)] = matrix
            distances[name] = Distances(square)
        return distances

    def _error_kappa(self, predictions: NDArray[np.float32]) -> Matrix:
        import numpy as np

        from harness.statistics import function

        try:
            return function.error_kappa(predictions, self.records.targets)
        except (RunFolderError, ValueError):  # of records without targets
            return np.full((len(predictions), len(predictions)), np.nan)

    # --- of probes

    def probed(self, probe: str, name: str) -> Distances | None:
        """Return the distances that a probe of two networks measured under that name; None where it measured none."""
        key = ("distances of a probe", probe, name, self._apart(probe), *self.run_places)
        return self.records.once(key, lambda: self._read_probe(probe, name))

    def _read_probe(self, probe: str, name: str) -> Distances | None:
        import numpy as np

        numbers = self.pair_numbers(probe)
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
        key = ("names of a probe", probe, self._apart(probe), *self.run_places)
        return self.records.once(key, lambda: set().union(*self.pair_numbers(probe).values()))

    def pair_numbers(self, probe: str) -> PairNumbers:
        """Return the numbers that a probe measured of two networks, by their run_ids and by name.

        Only those pairs count that the protocol asks for.
        """
        key = ("numbers of pairs", probe, self._apart(probe), *self.run_places)
        return self.records.once(key, lambda: self._read_pair_numbers(probe))

    def _apart(self, probe: str) -> float:
        """Return how far apart the replicates of a pair may be; infinite where the protocol asks for all pairs."""
        gap = apart_asked(self.network.protocol, self.records.meta.roles, probe)
        return math.inf if gap is None else gap

    @cached_property
    def _replicates(self) -> Mapping[str, int]:
        """The replicate of every run, by run_id."""
        runs = self.network.runs.values()
        return {
            str(row["run_id"]): replicate
            for by_replicate in runs
            for replicate, by_seed in by_replicate.items()
            for row in by_seed.values()
        }

    def _read_pair_numbers(self, probe: str) -> PairNumbers:
        table = self.records.measured
        rows = table[(table["probe"] == probe) & (table["other"] != "") & (table["third"] == "")]
        rows = rows[rows["one"].isin(list(self.run_places)) & rows["other"].isin(list(self.run_places))]
        numbers: dict[tuple[str, str], dict[str, float]] = {}
        gap, replicates = self._apart(probe), self._replicates
        columns = (map(str, rows["one"]), map(str, rows["other"]), map(str, rows["name"]), map(float, rows["value"]))
        for first, second, name, value in zip(*columns, strict=True):
            if abs(replicates[first] - replicates[second]) <= gap:
                numbers.setdefault((first, second), {})[name] = value
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
    except (RunFolderError, ValueError, IndexError):
        return {}


def as_classes(predictions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return probabilities [R, N, K]; probabilities [R, N] are those of the second of two classes."""
    import numpy as np

    return np.stack([1 - predictions, predictions], axis=2) if predictions.ndim == 2 else predictions


def moved_networks(barriers: PairNumbers) -> frozenset[str]:
    """Return the run_ids of the networks that recalibrated batch norm has changed too much for their barriers to count.

    A pair's ``endpoint_gap`` is the larger gap of its two ends. So a network has stayed where it was if any of its pairs has
    a small gap. A pair with a large gap drops the end that has not stayed, or both ends if neither or both have.
    """
    gaps = {pair: numbers.get("endpoint_gap", math.inf) for pair, numbers in barriers.items()}
    stayed = {run for pair, gap in gaps.items() if gap <= GAP for run in pair}
    wide = [pair for pair, gap in gaps.items() if not gap <= GAP]
    return frozenset(run for pair in wide for run in pair if run not in stayed or stayed.issuperset(pair))
