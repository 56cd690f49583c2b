"""Photos that may be wrong in the data: their label, what they show, or that they are there twice.

Labels are doubted by models that never saw the photo in training: for test and tune all seeds of all arms, for train the
out-of-fold predictions of ``compare.folds`` (the idea of confident learning, Northcutt et al. 2021, arXiv:1911.00068, with
a plain threshold). A model may be wrong about what is merely hard; a person decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.results.tables.class_probabilities import by_arm, checked, classes, entropy, photos, targets

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

UNLIKELY = 0.1  # a label is doubted below this mean probability, if no model that looked predicts it
UNSURE = 0.8  # of the highest entropy: what every model is less sure of may be neither class
LEAST_SURE = 0.01  # of a split: no more than that are listed as neither class
REASONS = ("wrong label", "conflicting labels", "neither class", "leak", "duplicate", "near duplicate")
SPLITS = ("test", "tune", "train")  # where there are two of a photo, the one that stands first here is kept
COLUMNS = ("file", "split", "label", "reason", "score", "suggested", "other", "row")


def compute(records: Records) -> DataFrame:
    """Return a row per suspect and reason, the surest of each reason first; none for data that are not photos.

    - "wrong label": the mean probability of the label is below ``UNLIKELY`` and no model predicts it; ``suggested`` is
      the most probable class, the ``score`` 1 less the label's probability;
    - "neither class": every model's entropy is above ``UNSURE`` of the highest, and that of their mean, the score, is
      among the highest hundredth of its split;
    - "conflicting labels", "leak" (between splits), "duplicate", "near duplicate": the same photo as ``other``, or nearly; the
      score is 1, or the correlation. Of two in different splits the one in test is not listed, then the one in tune.
    """
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    if photos(records):
        for split in SPLITS:
            rows += _doubted(records, split)
        rows += _alike(records)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["_reason"] = [REASONS.index(reason) for reason in table["reason"]]
    table = table.sort_values(["_reason", "score", "file"], ascending=[True, False, True], kind="stable")
    return table.drop(columns="_reason").reset_index(drop=True)


def _doubted(records: Records, split: str) -> Iterator[tuple[Any, ...]]:
    """Yield the photos of a split whose label, or whose being of any class, is in doubt."""
    models = _models(records, split)
    if models is None:
        return
    names, truth = classes(records), targets(records, split)
    files = records.examples[records.examples["split"] == split].sort_values("row")["name"].tolist()
    for n, reason, score, top in doubts(*models, truth):
        suggested = names[top] if reason == "wrong label" else ""
        yield files[n], split, names[truth[n]], reason, score, suggested, "", n


def doubts(
    mean: NDArray[np.float64], every: NDArray[np.float64], truth: NDArray[np.int64]
) -> Iterator[tuple[int, str, float, int]]:
    """Yield (row, reason, score, most probable class) from the mean ``[N, K]`` over arms and every model ``[R, N, K]``."""
    import numpy as np

    rows = np.arange(len(truth))
    given, against = mean[rows, truth], (every.argmax(axis=2) != truth).all(axis=0)
    for n in np.flatnonzero(against & (given < UNLIKELY)):
        yield int(n), "wrong label", float(1 - given[n]), int(mean[n].argmax())
    unsure, doubt = np.all(entropy(every) > UNSURE, axis=0), entropy(mean)
    for n in rows[np.argsort(-doubt, kind="stable")][: max(1, round(LEAST_SURE * len(rows)))]:
        if unsure[n]:
            yield int(n), "neither class", float(doubt[n]), int(mean[n].argmax())


def _models(records: Records, split: str) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the arms' mean probabilities ``[N, K]`` and those of all models ``[R, N, K]``; None where there are none."""
    import numpy as np

    if split == "train":
        found, truth = records.out_of_fold, targets(records, split)
        once = None if found is None else checked(found, len(classes(records)), truth)
        return None if once is None else (once, once[None])
    arms = by_arm(records, split)
    if not arms:
        return None
    return np.mean([each.mean(axis=0) for each in arms.values()], axis=0), np.concatenate(list(arms.values()))


def _alike(records: Records) -> Iterator[tuple[Any, ...]]:
    """Yield photos that are there twice, each for its gravest reason."""
    found = records.meta.likeness
    if not found:
        return
    about = {row["name"]: row for row in records.examples.to_dict("records")}
    names = classes(records)
    order = {name: place for place, name in enumerate(about)}

    def rank(name: str) -> tuple[int, int]:
        return SPLITS.index(about[name]["split"]), order[name]

    def row(name: str, reason: str, score: float, other: str) -> tuple[Any, ...]:
        photo = about[name]
        return name, photo["split"], names[photo["target"]], reason, score, "", other, photo["row"]

    nearness = {
        frozenset(each["name"] for each in pair["photos"]): pair["correlation"] for pair in found["near_duplicates"]
    }
    seen: set[str] = set()
    groups = [(reason, found[key]) for reason, key in (("conflicting labels", "label_conflicts"), ("leak", "leaks"))]
    groups += [("duplicate", found["duplicates"])]
    groups += [("near duplicate", [pair["photos"] for pair in found["near_duplicates"]])]
    for reason, members in groups:
        for group in members:
            kept, *others = sorted((each["name"] for each in group if each["name"] in about), key=rank)
            if reason == "conflicting labels":  # which of them is wrong is not known
                others = [kept, *others]
            for name in others:
                if name not in seen:
                    other = _partner(name, kept, [each["name"] for each in group], nearness)
                    yield row(name, reason, nearness.get(frozenset((name, other)), 1.0), other)
                    seen.add(name)


def _partner(name: str, kept: str, group: list[str], nearness: dict[frozenset[str], float]) -> str:
    """Return what a photo is like: the one that is kept, or for itself the one most like it."""
    others = [each for each in group if each != name]
    if name != kept:
        return kept
    return max(others, key=lambda each: nearness.get(frozenset((name, each)), 1.0))


ANALYSIS = Analysis(name="suspects", compute=compute, thumbnails=True, reference="arXiv:1911.00068")
