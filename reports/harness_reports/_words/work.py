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
NOT_COUNTED = "not counted"
MORE = 1.1  # times the fewest gradients a step that are worth a sentence
MOST_NAMED = 3  # arms in that sentence
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
    gradients, examples = f"{row['gradients']:.3g}", f"{row['examples']:,.0f}"
    operations, own = (_counted(value) for value in (row["network"] + row["own"], row["own"]))
    times = float(row["times_least"])
    return [gradients, examples, operations, own, numbers.NOTHING if math.isnan(times) else numbers.number(times)]


def _counted(value: float) -> str:
    """Return operations in words."""
    return NOT_COUNTED if math.isnan(value) else in_powers(value)


def work_sentence(outcome: Outcome) -> str:
    """Return which arms take more gradients a step than others; "" where all take the same, or nothing was counted."""
    counts = {outcome.labels[row["arm"]]: float(row["gradients"]) for row in outcome.rows("work")}
    counts = {label: gradients for label, gradients in counts.items() if math.isfinite(gradients)}
    least = min(counts.values(), default=0.0)
    more = [f"{label} {gradients:.3g}" for label, gradients in counts.items() if gradients >= MORE * least]
    if not more or len(counts) < 2 or len(more) == len(counts):
        return ""
    named = numbers.first_of(more, MOST_NAMED)
    return f"Equal steps are not equal work. Gradients a step: {named}; other arms {least:.3g}."
