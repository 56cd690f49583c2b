"""The test photos worth looking at: each arm's surest and most doubtful ones, and those on which the arms disagree.

An arm's probability is the mean over its seeds. The disagreement of arms is the root of the Jensen-Shannon divergence between
their probabilities, a metric between 0 and 1 (Endres and Schindelin 2003, doi:10.1109/TIT.2003.813506): the mean over pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.results.tables.class_probabilities import (
    arm_probabilities,
    class_names,
    class_targets,
    entropy,
    has_photos,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

PER_CLASS, TOGETHER, MOST_CLASSES = 4, 8, 4  # photos per class; photos of all classes, if there are more than that many
DISAGREED = 12
DOUBT = 1e-3  # below this the arms agree
COLUMNS = (
    "kind", "arm", "class", "rank", "split", "row", "file", "label", "given", "predicted", "probability", "value",
)  # fmt: skip


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
    if has_photos(records):
        photos = _photos(records)
        means = {arm: seeds.mean(axis=0) for arm, seeds in arm_probabilities(records).items()}  # [N, K]
        rows += _disagreement_rows(means, photos)
        for arm, mean in means.items():
            rows += _arm_rows(arm, mean, photos)
    return pd.DataFrame(rows, columns=list(COLUMNS))


@dataclass(frozen=True)
class _Photos:
    """The test photos."""

    files: list[str]  # their names
    names: list[str]  # of the classes
    truth: NDArray[np.int64]  # their class numbers [N]

    def row(
        self, kind: str, arm: str, class_: str, rank: int, n: int, p: NDArray[np.float64], value: float
    ) -> tuple[Any, ...]:
        """Return a row of the table, of test photo ``n`` with class probabilities ``p`` [K]."""
        top, label = int(p.argmax()), int(self.truth[n])
        shown = (self.files[n], self.names[label], float(p[label]), self.names[top], float(p[top]))
        return (kind, arm, class_, rank, "test", n, *shown, float(value))


def _photos(records: Records) -> _Photos:
    test = records.examples[records.examples["split"] == "test"].sort_values("row")
    return _Photos(test["name"].tolist(), class_names(records), class_targets(records, "test"))


def _arm_rows(arm: str, mean: NDArray[np.float64], photos: _Photos) -> list[tuple[Any, ...]]:
    """Return an arm's correct, incorrect and uncertain photos, from its mean probabilities [N, K]."""
    import numpy as np

    everyone = np.arange(len(mean))
    label_probability, right = mean[everyone, photos.truth], mean.argmax(axis=1) == photos.truth
    doubt = entropy(mean)
    few = len(photos.names) <= MOST_CLASSES
    groups = {name: photos.truth == k for k, name in enumerate(photos.names)} if few else {"": photos.truth >= 0}
    rows = []
    for kind, inside, order in (
        ("correct", right, -label_probability),
        ("incorrect", ~right, label_probability),
        ("uncertain", True, -doubt),
    ):
        values = doubt if kind == "uncertain" else label_probability
        for class_, members in groups.items():
            candidates = everyone[members & inside]
            first = candidates[np.argsort(order[candidates], kind="stable")][: PER_CLASS if few else TOGETHER]
            for rank, n in enumerate(first, 1):
                rows.append(photos.row(kind, arm, class_, rank, int(n), mean[n], values[n]))
    return rows


def _disagreement_rows(means: dict[str, NDArray[np.float64]], photos: _Photos) -> list[tuple[Any, ...]]:
    """Return the photos on which the arms disagree most, a row per arm; none for fewer than two arms."""
    import numpy as np

    if len(means) < 2:
        return []
    disagreements = disagreement(list(means.values()))
    rows = []
    for rank, n in enumerate(np.argsort(-disagreements, kind="stable")[:DISAGREED], 1):
        if disagreements[n] > DOUBT:
            rows += [
                photos.row("disagree", arm, "", rank, int(n), mean[n], disagreements[n]) for arm, mean in means.items()
            ]
    return rows


def disagreement(means: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the root Jensen-Shannon divergence [N], in [0, 1], of the arms' probabilities [N, K]: the mean over pairs."""
    import numpy as np

    roots = []
    for p, q in combinations(means, 2):
        divergence = _bits((p + q) / 2) - (_bits(p) + _bits(q)) / 2
        roots.append(np.sqrt(np.clip(divergence, 0, 1)))
    mean: NDArray[np.float64] = np.mean(roots, axis=0)
    return mean


def _bits(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy in bits."""
    import numpy as np

    bits: NDArray[np.float64] = entropy(p) * np.log2(p.shape[-1])
    return bits


MEANINGS = {  # of the columns that are not the same in every table
    "kind": "disagree, correct, incorrect or uncertain",
    "class": "the true class; empty where all classes are taken together",
    "rank": "its place among the picks of its kind",
    "given": "the probability of the label, the mean over seeds",
    "predicted": "the most probable class",
    "probability": "the probability of that class",
    "value": "what the picks of its kind are ordered by",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer picks."""
    return [
        Analysis(
            name="picks", compute=compute, thumbnails=True, reference="doi:10.1109/TIT.2003.813506", columns=MEANINGS
        )
    ]
