"""The report as one HTML file: no network, no scripts, light and dark, made from records alone."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import Records, Report, Results, hookimpl
from harness_reports import _facts, _figures
from harness_reports._numbers import NOTHING, count, duration, measure, number, plain, setting, settings, span

if TYPE_CHECKING:
    from pandas import DataFrame

OURS = ("leaderboard", "curves", "sensitivity")  # shown as figures; the table of any other analysis is shown as it is
MOST_ROWS = 500  # of another analysis' table; the whole of it is in tables/*.parquet


def render(results: Results) -> str:
    """Return the page."""
    from importlib.resources import files

    from jinja2 import Environment, StrictUndefined

    source = files("harness_reports").joinpath("_report.html.j2").read_text(encoding="utf-8")
    house = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    house.filters["tight"] = _tight
    return house.from_string(source).render(page(results)) + "\n"


def _tight(text: str) -> str:
    """Return a sentence whose numbers are not parted from their "%" at the end of a line."""
    return text.replace(" %", "\u00a0%")


def page(results: Results) -> dict[str, Any]:
    """Return everything the template shows, as plain strings and finished figures."""
    records = results.records
    names = _facts.labels(records)
    looks = _figures.looks(names)
    return {
        "name": records.name,
        "headline": _facts.headline(results),
        "notices": _facts.notices(results),
        "banner": _facts.sentence(records.meta["data"]["notice"]),
        "tiles": _tiles(records),
        "shared": _facts.shared(records),
        "legend": [
            {"arm": arm, "label": look.label, "swatch": _safe(_figures.swatch(look, f"swatch-{i}"))}
            for i, (arm, look) in enumerate(looks.items())
        ],
        "board": _board(results, looks),
        "dots": _dots(results, looks),
        "curves": _curves(results, looks),
        "rates": _rates(results, looks),
        "tuned": [_tuned(records, arm, looks[arm]) for arm in names],
        "trials": _trials(records, names),
        "deciding": _facts.title_of(f"tune_{records.meta['metric']}"),
        "epochs": count(records.meta["benchmark"]["compare"]["epochs"], "epoch"),
        "others": [_table(name, table) for name, table in _others(results)],
        "ran": _ran(records, names),
        "benchmark": _toml(records.meta["benchmark"]),
    }


def _safe(svg: str) -> Any:
    """Return a figure of ours marked as finished HTML; all text in it was escaped when it was written."""
    from markupsafe import Markup

    return Markup(svg)


# --- first screen --------------------------------------------------------------------------------------------


def _tiles(records: Records) -> list[tuple[str, str, str]]:
    """Return ``(what, how much, more)`` of what went in."""
    meta, benchmark = records.meta, records.meta["benchmark"]
    data, hardware = meta["data"], meta["environment"]["hardware"]
    counts = data["counts"]
    classes = data["classes"]
    kinds = f"{', '.join(classes[:4])}{', …' if len(classes) > 4 else ''}; " if classes else ""
    sides = data["input_shape"]
    shape = " x ".join(map(str, sides)) if len(sides) > 1 else f"{count(sides[0], 'number')} each"
    search, compare = benchmark["search"], benchmark["compare"]
    searched = f"{' to '.join(map(str, search['epochs']))} epochs, {search['sampler']}"
    compared = f"{count(compare['epochs'], 'epoch')}, regime {benchmark['train']['regime']}"
    return [
        ("Data", data["name"], f"{kinds}{shape}"),
        ("Examples", f"{counts['train']:,} train", f"{counts['tune']:,} tune, {counts['test']:,} test"),
        ("Arms", f"{len(records.arms)}", _facts.shared(records)),
        ("Search", count(search["trials"], "trial"), f"per arm, {searched}"),
        ("Comparison", count(compare["seeds"], "seed"), f"per arm, {compared}"),
        ("Device", hardware["device"], f"{hardware['precision']}, {count(hardware['threads'], 'thread')}"),
    ]


# --- leaderboard ---------------------------------------------------------------------------------------------


def _board(results: Results, looks: Mapping[str, _figures.Look]) -> dict[str, Any] | None:
    """Return the leaderboard's columns and rows; None where there is no leaderboard."""
    board = results.tables.get("leaderboard")
    if board is None:
        return None
    columns = shown_metrics(results.records, board)
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
                "cells": cells,
            }
        )
    about = next(iter(by_arm.values()), {})
    heads = [{"title": _facts.title_of(m), "unit": about[m]["unit"], "goal": about[m]["goal"]} for m in columns]
    return {"heads": heads, "rows": rows, "every": _table("leaderboard", board)}


def _cell(row: Mapping[Any, Any]) -> dict[str, str]:
    unit = row["unit"]
    spread = f"min {plain(row['min'], unit)}, max {measure(row['max'], unit)}, sd {measure(row['sd'], unit)}"
    tip = f"{count(row['n'], 'seed')}: {spread}" if row["n"] else ""
    mean = plain(row["mean"], unit, row["high"] - row["low"])
    return {"mean": mean, "interval": span(row["low"], row["high"], unit), "tip": tip}


def shown_metrics(records: Records, board: DataFrame) -> list[str]:
    """Return the metrics worth a column, the deciding first.

    Those are on test, then on train, then probes and time; without what another column says (error beside accuracy,
    loss beside mse), without tune's and without those that no run has.
    """
    deciding = str(records.meta["metric"])
    order: list[str] = [deciding, *(name for name in records.meta["metrics"] if name != deciding)]
    names = [name for i, name in enumerate(order) if not any(_same(board, name, other) for other in order[:i])]
    of_task = {f"{split}_{name}" for split in ("test", "train", "tune") for name in records.meta["metrics"]}
    more = [m for m in dict.fromkeys(board["metric"]) if m not in of_task]
    there = set(board.loc[board["n"] > 0, "metric"]) | {f"test_{deciding}"}
    return [m for m in (*(f"{split}_{name}" for split in ("test", "train") for name in names), *more) if m in there]


def _same(board: DataFrame, one: str, other: str) -> bool:
    """Return whether two metrics are equal or add up to one in every arm, so that the second says nothing new."""
    import numpy as np

    means = [board.loc[board["metric"] == f"test_{name}", "mean"].to_numpy(dtype=float) for name in (one, other)]
    there = np.isfinite(means[0] + means[1])
    first, second = means[0][there], means[1][there]
    return bool(there.any()) and (np.array_equal(first, second) or np.allclose(first + second, 1, atol=1e-6))


def _dots(results: Results, looks: Mapping[str, _figures.Look]) -> list[Any]:
    """Return the plots of every seed: the deciding metric and the loss, on test and on train."""
    board = results.tables.get("leaderboard")
    if board is None or not board["n"].any():
        return []
    compared = results.records.compared()
    done = compared[compared["state"] == "done"]
    deciding = results.records.meta["metric"]
    shown = shown_metrics(results.records, board)
    figures: list[Any] = []
    for metric in dict.fromkeys((f"test_{deciding}", f"train_{deciding}", "test_loss", "train_loss")):
        if metric not in shown:
            continue
        rows = board[board["metric"] == metric].to_dict("records")
        if any(row["n"] for row in rows):
            named = [{str(key): value for key, value in row.items()} for row in rows]
            title, place = _facts.title_of(metric), len(figures)
            figures.append(_safe(_figures.dots(done, named, looks, title, f"dots-{place}")))
    return figures


# --- curves and learning rates -------------------------------------------------------------------------------


def _curves(results: Results, looks: Mapping[str, _figures.Look]) -> list[Any] | None:
    """Return the learning curves of the training objective and of the deciding metric; None without the analysis."""
    curves, meta = results.tables.get("curves"), results.records.meta
    if curves is None:
        return None
    figures: list[Any] = []
    units = {
        "running_loss": meta["metrics"].get("loss", {}).get("unit", ""),
        f"tune_{meta['metric']}": meta["metrics"][meta["metric"]]["unit"],
    }
    for metric, unit in units.items():
        table = curves[curves["metric"] == metric]
        if len(table):
            title, place = _facts.title_of(metric), len(figures)
            figures.append(_safe(_figures.curve(table, looks, title, unit, f"curve-{place}")))
    return figures


def _rates(results: Results, looks: Mapping[str, _figures.Look]) -> dict[str, Any]:
    """Return a panel per arm that has a learning rate, and the labels of those that have none."""
    table, meta = results.tables.get("sensitivity"), results.records.meta
    if table is None:
        return {"panels": [], "without": [], "stated": False}
    metric = meta["metrics"][meta["metric"]]
    scale = _figures.scale(table, metric["goal"], metric["unit"], _facts.title_of(f"tune_{meta['metric']}"))
    panels = []
    for i, (arm, look) in enumerate(looks.items()):
        mine = table[table["arm"] == arm]
        if len(mine):
            panels.append(
                {"look": look, "says": _says(mine), "figure": _safe(_figures.rates(mine, look, scale, f"lr-{i}"))}
            )
    return {
        "panels": panels,
        "without": [k.label for arm, k in looks.items() if not (table["arm"] == arm).any()],
        "stated": True,
    }


def _says(trials: DataFrame) -> str:
    """Return in words what a panel of learning rates shows."""
    chosen = trials.loc[trials["chosen"], "lr"]
    said = [f"chosen {setting(float(chosen.iloc[0]))}" if len(chosen) else "none chosen"]
    counts = trials["state"].value_counts()
    said += [f"{counts[state]} {state}" for state in ("diverged", "failed", "stopped", "waiting") if state in counts]
    if unplaced := int((~(trials["lr"] > 0)).sum()):
        said.append(f"{unplaced} at a rate that is not a number above 0, not drawn")
    return f"{count(len(trials), 'trial')}: {', '.join(said)}"


# --- what was tuned ------------------------------------------------------------------------------------------


def _tuned(records: Records, arm: str, look: _figures.Look) -> dict[str, Any]:
    """Return an arm's tuned parameters beside the ranges they were searched in."""
    row = records.arms[records.arms["arm"] == arm].iloc[0]
    params: Mapping[str, Any] = row["tuned_params"]
    at_edge = _facts.at_edge(records, arm, params)
    spaces: Mapping[str, Mapping[str, Any]] = records.meta["spaces"].get(arm, {})
    rows = []
    for name in dict.fromkeys((*spaces, *params)):
        searched = _facts.read_range(spaces[name]) if name in spaces else _facts.Range("not searched")
        place = searched.position(params[name]) if name in params else None
        value = setting(params[name]) if name in params else NOTHING
        rows.append(
            {
                "name": name,
                "value": value,
                "range": searched.text,
                "edge": at_edge and name == "lr",
                "place": None if place is None else f"{100 * place:.1f}",
            }
        )
    meta = records.meta
    unit = meta["metrics"][meta["metric"]]["unit"]
    says = "nothing chosen"
    if params:
        score = measure(float(row["tuned_value"]), unit)
        says = f"trial {int(row['tuned_trial'])}, {_facts.title_of('tune_' + meta['metric'])} {score}"
    return {
        "arm": arm,
        "look": look,
        "rows": rows,
        "says": says,
        "reference": meta["references"].get(row["optimizer"], ""),
    }


def _trials(records: Records, names: Mapping[str, str]) -> list[dict[str, str]]:
    """Return every trial as strings."""
    unit = records.meta["metrics"][records.meta["metric"]]["unit"]
    chosen = dict(zip(records.arms["arm"], records.arms["tuned_trial"], strict=True))
    rows = []
    for trial in records.trials.to_dict("records"):
        value = trial["value"]
        seconds = trial["seconds"]
        rows.append(
            {
                "arm": names.get(trial["arm"], trial["arm"]),
                "number": str(trial["number"]),
                "chosen": "chosen" if trial["number"] == chosen.get(trial["arm"]) else "",
                "state": trial["state"],
                "value": measure(None if value is None else float(value), unit),
                "params": settings(trial["params"]),
                "seconds": number(None if seconds is None else float(seconds)),
                "reason": trial["reason"] or "",
                "run": trial["run_id"],
            }
        )
    return rows


# --- what was run --------------------------------------------------------------------------------------------


def _others(results: Results) -> list[tuple[str, DataFrame]]:
    return [(name, table) for name, table in sorted(results.tables.items()) if name not in OURS]


def _table(name: str, table: DataFrame) -> dict[str, Any]:
    """Return any table as strings, its first rows where it is long."""
    rows = [[number(value) for value in row] for row in table.head(MOST_ROWS).itertuples(index=False)]
    return {"name": name, "heads": [str(column) for column in table.columns], "rows": rows, "all": len(table)}


def _ran(records: Records, names: Mapping[str, str]) -> dict[str, Any]:
    """Return what someone needs who wants to do it again."""
    meta, runs = records.meta, records.runs
    data, environment = meta["data"], meta["environment"]
    ended = [time for time in runs["ended"] if isinstance(time, str)]
    started = [time for time in runs["started"] if isinstance(time, str)]
    facts = [
        (
            "Training time",
            f"{duration(float(runs['seconds'].sum()))} over {count(len(runs), 'run')}, evaluation not timed",
        ),
        ("First and last run", f"{min(started)} to {max(ended)}" if started and ended else NOTHING),
        ("Run folder", records.folder.name),
        ("Data source", data["source"]),
        ("Data fingerprint", data["fingerprint"]),
        ("Environment", environment["hash"]),
        *((str(key).capitalize(), str(value)) for key, value in environment["hardware"].items()),
    ]
    compared = records.compared()
    ids = [
        {
            "arm": names.get(row["arm"], row["arm"]),
            "seed": row["seed"],
            "state": row["state"],
            "seconds": number(row["seconds"]),
            "run": row["run_id"],
            "reason": row["reason"] or "",
        }
        for row in compared.to_dict("records")
    ]
    return {
        "command": shlex.join(meta["command"]),
        "facts": facts,
        "versions": sorted(environment["versions"].items()),
        "plugins": [(name, about["origin"], about["sha256"]) for name, about in meta["plugins"].items()],
        "left_out": data["left_out"],
        "runs": ids,
    }


def _toml(benchmark: Mapping[str, Any]) -> str:
    """Return the resolved benchmark as TOML; as JSON where it holds what TOML has no word for."""
    import tomli_w

    try:
        return tomli_w.dumps(benchmark)
    except TypeError:
        return json.dumps(benchmark, indent=2)


@hookimpl
def harness_reports() -> list[Report]:
    """Offer html."""
    return [Report(name="html", extension="html", render=render)]
