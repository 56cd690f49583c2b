"""How examples are set aside for another split: at random, and as many of every class as of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.errors import DataError, arguments


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
    try:
        classes = sorted(set(labels))
    except TypeError:
        raise TypeError(
            f"labels: must be labels of one kind, such as texts, got {arguments.describe(labels)}"
        ) from None
    for label in classes:
        members = random.permutation([i for i, member_label in enumerate(labels) if member_label == label]).tolist()
        if len(members) < 2:
            raise DataError(f"data: must have two or more examples of every class, got {len(members)} of '{label}'")
        count = min(max(1, round(part * len(members))), len(members) - 1)
        aside += members[:count]
        rest += members[count:]
    return sorted(rest), sorted(aside)
