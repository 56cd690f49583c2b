"""What lies between solutions: barriers along straight lines, and how the layers of two networks differ by depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness_reports._draw.axes import length, name_y
from harness_reports._draw.svg import INK, MUTED, NARROW, WIDE, panel, style, svg
from harness_reports._page.minima.signs import Sign

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

WAYS = {"naive": "As they are", "aligned": "Units aligned first", "repaired": "Aligned, and rescaled"}
LAYERS = {"block1": "¼", "block2": "½", "block3": "¾", "penultimate": "last"}
POOLED: dict[str, dict[str, Any]] = {
    "within": {"color": MUTED, "ls": (0, (4, 1.6)), "lw": 2.0},
    "between": {"color": INK, "ls": "solid", "lw": 2.0},
}
NAMES = {"within": "two seeds of an arm", "between": "two arms"}


def barriers(table: DataFrame, signs: Mapping[str, Sign], unit: str, name: str) -> list[Markup]:
    """Return a figure per way of a network's table ``barriers``, of the loss, all of one height."""
    mine = table[table["quantity"] == "loss"]
    pooled = mine[mine["arm"] == ""]
    ends = (
        float(min(0.0, mine["median"].min(), pooled["low"].min())),
        float(max(mine["median"].max(), pooled["high"].max())),
    )
    return [
        _barrier(mine[mine["way"] == way], signs, title, unit, ends, f"{name}-{way}")
        for way, title in WAYS.items()
        if (mine["way"] == way).any()
    ]


def _barrier(
    table: DataFrame, signs: Mapping[str, Sign], title: str, unit: str, ends: tuple[float, float], name: str
) -> Markup:
    with style():
        figure, axes = panel(2.6, NARROW)
        axes.axhline(0, color=MUTED, lw=0.8)
        for arm, sign in signs.items():
            line = table[table["arm"] == arm]
            axes.plot(line["alpha"], line["median"], color=sign.color, ls=sign.dashes, lw=1.1, alpha=0.9)
        for kind, look in POOLED.items():
            line = table[(table["arm"] == "") & (table["kind"] == kind)]
            if len(line):
                axes.fill_between(line["alpha"], line["low"], line["high"], color=look["color"], alpha=0.13, lw=0)
                axes.plot(line["alpha"], line["median"], label=NAMES[kind], zorder=4, **look)
        room = 0.05 * length(*ends)
        axes.set(xlim=(0, 1), ylim=(ends[0] - room, ends[1] + 4 * room))
        axes.set_xticks([0, 0.5, 1], ["one", "half way", "other"])
        name_y(axes, f"{title}: loss above the ends", unit)
        _legend(axes)
        return Markup(svg(figure, name, f"barrier curves, {title.lower()}", {}, table))


def by_depth(distances: DataFrame, arms: Sequence[str]) -> DataFrame:
    """Return the mean CKA distance by layer and kind, ``arm`` within one, "" over all arms; ``pairs`` of other seeds."""
    import pandas as pd

    across = distances[distances["seed"] != distances["other_seed"]]
    across = across[across["arm"].isin(arms) & across["other"].isin(arms)]
    rows: list[tuple[str, str, str, float, int]] = []
    for layer in LAYERS:
        mine = across[across["measure"] == f"cka_{layer}"]
        same = mine["arm"] == mine["other"]
        for arm in arms:
            own = mine[same & (mine["arm"] == arm)]["distance"]
            rows.append((layer, "within", arm, float(own.mean()), len(own)))
        for kind, some in (("within", mine[same]), ("between", mine[~same])):
            rows.append((layer, kind, "", float(some["distance"].mean()), len(some)))
    table = pd.DataFrame(rows, columns=["layer", "kind", "arm", "mean", "pairs"])
    return table[table["pairs"] > 0].reset_index(drop=True)


def depth(table: DataFrame, signs: Mapping[str, Sign], name: str) -> Markup:
    """Return the figure of ``by_depth``."""
    layers = [layer for layer in LAYERS if (table["layer"] == layer).any()]
    at = {layer: place for place, layer in enumerate(layers)}
    with style():
        figure, axes = panel(2.9, WIDE)
        for arm, sign in signs.items():
            line = table[table["arm"] == arm]
            axes.plot(
                line["layer"].map(at), line["mean"], color=sign.color, ls=sign.dashes, lw=1.1, marker=sign.marker, ms=5
            )
        for kind, look in POOLED.items():
            line = table[(table["arm"] == "") & (table["kind"] == kind)]
            if len(line):
                axes.plot(line["layer"].map(at), line["mean"], marker="o", ms=4, label=NAMES[kind], zorder=4, **look)
        axes.set_xticks(range(len(layers)), [LAYERS[layer] for layer in layers])
        axes.set_xlim(-0.25, len(layers) - 0.75)
        axes.set_ylim(0, 1.22 * float(table["mean"].max()) or 1.0)
        axes.set_xlabel("depth of the layer, in parts of the network")
        name_y(axes, "Distance √(1 - CKA)", "")
        _legend(axes)
        return Markup(svg(figure, name, "CKA distance by depth", {}, table))


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc="upper left",
            frameon=False,
            fontsize=8,
            labelcolor=INK,
            handlelength=2.4,
            borderaxespad=0.1,
            ncols=2,
            columnspacing=1.2,
        )
