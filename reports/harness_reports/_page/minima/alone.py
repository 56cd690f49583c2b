"""What was measured of each solution alone, of the plane through three solutions, and of the Hessian."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness import Records, numbers, standing_protocol
from harness_reports._draw.axes import is_finite
from harness_reports._page.minima import plane, spectrum, strips
from harness_reports._page.minima.network import DrawnNetwork, subset_measured

CONVERGED = 0.01  # the largest relative residual of an eigenvalue
SUBSETS = (("sharpness", "Sharpness"), ("hessian", "the Hessian"))


def alone(network: DrawnNetwork) -> dict[str, Any] | None:
    """Return a figure per measure of single solutions, and the same as a table; None where nothing was measured."""
    table = network.tables["solutions"]
    columns = strips.measured_columns(table)
    if not columns:
        return None
    floor = sharpness_floor(network.records) if network.loss_unit == "nats" else None
    figures = []
    for column in strips.drawn_columns(table):
        unit = network.loss_unit if strips.STRIPS[column].in_loss_unit else ""
        line = floor if column == "sharpness" else None
        figures.append(strips.strip(table, column, network.signs, unit, line, network.figure_name(column)))
    subsets = [(title, subset_measured(network.records, probe)) for probe, title in SUBSETS]
    return {
        "figures": figures,
        "table": strips.means_table(table, network.signs, network.loss_unit),
        "floor": f"{floor:g}" if floor is not None and "sharpness" in columns else "",
        "unit": network.loss_unit,
        "sharp": "sharpness" in columns,
        "stable": "stability" in columns,
        "measures": _measures_in_words(columns),
        "hessian": "lambda_max" in columns,
        "subsets": [f"{title} of {subset}" for title, subset in subsets if subset],
        "unsure": bool((table["lambda_max_residual"] > CONVERGED).any()),
    }


def _measures_in_words(columns: Sequence[str]) -> str:
    """Return which measures are shown, in a few words."""
    titles = [strips.STRIPS[column].title for column in columns]
    short = list(dict.fromkeys(title.partition(" at ")[0].partition(" of ")[0] for title in titles))
    return numbers.joined([title[:1].lower() + title[1:] for title in short])


def sharpness_floor(records: Records) -> float | None:
    """Return the difference in sharpness that counts as none, by the standing protocol; None where none is registered."""
    standing = standing_protocol(records.meta)
    return float(standing.protocol.floors["sharpness"]) if standing else None


def plane_figure(network: DrawnNetwork) -> dict[str, Any] | None:
    """Return the loss on the plane through three solutions; None where it was not measured, or is not finite."""
    table = network.tables["surfaces"]
    table = table[(table["what"] == "grid") | table["arm"].isin(list(network.signs))]
    if (table["what"] == "solution").sum() < 3 or not is_finite(table["loss"]).all():
        return None
    return {
        "figure": plane.contours(table, network.signs, network.figure_name("loss-plane")),
        "view": plane.view(table, network.signs, network.loss_unit, network.page.views),
        "unit": network.loss_unit,
    }


def spectrum_figure(network: DrawnNetwork) -> dict[str, Any] | None:
    """Return the density of the Hessian's eigenvalues; None where it was not measured."""
    table = network.tables["spectra"]
    if table.empty:
        return None
    seeds = sorted(set(table["seeds"]))
    return {
        "figure": spectrum.spectrum(table, network.signs, network.figure_name("hessian-spectrum")),
        "seeds": f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}",
        "one": seeds == [1],
    }
