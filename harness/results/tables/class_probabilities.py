"""Class probabilities out of the records, for the analyses of single predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.errors import RunFolderError
from harness.records import Records

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def class_names(records: Records) -> list[str]:
    """Return the names of the classes, none where the data have none."""
    return [str(name) for name in records.meta.data["classes"]]


def has_photos(records: Records) -> bool:
    """Return whether the records are of photos of classes, with a name for each photo."""
    is_image = len(records.meta.data["input_shape"]) == 3
    return is_image and len(records.examples) > 0 and len(class_names(records)) >= 2


def class_targets(records: Records, split: str) -> NDArray[np.int64]:
    """Return a split's class numbers [N]; those of the test split also where the examples have no names."""
    import numpy as np

    if split == "test":
        return np.asarray(records.targets, dtype=np.int64)
    rows = records.examples[records.examples["split"] == split].sort_values("row")
    return rows["target"].to_numpy(dtype=np.int64)


def arm_probabilities(records: Records, split: str = "test") -> dict[str, NDArray[np.float64]]:
    """Return each arm's class probabilities [S, N, K] over the S seeds that ended well, in the order of the arms.

    A run whose predictions are missing or are no class probabilities is left out, and so is an arm without any other.
    """
    import numpy as np

    compared = records.compared()
    done = compared[compared["state"] == "done"].sort_values("seed") if len(compared) else compared
    by_arm = {}
    for arm in records.arms["arm"]:
        runs = [_run_probabilities(records, str(run), split) for run in done.loc[done["arm"] == arm, "run_id"]]
        recorded = [probabilities for probabilities in runs if probabilities is not None]
        if recorded:
            by_arm[str(arm)] = np.stack(recorded)
    return by_arm


def _run_probabilities(records: Records, run_id: str, split: str) -> NDArray[np.float64] | None:
    try:
        predictions = records.predictions(run_id, split)
        return as_probabilities(predictions, len(class_names(records)), class_targets(records, split))
    except RunFolderError:  # of an executor that brings no predictions, or ``records.lacking`` names their file
        return None


def as_probabilities(predictions: NDArray[Any], classes: int, targets: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return predictions [N, K] in double precision if they are probabilities of that many classes, one row a target."""
    import numpy as np

    shape = (len(targets), classes)
    if classes < 2 or targets.ndim != 1 or predictions.shape != shape or not np.isfinite(predictions).all():
        return None
    probabilities = np.asarray(predictions, dtype=np.float64)
    if (probabilities < 0).any() or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3):
        return None
    return probabilities


def entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy over the last axis, as a part of the highest possible: 0 is certain, 1 knows nothing."""
    import numpy as np

    safe = np.where(p > 0, p, 1.0)
    parts: NDArray[np.float64] = -(p * np.log(safe)).sum(axis=-1) / np.log(p.shape[-1])
    return parts
