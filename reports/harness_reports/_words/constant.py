"""What a constant answer scores, in words: without it a high score of unequal classes says little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness import Records, Results
from harness_reports._words.numbers import joined, measure


def answer(records: Records) -> str:
    """Return what the constant answer does: ``always answering “cat”``, ``guessing``, or ``a constant answer``."""
    named = str(records.meta.constant.get("answer", ""))
    if not named or not records.deciding.is_share:
        return "a constant answer"
    return f"always answering “{named}”" if unequal(records) else "guessing"


def unequal(records: Records) -> bool:
    """Return whether the class that is answered is visibly larger in the test split than equal classes would be."""
    return bool(records.meta.constant.get("unequal"))


def worth_showing(records: Records, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the constant's score belongs beside these rows of the leaderboard."""
    known = [row for row in rows if row["constant"] == row["constant"]]
    return bool(known) and (unequal(records) or any(row["no_better"] for row in known))


def scored(records: Records, row: Mapping[str, Any]) -> str:
    """Return the constant answer with its score in a row's metric: ``always answering “cat” (95.00 %)``."""
    return f"{answer(records)} ({measure(row['constant'], row['unit'])})"


def no_better(records: Records, rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    """Return which of these arms are no better than a constant answer, without a full stop; "" where all are better."""
    poor = [row for row in rows if row["no_better"]]
    if not poor:
        return ""
    sign = records.deciding.sign
    shown = "shown to be " if any(sign * (row["mean"] - row["constant"]) > 0 for row in poor) else ""
    than = f"{shown}better than {scored(records, poor[0])}"
    if len(poor) == len(rows) > 1:
        return f"No arm is {than}"
    labels = [names[row["arm"]] for row in poor]
    return f"{joined(labels)} {'is' if len(labels) == 1 else 'are'} not {than}"


def beside(records: Records, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a sentence with the constant's score, where it is worth one and no sentence names it yet; else ""."""
    if not worth_showing(records, rows) or any(row["no_better"] for row in rows):
        return ""
    words = answer(records)
    return f" {words[:1].upper()}{words[1:]} scores {measure(rows[0]['constant'], rows[0]['unit'])}."


def cells(results: Results, metrics: Sequence[str]) -> list[str] | None:
    """Return the constant's score in each of these columns of the leaderboard, "" where it has none; None for no row."""
    board: list[dict[Any, Any]] = results.tables["leaderboard"].to_dict("records")
    deciding = results.records.deciding.column
    if not worth_showing(results.records, [row for row in board if row["metric"] == deciding and row["n"]]):
        return None
    rows = {row["metric"]: row for row in board}  # the constant is the same in every arm
    values = [(rows[metric]["constant"], rows[metric]["unit"]) for metric in metrics]
    return [measure(value, unit).removesuffix(f" {unit}") if value == value else "" for value, unit in values]
