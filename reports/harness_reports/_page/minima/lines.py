"""Lines between solutions: barriers along straight lines, and how the layers of two networks differ by depth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness_reports._draw.axes import axis_length, name_y_axis
from harness_reports._draw.figure_data import named_arms
from harness_reports._draw.svg import NARROW, WIDE, house_style, new_panel, to_svg
from harness_reports._draw.theme import INK, MUTED, SURFACE
from harness_reports._page.minima.signs import Sign

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

WAYS = {
    "naive": "As they are",
    "aligned": "Units aligned first",
    "repaired": "Aligned, and rescaled",
    "path": "Straight or bent",
}
LAYERS = {"block1": "¼", "block2": "½", "block3": "¾", "penultimate": "last"}
POOLED: dict[str, dict[str, Any]] = {
    "within": {"color": MUTED, "ls": (0, (4, 1.6)), "lw": 2.0},
    "between": {"color": INK, "ls": "solid", "lw": 2.0},
}
KINDS = {"within": "two replicates of an arm", "between": "two arms"}


def barriers(table: DataFrame, signs: Mapping[str, Sign], unit: str, figure_name: Callable[[str], str]) -> list[Markup]:
    """Return a figure of the loss per way of the table ``barriers`` of a network, all of one height."""
    losses = table[table["quantity"] == "loss"]
    pooled = losses[losses["arm"] == ""]
    low = float(min(0.0, losses["median"].min(), pooled["low"].min()))
    high = float(max(losses["median"].max(), pooled["high"].max()))
    figures = []
    for way, title in WAYS.items():
        curves = losses[losses["way"] == way]
        if len(curves):
            figures.append(_draw_barrier(curves, signs, title, unit, (low, high), figure_name(f"barrier-{way}")))
    return figures


def _draw_barrier(
    table: DataFrame, signs: Mapping[str, Sign], title: str, unit: str, ends: tuple[float, float], name: str
) -> Markup:
    """Return the loss along the lines between solutions, for one way of joining them."""
    with house_style():
        figure, axes = new_panel(2.6, NARROW)
        axes.axhline(0, color=MUTED, lw=0.8)
        for arm, sign in signs.items():
            line = table[table["arm"] == arm]
            axes.plot(line["alpha"], line["median"], color=sign.color, ls=sign.dashes, lw=1.1, alpha=0.9)
        for kind, style in POOLED.items():
            line = table[(table["arm"] == "") & (table["kind"] == kind)]
            if len(line):
                axes.fill_between(line["alpha"], line["low"], line["high"], color=style["color"], alpha=0.13, lw=0)
                axes.plot(line["alpha"], line["median"], label=KINDS[kind], zorder=4, **style)
        margin = 0.05 * axis_length(*ends)
        axes.set(xlim=(0, 1), ylim=(ends[0] - margin, ends[1] + 4 * margin))
        axes.set_xticks([0, 0.5, 1], ["one", "half way", "other"])
        name_y_axis(axes, f"{title}: loss above the ends", unit)
        _add_legend(axes)
        return to_svg(
            figure,
            name,
            f"barrier curves, {title.lower()}: medians, and bands from a tenth to nine tenths of the pairs",
            {},
            named_arms(table, signs),
        )


def distances_by_depth(distances: DataFrame, arms: Sequence[str]) -> DataFrame:
    """Return the mean CKA distance over ``pairs`` of different replicates, by layer and kind.

    A row is of pairs "within" one ``arm``, or, where the arm is "", of all pairs "within" any arm or "between" two.
    """
    import pandas as pd

    cross_seed = distances[distances["seed"] != distances["other_seed"]]
    cross_seed = cross_seed[cross_seed["arm"].isin(arms) & cross_seed["other"].isin(arms)]
    rows: list[tuple[str, str, str, float, int]] = []
    for layer in LAYERS:
        of_layer = cross_seed[cross_seed["measure"] == f"cka_{layer}"]
        within = of_layer["arm"] == of_layer["other"]
        for arm in arms:
            of_arm = of_layer.loc[within & (of_layer["arm"] == arm), "distance"]
            rows.append((layer, "within", arm, float(of_arm.mean()), len(of_arm)))
        for kind, pairs in (("within", of_layer[within]), ("between", of_layer[~within])):
            rows.append((layer, kind, "", float(pairs["distance"].mean()), len(pairs)))
    table = pd.DataFrame(rows, columns=["layer", "kind", "arm", "mean", "pairs"])
    return table[table["pairs"] > 0].reset_index(drop=True)


def depth_figure(table: DataFrame, signs: Mapping[str, Sign], name: str) -> Markup:
    """Return the figure of ``distances_by_depth``."""
    layers = [layer for layer in LAYERS if (table["layer"] == layer).any()]
    places = {layer: place for place, layer in enumerate(layers)}
    with house_style():
        figure, axes = new_panel(2.9, WIDE)
        for arm, sign in signs.items():
            line = table[table["arm"] == arm]
            style: dict[str, Any] = {"color": sign.color, "ls": sign.dashes, "lw": 1.1, "marker": sign.marker, "ms": 5}
            axes.plot(line["layer"].map(places), line["mean"], **style)
        for kind, style in POOLED.items():
            line = table[(table["arm"] == "") & (table["kind"] == kind)]
            if len(line):
                axes.plot(
                    line["layer"].map(places), line["mean"], marker="o", ms=4, label=KINDS[kind], zorder=4, **style
                )
        axes.set_xticks(range(len(layers)), [LAYERS[layer] for layer in layers])
        axes.set_xlim(-0.25, len(layers) - 0.75)
        axes.set_ylim(0, 1.22 * float(table["mean"].max()) or 1.0)
        axes.set_xlabel("depth of the layer, in parts of the network")
        name_y_axis(axes, "Distance √(1 - CKA)", "")
        _add_legend(axes)
        return to_svg(figure, name, "CKA distance by depth", {}, named_arms(table, signs))


def _add_legend(axes: Axes) -> None:
    """Add a legend where a line has a name."""
    if axes.get_legend_handles_labels()[0]:
        look: dict[str, Any] = {
            "facecolor": SURFACE,
            "edgecolor": "none",
            "framealpha": 0.9,
            "fontsize": 8,
            "labelcolor": INK,
        }
        axes.legend(loc="upper left", borderaxespad=0.1, ncols=2, columnspacing=1.2, handlelength=2.4, **look)
