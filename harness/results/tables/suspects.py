"""Photos that may be wrong in the data: their label is wrong, they show neither class, or they are there twice.

Labels are doubted by models that never saw the photo in training. For test and tune these are all seeds of all arms; for train
they are the out-of-fold predictions of ``compare.folds`` (the idea of confident learning, Northcutt et al. 2021,
arXiv:1911.00068, with a plain threshold). A model may also be wrong about a photo that is merely hard, so a person decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.results.tables.class_probabilities import (
    arm_probabilities,
    as_probabilities,
    class_names,
    class_targets,
    entropy,
    has_photos,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

UNLIKELY = 0.1  # a label with a lower mean probability is doubted, if no model predicts it
UNSURE = 0.8  # of the highest entropy: a photo may be neither class if every model is less sure of it
LEAST_SURE = 0.01  # of a split: no more photos than that are listed as neither class
REASONS = ("wrong label", "conflicting labels", "neither class", "leak", "duplicate", "near duplicate")
GROUPS = {
    "conflicting labels": "label_conflicts",
    "leak": "leaks",
    "duplicate": "duplicates",
}  # keys of the likeness, by reason
SPLITS = ("test", "tune", "train")  # of two equal photos, the one whose split stands first here is kept
COLUMNS = ("file", "split", "label", "reason", "score", "suggested", "other", "row")


def compute(records: Records) -> DataFrame:
    """Return a row per suspect and reason, the surest of each reason first; none for data that are not photos.

    - "wrong label": the mean probability of the label is below ``UNLIKELY`` and no model predicts it; ``suggested`` is
      the most probable class, the ``score`` 1 less the label's probability;
    - "neither class": every model's entropy is above ``UNSURE`` of the highest, and that of their mean, the score, is
      among the highest hundredth of its split;
    - "conflicting labels", "leak" (between splits), "duplicate", "near duplicate": the same photo as ``other``, or nearly; the
      score is 1, or the correlation. Of two photos in different splits, the one in test is not listed, or else the one in tune.
    """
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    if has_photos(records):
        for split in SPLITS:
            rows += _doubted(records, split)
        rows += _alike(records)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["_reason"] = [REASONS.index(reason) for reason in table["reason"]]
    table = table.sort_values(["_reason", "score", "file"], ascending=[True, False, True], kind="stable")
    return table.drop(columns="_reason").reset_index(drop=True)


def _doubted(records: Records, split: str) -> Iterator[tuple[Any, ...]]:
    """Yield the photos of a split whose label is in doubt, and those that may show none of the classes."""
    models = _models(records, split)
    if models is None:
        return
    names, truth = class_names(records), class_targets(records, split)
    files = records.examples[records.examples["split"] == split].sort_values("row")["name"].tolist()
    for n, reason, score, top in doubts(*models, truth):
        suggested = names[top] if reason == "wrong label" else ""
        yield files[n], split, names[truth[n]], reason, score, suggested, "", n


def doubts(
    mean: NDArray[np.float64], models: NDArray[np.float64], truth: NDArray[np.int64]
) -> Iterator[tuple[int, str, float, int]]:
    """Yield (row, reason, score, most probable class) of doubtful photos.

    They follow from the mean probabilities [N, K] over arms, those of every model [R, N, K], and the class numbers [N].
    """
    import numpy as np

    rows = np.arange(len(truth))
    label_probability, against = mean[rows, truth], (models.argmax(axis=2) != truth).all(axis=0)
    for n in np.flatnonzero(against & (label_probability < UNLIKELY)):
        yield int(n), "wrong label", float(1 - label_probability[n]), int(mean[n].argmax())
    unsure, doubt = np.all(entropy(models) > UNSURE, axis=0), entropy(mean)
    for n in rows[np.argsort(-doubt, kind="stable")][: max(1, round(LEAST_SURE * len(rows)))]:
        if unsure[n]:
            yield int(n), "neither class", float(doubt[n]), int(mean[n].argmax())


def _models(records: Records, split: str) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the arms' mean probabilities [N, K] and those of all models [R, N, K]; None where there are none."""
    import numpy as np

    if split == "train":
        if records.out_of_fold is None:
            return None
        predicted = as_probabilities(records.out_of_fold, len(class_names(records)), class_targets(records, split))
        return None if predicted is None else (predicted, predicted[None])
    arms = list(arm_probabilities(records, split).values())
    if not arms:
        return None
    return np.mean([seeds.mean(axis=0) for seeds in arms], axis=0), np.concatenate(arms)


@dataclass(frozen=True)
class _Likeness:
    """Photos that are equal or nearly equal, of the same data."""

    photos: Mapping[str, Mapping[Any, Any]]  # by name: their rows of records.examples
    classes: list[str]
    order: Mapping[str, int]  # a photo's place among all
    nearness: Mapping[frozenset[str], float]  # the correlation of two photos that are nearly equal

    def rank(self, name: str) -> tuple[int, int]:
        """Return what photos are sorted by: of two that are alike, the lower one is kept."""
        return SPLITS.index(self.photos[name]["split"]), self.order[name]

    def row(self, name: str, reason: str, other: str) -> tuple[Any, ...]:
        """Return a row of the table, of a photo that is like another."""
        photo, score = self.photos[name], self.nearness.get(frozenset((name, other)), 1.0)
        label = self.classes[photo["target"]]
        return name, photo["split"], label, reason, score, "", other, photo["row"]

    def partner(self, name: str, kept: str, group: list[str]) -> str:
        """Return the photo that this one is like: the one that is kept, or for that one itself the one most like it."""
        if name != kept:
            return kept
        copies = [photo for photo in group if photo != name]
        return max(copies, key=lambda photo: self.nearness.get(frozenset((name, photo)), 1.0))


def _alike(records: Records) -> Iterator[tuple[Any, ...]]:
    """Yield photos that are there twice, each for its gravest reason."""
    pairs = records.meta.likeness
    if not pairs:
        return
    photos: dict[str, Mapping[Any, Any]] = {str(row["name"]): row for row in records.examples.to_dict("records")}
    order = {name: place for place, name in enumerate(photos)}
    near = pairs["near_duplicates"]
    nearness = {frozenset(_names(pair["photos"])): float(pair["correlation"]) for pair in near}
    likeness = _Likeness(photos, class_names(records), order, nearness)
    groups = [(reason, group) for reason, key in GROUPS.items() for group in pairs[key]]
    groups += [("near duplicate", pair["photos"]) for pair in near]
    seen: set[str] = set()
    for reason, members in groups:
        group = _names(members)
        first_photo, *copies = sorted((name for name in group if name in photos), key=likeness.rank)
        if reason == "conflicting labels":  # which of them is wrong is not known
            copies = [first_photo, *copies]
        for name in copies:
            if name not in seen:
                yield likeness.row(name, reason, likeness.partner(name, first_photo, group))
                seen.add(name)


def _names(photos: Iterable[Mapping[str, Any]]) -> list[str]:
    return [str(photo["name"]) for photo in photos]


MEANINGS = {  # of the columns that are not the same in every table
    "reason": "wrong label, neither class, conflicting labels, leak, duplicate or near duplicate",
    "score": "how sure it is, from 0 to 1",
    "suggested": "the class that the models suggest",
    "other": "the photo that it is like",
}
ANALYSIS = Analysis(name="suspects", compute=compute, thumbnails=True, reference="arXiv:1911.00068", columns=MEANINGS)
