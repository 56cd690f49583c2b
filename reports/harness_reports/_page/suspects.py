"""Photos that may be wrong in the data, by the reason for the suspicion."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from harness import numbers
from harness_reports._draw.thumbs import printable
from harness_reports._page._section import Page, Section
from harness_reports._words.benchmark import excluded_names
from harness_reports._words.outcome import table_rows

MOST_SHOWN = 24  # photos of each reason
REASONS = {
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


def suspects(page: Page) -> dict[str, Any] | None:
    """Return what the section shows; None where the records are not of photos of classes."""
    records, table = page.records, page.results.tables.get("suspects")
    if table is None or records.examples.empty or not len(records.compared()):
        return None
    groups = []
    for reason, (title, meaning) in REASONS.items():
        rows = table_rows(table[table["reason"] == reason])
        if rows:
            tiles = [_suspect_tile(page, row) for row in rows[:MOST_SHOWN]]
            groups.append({"title": title, "meaning": meaning, "tiles": tiles, "all": len(rows), "kind": reason})
    folds = records.meta.folds if records.out_of_fold is not None else None
    return {
        "groups": groups,
        "all": len(set(table["file"])),
        "folds": numbers.counted(folds["count"], "fold") if folds else "",
        "command": f"harness data suspects {shlex.quote(records.folder.name)} --out suspects.csv",
    }


def _suspect_tile(page: Page, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return one photo with what is suspicious about it."""
    says = str(row["label"])
    if row["reason"] == "wrong label":
        says += f" → {row['suggested']} {numbers.percent(row['score'])}"
    elif row["reason"] == "neither class":
        says += "?"
    else:
        says += f"; as {printable(row['other']).rpartition('/')[2]}"
    excluded = any(row["file"] in names for names in excluded_names(page.records).values())
    tile = page.thumbs.tile(row["file"], row["split"], row["row"])
    alt = f"{says}; {row['split']}; {tile['short']}"
    return {**tile, "alt": alt, "says": says, "split": row["split"], "excluded": excluded}


SECTION = Section(
    id="suspects",
    title="Suspects",
    place=35,
    data=suspects,
    template="suspects.html.j2",
    tables=("suspects",),
    styles=("_photos.css",),
)
