"""Out-of-fold predictions of the train split: each example predicted by a model that was trained without it.

The tuned setting of the best arm is trained once per fold, as ordinary comparison runs on other data, so an interrupted
one goes on where it was left. They take no part in the comparison. Stone 1974, doi:10.1111/j.2517-6161.1974.tb00994.x.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.benchmark.arms import Competitor
from harness.benchmark.plan import Setting
from harness.console.progress import Reporter
from harness.plugin.runs import Run
from harness.records import Store, schema
from harness.records.checked import load_arrays, save_arrays
from harness.running import fold_data
from harness.running.after.beside import is_done, train_beside
from harness.running.executor import GuardedExecutor
from harness.running.reuse import EarlierRuns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Fold:
    """A part of the train split, and the run that is trained on everything but that part."""

    rows: NDArray[np.intp]  # of the train split
    run: Run


def predict_out_of_fold(
    setting: Setting, competitor: Competitor, params: Mapping[str, Any], store: Store, reporter: Reporter,
    earlier: EarlierRuns, executor: Callable[[], GuardedExecutor],
) -> str:  # fmt: skip
    """Write ``predictions/out_of_fold.safetensors``; return why it could not be done, in a line, or ""."""
    count = min(setting.plan.benchmark.compare.folds, len(setting.data.train))
    folds = [_fold(setting, competitor, params, rows, count) for rows in fold_data.assign(setting.data, count)]
    run_ids = [fold.run.id for fold in folds]
    file = schema.out_of_fold(store.folder)
    recorded = store.is_recorded("folds", {"runs": run_ids})
    if recorded and file.is_file() and all(is_done(store, run_id) for run_id in run_ids):
        return ""
    reporter.say(f"predicting the train split out of {count} folds, with {competitor.name}")
    runs = [fold.run for fold in folds]
    train_beside(setting, runs, store, reporter, earlier, executor, keep_weights=False)
    for fold in folds:
        row = store.run(fold.run.id)
        if row is None or row["state"] != schema.DONE:
            reason = f"{row['state']}: {row['reason']}" if row else "it was not carried out"
            return f"the train split has no out-of-fold predictions: {competitor.name} on a fold, {reason}"
    save_arrays(file, {"predictions": _assembled(folds, store, len(setting.data.train))})
    store.promise([file])
    store.note("folds", {"arm": competitor.name, "count": count, "runs": run_ids})
    return ""


def _fold(setting: Setting, competitor: Competitor, params: Mapping[str, Any], rows: Any, count: int) -> Fold:
    """Return a fold: its rows and its run. The data are cut where it is trained (``fold_data``)."""
    run = replace(setting.compare_run(competitor, params, seed=0), snapshots=False, tta=False)
    data = setting.data_of(competitor.arm)
    return Fold(rows, replace(run, data=fold_data.fold_fingerprint(data, rows, count)))


def _assembled(folds: list[Fold], store: Store, count: int) -> NDArray[np.float32]:
    """Return the folds' predictions ``[N, ...]`` in the order of the train split."""
    import numpy as np

    parts = [load_arrays(schema.prediction(store.folder, fold.run.id))["predictions"] for fold in folds]
    joined = np.empty((count, *parts[0].shape[1:]), np.float32)
    for fold, predictions in zip(folds, parts, strict=True):
        joined[fold.rows] = predictions
    return joined
