"""The leaderboard: every arm's means, how each compares with a reference arm, every seed, and the scores without excluded photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from harness import numbers
from harness.results.tables.draws import draw_word
from harness_reports._draw.scores import says_nothing, seed_dots
from harness_reports._page._against import against
from harness_reports._page._confirmations import confirmations
from harness_reports._page._section import Page, Section
from harness_reports._words import alarms, constant, coverage
from harness_reports._words.benchmark import comparison_length
from harness_reports._words.columns import shown_metrics
from harness_reports._words.names import metric_title, shared_parts
from harness_reports._words.outcome import table_rows
from harness_reports._words.power import level_sentence
from harness_reports._words.times import TAKEN_OVER, arms_timed_elsewhere, time_sentence

WHOLE = ("leaderboard", "lead", "differences")  # tables whose files the section names


def leaderboard(page: Page) -> dict[str, Any]:
    """Return what the section shows."""
    records, tables = page.records, page.results.tables
    return {
        "board": _board_table(page),
        "against": against(page),
        "cleaned": _cleaned_table(page),
        "dots": _dot_figures(page),
        "whole_tables": [name for name in WHOLE if name in tables],
        "confirmed": confirmations(page),
        "epochs": comparison_length(records.meta.benchmark),
        "shared": shared_parts(records),
        "level": level_sentence(page.outcome),
        "times": time_sentence(page.outcome),
        "draws": f"{draw_word(records)}s",
    }


def _board_table(page: Page) -> dict[str, Any] | None:
    """Return the columns and the rows of the leaderboard; None where there is no leaderboard."""
    outcome, board = page.outcome, page.results.tables.get("leaderboard")
    if board is None:
        return None
    metrics, doubted = shown_metrics(page.records, board), alarms.arms_in_doubt(outcome)
    elsewhere = arms_timed_elsewhere(page.records)
    by_arm: dict[str, dict[str, Any]] = {}
    for row in table_rows(board):
        by_arm.setdefault(row["arm"], {})[row["metric"]] = row
    rows = []
    for arm, of_arm in by_arm.items():
        cells = [_mean_cell(of_arm[metric], draw_word(page.records), arm in elsewhere) for metric in metrics]
        row = {"arm": arm, "look": page.looks[arm], "doubt": alarms.LABEL if arm in doubted else "", "cells": cells}
        rows.append({**row, **_seed_counts(next(iter(of_arm.values())))})
    first = next(iter(by_arm.values()), {})
    heads = [_column_head(first[metric]) for metric in metrics] if first else []
    return {"heads": heads, "rows": rows, "constant": _constant_row(page, metrics)}


def _seed_counts(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return how many seeds of an arm have a result, and its state where not all are done."""
    return {"n": row["n"], "planned": row["planned"], "state": "" if row["state"] == "done" else row["state"]}


def _column_head(row: Mapping[str, Any]) -> dict[str, str]:
    return {"title": metric_title(row["metric"]), "unit": row["unit"], "goal": row["goal"]}


def _mean_cell(row: Mapping[str, Any], draw: str, elsewhere: bool) -> dict[str, str]:
    """Return a mean with its interval, and as a tip the range of its seeds and the spread of its draws.

    A time says whether it was measured ``elsewhere``.
    """
    unit, width = row["unit"], row["high"] - row["low"]
    tip = ""
    if row["n"]:
        low, high, sd = (
            numbers.plain(row["min"], unit),
            numbers.measure(row["max"], unit),
            numbers.measure(row["sd"], unit),
        )
        spread = f"; standard deviation of {row['draws']} {draw}s {sd}" if row["draws"] > 1 else ""
        tip = f"{numbers.counted(row['n'], 'seed')} from {low} to {high}{spread}"
    examples = coverage.sampled_examples(row["covers"])
    interval = coverage.ends(row["low"], row["high"], unit) + (f", of {examples}" if examples else "")
    if elsewhere and row["metric"] == "seconds" and row["n"]:
        interval = ", ".join(filter(None, (interval, TAKEN_OVER)))
    return {"mean": numbers.plain(row["mean"], unit, width), "interval": interval, "tip": tip}


def _constant_row(page: Page, metrics: Sequence[str]) -> dict[str, Any] | None:
    """Return the last row, that of the constant answer; None where it says nothing."""
    cells = constant.leaderboard_cells(page.outcome, metrics)
    return None if cells is None else {"title": constant.answer(page.records), "cells": cells}


def _dot_figures(page: Page) -> list[Markup]:
    """Return the plots of every seed beyond that of the first screen: the deciding metric on train, and the loss on both."""
    board, metric = page.outcome.table("leaderboard"), page.outcome.deciding.name
    if board is None or not board["n"].any():
        return []
    runs = page.records.compared()
    done = runs[runs["state"] == "done"]
    shown = shown_metrics(page.records, board)
    figures: list[Markup] = []
    for column in dict.fromkeys((f"train_{metric}", "test_loss", "train_loss")):
        rows = table_rows(board[board["metric"] == column]) if column in shown else []
        if any(row["n"] for row in rows) and not says_nothing(done, column, rows[0]["unit"]):
            figures.append(seed_dots(done, rows, page.looks, metric_title(column), f"seeds-{column}"))
    return figures


def _cleaned_table(page: Page) -> dict[str, Any] | None:
    """Return every arm's score on the whole test split beside the one without the excluded photos; None without any."""
    table = page.outcome.table("cleaned")
    if table is None:
        return None
    rows = []
    for arm, pair in table.groupby("arm", sort=False):
        full, cleaned = table_rows(pair)[:2]
        gain = numbers.difference(float(cleaned["mean"] - full["mean"]), str(full["unit"]))
        rows.append({"look": page.looks[str(arm)], "cells": [_score_cell(full), _score_cell(cleaned)], "gain": gain})
    full, cleaned = table_rows(table)[:2]
    return {"rows": rows, "whole": int(full["examples"]), "rest": int(cleaned["examples"]), "unit": str(full["unit"])}


def _score_cell(row: Mapping[str, Any]) -> dict[str, str]:
    """Return a mean with its interval."""
    low, high, unit = float(row["low"]), float(row["high"]), str(row["unit"])
    mean = numbers.plain(float(row["mean"]), unit, high - low)
    return {"mean": mean, "interval": numbers.span(low, high, unit)}


SECTION = Section(
    id="leaderboard",
    title="Leaderboard",
    place=10,
    data=leaderboard,
    template="leaderboard.html.j2",
    tables=(*WHOLE, "cleaned"),
    styles=("_against.css",),
)
