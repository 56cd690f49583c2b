"""Two arms compared by a primary measure: by the numbers of their runs, or by the distances between their networks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from harness.records import Records
from harness.verdict.design import Network, Pair
from harness.verdict.distance_blocks import DistanceBlocks, measured_blocks
from harness.verdict.distances import GAP, Distances, NetworkDistances
from harness.verdict.loss_numbers import RunNumbers
from harness.verdict.measures import PROBES, Measure
from harness.verdict.paired_numbers import FEWEST, PairedNumbers

if TYPE_CHECKING:
    from harness.verdict.paired_numbers import Numbers

STRAIGHT = (
    "repaired_error",
    "aligned_error",
)  # barriers of straight lines; a network with batch norm has no repaired one
OF_LOSS = ("repaired_loss", "aligned_loss", "naive_loss")  # the same lines, where a task has no error
PATH = "path_error"  # the barrier of a path with one bend
MOVABLE = 0.9  # the least part of the hidden units that alignment must be able to move


@dataclass(frozen=True)
class Missing:
    """Why two arms cannot be compared by a measure, and what would help."""

    reason: str
    applicable: bool = True


Comparison = PairedNumbers | DistanceBlocks | Missing


@dataclass(frozen=True)
class Measurements:
    """What was measured of one network. Whatever is costly is computed once for the same records."""

    records: Records
    network: Network

    @cached_property
    def distances(self) -> NetworkDistances:
        """The distances between all runs of the network."""
        return NetworkDistances(self.records, self.network)

    @property
    def run_places(self) -> Mapping[str, int]:
        """The row of every run in the matrices of distances, by run_id."""
        return self.distances.run_places

    def compare(self, measure: Measure, pair: Pair) -> Comparison:
        """Return two arms compared by a primary measure."""
        if measure.facet == "representation" and self.network.convex:
            return Missing("nothing of it is trained", applicable=False)
        if measure.facet in ("loss", "geometry"):
            return self._compare_numbers(measure, pair)
        name, distances = self._named_distances(measure)
        compared = self.compare_distances(distances, measure, pair)
        if isinstance(compared, Missing) or measure.facet != "connectivity":
            return compared
        return replace(compared, covers=f"{name}; {compared.covers}")

    def distances_of(self, measure: Measure) -> Distances | None:
        """Return the distances between all runs that a primary measure is made from; None where there are none."""
        return self._named_distances(measure)[1]

    # --- numbers

    def _compare_numbers(self, measure: Measure, pair: Pair) -> PairedNumbers | Missing:
        numbers = RunNumbers(self.records)
        first, second = (numbers.of_arm(self.network, arm, measure) for arm in (pair.one, pair.other))
        if not first and not second:
            if not any(self.network.whole_replicates(arm) for arm in (pair.one, pair.other)):
                return Missing("no replicate of these arms has ended well so far")
            in_loss = measure.facet == "loss"
            return Missing(numbers.why_none(measure) if in_loss else why_unprobed(self.records, measure.facet))
        if measure.scale != "log ratio":
            paired = PairedNumbers(first, second)
        else:
            paired = PairedNumbers(_logs(first), _logs(second), raw=(first, second) if measure.floor else None)
        zeros = len(first.keys() & second.keys()) - len(paired.units)
        without = f"; {zeros} without, where an arm's is 0" if zeros else ""
        seeds = self.network.protocol.seeds
        averaged = f", each the mean over {seeds} seeds" if seeds > 1 else ""
        return replace(paired, covers=f"{len(paired.units)} replicates{averaged}{without}")

    # --- distances

    def _named_distances(self, measure: Measure) -> tuple[str, Distances | None]:
        """Return the distances that a measure is made from, with the name that they were measured under."""
        if measure.facet == "connectivity":
            return self._barriers(measure)
        name = measure.distances_in(self.network.protocol).name
        return name, self.distances.by(name)

    def _barriers(self, measure: Measure) -> tuple[str, Distances | None]:
        """Return barriers: of straight lines, or of bent paths where these were walked.

        How much higher the barrier is between the arms than within them is asked of straight lines alone, for those are
        walked within the arms too.
        """
        probe = PROBES["connectivity"]
        straight = {name: self.distances.probed(probe, name) for name in STRAIGHT}
        name, lines = next(((n, d) for n, d in straight.items() if d is not None), (STRAIGHT[-1], None))
        path = self.distances.probed(probe, PATH) if measure.scale == "barrier" else None
        return (
            (name, lines)
            if path is None
            else (f"{PATH} where a path was walked, else {name}", _where_walked(path, lines))
        )

    @property
    def movable(self) -> float:
        """The part of the hidden units that alignment could move, the smallest of all pairs; NaN where it is not known."""
        numbers = self.distances.pair_numbers(PROBES["connectivity"]).values()
        return min((values["movable"] for values in numbers if "movable" in values), default=math.nan)

    def compare_distances(self, distances: Distances | None, measure: Measure, pair: Pair) -> DistanceBlocks | Missing:
        """Return two arms compared by these distances between all runs; Missing where there are none.

        Each replicate that neither arm has lost takes part with the network of its first seed.
        """
        import numpy as np

        if distances is None:
            return self._why_no_distances(measure)
        first, second = self.network.first_runs(pair.one), self.network.first_runs(pair.other)
        common = [unit for unit in first if unit in second]
        run_ids = {unit: (str(first[unit]["run_id"]), str(second[unit]["run_id"])) for unit in common}
        moved = {run for unit in common for run in run_ids[unit]} & distances.moved
        units = [unit for unit in common if not moved.intersection(run_ids[unit])]
        a, b = ([self.run_places[run_ids[unit][arm]] for unit in units] for arm in (0, 1))
        aa, bb, ab = (distances.matrix[np.ix_(rows, columns)] for rows, columns in ((a, a), (b, b), (a, b)))
        blocks = measured_blocks(units, (aa, bb), ab, measure.scale)
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
            if measure.facet == "connectivity" and not self.distances.probe_names(probe).isdisjoint(OF_LOSS):
                return Missing("a barrier is a rise of the error, and this task has no classes", applicable=False)
            return Missing(f"'{probe}' measured no {self._named_distances(measure)[0]}")
        return Missing(why_unprobed(self.records, measure.facet))


def _where_walked(path: Distances, straight: Distances | None) -> Distances:
    """Return the barriers of paths where these were walked, and those of straight lines elsewhere."""
    import numpy as np

    if straight is None:
        return path
    matrix = np.where(np.isfinite(path.matrix), path.matrix, straight.matrix)
    return Distances(matrix, max(path.refused, straight.refused), path.moved | straight.moved)


def _logs(numbers: Numbers) -> Numbers:
    """Return the logarithms of positive numbers, without the replicates in which one is not positive."""
    return {unit: tuple(map(math.log, values)) for unit, values in numbers.items() if min(values) > 0}


def why_unprobed(records: Records, facet: str) -> str:
    """Return why a facet was not measured, and what would measure it."""
    if facet not in PROBES:
        return "the runs have no test predictions that can be compared"
    name = PROBES[facet]
    probe = records.meta.probes.get(name)
    if probe is None:
        probes = records.meta.benchmark["compare"].get("probes", ())
        if name in probes:
            return f"probe '{name}' has not measured yet"
        return f"add '{name}' to compare.probes: {records.measuring(PROBES.values())}"
    if probe.get("problems"):
        return f"probe '{name}' failed: {probe['problems'][0]}"
    if probe.get("planned") == 0 and probe.get("left_out"):
        return str(probe["left_out"])
    return f"probe '{name}' measured nothing that can be compared"
