"""What the page says of single predictions: confusions, calibration, photos worth a look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from harness import Results
from harness_reports._draw.figures import Look
from harness_reports._draw.reliability import reliability
from harness_reports._draw.thumbs import Thumbs
from harness_reports._words.numbers import NOTHING, count, measure, number, percent, span

MATRIX = 6  # classes; of more the worst confusions are listed
WORST = 8
KINDS = {
    "correct": ("Most correct", "rightly predicted, the highest probability of the label"),
    "incorrect": ("Most incorrect", "wrongly predicted, the lowest probability of the label"),
    "uncertain": ("Most uncertain", "the probabilities nearest to each other"),
}


def looking(results: Results, looks: Mapping[str, Look], thumbs: Thumbs) -> dict[str, Any] | None:
    """Return what the section shows; None where the predictions are no class probabilities."""
    cards = _cards(results, looks)
    picks = results.tables.get("picks")
    if not cards and (picks is None or picks.empty):
        return None
    return {
        "cards": cards,
        "examples": cards[0]["examples"] if cards else 0,
        "disagreed": _disagreed(results, looks, thumbs),
        "arms": _picked(results, looks, thumbs),
    }


def _cards(results: Results, looks: Mapping[str, Look]) -> list[dict[str, Any]]:
    """Return a card per arm: its confusion matrix and its reliability diagram."""
    confusion, calibration = (results.tables.get(name) for name in ("confusion", "calibration"))
    names = [str(each) for each in results.records.meta.data["classes"]]
    cards: list[dict[str, Any]] = []
    floor = 1.0 if calibration is None or calibration.empty else float(calibration["accuracy"].min())
    for arm, look in looks.items():
        mine = None if confusion is None else confusion[confusion["arm"] == arm]
        bins = None if calibration is None else calibration[calibration["arm"] == arm]
        if mine is None or mine.empty:
            continue
        card: dict[str, Any] = {
            "look": look,
            "seeds": int(mine["seeds"].iloc[0]),
            "examples": int(mine.groupby("true")["examples"].first().sum()),
        }
        rows = [{str(key): value for key, value in row.items()} for row in mine.to_dict("records")]
        card |= _matrix(rows, names) if len(names) <= MATRIX else _worst(rows)
        if bins is not None and len(bins):
            first = bins.iloc[0]
            card["figure"] = Markup(reliability(bins, look, len(names), floor, f"reliability-{len(cards)}"))
            card["ece"] = measure(float(first["ece"]), "%")
            card["spread"] = span(float(first["ece_low"]), float(first["ece_high"]), "%")
            card["expected"] = measure(float(first["expected"]), "%")
        cards.append(card)
    return cards


def _matrix(rows: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    """Return the matrix as rows of cells, a cell's tint by its part of the row."""
    cells = {(row["true"], row["predicted"]): row for row in rows}
    lines = [
        {"true": true, "cells": [_cell(cells[true, predicted], true == predicted) for predicted in names]}
        for true in names
    ]
    return {"names": names, "lines": lines}


def _cell(row: Mapping[str, Any], right: bool) -> dict[str, Any]:
    part = row["part"] if row["part"] == row["part"] else 0.0
    tip = f"{row['lowest']} to {row['highest']} over {count(row['seeds'], 'seed')}, of {row['examples']}"
    tint = (
        round(55 * part) if right else round(75 * min(1.0, 2 * part))
    )  # an error is seen before it is half of a class
    return {
        "count": _mean(row["count"]),
        "part": measure(part, "%") if row["examples"] else NOTHING,
        "right": right,
        "tint": tint,
        "tip": tip,
    }


def _worst(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the confusions that happen most, for many classes."""
    wrong = sorted(
        (row for row in rows if row["true"] != row["predicted"] and row["count"]), key=lambda row: -row["count"]
    )
    return {"pairs": [{**row, "count": _mean(row["count"])} for row in wrong[:WORST]]}


def _mean(value: float) -> str:
    """Return a mean count, with a decimal only where it has one."""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def _disagreed(results: Results, looks: Mapping[str, Look], thumbs: Thumbs) -> list[dict[str, Any]]:
    """Return the photos on which the arms disagree, with a dot per arm where its probability of the label is."""
    picks = results.tables.get("picks")
    if picks is None:
        return []
    found = []
    for _, rows in picks[picks["kind"] == "disagree"].groupby("rank", sort=True):
        first = rows.iloc[0]
        dots = [
            {"look": looks[row["arm"]], "place": f"{100 * row['given']:.1f}", "given": percent(row["given"])}
            for row in rows.to_dict("records")
        ]
        tile = thumbs.tile(first["file"], first["split"], first["row"])
        found.append({**tile, "label": first["label"], "value": number(float(first["value"])), "dots": dots})
    return found


def _picked(results: Results, looks: Mapping[str, Look], thumbs: Thumbs) -> list[dict[str, Any]]:
    """Return each arm's picks by kind and class."""
    picks = results.tables.get("picks")
    if picks is None:
        return []
    arms = []
    for arm, look in looks.items():
        mine = picks[picks["arm"] == arm]
        kinds = []
        for kind, (title, meaning) in KINDS.items():
            groups: dict[str, list[dict[str, Any]]] = {}
            for row in mine[mine["kind"] == kind].sort_values("rank").to_dict("records"):
                tile = thumbs.tile(row["file"], row["split"], row["row"])
                said = {"given": percent(row["given"]), "predicted": row["predicted"], "label": row["label"]}
                groups.setdefault(str(row["class"]), []).append(
                    {**tile, **said, "right": row["predicted"] == row["label"]}
                )
            if groups:
                kinds.append({"title": title, "meaning": meaning, "groups": groups})
        if kinds:
            arms.append({"look": look, "kinds": kinds})
    return arms
