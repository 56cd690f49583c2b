"""Class probabilities out of the records, shared by the analyses that look at single predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.records import Records

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def classes(records: Records) -> list[str]:
    """Return the names of the classes, none where the data have none."""
    return [str(name) for name in records.meta.data["classes"]]


def photos(records: Records) -> bool:
    """Return whether the records are of photos of classes, with a name for each."""
    return len(records.meta.data["input_shape"]) == 3 and len(records.examples) > 0 and len(classes(records)) >= 2


def targets(records: Records, split: str) -> NDArray[np.int64]:
    """Return a split's class numbers ``[N]``; of test, whether or not the examples have names."""
    import numpy as np

    if split == "test":
        return np.asarray(records.targets, dtype=np.int64)
    rows = records.examples[records.examples["split"] == split].sort_values("row")
    return rows["target"].to_numpy(dtype=np.int64)


def by_arm(records: Records, split: str = "test") -> dict[str, NDArray[np.float64]]:
    """Return each arm's class probabilities ``[S, N, K]`` over the S seeds that ended well, in the order of the arms.

    An arm without any is left out; so is every run whose predictions are missing or are no class probabilities.
    """
    import numpy as np

    compared = records.compared()
    done = compared[compared["state"] == "done"].sort_values("seed") if len(compared) else compared
    found = {}
    for arm in records.arms["arm"]:
        runs = [_read(records, str(run), split) for run in done.loc[done["arm"] == arm, "run_id"]]
        if there := [each for each in runs if each is not None]:
            found[str(arm)] = np.stack(there)
    return found


def _read(records: Records, run_id: str, split: str) -> NDArray[np.float64] | None:
    try:
        return checked(records.predictions(run_id, split), len(classes(records)), targets(records, split))
    except HarnessError:
        return None  # of an executor that brings none, or of an earlier version


def checked(found: NDArray[Any], k: int, labels: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return predictions ``[N, K]`` in double precision if they are probabilities of these labels' classes, else None."""
    import numpy as np

    if k < 2 or labels.ndim != 1 or found.shape != (len(labels), k) or not np.isfinite(found).all():
        return None
    wide = np.asarray(found, dtype=np.float64)
    if (wide < 0).any() or not np.allclose(wide.sum(axis=1), 1, atol=1e-3):
        return None
    return wide


def entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy over the last axis, as a part of the highest one: 0 is certain, 1 knows nothing."""
    import numpy as np

    safe = np.where(p > 0, p, 1.0)
    parts: NDArray[np.float64] = -(p * np.log(safe)).sum(axis=-1) / np.log(p.shape[-1])
    return parts
