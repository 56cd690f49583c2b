"""What lies between the solutions of a network: barriers, and how alike the hidden layers are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import numbers
from harness_reports._page.minima import lines
from harness_reports._page.minima.distances import first_rows, pair_of_arms
from harness_reports._page.minima.network import DrawnNetwork, subset_measured
from harness_reports._page.minima.signs import Sign

if TYPE_CHECKING:
    from pandas import DataFrame

QUANTITIES = {"loss": ("", 1.0), "error": ("%", 100.0)}  # of a barrier: unit ("" is that of the loss) and scale
COLUMNS = ("within", "within_other", "between", "excess")


def between(network: DrawnNetwork) -> dict[str, Any] | None:
    """Return the barrier curves and the mean barriers; None where none was measured."""
    curves, blocks, unit = network.tables["barriers"], network.tables["blocks"], network.loss_unit
    if curves.empty and not blocks["measure"].str.startswith(tuple(lines.WAYS)).any():
        return None
    pooled = curves[(curves["arm"] == "") & (curves["quantity"] == "loss")].drop_duplicates(["way", "kind"])
    pairs = pooled.groupby("kind")["pairs"].max().to_dict()
    used = int(sum(pairs.values()))
    return {
        "figures": [] if curves.empty else lines.barriers(curves, network.signs, unit, network.figure_name),
        "means": _mean_barriers(blocks, network.signs, unit),
        "within": int(pairs.get("within", 0)),
        "between": int(pairs.get("between", 0)),
        "subset": subset_measured(network.records, "connectivity"),
        "refused": max(0, _pairs_measured(network) - used) if pairs else 0,
    }


def _pairs_measured(network: DrawnNetwork) -> int:
    """Return for how many pairs of the arms' solutions a barrier was measured, whether it may be used or not."""
    table, solutions = network.records.measured, network.tables["solutions"]
    runs = list(solutions.loc[solutions["arm"].isin(network.arms), "run_id"])
    pairs = table[(table["probe"] == "connectivity") & table["one"].isin(runs) & table["other"].isin(runs)]
    return len(pairs.drop_duplicates(["one", "other"]))


def _mean_barriers(blocks: DataFrame, signs: Mapping[str, Sign], loss_unit: str) -> dict[str, Any] | None:
    """Return rows of the mean barriers within two arms and between them; None without any."""
    rows = []
    for way, title in lines.WAYS.items():
        for quantity, (unit, scale) in QUANTITIES.items():
            measure = f"{title}: train {quantity}, {unit or loss_unit}".rstrip(", ")
            for row in blocks[blocks["measure"] == f"{way}_{quantity}"].to_dict("records"):
                cells = [numbers.number(scale * float(row[column])) for column in COLUMNS]
                rows.append({**pair_of_arms(row, signs), "measure": measure, "cells": cells})
    return first_rows(rows)


def by_depth(network: DrawnNetwork) -> dict[str, Any] | None:
    """Return how alike the layers are by their depth; None where that was not measured."""
    table = lines.distances_by_depth(network.tables["distances"], network.arms)
    if table.empty:
        return None
    figure = lines.depth_figure(table, network.signs, network.figure_name("cka-by-depth"))
    return {"figure": figure, "subset": subset_measured(network.records, "representation")}
