"""How far apart the solutions of a network are: matrices, a map, and the means within and between arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness import numbers
from harness_reports._page.minima import chart, matrices
from harness_reports._page.minima.network import DrawnNetwork, Solution
from harness_reports._page.minima.signs import Sign

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_ROWS = 60  # of a table of pairs; tables/blocks.parquet has the whole table
LEAST_PART = 0.5  # of the squared distances; a map that shows less is folded away, with a warning
MOST_POINTED_AT = 80  # solutions; a matrix of more is a picture alone


@dataclass(frozen=True)
class Distance:
    """A measure of how far apart two solutions are, in words."""

    title: str
    unit: str
    scale: float = 1.0  # what a recorded distance is multiplied with


DISTANCES = {
    "disagreement": Distance("Disagreement", "% of the test examples", 100.0),
    "root_jsd": Distance("Distance of predictions", "√nats"),
    "prediction_distance": Distance("Distance of predictions", "SDs of the targets"),
    "cka_penultimate": Distance("Distance of the last hidden layer", "√(1 - CKA)"),
}
MAPPED = ("root_jsd", "prediction_distance", "disagreement")  # the map shows the first of these that was measured


def distances(network: DrawnNetwork) -> dict[str, Any] | None:
    """Return the matrices, the map and the means of the distances in function and in the last layer; None without any."""
    figures, views, measured = [], [], dict[str, Any]()
    table = network.tables["distances"]
    for name, distance in DISTANCES.items():
        if not (table["measure"] == name).any():
            continue
        matrix = distance.scale * matrices.matrix_of(table, name, network.solutions)
        drawn = (matrix, network.solutions, network.signs, distance.title, distance.unit)
        measured[name] = matrix
        figures.append(matrices.figure(*drawn, network.figure_name(f"distance-{name}")))
        if len(network.solutions) <= MOST_POINTED_AT:
            views.append(matrices.view(*drawn, network.page.views))
    if not figures:
        return None
    return {
        "predictions": next((name for name in ("root_jsd", "prediction_distance") if name in measured), ""),
        "cka": "cka_penultimate" in measured,
        "matrices": figures,
        "views": views,
        "chart": _solution_map(network, measured),
        "means": means(network.tables["blocks"], network.signs, list(measured)),
        "holes": any((matrix != matrix).any() for matrix in measured.values()),
    }


def _solution_map(network: DrawnNetwork, measured: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the map of all solutions; None where their distances are not known."""
    name = next((name for name in MAPPED if name in measured), None)
    if name is None:
        return None
    points, part = chart.points_of(measured[name], network.solutions, _solution_texts(network))
    if points.empty:
        return None
    title, unit = DISTANCES[name].title.lower(), DISTANCES[name].unit
    return {
        "figure": chart.figure(points, network.signs, title, unit, network.figure_name("solutions-map")),
        "view": chart.view(points, network.signs, title, unit, network.page.views),
        "part": numbers.percent(part),
        "weak": part < LEAST_PART,
        "of": title,
    }


def _solution_texts(network: DrawnNetwork) -> dict[Solution, str]:
    """Return the scores of each solution in words."""
    outcome, table = network.page.outcome, network.tables["solutions"]
    texts = {}
    for arm, seed, score, loss in zip(table["arm"], table["seed"], table["score"], table["train_loss"], strict=True):
        if arm in network.signs:
            test, train = outcome.deciding.text(float(score)), numbers.measure(float(loss), network.loss_unit)
            label = network.signs[arm].label
            texts[arm, int(seed)] = f"{label}, seed {seed}; {outcome.test_title} {test}; train loss {train}"
    return texts


def means(blocks: DataFrame, signs: Mapping[str, Sign], names: Sequence[str]) -> dict[str, Any] | None:
    """Return rows of the mean distances within two arms and between them, in each measure; None without any."""
    rows = []
    for name in names:
        distance = DISTANCES[name]
        for row in blocks[blocks["measure"] == name].to_dict("records"):
            cells = [numbers.number(distance.scale * float(row[key])) for key in ("within", "within_other", "between")]
            cells.append(numbers.number(float(row["rho"])))
            rows.append({**pair_of_arms(row, signs), "measure": f"{distance.title}, {distance.unit}", "cells": cells})
    return first_rows(rows)


def pair_of_arms(row: Mapping[Any, Any], signs: Mapping[str, Sign]) -> dict[str, Any]:
    """Return the two arms of a row, and over how many pairs of solutions its means are."""
    return {"one": signs[row["arm"]], "other": signs[row["other"]], "pairs": int(row["pairs"])}


def first_rows(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the first rows of a table, and how many it has; None without any."""
    return {"rows": rows[:MOST_ROWS], "all": len(rows)} if rows else None
