"""The section put together: what there is of each network, what was left out, and what would measure what is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness import Records, Results, standing_protocol
from harness.verdict.reading import read_gate
from harness_reports._draw.axes import finite
from harness_reports._draw.figures import Look
from harness_reports._draw.interactive import Views
from harness_reports._page.minima import chart, lines, matrices, plane, spectrum, strips
from harness_reports._page.minima.signs import Sign, legend, signs
from harness_reports._words.facts import title_of
from harness_reports._words.numbers import measure, number, percent

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_NETWORKS, MOST_ARMS = 6, 60  # that are drawn, so that the page stays small
MOST_ROWS = 60  # of a table of pairs; the whole of it is in tables/blocks.parquet
POINTED_AT = 80  # solutions beyond which a matrix is a picture alone
TABLES = ("distances", "blocks", "barriers", "surfaces", "spectra", "solutions")


@dataclass(frozen=True)
class Distance:
    """A measure of how far apart two solutions are, in words."""

    title: str
    unit: str
    scale: float = 1.0


DISTANCES = {
    "disagreement": Distance("Disagreement", "% of the test examples", 100.0),
    "root_jsd": Distance("Distance of predictions", "√nats"),
    "prediction_distance": Distance("Distance of predictions", "SDs of the targets"),
    "cka_penultimate": Distance("Distance of the last hidden layer", "√(1 - CKA)"),
}
MAPPED = ("root_jsd", "prediction_distance", "disagreement")  # the first that there is
FLAT = {"loss": ("", 1.0), "error": ("%", 100.0)}  # unit and scale of a barrier


@dataclass(frozen=True)
class Network:
    """The rows of one network in every table, and how its solutions are drawn."""

    name: str
    place: int
    results: Results
    tables: Mapping[str, DataFrame]
    signs: Mapping[str, Sign]
    views: Views
    places: Sequence[matrices.Place] = field(default_factory=list)

    @property
    def records(self) -> Records:
        """The records."""
        return self.results.records

    @property
    def arms(self) -> list[str]:
        """The arms, without controls."""
        return [arm for arm, sign in self.signs.items() if not sign.control]

    @property
    def loss_unit(self) -> str:
        """The unit of the task's loss."""
        return str(self.records.meta.metrics.get("loss", {}).get("unit", ""))

    def id(self, what: str) -> str:
        """Return a name for a figure that no other has."""
        return f"minima-{self.place}-{what}"


def minima(results: Results, looks: Mapping[str, Look], views: Views) -> dict[str, Any] | None:
    """Return what the section shows; None where no two solutions of a network are known."""
    tables = {name: results.tables[name] for name in TABLES if name in results.tables}
    every = tables.get("solutions")
    if len(tables) < len(TABLES) or every is None or every.empty:
        return None
    names = list(dict.fromkeys(every["network"]))
    most = max(1, min(MOST_NETWORKS, MOST_ARMS * len(names) // every["arm"].nunique()))
    shown = [_network(results, name, place, tables, looks, views) for place, name in enumerate(names[:most])]
    shown = [each for each in shown if each is not None]
    if not shown:
        return None
    return {"networks": shown, "not_drawn": names[most:], "several": len(names) > 1}


def _network(
    results: Results, name: str, place: int, tables: Mapping[str, DataFrame], looks: Mapping[str, Look], views: Views
) -> dict[str, Any] | None:
    mine = {key: table[table["network"] == name] for key, table in tables.items()}
    known = signs(mine["solutions"], looks)
    places = matrices.chosen(mine["solutions"], known)
    if len(places) < 2:
        return None
    here = Network(name, place, results, mine, known, views, places)
    parts = {
        "far": _far(here), "between": _between(here), "depth": _depth(here), "alone": _alone(here),
        "plane": _plane(here), "spectrum": _spectrum(here), "gate": gate(results, name, known),
    }  # fmt: skip
    if not any(parts.values()):
        return None
    left = len(mine["solutions"]) - len(places)
    return {
        "name": name,
        "legend": legend(known, f"minima-{place}-key"),
        "controls": any(sign.control for sign in known.values()),
        "left": left,
        "missing": _missing(results.records, name, parts),
        **parts,
    }


# --- distances ------------------------------------------------------------------------------------------------


def _far(here: Network) -> dict[str, Any] | None:
    """Return the matrices, the map and the means of the distances in function and in the last layer."""
    found, opened, by_name = [], [], dict[str, Any]()
    for name, about in DISTANCES.items():
        matrix = about.scale * matrices.matrix_of(here.tables["distances"], name, here.places)
        if (here.tables["distances"]["measure"] == name).any():
            by_name[name] = matrix
            found.append(matrices.matrix(matrix, here.places, here.signs, about.title, about.unit, here.id(name)))
            if len(here.places) <= POINTED_AT:
                opened.append(matrices.view(matrix, here.places, here.signs, about.title, about.unit, here.views))
    if not found:
        return None
    return {
        "predictions": "root_jsd" if "root_jsd" in by_name else "rms" if "prediction_distance" in by_name else "",
        "cka": "cka_penultimate" in by_name,
        "matrices": found,
        "views": opened,
        "chart": _chart(here, by_name),
        "means": means(here.tables["blocks"], here.signs, list(by_name)),
        "holes": any((matrix != matrix).any() for matrix in by_name.values()),
    }


def _chart(here: Network, by_name: Mapping[str, Any]) -> dict[str, Any] | None:
    name = next((name for name in MAPPED if name in by_name), None)
    if name is None:
        return None
    points, part = chart.placed(by_name[name], here.places, _says(here))
    if points.empty:
        return None
    about = DISTANCES[name]
    text = about.title.lower()
    return {
        "figure": chart.chart(points, here.signs, text, about.unit, here.id("map")),
        "view": chart.view(points, here.signs, text, about.unit, here.views),
        "part": percent(part),
        "of": text,
    }


def _says(here: Network) -> dict[matrices.Place, str]:
    """Return in words what a solution is worth, by arm and seed."""
    meta = here.records.meta
    unit, title = meta.deciding.unit, title_of(meta.deciding.column)
    found = {}
    table = here.tables["solutions"]
    for arm, seed, score, loss in zip(table["arm"], table["seed"], table["score"], table["train_loss"], strict=True):
        if arm in here.signs:
            train = measure(float(loss), here.loss_unit)
            words = f"{here.signs[arm].label}, seed {seed}; {title} {measure(float(score), unit)}; train loss {train}"
            found[arm, int(seed)] = words
    return found


def means(blocks: DataFrame, signs: Mapping[str, Sign], names: Sequence[str]) -> dict[str, Any] | None:
    """Return rows of the mean distances within two arms and between them, in each measure; None for none."""
    rows = []
    for name in names:
        about = DISTANCES[name]
        for row in blocks[blocks["measure"] == name].to_dict("records"):
            three = [number(about.scale * float(row[key])) for key in ("within", "within_other", "between")]
            ratio = float(row["rho"])
            rows.append(
                {**_pair(row, signs), "measure": f"{about.title}, {about.unit}", "cells": [*three, number(ratio)]}
            )
    return {"rows": rows[:MOST_ROWS], "all": len(rows)} if rows else None


def _pair(row: Mapping[Any, Any], signs: Mapping[str, Sign]) -> dict[str, Any]:
    return {"one": signs[row["arm"]], "other": signs[row["other"]], "pairs": int(row["pairs"])}


# --- barriers, depth ------------------------------------------------------------------------------------------


def _between(here: Network) -> dict[str, Any] | None:
    """Return the barrier curves and the mean barriers."""
    curves, blocks = here.tables["barriers"], here.tables["blocks"]
    if curves.empty and not blocks["measure"].str.startswith(tuple(lines.WAYS)).any():
        return None
    pooled = curves[(curves["arm"] == "") & (curves["quantity"] == "loss")].drop_duplicates(["way", "kind"])
    counts = pooled.groupby("kind")["pairs"].max().to_dict()
    return {
        "figures": [] if curves.empty else lines.barriers(curves, here.signs, here.loss_unit, here.id("barrier")),
        "means": _barriers(blocks, here.signs, here.loss_unit),
        "within": int(counts.get("within", 0)),
        "between": int(counts.get("between", 0)),
        "subset": subset(here.records, "connectivity"),
        "refused": max(0, _lines_measured(here) - int(sum(counts.values()))) if counts else 0,
    }


def _lines_measured(here: Network) -> int:
    """Return of how many pairs of the arms' solutions a barrier was measured, whether it may be used or not."""
    table, mine = here.records.measured, here.tables["solutions"]
    runs = list(mine.loc[mine["arm"].isin(here.arms), "run_id"])
    pairs = table[(table["probe"] == "connectivity") & table["one"].isin(runs) & table["other"].isin(runs)]
    return len(pairs.drop_duplicates(["one", "other"]))


def _barriers(blocks: DataFrame, signs: Mapping[str, Sign], unit: str) -> dict[str, Any] | None:
    rows = []
    for way, title in lines.WAYS.items():
        for what, (of_what, scale) in FLAT.items():
            for row in blocks[blocks["measure"] == f"{way}_{what}"].to_dict("records"):
                four = [number(scale * float(row[key])) for key in ("within", "within_other", "between", "excess")]
                text = f"{title}: train {what}, {of_what or unit}".rstrip(", ")
                rows.append({**_pair(row, signs), "measure": text, "cells": four})
    return {"rows": rows[:MOST_ROWS], "all": len(rows)} if rows else None


def _depth(here: Network) -> dict[str, Any] | None:
    table = lines.by_depth(here.tables["distances"], here.arms)
    if table.empty:
        return None
    return {
        "figure": lines.depth(table, here.signs, here.id("depth")),
        "subset": subset(here.records, "representation"),
    }


# --- each alone, the plane, the spectrum ----------------------------------------------------------------------


def _alone(here: Network) -> dict[str, Any] | None:
    table = here.tables["solutions"]
    columns = strips.there(table)
    if not columns:
        return None
    floor = _floor(here.records) if here.loss_unit == "nats" else None
    figures = []
    for column in columns:
        unit = here.loss_unit if strips.STRIPS[column].unit else ""
        line = floor if column == "sharpness" else None
        figures.append(strips.strip(table, column, here.signs, unit, line, here.id(column)))
    return {
        "figures": figures,
        "table": strips.table(table, here.signs, here.loss_unit),
        "floor": f"{floor:g}" if floor is not None and "sharpness" in columns else "",
        "unit": here.loss_unit,
        "hessian": "lambda_max" in columns,
        "subsets": [
            f"{what} of {text}"
            for probe, what in (("sharpness", "Sharpness"), ("hessian", "the Hessian"))
            if (text := subset(here.records, probe))
        ],
        "unsure": bool((table["lambda_max_residual"] > 0.01).any()),
    }


def _floor(records: Records) -> float | None:
    standing = standing_protocol(records.meta)
    return float(standing.protocol.floors["sharpness"]) if standing else None


def _plane(here: Network) -> dict[str, Any] | None:
    table = here.tables["surfaces"]
    table = table[(table["what"] == "grid") | table["arm"].isin(list(here.signs))]
    if (table["what"] == "solution").sum() < 3 or not finite(table["loss"]).all():
        return None
    return {
        "figure": plane.contours(table, here.signs, here.id("plane")),
        "view": plane.view(table, here.signs, here.loss_unit, here.views),
        "unit": here.loss_unit,
    }


def _spectrum(here: Network) -> dict[str, Any] | None:
    table = here.tables["spectra"]
    if table.empty:
        return None
    seeds = sorted(set(table["seeds"]))
    return {
        "figure": spectrum.spectrum(table, here.signs, here.id("spectrum")),
        "seeds": f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}",
        "one": seeds == [1],
    }


# --- the gate, and what is missing ----------------------------------------------------------------------------


def gate(results: Results, network: str, signs: Mapping[str, Sign]) -> dict[str, Any] | None:
    """Return a row per arm of whether it is at a minimum, and what that was judged by; None where that is not known."""
    gates = [row for row in read_gate(results.records.meta, results.tables, network) if row["arm"] in signs]
    if not gates:
        return None
    unit = str(results.records.meta.metrics.get("loss", {}).get("unit", ""))
    rows = [
        {
            "sign": signs[row["arm"]], "state": row["state"], "passed": row["state"] == "at a minimum",
            "reason": row["reason"], "error": _limited(row["train_error"], row["fit"], "%"),
            "gain": _limited(row["gain"], row["gain_limit"], unit),
            "gradient": _limited(row["gradient"], row["gradient_limit"], ""),
        }
        for row in gates
    ]  # fmt: skip
    columns = [key for key in ("error", "gain", "gradient") if any(row[key] for row in rows)]
    titles = {
        "error": "train error",
        "gain": "train loss gained by going on",
        "gradient": "gradient, in parts of its start",
    }
    return {"rows": rows, "heads": [titles[key] for key in columns], "columns": columns}


def _limited(value: float, limit: float, unit: str) -> dict[str, str] | None:
    if math.isnan(value):
        return None
    scale = 100 if unit == "%" else 1
    text = f"limit {scale * limit:.3g} {unit}".rstrip() if not math.isnan(limit) else ""
    return {"value": measure(float(value), unit), "limit": text}


def subset(records: Records, probe: str) -> str:
    """Return in words which of all its measurements a late probe has made; "" where all of them."""
    about = records.meta.probes.get(probe, {})
    return str(about.get("subset", "")) if about.get("done") else ""


PARTS = {  # by part: the probe, and what it would show
    "between": ("connectivity", "Barriers between solutions"),
    "depth": ("representation", "How alike the hidden layers are"),
    "sharpness": ("sharpness", "Sharpness"),
    "plane": ("surface", "The loss on the plane through three solutions"),
    "spectrum": ("hessian", "Eigenvalues of the Hessian"),
    "moved": ("distance", "How far the weights have moved"),
    "gradient": ("gradient_norm", "The length of the gradient"),
}


def _missing(records: Records, network: str, parts: Mapping[str, Any]) -> list[str]:
    """Return a line for each thing that was not measured, and what would measure it."""
    titles = " ".join(parts["alone"]["table"]["heads"]) if parts["alone"] else ""
    there = {
        **parts, "sharpness": "Sharpness" in titles, "moved": "Distance from" in titles, "gradient": "gradient" in titles,
    }  # fmt: skip
    found = []
    convex = records.meta.convex.get(network, False)
    for part, (probe, what) in PARTS.items():
        if not there[part] and not (convex and part == "depth"):  # it has no hidden layers
            found.append(f"{what}: {_why(records, probe)}")
    return found


def _why(records: Records, probe: str) -> str:
    about = records.meta.probes.get(probe)
    if about is None:
        asked = records.meta.benchmark.get("compare", {}).get("probes", ())
        return f"not measured by “{probe}”." if probe in asked else f"not measured; add “{probe}” to compare.probes."
    if about.get("problems"):
        return f"“{probe}” failed: {about['problems'][0]}"
    if not about.get("planned") and about.get("left_out"):
        return str(about["left_out"])
    return f"“{probe}” found nothing that can be shown here."
