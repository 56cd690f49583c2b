"""A look at single predictions: confusions, calibration, and the photos on which the arms are surest or disagree."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness import numbers
from harness_reports._draw.arm_styles import ArmLook
from harness_reports._draw.reliability import reliability_diagram
from harness_reports._page._section import Page, Section
from harness_reports._words.outcome import table_rows

if TYPE_CHECKING:
    from pandas import DataFrame

SMALL_COUNT = 10  # mean counts below this one have a decimal
MOST_CLASSES = 6  # of a confusion matrix; of more classes the worst confusions are listed
MOST_CONFUSIONS = 8
MOST_DISAGREED = 9  # photos in one row of the page; the table has more
LEAST = 1e-12  # a probability below it counts as this, so that its loss has a number
KINDS = {
    "correct": ("Most correct", "rightly predicted, the highest probability of the label"),
    "incorrect": ("Most incorrect", "wrongly predicted, the lowest probability of the label"),
    "uncertain": ("Most uncertain", "the probabilities nearest to each other"),
}


def looking(page: Page) -> dict[str, Any] | None:
    """Return what the section shows; None where the predictions are no class probabilities."""
    cards = _arm_cards(page)
    if not cards and page.outcome.table("picks") is None:
        return None
    return {
        "cards": cards,
        "examples": cards[0]["examples"] if cards else 0,
        "disagreed": _disagreed_photos(page),
        "arms": _picked_photos(page),
    }


# --- confusions and calibration ------------------------------------------------------------------------------


def _arm_cards(page: Page) -> list[dict[str, Any]]:
    """Return a card per arm: its confusion matrix and its reliability diagram."""
    confusion, calibration = page.outcome.table("confusion"), page.outcome.table("calibration")
    if confusion is None:
        return []
    classes = [str(name) for name in page.records.meta.data["classes"]]
    floor = 1.0 if calibration is None else float(calibration["accuracy"].min())
    cards: list[dict[str, Any]] = []
    for arm, look in page.looks.items():
        counts = confusion[confusion["arm"] == arm]
        if counts.empty:
            continue
        rows = table_rows(counts)
        card: dict[str, Any] = {
            "look": look,
            "seeds": int(counts["seeds"].iloc[0]),
            "examples": int(counts.groupby("true")["examples"].first().sum()),
            **(_confusion_matrix(rows, classes) if len(classes) <= MOST_CLASSES else _worst_confusions(rows)),
        }
        bins = None if calibration is None else calibration[calibration["arm"] == arm]
        if bins is not None and len(bins):
            card |= _calibration_card(bins, look, len(classes), floor, f"reliability-{page.arm_names[arm]}")
        cards.append(card)
    return cards


def _confusion_matrix(rows: Sequence[Mapping[str, Any]], classes: list[str]) -> dict[str, Any]:
    """Return the matrix as lines of cells; the tint of a cell shows its part of the line."""
    by_classes = {(row["true"], row["predicted"]): row for row in rows}
    lines = []
    for true in classes:
        cells = [_matrix_cell(by_classes[true, predicted], true == predicted) for predicted in classes]
        lines.append({"true": true, "cells": cells})
    return {"names": classes, "lines": lines}


def _matrix_cell(row: Mapping[str, Any], right: bool) -> dict[str, Any]:
    """Return one cell of the matrix."""
    part = row["part"] if row["part"] == row["part"] else 0.0
    seeds = numbers.counted(row["seeds"], "seed")
    return {
        "count": _mean_count(row["count"]),
        "part": numbers.measure(part, "%") if row["examples"] else numbers.NOTHING,
        "right": right,
        "tint": round(55 * part)
        if right
        else round(75 * min(1.0, 2 * part)),  # errors show before half of a class is wrong
        "tip": f"{row['lowest']} to {row['highest']} over {seeds}, of {row['examples']}",
    }


def _worst_confusions(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the confusions that happen most, for many classes."""
    wrong = [row for row in rows if row["true"] != row["predicted"] and row["count"]]
    worst = sorted(wrong, key=lambda row: -row["count"])[:MOST_CONFUSIONS]
    return {"pairs": [{**row, "count": _mean_count(row["count"])} for row in worst]}


def _mean_count(value: float) -> str:
    """Return a mean count: a whole number, with one decimal only where the count is small."""
    return f"{value:,.0f}" if value == round(value) or value >= SMALL_COUNT else f"{value:,.1f}"


def _calibration_card(bins: DataFrame, look: ArmLook, classes: int, floor: float, name: str) -> dict[str, Any]:
    """Return the reliability diagram of an arm, and its expected calibration error (ECE)."""
    first = bins.iloc[0]
    return {
        "figure": reliability_diagram(bins, look, classes, floor, name),
        "ece": numbers.measure(float(first["ece"]), "%"),
        "spread": numbers.span(float(first["ece_low"]), float(first["ece_high"]), "%"),
        "expected": numbers.measure(float(first["expected"]), "%"),
    }


# --- photos --------------------------------------------------------------------------------------------------


def _disagreed_photos(page: Page) -> list[dict[str, Any]]:
    """Return the photos on which the arms disagree, with a dot per arm at its probability of the label."""
    picks = page.outcome.table("picks")
    if picks is None:
        return []
    tiles: list[dict[str, Any]] = []
    for _, rows in picks[picks["kind"] == "disagree"].groupby("rank", sort=True):
        if len(tiles) == MOST_DISAGREED:
            break
        dots: list[dict[str, Any]] = []
        for row in table_rows(rows):
            place, probability = f"{100 * row['given']:.1f}", numbers.percent(row["given"])
            dots.append({"look": page.looks[row["arm"]], "place": place, "given": probability})
        first = rows.iloc[0]
        tile = page.thumbs.tile(first["file"], first["split"], first["row"])
        disagreement = numbers.number(float(first["value"]))
        probabilities = numbers.joined([f"{dot['look'].label} {dot['given']}" for dot in dots])
        alt = f"{first['label']}; probability of it by {probabilities}; {tile['short']}"
        tiles.append({**tile, "label": first["label"], "value": disagreement, "dots": dots, "alt": alt})
    return tiles


def _picked_photos(page: Page) -> list[dict[str, Any]]:
    """Return the picks of each arm, by kind and class."""
    picks = page.outcome.table("picks")
    if picks is None:
        return []
    arms = []
    for arm, look in page.looks.items():
        of_arm = picks[picks["arm"] == arm]
        kinds: list[dict[str, Any]] = []
        for kind, (title, meaning) in KINDS.items():
            groups: dict[str, list[dict[str, Any]]] = {}
            for row in table_rows(of_arm[of_arm["kind"] == kind].sort_values("rank")):
                groups.setdefault(str(row["class"]), []).append(_photo_tile(page, row))
            if groups:
                kinds.append({"title": title, "meaning": meaning, "groups": groups})
        if kinds:
            shown = sum(len(tiles) for kind in kinds for tiles in kind["groups"].values())
            arms.append({"look": look, "kinds": kinds, "count": shown})
    return arms


def _photo_tile(page: Page, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return one photo with its label and its prediction."""
    tile, given, label = (
        page.thumbs.tile(row["file"], row["split"], row["row"]),
        numbers.percent(row["given"]),
        row["label"],
    )
    loss = numbers.number(-math.log(max(float(row["given"]), LEAST)))
    return {
        **tile,
        "alt": f"{label}, predicted {row['predicted']}; probability of {label} {given}, loss {loss}; {tile['short']}",
        "given": given,
        "loss": loss,
        "predicted": row["predicted"],
        "label": label,
        "right": row["predicted"] == row["label"],
    }


SECTION = Section(
    id="looking",
    title="Photos",
    place=30,
    data=looking,
    template="looking.html.j2",
    tables=("confusion", "calibration", "picks"),
    styles=("_photos.css",),
)
