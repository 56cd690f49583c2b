"""Digits: handwritten digits in 8 x 8 pixels.

Ten classes of handwritten digits in 8 x 8 pixels of 17 greys; 1,797 examples, a small classification.

Alpaydin and Kaynak 1998, "Optical Recognition of Handwritten Digits", doi:10.24432/C50P49; scikit-learn has the test part of
it. The table comes with scikit-learn, so nothing is downloaded. The 64 pixels are a row of numbers here, not a picture: each is
brought to mean 0 and, where it is not always the same, to standard deviation 1 by the statistics of the train split alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Data, DataError, DataRequest, Dataset, hookimpl, table_data

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLASSES = tuple("0123456789")


def open_digits(request: DataRequest) -> Data:
    """Return the digits: ``request.valid`` of every class is test, ``request.tune`` of the others tune, the rest is train.

    Raises DataError without scikit-learn.
    """
    return table_data(
        "digits",
        {"train": _table()},
        request,
        source="scikit-learn's load_digits",
        classes=CLASSES,
        example="digit",
        standardise="inputs",
    )


def _table() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the greys ``[1797, 64]``, 0 to 16, and the digits ``[1797]``."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError(
            "data.dataset: must have scikit-learn for 'digits', got none installed; python -m pip install scikit-learn"
        ) from error
    inputs, targets = load_digits(return_X_y=True)
    return inputs.astype("float64"), targets.astype("int64")


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Offer digits."""
    return [Dataset(name="digits", open=open_digits, takes_folder=False, reference="doi:10.24432/C50P49")]
