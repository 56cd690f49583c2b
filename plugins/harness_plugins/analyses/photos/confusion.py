"""Which class is taken for which.

The confusion matrix of every arm: of each true class, how much goes to which class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Analysis, Records, hookimpl
from harness.results.tables.class_probabilities import arm_probabilities, class_names, class_targets

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("arm", "true", "predicted", "count", "part", "lowest", "highest", "examples", "seeds")


def compute(records: Records) -> DataFrame:
    """Return a row per arm and pair of classes, of the whole test split; none without class probabilities.

    ``count`` is the mean over ``seeds``; ``lowest`` and ``highest`` are those of single seeds. ``part`` is the count as a part of
    the ``examples`` of the true class, NaN where there are none.
    """
    import numpy as np
    import pandas as pd

    names, rows = class_names(records), []
    k = len(names)
    for arm, probabilities in arm_probabilities(records).items():
        truth = class_targets(records, "test")
        tops = probabilities.argmax(axis=2)  # [S, N]
        counts = np.stack([np.bincount(truth * k + top, minlength=k * k).reshape(k, k) for top in tops])
        sizes = np.bincount(truth, minlength=k)
        for i, j in np.ndindex(k, k):
            mean, size = float(counts[:, i, j].mean()), int(sizes[i])
            ends = int(counts[:, i, j].min()), int(counts[:, i, j].max())
            rows.append((arm, names[i], names[j], mean, mean / size if size else np.nan, *ends, size, len(tops)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


MEANINGS = {  # of the columns that are not the same in every table
    "true": "the class of the label",
    "predicted": "the class predicted",
    "count": "test examples, the mean over seeds",
    "part": "the count as a part of the examples of the true class",
    "lowest": "the count of the seed with the fewest",
    "highest": "the count of the seed with the most",
    "examples": "test examples of the true class",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer confusion."""
    return [Analysis(name="confusion", compute=compute, columns=MEANINGS)]
