"""What a reader must know before a verdict: its doubts, the gravest first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

KINDS = (
    "changed",  # what was registered is not what was measured
    "replicates",  # one search of each arm, or too few replicates for the first look: no verdict
    "chance",  # an arm has learned nothing
    "defaults",  # an arm is worse than its own defaults
    "tuning",  # another alarm of an arm's search
    "lost",  # replicates that an arm has no result of
    "minimum",  # an arm is not at a minimum
    "steps",  # the arms took unequal numbers of steps
    "objective",  # each arm may have an objective of its own
    "control",  # a control that says what it should not, or has no result
    "uncontrolled",  # a control that was not run
    "power",  # the design is too small to expect "supported" of identical arms
    "unread",  # replicates that have ended since the last look, and decide nothing yet
)  # the gravest first
BETWEEN = ": "  # of a doubt's kind and its text in a line


@dataclass(frozen=True)
class Doubt:
    """A reason to weigh a verdict with care.

    >>> str(Doubt("lost", "adam lost 2 of 6 replicates (2 diverged)"))
    'lost: adam lost 2 of 6 replicates (2 diverged)'
    """

    kind: str  # one of ``KINDS``
    text: str  # one sentence without its full stop

    def __str__(self) -> str:
        """Return it as a line, as the column ``doubts`` of the table ``verdict`` has it."""
        return f"{self.kind}{BETWEEN}{self.text}"


def ranked(doubts: Iterable[Doubt]) -> tuple[Doubt, ...]:
    """Return doubts with the gravest first; those of one kind stay in their order.

    >>> [doubt.kind for doubt in ranked([Doubt("power", "..."), Doubt("lost", "...")])]
    ['lost', 'power']
    """
    return tuple(sorted(doubts, key=lambda doubt: KINDS.index(doubt.kind)))


def read_doubts(column: str) -> list[Doubt]:
    """Return the doubts of a row of the table ``verdict``, in its order: a line each in the column ``doubts``.

    >>> read_doubts("lost: adam lost 2 of 6 replicates (2 diverged)")[0].kind
    'lost'
    """
    lines = [line for line in column.splitlines() if line]
    return [Doubt(*line.split(BETWEEN, 1)) for line in lines]
