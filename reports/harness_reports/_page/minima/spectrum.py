"""The distribution of the Hessian's eigenvalues, a line an arm."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import TYPE_CHECKING

from markupsafe import Markup

from harness_reports._draw.axes import name_y_axis, set_ticks
from harness_reports._draw.svg import WIDE, house_style, new_panel, to_svg
from harness_reports._draw.theme import MUTED
from harness_reports._page.minima.signs import Sign

if TYPE_CHECKING:
    from pandas import DataFrame

FAINTEST = 1e-12  # part of the highest density


def spectrum(table: DataFrame, signs: Mapping[str, Sign], name: str) -> Markup:
    """Return the figure of the table ``spectra`` of a network."""
    top = float(table["density"].max())
    low = max(
        top * FAINTEST, median(_peak_heights(table, signs) or [top]) / 30
    )  # below are tails that the smoothing made
    with house_style():
        figure, axes = new_panel(3.0, WIDE)
        for arm, sign in reversed(list(signs.items())):  # arms over controls
            line = table[table["arm"] == arm]
            if line.empty:
                continue
            height = line["density"].clip(lower=low / 10)
            axes.plot(line["eigenvalue"], height, color=sign.color, ls=sign.dashes, lw=1.3)
        axes.axvline(0, color=MUTED, lw=0.8)
        axes.set_yscale("log")
        axes.set_ylim(low, 2 * top)
        set_ticks(axes)
        axes.set_xlabel("eigenvalue of the Hessian of the train loss")
        name_y_axis(axes, "Density of eigenvalues", "")
        return to_svg(figure, name, "spectral density of the Hessian", {}, side_by_side(table, signs))


def side_by_side(table: DataFrame, signs: Mapping[str, Sign]) -> DataFrame:
    """Return a column of densities per arm, beside that of the eigenvalues."""
    by_arm: DataFrame = table.pivot_table(index="eigenvalue", columns="arm", values="density", sort=False)
    return by_arm.rename(columns={arm: sign.label for arm, sign in signs.items()}).reset_index()


def _peak_heights(table: DataFrame, signs: Mapping[str, Sign]) -> list[float]:
    """Return the height of every peak of every arm; most peaks are a single eigenvalue out of as many as there are weights."""
    peaks: list[float] = []
    for arm in signs:
        heights = table.loc[table["arm"] == arm, "density"].to_numpy(dtype=float)
        inner = heights[1:-1]
        peaks += list(inner[(inner > heights[:-2]) & (inner >= heights[2:]) & (inner > FAINTEST * heights.max())])
    return peaks
