"""How the eigenvalues of the Hessian are distributed, an arm a line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median
from typing import TYPE_CHECKING

from markupsafe import Markup

from harness_reports._draw.svg import MUTED, WIDE, panel, style, svg
from harness_reports._page.minima.signs import Sign

if TYPE_CHECKING:
    from pandas import DataFrame

FAINTEST = 1e-12  # of the highest density


def spectrum(table: DataFrame, signs: Mapping[str, Sign], name: str) -> Markup:
    """Return the figure of a network's table ``spectra``."""
    from matplotlib.ticker import LogLocator, NullFormatter

    top = float(table["density"].max())
    low = max(top * FAINTEST, median(_peaks(table, signs) or [top]) / 30)  # below are the smoothing's own tails
    with style():
        figure, axes = panel(3.0, WIDE)
        for arm, sign in reversed(list(signs.items())):  # arms over controls
            line = table[table["arm"] == arm]
            if line.empty:
                continue
            height = line["density"].clip(lower=low / 10)
            axes.plot(line["eigenvalue"], height, color=sign.color, ls=sign.dashes, lw=1.3)
        axes.axvline(0, color=MUTED, lw=0.8)
        axes.set_yscale("log")
        axes.set_ylim(low, 2 * top)
        axes.yaxis.set_major_locator(LogLocator(numticks=7))
        axes.yaxis.set_major_formatter(lambda value, _: power(value))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("eigenvalue of the Hessian of the train loss")
        axes.set_title("Density of eigenvalues", loc="left", fontsize=8.5, color=MUTED)
        return Markup(svg(figure, name, "spectral density of the Hessian", {}, side_by_side(table, signs)))


def side_by_side(table: DataFrame, signs: Mapping[str, Sign]) -> DataFrame:
    """Return a column of densities per arm, beside that of the eigenvalues."""
    wide: DataFrame = table.pivot_table(index="eigenvalue", columns="arm", values="density", sort=False)
    return wide.rename(columns={arm: sign.label for arm, sign in signs.items()}).reset_index()


def _peaks(table: DataFrame, signs: Mapping[str, Sign]) -> list[float]:
    """Return how high every bump of every arm is; most are a single eigenvalue of as many as there are weights."""
    found: list[float] = []
    for arm in signs:
        heights = table.loc[table["arm"] == arm, "density"].to_numpy(dtype=float)
        inner = heights[1:-1]
        found += list(inner[(inner > heights[:-2]) & (inner >= heights[2:]) & (inner > FAINTEST * heights.max())])
    return found


def power(value: float) -> str:
    """Return a power of ten as one writes it by hand."""
    return f"10{f'{round(math.log10(value)):d}'.translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
