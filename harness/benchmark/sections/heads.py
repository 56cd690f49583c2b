"""``[heads.NAME]``: settings that differ for one head."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.benchmark.meaning import ARMS, RECIPE, Meaning
from harness.benchmark.sections.base import Count, Name, Options, Penalty, Section


class HeadTrain(Section):
    """``[heads.NAME.train]``: how this head is trained."""

    batch_size: Annotated[
        Count | None, Meaning("For this head, in place of `train.batch_size`.", 100_000, RECIPE, regimes=("features",))
    ] = None
    l2: Annotated[
        Penalty | None, Meaning("For this head, in place of `train.l2`.", 0.1, RECIPE, regimes=("features",))
    ] = None


class HeadSearch(Section):
    """``[heads.NAME.search]``: how the arms with this head are tuned."""

    epochs: Annotated[
        list[Count] | None,
        Field(min_length=1, max_length=2),
        Meaning("For this head, in place of `search.epochs`.", [300], RECIPE, regimes=("features",)),
    ] = None
    space: Annotated[
        Annotated[dict[Name, Options], Field(max_length=200)] | None,
        Meaning(
            "For this head, in place of `[search.space]`.",
            {"sgd": {"lr": {"low": 0.05, "high": 0.2, "log": True}}},
            ARMS,
            regimes=("features",),
        ),
    ] = None


class HeadCompare(Section):
    """``[heads.NAME.compare]``: how the arms with this head are retrained."""

    epochs: Annotated[
        Count | None, Meaning("For this head, in place of `compare.epochs`.", 300, RECIPE, regimes=("features",))
    ] = None


class HeadSection(Section):
    """``[heads.NAME]``: settings that differ for one head.

    A convex head is trained to its only minimum, and needs other settings than one that is not convex.
    """

    train: HeadTrain = HeadTrain()
    search: HeadSearch = HeadSearch()
    compare: HeadCompare = HeadCompare()
