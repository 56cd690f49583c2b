"""Digits: handwritten digits in 8 x 8 pixels.

Ten classes of handwritten digits in 8 x 8 pixels of 17 greys; 1,797 examples, a small classification.

Alpaydin and Kaynak 1998, "Optical Recognition of Handwritten Digits", doi:10.24432/C50P49; scikit-learn has the test part of
it. The table comes with scikit-learn, so nothing is downloaded. The 64 pixels are a row of numbers here, not a picture: each is
brought to mean 0 and, where it is not always the same, to standard deviation 1 by the statistics of the train split alone.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from harness import Data, DataError, DataRequest, Dataset, Float, Split, digest, hookimpl, stratified

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLASSES = tuple("0123456789")


def open_digits(request: DataRequest) -> Data:
    """Return the digits in three splits: ``test`` of every class, then ``request.tune`` of the others, the rest is train.

    Raises DataError without scikit-learn, and for a part that is none.
    """
    import numpy as np

    inputs, targets = _table()
    rows = _rows(targets, request.options["test"], request.tune, request.seed)
    train = inputs[rows["train"]]
    spread = train.std(axis=0)
    inputs32 = ((inputs - train.mean(axis=0)) / np.where(spread > 0, spread, 1.0)).astype(np.float32)

    def split(name: str) -> Split:
        of_split = rows[name]
        return Split(inputs32[of_split], targets[of_split], tuple(f"digit {row}" for row in of_split))

    contents = hashlib.sha256(inputs.tobytes() + targets.tobytes()).hexdigest()
    return Data(
        name="digits",
        train=split("train"),
        tune=split("tune"),
        test=split("test"),
        fingerprint=digest(["digits", contents, {name: of_split.tolist() for name, of_split in rows.items()}]),
        source=f"scikit-learn's load_digits, split by seed {request.seed}; standardised by the train split",
        classes=CLASSES,
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


def _rows(targets: NDArray[np.int64], test: Any, tune: float, seed: int) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each split, in rising order."""
    import numpy as np

    if isinstance(test, bool) or not isinstance(test, int | float) or not 0 < test < 1:
        raise DataError(f"data.options.test: must be a part of every class, above 0 and below 1, got {test!r}")
    kept, tested = stratified(targets.tolist(), float(test), seed)
    trained, tuned = stratified(targets[kept].tolist(), tune, seed + 1)
    rest = np.array(kept, dtype=np.int64)
    return {"train": rest[trained], "tune": rest[tuned], "test": np.array(tested, dtype=np.int64)}


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Offer digits; ``test`` is the part of every class in the test split, data.tune the part of the others in tune."""
    return [
        Dataset(
            name="digits",
            open=open_digits,
            options={"test": 0.3},
            limits={"test": Float(0.001, 0.9)},
            takes_folder=False,
            reference="doi:10.24432/C50P49",
        )
    ]
