"""The score of a constant answer, in words. Without it, a high score on unequal classes says little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness import Records, numbers

if TYPE_CHECKING:
    from harness_reports._words.outcome import Outcome


def answer(records: Records) -> str:
    """Return what the constant answer does: ``always answering “cat”``, ``guessing``, or ``a constant answer``."""
    label = str(records.meta.constant.get("answer", ""))
    if not label or not records.deciding.is_share:
        return "a constant answer"
    return f"always answering “{label}”" if unequal_classes(records) else "guessing"


def unequal_classes(records: Records) -> bool:
    """Return whether the class that is answered is visibly larger in the test split than equal classes would be."""
    return bool(records.meta.constant.get("unequal"))


def worth_showing(records: Records, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the constant's score belongs beside these rows of the leaderboard."""
    scored = [row for row in rows if row["constant"] == row["constant"]]
    return bool(scored) and (unequal_classes(records) or any(row["no_better"] for row in scored))


def no_better(outcome: Outcome, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return which of these arms are no better than a constant answer, without a full stop; "" where all are better."""
    poor = [row for row in rows if row["no_better"]]
    if not poor:
        return ""
    first = poor[0]
    sign = outcome.deciding.sign
    leads = any(sign * (row["mean"] - row["constant"]) > 0 for row in poor)
    score = numbers.measure(first["constant"], first["unit"])
    comparison = f"{'shown to be ' if leads else ''}better than {answer(outcome.records)} ({score})"
    if len(poor) == len(rows) > 1:
        return f"No arm is {comparison}"
    labels = [outcome.labels[row["arm"]] for row in poor]
    return f"{numbers.joined(labels)} {'is' if len(labels) == 1 else 'are'} not {comparison}"


def count_clause(outcome: Outcome, poor: int, ranked: int) -> str:
    """Return how many of the ranked arms are not better than a constant answer: ``2 of the 16 arms are not better than guessing``."""
    return f"{poor} of the {numbers.counted(ranked, 'arm')} {'is' if poor == 1 else 'are'} not better than {answer(outcome.records)}"


def score_sentence(records: Records, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a sentence with the constant's score; "" where it is not worth one, or where another sentence names it."""
    if not worth_showing(records, rows) or any(row["no_better"] for row in rows):
        return ""
    words = answer(records)
    return f" {words[:1].upper()}{words[1:]} scores {numbers.measure(rows[0]['constant'], rows[0]['unit'])}."


def leaderboard_cells(outcome: Outcome, metrics: Sequence[str]) -> list[str] | None:
    """Return the constant's score in each of these metrics, "" where it has none; None where no row should be shown."""
    board = outcome.rows("leaderboard")
    ended_well = [row for row in board if row["metric"] == outcome.deciding.column and row["n"]]
    if not worth_showing(outcome.records, ended_well):
        return None
    by_metric = {row["metric"]: row for row in board}  # the constant is the same in every arm
    cells = []
    for metric in metrics:
        value, unit = by_metric[metric]["constant"], by_metric[metric]["unit"]
        cells.append(numbers.measure(value, unit).removesuffix(f" {unit}") if value == value else "")
    return cells
