"""What the page says of schedules: a panel an arm, what the snapshots at the cycles' ends came to, and confirmations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import Records, Results
from harness_reports._draw.figures import Look
from harness_reports._draw.svg import INK, MUTED, NARROW, SURFACE, panel, style, svg
from harness_reports._words.numbers import NOTHING, count, gap, gap_interval, joined, plain, span

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame


def panels(records: Records, looks: Mapping[str, Look]) -> list[dict[str, Any]]:
    """Return a panel per tuned arm, ``look``, ``says`` and ``figure``; none where no schedules are recorded."""
    found = []
    for place, (arm, look) in enumerate(looks.items()):
        about = records.meta.schedules.get(arm)
        if about is None:
            continue
        runs = _recorded(records, arm, about) if about["per_epoch"] else []
        drawn = bool(about["steps"] or runs)
        figure = Markup(_figure(about, runs, look, f"schedule-{place}")) if drawn else ""
        found.append({"look": look, "says": _says(about, runs), "figure": figure})
    return found


def _recorded(records: Records, arm: str, about: Mapping[str, Any]) -> list[list[float]]:
    """Return each seed's rate in every epoch: what is recorded at an epoch's end is the rate of the next one."""
    epochs = records.epochs
    mine = epochs[(epochs["arm"] == arm) & (epochs["phase"] == "compare")].sort_values(["run_id", "epoch"])
    runs = [[float(about["first"]), *seed["lr"].astype(float)] for _, seed in mine.groupby("run_id", sort=False)]
    return [rates[: int(about["epochs"])] for rates in runs]


def _says(about: Mapping[str, Any], runs: Sequence[Sequence[float]]) -> str:
    """Return in words what a panel shows."""
    if about["note"]:
        return f"not drawn: {about['note']}"
    if about["per_epoch"]:
        return f"by the loss, as recorded, {count(len(runs), 'seed')}" if runs else "by the loss: nothing recorded yet"
    said = [f"peak {max(about['lr']):.3g}"]
    if about["head_epochs"]:
        said.append(f"{count(about['head_epochs'], 'epoch')} of the head alone, then a new schedule")
    if about["cycle_ends"]:
        said.append(_cycles(about))
    return "; ".join(said)


def _cycles(about: Mapping[str, Any]) -> str:
    """Return where cycles end, and after which epochs weights are kept."""
    ends = [end / about["steps_per_epoch"] for end in about["cycle_ends"]]
    said = f"cycles end after epoch {joined([f'{end:.4g}' for end in ends])}"
    if not about["kept"]:
        return said
    if ends == about["kept"]:
        return f"{said}, where the weights are kept"
    kept = joined([str(epoch) for epoch in about["kept"]])
    return f"{said}; weights kept after epoch {kept}, the last whole one of each cycle"


def _figure(about: Mapping[str, Any], runs: Sequence[Sequence[float]], look: Look, name: str) -> str:
    from pandas import DataFrame

    with style():
        figure, axes = panel(1.7, NARROW)
        per_epoch, epochs = about["steps_per_epoch"], about["epochs"]
        line: dict[str, Any] = {"color": look.color, "lw": 1.6}
        if runs:
            for rates in runs:
                axes.stairs(rates, range(len(rates) + 1), baseline=None, alpha=0.8, **line)
            drawn = [(run, epoch + 1, rate) for run, rates in enumerate(runs) for epoch, rate in enumerate(rates)]
        else:
            at = [(step - 1) / per_epoch for step in about["steps"]]
            axes.plot(at, about["lr"], **line)
            drawn = [(0, epoch, rate) for epoch, rate in zip(at, about["lr"], strict=True)]
        axes.set_xlim(0, epochs)
        axes.set_ylim(bottom=0)
        _mark(axes, about)
        axes.set_xlabel("epoch")
        axes.set_title("learning rate", loc="left", fontsize=8.5, color=MUTED)
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)
        return svg(
            figure,
            name,
            f"{look.label}: learning rate against epoch",
            {},
            DataFrame(drawn, columns=["run", "epoch", "lr"]),
        )


def _mark(axes: Axes, about: Mapping[str, Any]) -> None:
    """Draw a dotted line at every cycle's end but the run's own, and a dot where weights are kept."""
    ends = [end / about["steps_per_epoch"] for end in about["cycle_ends"][:-1]]
    for x in [*ends, *([about["head_epochs"]] if about["head_epochs"] else [])]:
        axes.axvline(x, color=MUTED, lw=0.9, ls=(0, (1.5, 1.5)), zorder=1)
    kept, at_border = about["kept"], axes.get_xaxis_transform()
    axes.plot(
        kept,
        [0] * len(kept),
        "o",
        ms=5.5,
        color=INK,
        mec=SURFACE,
        mew=0.8,
        clip_on=False,
        zorder=5,
        transform=at_border,
    )


def snapshots(results: Results, looks: Mapping[str, Look]) -> dict[str, Any] | None:
    """Return a row per arm that kept snapshots: each one's score, the final weights', the ensemble's and its gain."""
    table: DataFrame | None = results.tables.get("snapshots")
    if table is None or table.empty:
        return None
    unit, rows = str(table["unit"].iloc[0]), []
    many = max(int(part["what"].str.startswith("snapshot ").sum()) for _, part in table.groupby("arm"))
    for arm, part in table.groupby("arm", sort=False):
        by_what = {row["what"]: row for row in part.to_dict("records")}
        cells = [_cell(by_what.get(f"snapshot {i}"), unit) for i in range(1, many + 1)]
        cells += [_cell(by_what[what], unit) for what in ("final", "ensemble")]
        gained = by_what["gain"]
        sure = gap_interval(gained["low"], gained["high"], unit)
        sure = sure or ("the same in every seed" if gained["seeds"] > 1 else "")
        gain = {"mean": gap(gained["mean"], unit), "more": sure}
        rows.append({"look": looks[str(arm)], "seeds": gained["seeds"], "cells": cells, "gain": gain})
    return {"heads": [f"snapshot {i}" for i in range(1, many + 1)], "rows": rows, "unit": unit}


def _cell(row: Mapping[Any, Any] | None, unit: str) -> dict[str, Any]:
    if row is None:
        return {"mean": NOTHING, "more": []}
    after = f"epoch {row['epoch']:.0f}" if row["epoch"] == row["epoch"] else ""
    ends = span(row["low"], row["high"], unit)
    return {
        "mean": plain(row["mean"], unit, row["high"] - row["low"]),
        "more": [line for line in (ends, after) if line],
    }


def confirmations(records: Records, labels: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what running the whole networks on test photos confirmed, a row an arm; None where nothing was."""
    every = records.meta.confirmations
    found = {arm: every[arm] for arm in labels if arm in every}
    if not found:
        return None
    unit = records.deciding.unit
    rows = [
        {
            "arm": labels[arm],
            "whole": plain(each["whole"], unit),
            "cached": plain(each["cached"], unit),
            "same": NOTHING if each["same"] is None else f"{each['same']:,} of {each['examples']:,}",
            "largest": f"{each['largest']:.2g}",
            "agrees": each["agrees"],
        }
        for arm, each in found.items()
    ]
    first = next(iter(found.values()))
    which = "all" if first["examples"] == first["all"] else "an even choice of"
    photos = f"{which} {first['examples']:,} test photos" + ("" if which == "all" else f" of {first['all']:,}")
    return {"rows": rows, "unit": unit, "photos": photos, "precision": first["precision"]}
