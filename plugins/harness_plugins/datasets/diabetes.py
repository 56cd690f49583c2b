"""Diabetes: how far the disease has come a year on, from ten measurements; 442 patients, a small regression.

Efron, Hastie, Johnstone & Tibshirani 2004, "Least angle regression", doi:10.1214/009053604000000067. The table comes
with scikit-learn, so nothing is downloaded. What differs from scikit-learn's default: the raw values are taken, and
inputs and targets are brought to mean 0 and standard deviation 1 by the statistics of the train split alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Data, DataError, DataRequest, Dataset, hookimpl, table_data

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def open_diabetes(request: DataRequest) -> Data:
    """Return the patients: ``request.valid`` of them are test, ``request.tune`` of the others tune, the rest is train.

    Real targets have no classes, so the patients are drawn from all. Raises DataError without scikit-learn.
    """
    return table_data(
        "diabetes",
        {"train": _table()},
        request,
        source="scikit-learn's load_diabetes, disease progression scores",
        example="patient",
        standardise="all",
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


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Offer diabetes."""
    reference = "Efron et al. 2004, doi:10.1214/009053604000000067"
    return [Dataset(name="diabetes", open=open_diabetes, takes_folder=False, reference=reference)]
