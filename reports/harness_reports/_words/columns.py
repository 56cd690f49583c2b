"""Which metrics have a column in the leaderboard of a report."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from harness import Records

if TYPE_CHECKING:
    from pandas import DataFrame

SHOWN_ELSEWHERE = ("distance.", "gradient_norm.")  # the section on the minima has them
SPLITS = ("test", "tta_test", "train", "tune")


def shown_metrics(records: Records, board: DataFrame) -> list[str]:
    """Return the metrics that have a column of their own, the deciding one first.

    Next are the deciding metric with test-time augmentation, the other metrics on test, the deciding one and the loss on train,
    and last probes and the time. A metric that another column already tells is left out (error beside accuracy, loss beside
    mse), and so are the metrics on tune and those that no run has. The table "leaderboard" has them all.
    """
    deciding, task_metrics = records.deciding.name, list(records.meta.metrics)
    order = [deciding, *(name for name in task_metrics if name != deciding)]
    names: list[str] = []
    for place, name in enumerate(order):
        if not any(_tells_the_same(board, name, earlier) for earlier in order[:place]):
            names.append(name)
    on_splits = [f"test_{name}" for name in names]
    on_splits += [f"train_{name}" for name in names if name in (deciding, "loss")]
    of_task = {f"{split}_{name}" for split, name in product(SPLITS, task_metrics)}
    extra = [metric for metric in dict.fromkeys(board["metric"]) if metric not in of_task]
    extra = [metric for metric in extra if not metric.startswith(SHOWN_ELSEWHERE)]
    measured = {*board.loc[board["n"] > 0, "metric"], f"test_{deciding}"}
    candidates = [on_splits[0], f"tta_test_{deciding}", *on_splits[1:], *extra]
    return [metric for metric in candidates if metric in measured]


def _tells_the_same(board: DataFrame, metric: str, other: str) -> bool:
    """Return whether two metrics are equal or add up to one in every arm, so that the second says nothing new."""
    import numpy as np

    first, second = (
        board.loc[board["metric"] == f"test_{name}", "mean"].to_numpy(dtype=float) for name in (metric, other)
    )
    measured = np.isfinite(first + second)
    first, second = first[measured], second[measured]
    if not measured.any():
        return False
    return bool(np.allclose(first, second, rtol=1e-9, atol=1e-12) or np.allclose(first + second, 1, atol=1e-6))
