"""What the page says of the comparison: leaderboard, leads, every seed, and learning curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import Records, Results
from harness_reports._draw import figures
from harness_reports._words import alarms, constant, facts
from harness_reports._words.headline import leads_of
from harness_reports._words.numbers import NOTHING, count, gap, gap_interval, measure, plain, sampled, span

if TYPE_CHECKING:
    from pandas import DataFrame


ELSEWHERE = ("distance.", "gradient_norm.relative", "gradient_norm.excess")  # that the section on the minima shows


def board(results: Results, looks: Mapping[str, figures.Look]) -> dict[str, Any] | None:
    """Return the leaderboard's columns and rows; None where there is no leaderboard."""
    board = results.tables.get("leaderboard")
    if board is None:
        return None
    columns = shown_metrics(results.records, board)
    doubted = alarms.alarmed(results, {})
    by_arm: dict[str, dict[str, Any]] = {}
    for row in board.to_dict("records"):
        by_arm.setdefault(row["arm"], {})[row["metric"]] = row
    rows = []
    for arm, metrics in by_arm.items():
        first = next(iter(metrics.values()))
        lost = first["state"] if first["state"] != "done" else ""
        cells = [_cell(metrics[metric]) for metric in columns]
        rows.append(
            {
                "arm": arm,
                "look": looks[arm],
                "n": first["n"],
                "planned": first["planned"],
                "state": lost,
                "doubt": alarms.LABEL if arm in doubted else "",
                "cells": cells,
            }
        )
    about = next(iter(by_arm.values()), {})
    heads = [{"title": facts.title_of(m), "unit": about[m]["unit"], "goal": about[m]["goal"]} for m in columns]
    return {"heads": heads, "rows": rows, "constant": _constant_row(results, columns)}


def _constant_row(results: Results, columns: list[str]) -> dict[str, Any] | None:
    """Return the last row, of the constant answer, where it says something."""
    cells = constant.cells(results, columns)
    return None if cells is None else {"title": constant.answer(results.records), "cells": cells}


def leads(results: Results, looks: Mapping[str, figures.Look]) -> list[dict[str, Any]]:
    """Return a row per arm that the best is compared with: how far it is behind, how sure that is, and what decides."""
    rows, doubted = [], alarms.alarmed(results, {})
    for row in leads_of(results):
        sure = row["low"] == row["low"]
        parts = [(row["se_seeds"], "seeds"), (row["se_examples"], "test examples")]
        rows.append(
            {
                "look": looks[row["arm"]],
                "best": looks[row["best"]],
                "doubt": alarms.LABEL if row["arm"] in doubted else "",
                "lead": gap(row["lead"], row["unit"]),
                "interval": gap_interval(row["low"], row["high"], row["unit"]) if sure else NOTHING,
                "detectable": gap(row["detectable"], row["unit"])
                if row["detectable"] == row["detectable"]
                else NOTHING,
                "covers": row["covers"] or NOTHING,
                "mostly": max(parts)[1] if row["covers"] == "seeds and test examples" else NOTHING,
            }
        )
    return rows


def _cell(row: Mapping[Any, Any]) -> dict[str, str]:
    unit = row["unit"]
    spread = f"min {plain(row['min'], unit)}, max {measure(row['max'], unit)}, sd {measure(row['sd'], unit)}"
    tip = f"{count(row['n'], 'seed')}: {spread}" if row["n"] else ""
    mean = plain(row["mean"], unit, row["high"] - row["low"])
    ends = f"{span(row['low'], row['high'], unit)}{sampled(row['covers'])}"
    return {"mean": mean, "interval": ends, "tip": tip}


def shown_metrics(records: Records, board: DataFrame) -> list[str]:
    """Return the metrics worth a column, the deciding first.

    Those are on test, the deciding one with test-time augmentation too, then on train, then probes and time; without what another column says (error beside accuracy,
    loss beside mse), without tune's and without those that no run has.
    """
    deciding = str(records.meta.metric)
    order: list[str] = [deciding, *(name for name in records.meta.metrics if name != deciding)]
    names = [name for i, name in enumerate(order) if not any(_same(board, name, other) for other in order[:i])]
    splits = ("test", "tta_test", "train", "tune")
    of_task = {f"{split}_{name}" for split in splits for name in records.meta.metrics}
    more = [m for m in dict.fromkeys(board["metric"]) if m not in of_task and not m.startswith(ELSEWHERE)]
    there = set(board.loc[board["n"] > 0, "metric"]) | {f"test_{deciding}"}
    of_names = [f"{split}_{name}" for split in ("test", "train") for name in names]
    return [m for m in (of_names[0], f"tta_test_{deciding}", *of_names[1:], *more) if m in there]


def _same(board: DataFrame, one: str, other: str) -> bool:
    """Return whether two metrics are equal or add up to one in every arm, so that the second says nothing new."""
    import numpy as np

    means = [board.loc[board["metric"] == f"test_{name}", "mean"].to_numpy(dtype=float) for name in (one, other)]
    there = np.isfinite(means[0] + means[1])
    first, second = means[0][there], means[1][there]
    return bool(there.any()) and (
        np.allclose(first, second, rtol=1e-9, atol=1e-12) or np.allclose(first + second, 1, atol=1e-6)
    )


def dots(results: Results, looks: Mapping[str, figures.Look]) -> list[Any]:
    """Return the plots of every seed: the deciding metric and the loss, on test and on train."""
    board = results.tables.get("leaderboard")
    if board is None or not board["n"].any():
        return []
    compared = results.records.compared()
    done = compared[compared["state"] == "done"]
    deciding = results.records.meta.metric
    shown = shown_metrics(results.records, board)
    drawn: list[Any] = []
    for metric in dict.fromkeys((f"test_{deciding}", f"train_{deciding}", "test_loss", "train_loss")):
        if metric not in shown:
            continue
        rows = board[board["metric"] == metric].to_dict("records")
        if any(row["n"] for row in rows):
            named = [{str(key): value for key, value in row.items()} for row in rows]
            title, place = facts.title_of(metric), len(drawn)
            drawn.append(Markup(figures.dots(done, named, looks, title, f"dots-{place}")))
    return drawn


def curves(results: Results, looks: Mapping[str, figures.Look]) -> list[Any] | None:
    """Return the learning curves of the training objective and of the deciding metric; None without the analysis."""
    curves, meta = results.tables.get("curves"), results.records.meta
    if curves is None:
        return None
    drawn: list[Any] = []
    units = {
        "running_loss": meta.metrics.get("loss", {}).get("unit", ""),
        meta.deciding.tune_column: meta.deciding.unit,
    }
    for metric, unit in units.items():
        table = curves[curves["metric"] == metric]
        if len(table):
            title, place = facts.title_of(metric), len(drawn)
            drawn.append(Markup(figures.curve(table, looks, title, unit, f"curve-{place}")))
    return drawn
