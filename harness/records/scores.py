"""Per-example scores of the comparison: what the deciding test metric is the mean of, one number an example.

They are made from predictions and targets by the task's own ``Metric.each``, so that an analysis, which sees neither
the task nor torch, can tell a lead from the luck of these very test examples.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import disk
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Metric
from harness.plugin.process_settings import kept
from harness.records import schema
from harness.records.checked import load_arrays, save_arrays
from harness.records.reader import open_records

if TYPE_CHECKING:
    from numpy.typing import NDArray


def write_scores(folder: Path, name: str, metric: Metric) -> str:
    """Write ``predictions/scores.safetensors``, the scores ``[N]`` of every comparison run by its id.

    A run whose metric is not a finite number has none, and without ``Metric.each`` there is no file. Returns what is
    wrong with ``each``, in a line, or "": the results of a run are kept whatever its report cannot say.
    """
    file = schema.scores(folder)
    with disk.writing(file):
        file.unlink(missing_ok=True)  # of an earlier comparison
    if metric.each is None:
        return ""
    records, scored = open_records(folder), {}
    for run_id in records.compared().query(f"state == '{schema.DONE}'")["run_id"]:
        if not schema.prediction(folder, run_id).is_file():
            continue  # of an executor that brings none
        try:
            with Boundary("metric", name, "return scores", everything=True):
                predictions = load_arrays(schema.prediction(folder, run_id))["predictions"]
                with kept(f"metric '{name}'"):
                    scores, wrong = _scores(metric, predictions, records.targets)
        except PluginFailed as error:
            wrong = f"must return scores [N], got {error.why}"
        if wrong:
            return f"metric '{name}': each {wrong}; the report does not account for the sample of test examples"
        if scores is not None:
            scored[str(run_id)] = scores
    if scored:
        save_arrays(file, scored)
    return ""


def _scores(metric: Metric, predictions: NDArray[Any], targets: NDArray[Any]) -> tuple[NDArray[Any] | None, str]:
    """Return the scores in few bytes, and what is wrong with them, or ""; no scores where the metric is not finite."""
    import numpy as np

    mean = metric.compute(predictions, targets)
    if metric.each is None or not math.isfinite(mean):
        return None, ""
    scores = np.asarray(metric.each(predictions, targets))
    if scores.shape != (len(targets),):
        return None, f"must return scores [{len(targets)}], one per example, got {list(scores.shape)}"
    mean_of_scores = float(scores.mean(dtype=np.float64))
    if not math.isclose(mean_of_scores, mean, rel_tol=1e-3, abs_tol=1e-6):
        return None, f"must return scores whose mean is the metric, {mean:.6g}, got {mean_of_scores:.6g}"
    return scores.astype(np.uint8 if scores.dtype == bool else np.float32), ""
