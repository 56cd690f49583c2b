"""The section put together, network by network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness_reports._page._section import Page, Section
from harness_reports._page.minima.alone import alone, plane_figure, spectrum_figure
from harness_reports._page.minima.between import between, by_depth
from harness_reports._page.minima.distances import distances
from harness_reports._page.minima.gate import gate
from harness_reports._page.minima.matrices import drawn_solutions
from harness_reports._page.minima.missing import missing
from harness_reports._page.minima.network import DrawnNetwork
from harness_reports._page.minima.signs import legend, signs

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_NETWORKS, MOST_ARMS = 6, 60  # that are drawn, so that the page stays small
TABLES = ("distances", "blocks", "barriers", "surfaces", "spectra", "solutions")


def minima(page: Page) -> dict[str, Any] | None:
    """Return what the section shows; None where no two solutions of a network are known."""
    tables = {name: page.results.tables[name] for name in TABLES if name in page.results.tables}
    solutions = tables.get("solutions")
    if len(tables) < len(TABLES) or solutions is None or solutions.empty:
        return None
    names = list(dict.fromkeys(solutions["network"]))
    most = max(1, min(MOST_NETWORKS, MOST_ARMS * len(names) // solutions["arm"].nunique()))
    networks = [_of_network(page, name, tables) for name in names[:most]]
    shown = [network for network in networks if network is not None]
    if not shown:
        return None
    return {"networks": shown, "not_drawn": names[most:], "several": len(names) > 1}


def _of_network(page: Page, name: str, tables: Mapping[str, DataFrame]) -> dict[str, Any] | None:
    """Return what is shown of one network; None where there is nothing."""
    of_network = {key: table[table["network"] == name] for key, table in tables.items()}
    by_arm = signs(of_network["solutions"], page.looks)
    solutions = drawn_solutions(of_network["solutions"], by_arm)
    if len(solutions) < 2:
        return None
    network = DrawnNetwork(name, page, of_network, by_arm, solutions)
    parts = {
        "far": distances(network),
        "between": between(network),
        "depth": by_depth(network),
        "alone": alone(network),
        "plane": plane_figure(network),
        "spectrum": spectrum_figure(network),
        "gate": gate(page.results, name, by_arm),
    }
    if not any(parts.values()):
        return None
    return {
        "name": name,
        "legend": legend(by_arm),
        "controls": any(sign.control for sign in by_arm.values()),
        "left": len(of_network["solutions"]) - len(solutions),
        "missing": missing(page.records, name, parts),
        **parts,
    }


SECTION = Section(
    id="minima",
    title="Minima",
    place=40,
    data=minima,
    template="minima/minima.html.j2",
    tables=(*TABLES, "gate"),
)
