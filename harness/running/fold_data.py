"""The folds of the train split, and the joined splits of a refit: the data on which runs beside the comparison are trained.

The driver and every worker compute the same folds, from the data alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.plugin.contracts import Data, Split
from harness.plugin.runs import digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def assign(data: Data, count: int) -> list[NDArray[np.intp]]:
    """Return the rows of each fold of the train split, every class spread evenly, drawn by the data's fingerprint."""
    import numpy as np

    targets = np.asarray(data.train.targets)
    random = np.random.default_rng([int(digest(data.fingerprint)[:8], 16), count])
    order = random.permutation(len(targets))
    order = order[np.argsort(targets[order], kind="stable")]  # by class, shuffled within
    return [np.sort(order[k::count]) for k in range(count)]


def fold_fingerprint(data: Data, rows: NDArray[np.intp], count: int) -> str:
    """Return the fingerprint of a fold's data."""
    return digest([data.fingerprint, "fold", count, rows.tolist()])


def cut(data: Data, rows: NDArray[np.intp], count: int) -> Data:
    """Return the data of a fold: the remaining rows to train on, these in the place of tune and test."""
    import numpy as np

    remaining = np.setdiff1d(np.arange(len(data.train)), rows)
    held = _rows(data.train, rows)
    fingerprint = fold_fingerprint(data, rows, count)
    return replace(data, train=_rows(data.train, remaining), tune=held, test=held, fingerprint=fingerprint)


def joined_fingerprint(data: Data) -> str:
    """Return the fingerprint of the data whose train and tune splits are joined."""
    return digest([data.fingerprint, "train and tune"])


def joined(data: Data) -> Data:
    """Return the data with the examples of the tune split among those that are trained on; tune and test stay."""
    import numpy as np

    train = Split(
        np.concatenate([data.train.inputs, data.tune.inputs]),
        np.concatenate([data.train.targets, data.tune.targets]),
        (*data.train.names, *data.tune.names),
    ).read_only()
    return replace(data, train=train, fingerprint=joined_fingerprint(data))


def _rows(split: Split, rows: NDArray[np.intp]) -> Split:
    return Split(split.inputs[rows], split.targets[rows], tuple(split.names[i] for i in rows)).read_only()
