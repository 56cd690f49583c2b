"""The work of each arm in words: what a step takes, and how many times that of the arm that needs least."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from harness import numbers
from harness_reports._words.outcome import Outcome

HEADS = (
    "arm",
    "gradients a step",
    "examples a step",
    "operations a step",
    "the optimizer's own",
    "times the least work",
)
ABOUT = (
    "Work, counted and not timed. Operations are those of the network's matrix products and convolutions, forward and backward, "
    "and the optimizer's own."
)
POWERS = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def in_powers(value: float) -> str:
    """Return a large number in thousands (k), millions (M), billions (G) and so on; an en dash for NaN."""
    if math.isnan(value):
        return numbers.NOTHING
    for power, name in POWERS:
        if abs(value) >= power:
            return f"{value / power:.3g} {name}"
    return f"{value:.3g}"


def work_rows(outcome: Outcome) -> list[list[str]]:
    """Return a row per arm, as ``HEADS`` has its cells; none where no comparison run has ended well."""
    rows = [row for row in outcome.rows("work") if row["gradients"] == row["gradients"]]
    return [[outcome.labels[row["arm"]], *_cells(row)] for row in rows]


def _cells(row: Mapping[str, Any]) -> list[str]:
    operations = row["network"] + row["own"]
    times = numbers.number(float(row["times_least"])) if row["times_least"] == row["times_least"] else numbers.NOTHING
    gradients, examples = f"{row['gradients']:.3g}", f"{row['examples']:,.0f}"
    return [gradients, examples, in_powers(operations), in_powers(row["own"]), times]
