"""Diabetes: how far the disease has come a year on, from ten measurements; 442 patients, a small regression.

Efron, Hastie, Johnstone & Tibshirani 2004, "Least angle regression", doi:10.1214/009053604000000067. The table comes
with scikit-learn, so nothing is downloaded. What differs from scikit-learn's default: the raw values are taken, and
inputs and targets are brought to mean 0 and standard deviation 1 by the statistics of the train split alone.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from harness import Data, DataError, DataRequest, Dataset, Float, Split, digest, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def open_diabetes(request: DataRequest) -> Data:
    """Return the patients in a seeded order: ``test`` of them, then ``request.tune`` of the others, the rest is train.

    Real targets have no classes to stratify by. Raises DataError without scikit-learn, or where a split is left empty.
    """
    import numpy as np

    inputs, targets = _table()
    rows = _rows(len(targets), request.options["test"], request.tune, request.seed)
    center, scale = targets[rows["train"]].mean(), targets[rows["train"]].std()
    columns = inputs[rows["train"]]
    inputs32 = ((inputs - columns.mean(axis=0)) / columns.std(axis=0)).astype(np.float32)
    targets32 = ((targets - center) / scale).astype(np.float32)[:, None]

    def split(name: str) -> Split:
        chosen = rows[name]
        return Split(inputs32[chosen], targets32[chosen], tuple(f"patient {row}" for row in chosen))

    contents = hashlib.sha256(inputs.tobytes() + targets.tobytes()).hexdigest()
    return Data(
        name="diabetes",
        train=split("train"),
        tune=split("tune"),
        test=split("test"),
        fingerprint=digest(["diabetes", contents, {split: chosen.tolist() for split, chosen in rows.items()}]),
        source=(
            f"scikit-learn's load_diabetes, order of seed {request.seed}; standardised by the train split: "
            f"a target of 0 is {center:.1f}, of 1 is {scale:.1f} more (disease progression score)"
        ),
    )


def _table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the raw measurements ``[442, 10]`` and disease progressions ``[442]``."""
    try:
        from sklearn.datasets import load_diabetes
    except ImportError as error:
        raise DataError(
            "data.dataset: must have scikit-learn for 'diabetes', got none installed; python -m pip install scikit-learn"
        ) from error
    inputs, targets = load_diabetes(return_X_y=True, scaled=False)
    return inputs.astype("float64"), targets.astype("float64")


def _rows(count: int, test: Any, tune: float, seed: int) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each split, in the order they were drawn; raises DataError where one would be empty."""
    import numpy as np

    if isinstance(test, bool) or not isinstance(test, int | float) or not 0 < test < 1:
        raise DataError(f"data.options.test: must be a part of all patients, above 0 and below 1, got {test!r}")
    tested = round(test * count)
    tuned = round(tune * (count - tested))
    order = np.random.default_rng(seed).permutation(count)
    rows = {"train": order[tested + tuned :], "tune": order[tested : tested + tuned], "test": order[:tested]}
    if min(map(len, rows.values())) < 2:
        raise DataError(
            "data.tune, data.options.test: must leave 2 or more patients in every split, "
            f"got {', '.join(f'{len(chosen)} {split}' for split, chosen in rows.items())}"
        )
    return rows


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Offer diabetes; ``test`` is the part of all patients in the test split, data.tune the part of the others in tune."""
    return [
        Dataset(
            name="diabetes",
            open=open_diabetes,
            options={"test": 0.2},
            limits={"test": Float(0.001, 0.9)},
            takes_folder=False,
            reference="Efron et al. 2004, doi:10.1214/009053604000000067",
        )
    ]
