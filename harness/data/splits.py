"""How examples are set aside for another split: at random, and as many of every class as of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.errors import DataError, arguments


def stratified(labels: Sequence[Any], part: float, seed: int) -> tuple[list[int], list[int]]:
    """Return (kept, set aside): positions, with ``part`` in (0, 1) of every class set aside at random, at least one.

    Raises DataError where a class has fewer than two members.
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
