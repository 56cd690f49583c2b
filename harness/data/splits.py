"""How examples are set aside for another split: at random, and as many of every class as of all.

Data come with some of four parts: train, valid, test and tune. ``assigned`` makes the three splits of them, for photos and
for tables alike: what the data do not come with is cut out of train.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import DataError, arguments

if TYPE_CHECKING:
    from harness.plugin.contracts import DataRequest

SPLITS = ("train", "tune", "test")
PARTS = ("train", "valid", "test", "tune")  # that data may come with


def parts_to_cut(parts: Sequence[str]) -> tuple[str, ...]:
    """Return the splits that have to be cut out of train, where data come with these parts.

    >>> parts_to_cut(["train"]), parts_to_cut(["train", "valid"]), parts_to_cut(["train", "valid", "test"])
    (('test', 'tune'), ('tune',), ())
    """
    splits = set(split_of_parts(parts).values())
    return tuple(split for split in ("test", "tune") if split not in splits)


def split_of_parts(parts: Sequence[str]) -> dict[str, str]:
    """Return the split that each part becomes: valid is the tune split where there is a test, else the test split.

    >>> split_of_parts(["train", "valid"])
    {'train': 'train', 'valid': 'test'}
    """
    valid = "tune" if "test" in parts else "test"
    return {part: valid if part == "valid" else part for part in PARTS if part in parts}


def assigned(parts: Sequence[str], labels: Sequence[Any] | None, request: DataRequest) -> dict[str, list[int]]:
    """Return the positions of each split in rising order; of examples without ``labels``, in the order they are drawn.

    A test split that is missing is ``request.valid`` of train, and a tune split that is missing ``request.tune`` of the
    rest: of every class, where there are labels. Raises DataError where a class or train is too small for that.
    """
    becomes = split_of_parts(sorted(set(parts)))
    rows: dict[str, list[int]] = {split: [] for split in SPLITS}
    for i, part in enumerate(parts):
        rows[becomes[part]].append(i)
    for number, split in enumerate(parts_to_cut(list(becomes))):
        share = request.valid if split == "test" else request.tune
        seed = request.seed + number  # the second draw is another one
        remaining, aside = _drawn([labels[i] for i in rows["train"]] if labels else len(rows["train"]), share, seed)
        before = rows["train"]
        rows["train"], rows[split] = [before[i] for i in remaining], [before[i] for i in aside]
    return rows


def _drawn(labels: Sequence[Any] | int, part: float, seed: int) -> tuple[list[int], list[int]]:
    """Return positions to keep and to set aside; of a number of examples without labels, some of all."""
    import numpy as np

    if not isinstance(labels, int):
        return stratified(labels, part, seed)
    if labels < 2:
        raise DataError(f"data: must have two or more examples to cut a split out of them, got {labels}")
    order = np.random.default_rng(seed).permutation(labels).tolist()
    count = count_aside(part, labels)
    return order[count:], order[:count]


def count_aside(part: float, members: int) -> int:
    """Return how many of so many members a part is that is set aside: at least one, and one less than all at the most.

    >>> count_aside(0.2, 12), count_aside(0.01, 12), count_aside(0.9, 2)
    (2, 1, 1)
    """
    return min(max(1, round(part * members)), members - 1)


def stratified(labels: Sequence[Any], part: float, seed: int) -> tuple[list[int], list[int]]:
    """Return positions in two lists: those to keep, and a random part of every class to set aside.

    Args:
        labels: The class of each example, N of them.
        part: The part of every class to set aside, in (0, 1); at least one example.
        seed: Of the choice. Equal seeds choose alike.

    Raises:
        DataError: A class has fewer than two members.

    >>> kept, set_aside = stratified(["cat"] * 4 + ["dog"] * 4, part=0.25, seed=0)
    >>> len(kept), len(set_aside)
    (6, 2)
    """
    import numpy as np

    labels, part = arguments.items("labels", labels, "labels", 1), arguments.share("part", part)
    random = np.random.default_rng(arguments.whole("seed", seed))
    rest: list[int] = []
    aside: list[int] = []
    members_of: dict[Any, list[int]] = {}
    try:
        for i, label in enumerate(labels):
            members_of.setdefault(label, []).append(i)
        classes = sorted(members_of)
    except TypeError:
        raise TypeError(
            f"labels: must be labels of one kind, such as texts, got {arguments.describe(labels)}"
        ) from None
    for label in classes:
        members = random.permutation(members_of[label]).tolist()
        if len(members) < 2:
            raise DataError(f"data: must have two or more examples of every class, got {len(members)} of '{label}'")
        count = count_aside(part, len(members))
        aside += members[:count]
        rest += members[count:]
    return sorted(rest), sorted(aside)
