"""The test photos worth looking at: each arm's surest and most doubtful ones, and those on which the arms disagree.

An arm's probability is the mean over its seeds. Arms disagree by the mean over pairs of them of the root of the
Jensen-Shannon divergence between their probabilities, which is a metric between 0 and 1 (Endres and Schindelin 2003,
doi:10.1109/TIT.2003.813506).
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.results.tables.class_probabilities import by_arm, classes, entropy, photos, targets

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

PER_CLASS, TOGETHER, MOST_CLASSES = 4, 8, 4  # photos a class; of all classes, where they are more than that many
DISAGREED = 12
DOUBT = 1e-3  # below this the arms agree
COLUMNS = (
    "kind",
    "arm",
    "class",
    "rank",
    "split",
    "row",
    "file",
    "label",
    "given",
    "predicted",
    "probability",
    "value",
)


def compute(records: Records) -> DataFrame:
    """Return a row per pick; none for data that are not photos of classes.

    ``kind`` is "disagree" (a row per photo and arm, the ``value`` their disagreement) or, per arm and true ``class``:

    - "correct": rightly predicted, the highest probability of the label first;
    - "incorrect": wrongly predicted, the lowest probability of the label first;
    - "uncertain": the highest entropy first, as a part of the highest possible.

    ``given`` is the probability of the label, ``probability`` that of the class ``predicted``. ``class`` is "" where
    there are so many classes that all are taken together.
    """
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    if photos(records):
        truth = targets(records, "test")
        means = {arm: found.mean(axis=0) for arm, found in by_arm(records).items()}  # [N, K]
        about = _About(records, truth)
        rows += list(_disagreed(means, about))
        for arm, mean in means.items():
            rows += _of_arm(arm, mean, about)
    return pd.DataFrame(rows, columns=list(COLUMNS))


class _About:
    """What stands in every row on a test photo."""

    def __init__(self, records: Records, truth: NDArray[np.int64]) -> None:
        test = records.examples[records.examples["split"] == "test"].sort_values("row")
        self.files = test["name"].tolist()
        self.names = classes(records)
        self.truth = truth

    def row(
        self, kind: str, arm: str, of: str, rank: int, n: int, p: NDArray[np.float64], value: float
    ) -> tuple[Any, ...]:
        """Return a row of the table, of test photo ``n`` with class probabilities ``p [K]``."""
        top, label = int(p.argmax()), int(self.truth[n])
        shown = (self.files[n], self.names[label], float(p[label]), self.names[top], float(p[top]))
        return (kind, arm, of, rank, "test", n, *shown, float(value))


def _of_arm(arm: str, mean: NDArray[np.float64], about: _About) -> list[tuple[Any, ...]]:
    import numpy as np

    everyone = np.arange(len(mean))
    given, right = mean[everyone, about.truth], mean.argmax(axis=1) == about.truth
    doubt = entropy(mean)
    few = len(about.names) <= MOST_CLASSES
    groups = [(name, about.truth == k) for k, name in enumerate(about.names)] if few else [("", about.truth >= 0)]
    rows = []
    for kind, inside, order in (("correct", right, -given), ("incorrect", ~right, given), ("uncertain", True, -doubt)):
        values = doubt if kind == "uncertain" else given
        for of, members in groups:
            chosen = everyone[members & inside]
            first = chosen[np.argsort(order[chosen], kind="stable")][: PER_CLASS if few else TOGETHER]
            rows += [about.row(kind, arm, of, rank, int(n), mean[n], values[n]) for rank, n in enumerate(first, 1)]
    return rows


def _disagreed(means: dict[str, NDArray[np.float64]], about: _About) -> list[tuple[Any, ...]]:
    import numpy as np

    if len(means) < 2:
        return []
    far = disagreement(list(means.values()))
    first = np.argsort(-far, kind="stable")[:DISAGREED]
    return [
        about.row("disagree", arm, "", rank, int(n), mean[n], far[n])
        for rank, n in enumerate(first, 1)
        if far[n] > DOUBT
        for arm, mean in means.items()
    ]


def disagreement(means: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return ``[N]`` in [0, 1]: the mean over pairs of arms of the root Jensen-Shannon divergence of ``[N, K]`` each."""
    import numpy as np

    pairs = list(combinations(means, 2))
    roots = [np.sqrt(np.clip(_plain((p + q) / 2) - (_plain(p) + _plain(q)) / 2, 0, 1)) for p, q in pairs]
    mean: NDArray[np.float64] = np.mean(roots, axis=0)
    return mean


def _plain(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy in bits."""
    import numpy as np

    bits: NDArray[np.float64] = entropy(p) * np.log2(p.shape[-1])
    return bits


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer picks."""
    return [Analysis(name="picks", compute=compute, thumbnails=True, reference="doi:10.1109/TIT.2003.813506")]
