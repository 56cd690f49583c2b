"""What the page says of dirty data: the suspects, what was excluded, and the scores with and without that."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from harness import Results
from harness_reports._draw.figures import Look
from harness_reports._draw.thumbs import Thumbs, printable
from harness_reports._words.facts import excluded
from harness_reports._words.numbers import count, gap, percent, plain, span

SHOWN = 24  # of each reason
WORDS = {
    "wrong label": ("Wrong label?", "No model that looked predicts the label, and its mean probability is below 10 %."),
    "conflicting labels": ("The same photo under two labels", "Equal or nearly equal pixels."),
    "neither class": (
        "Neither class?",
        "Every model is nearly undecided: the most undecided hundredth of each split at most. Many will only be hard.",
    ),
    "leak": ("In two splits", "Equal or nearly equal pixels; the one nearer to test is kept, the other listed."),
    "duplicate": ("Twice in a split", "Equal pixels."),
    "near duplicate": (
        "Nearly the same",
        "Grey pixels that correlate by 0.98 or more, and difference hashes that agree in all but 6 of 64 bits.",
    ),
}


def suspects(results: Results, thumbs: Thumbs) -> dict[str, Any] | None:
    """Return what the section shows; None where the records are not of photos of classes."""
    records, table = results.records, results.tables.get("suspects")
    if table is None or records.examples.empty or not len(records.compared()):
        return None
    out = {name for names in excluded(records).values() for name in names}
    groups = []
    for reason, (title, meaning) in WORDS.items():
        rows = table[table["reason"] == reason]
        if len(rows):
            tiles = [_tile(row, out, thumbs) for row in rows.head(SHOWN).to_dict("records")]
            groups.append({"title": title, "meaning": meaning, "tiles": tiles, "all": len(rows), "kind": reason})
    folds = records.meta.folds if records.out_of_fold is not None else None
    return {
        "groups": groups,
        "all": len(set(table["file"])),
        "folds": count(folds["count"], "fold") if folds else "",
        "command": f"harness data suspects {shlex.quote(records.folder.name)} --out suspects.csv",
    }


def _tile(row: Mapping[Any, Any], out: set[str], thumbs: Thumbs) -> dict[str, Any]:
    tile = thumbs.tile(row["file"], row["split"], row["row"])
    says = str(row["label"])
    if row["reason"] == "wrong label":
        says += f" → {row['suggested']} {percent(row['score'])}"
    elif row["reason"] == "neither class":
        says += "?"
    else:
        says += f"; as {printable(row['other']).rpartition('/')[2]}"
    return {**tile, "says": says, "split": row["split"], "excluded": row["file"] in out}


def cleaned(results: Results, looks: Mapping[str, Look]) -> dict[str, Any] | None:
    """Return every arm's score on the whole test split beside the one without the excluded photos; None without any."""
    table = results.tables.get("cleaned")
    if table is None or table.empty:
        return None
    rows = []
    for arm, pair in table.groupby("arm", sort=False):
        whole, rest = pair.iloc[0], pair.iloc[1]
        unit = str(whole["unit"])
        cells = [
            {
                "mean": plain(float(each["mean"]), unit, float(each["high"] - each["low"])),
                "interval": span(float(each["low"]), float(each["high"]), unit),
            }
            for each in (whole, rest)
        ]
        rows.append({"look": looks[str(arm)], "cells": cells, "gain": gap(float(rest["mean"] - whole["mean"]), unit)})
    first, second = table.iloc[0], table.iloc[1]
    return {"rows": rows, "whole": int(first["examples"]), "rest": int(second["examples"]), "unit": str(first["unit"])}
