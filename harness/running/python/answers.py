"""What ``harness.plan`` and ``harness.lr_find`` return: values that show themselves, in a console and in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors.names import Named
from harness.training.lr_curve import RangeTest

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


@dataclass(frozen=True)
class Estimate:
    """What a run would cost.

    ``document`` has the numbers, as ``harness plan --json`` prints them: ``runs``, ``seconds_wall``, ``bytes``, a row for
    each of the ``arms``, and more. ``lines`` are those of ``harness plan``.
    """

    document: Mapping[str, Any]
    lines: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """How long the run would take on this machine."""
        return float(self.document["seconds_wall"])

    def __repr__(self) -> str:
        return "\n".join(self.lines)


@dataclass(frozen=True)
class RangeTests:
    """A learning-rate range test for each arm. ``tests`` has their curves: arrays ``lr``, ``loss`` and ``smoothed``."""

    tests: tuple[RangeTest, ...]

    @property
    def lr(self) -> Mapping[str, float | None]:
        """The suggested rate by arm; None where the curve suggests nothing."""
        return Named({test.arm: test.lr for test in self.tests}, "lr", "an arm")

    @property
    def table(self) -> DataFrame:
        """A row for each arm: ``arm``, the suggested ``lr``, what each rule suggests, and a ``note``."""
        import pandas as pd

        rows = [{"arm": t.arm, "lr": t.lr, **(t.suggestions or {}), "note": t.note} for t in self.tests]
        return pd.DataFrame(rows, columns=["arm", "lr", "valley", "steepest", "minimum_tenth", "note"])

    @property
    def figure(self) -> Figure:
        """The curves, with a line at every suggestion."""
        from harness.results.figures import shown_in_notebook
        from harness.results.pictures.range_test import draw_panels

        return shown_in_notebook(draw_panels(self.tests))

    def __repr__(self) -> str:
        from harness.running.search.range_test import line

        return "\n".join(line(test) for test in self.tests)

    def _repr_html_(self) -> str:
        from harness.results.figures import svg_of

        return str(self.table.to_html(index=False)) + svg_of(self.figure)
