"""The interactive views of the comparison and of the searches: every seed, every trial, Optuna's own plots."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal

from markupsafe import Markup, escape

from harness import Records, Results
from harness_reports._draw.axes import wide
from harness_reports._draw.interactive import Views
from harness_reports._page.budget import thinned
from harness_reports._words.facts import read_range, title_of
from harness_reports._words.numbers import setting

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from pandas import DataFrame

    from harness_reports._draw.figures import Look

MOST_LINES = 200  # of parallel coordinates, and of what Optuna is given: more hide each other
SHADES = 6  # of parallel coordinates, from the worst scores to the best
VIRIDIS = ("#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725")
DASHES = ("solid", "dash", "dot", "dashdot")


def curves(records: Records, looks: Mapping[str, Look], views: Views) -> list[Markup]:
    """Return a view per metric of the learning curves, a line a seed."""
    meta, found = records.meta, []
    done = records.compared()
    epochs = records.epochs[records.epochs["run_id"].isin(done.loc[done["state"] == "done", "run_id"])]
    for metric, unit in (
        ("running_loss", meta.metrics.get("loss", {}).get("unit", "")),
        (meta.deciding.tune_column, meta.deciding.unit),
    ):
        if metric in epochs and epochs[metric].notna().any():
            traces = list(_seeds(epochs, metric, unit, looks))
            kind = {"type": "log", "exponentformat": "power"} if wide(epochs[metric]) else {}
            layout = {"xaxis": {"title": {"text": "epoch"}}, "yaxis": {"title": {"text": _named(metric, unit)}, **kind}}
            note = "A line a seed. Click an arm in the legend to hide it, twice to see it alone; drag to zoom, double click to zoom out."
            found.append(views.add(f"{title_of(metric)} of every seed", traces, layout, note))
    return found


def _seeds(epochs: DataFrame, metric: str, unit: str, looks: Mapping[str, Look]) -> Iterator[dict[str, Any]]:
    scale = 100 if unit == "%" else 1
    kinds = list(dict.fromkeys(look.dashes for look in looks.values()))
    for arm, look in looks.items():
        mine = epochs[epochs["arm"] == arm]
        for i, (seed, line) in enumerate(mine.groupby("seed", sort=True)):
            yield {
                "type": "scatter", "mode": "lines" if len(line) > 1 else "markers", "name": look.label,
                "legendgroup": arm, "showlegend": i == 0, "x": line["epoch"], "y": line[metric] * scale,
                "line": {"color": look.color, "width": 1.2, "dash": DASHES[kinds.index(look.dashes) % len(DASHES)]},
                "hovertext": f"{look.label}, seed {seed}",
                "hovertemplate": Markup("%{hovertext}<br>epoch %{x}: %{y:.4g}<extra></extra>"),
            }  # fmt: skip


def rates(results: Results, looks: Mapping[str, Look], views: Views) -> Markup:
    """Return the view of every trial's score against its learning rate, all arms in one."""
    table, meta = results.tables.get("sensitivity"), results.records.meta
    if table is None or table.empty:
        return Markup("")
    unit = meta.deciding.unit
    scale, traces = 100 if unit == "%" else 1, []
    for arm, look in looks.items():
        mine = table[(table["arm"] == arm) & (table["lr"] > 0) & table["value"].notna()]
        if len(mine):
            large = [12 if chosen else 7 for chosen in mine["chosen"]]
            traces.append(
                {
                    "type": "scatter", "mode": "markers", "name": look.label, "x": mine["lr"],
                    "y": mine["value"] * scale, "customdata": mine["number"], "hovertext": look.label,
                    "marker": {"color": look.color, "size": large, "opacity": 0.8, "line": {"width": 0}},
                    "hovertemplate": Markup("%{hovertext}, trial %{customdata}<br>learning rate %{x:.3g}: %{y:.4g}<extra></extra>"),
                }
            )  # fmt: skip
    axis = {"title": {"text": _named(meta.deciding.tune_column, unit)}}
    layout = {"xaxis": {"type": "log", "title": {"text": "learning rate"}, "exponentformat": "power"}, "yaxis": axis}
    return views.add(
        "learning rates of all arms", traces, layout, "A dot a trial that has a score; the chosen ones are larger."
    )


def budgets(results: Results, looks: Mapping[str, Look], views: Views) -> Markup:
    """Return the view of the budget curves, all arms in one."""
    table, meta = results.tables.get("budget"), results.records.meta
    if table is None or table.empty:
        return Markup("")
    unit = meta.deciding.unit
    scale, traces, table = 100 if unit == "%" else 1, [], thinned(table)
    for arm, look in looks.items():
        mine = table[table["arm"] == arm]
        if len(mine):
            traces.append(
                {
                    "type": "scatter", "mode": "lines+markers", "name": look.label, "x": mine["budget"],
                    "y": mine["expected"] * scale, "line": {"color": look.color}, "marker": {"size": 4},
                    "hovertext": look.label, "hovertemplate": Markup("%{hovertext}<br>%{x} trials: %{y:.4g}<extra></extra>"),
                }
            )  # fmt: skip
    axis = {"title": {"text": f"best {_named(meta.deciding.tune_column, unit)}"}}
    return views.add("budget curves of all arms", traces, {"xaxis": {"title": {"text": "trials"}}, "yaxis": axis})


def searches(results: Results, looks: Mapping[str, Look], views: Views) -> list[dict[str, Any]]:
    """Return per arm its ``look`` and ``views``: parallel coordinates, Optuna's plots of its search, and importances."""
    records, found = results.records, []
    for arm, look in looks.items():
        trials = _few(records, arm)
        if len(trials) > 1:
            mine = [
                parallel(records, arm, trials, views),
                *_optuna(records, arm, trials, views),
                _importances(results, arm, views),
            ]
            found.append({"look": look, "views": [view for view in mine if view]})
    return [each for each in found if each["views"]]


def _few(records: Records, arm: str) -> DataFrame:
    """Return an arm's trials with a score; of more than ``MOST_LINES`` the best quarter of that and an even choice."""
    import numpy as np
    import pandas as pd

    mine: DataFrame = records.trials[records.trials["arm"] == arm]
    values = pd.to_numeric(mine["value"], errors="coerce")
    mine = mine[np.isfinite(values.to_numpy(dtype=float))]
    if len(mine) <= MOST_LINES:
        return mine
    ordered = mine.sort_values("value", ascending=_goal(records) == "min", kind="stable")
    best = MOST_LINES // 4
    rest = np.linspace(best, len(ordered) - 1, MOST_LINES - best).round().astype(int)
    chosen: DataFrame = ordered.iloc[[*range(best), *rest]].sort_values("number")
    return chosen


def parallel(records: Records, arm: str, trials: DataFrame, views: Views) -> Markup:
    """Return the parallel coordinates of an arm's trials: a line a trial, from parameter to parameter to its score.

    plotly's own kind needs ``eval``, which the page forbids; these are lines on one common axis from 0 to 1.
    """
    meta = records.meta
    unit, spaces = meta.deciding.unit, meta.spaces.get(arm, {})
    columns: list[tuple[str, Sequence[float | None], list[tuple[float, str]]]]
    columns = [(name, *_scaled(trials, name, spaces.get(name, {}))) for name in _varied(trials)]
    if not columns:
        return Markup("")
    scores = trials["value"].to_numpy(dtype=float)
    low, high = float(scores.min()), float(scores.max())
    places = [(float(v) - low) / ((high - low) or 1.0) for v in scores]
    best = places if _goal(records) == "max" else [1 - place for place in places]
    score = _named(meta.deciding.tune_column, unit)
    ends = [setting(float(v) * (100 if unit == "%" else 1)) for v in (low, high)]
    columns.append((score, places, [(0.0, ends[0]), (1.0, ends[1])]))
    traces = [_lines(shade, best, columns, list(trials["number"])) for shade in range(SHADES)]
    names = [name for name, *_ in columns]
    notes = [
        {"x": i, "y": at, "text": text, "showarrow": False, "xanchor": "left", "xshift": 4, "font": {"size": 11}}
        for i, (_, _, marks) in enumerate(columns)
        for at, text in marks
    ]
    stems = [
        {"type": "line", "x0": i, "x1": i, "y0": 0, "y1": 1, "line": {"width": 1, "color": "#8a929c"}}
        for i in range(len(names))
    ]
    axis = {
        "tickvals": list(range(len(names))),
        "ticktext": names,
        "range": [-0.15, len(names) - 0.45],
        "showgrid": False,
        "zeroline": False,
    }
    layout = {
        "xaxis": axis, "yaxis": {"visible": False, "range": [-0.06, 1.06]}, "annotations": notes, "shapes": stems,
        "legend": {"title": {"text": "score"}, "traceorder": "reversed"}, "margin": {"l": 20, "r": 20, "t": 20, "b": 50},
    }  # fmt: skip
    many = f" {len(trials)} of its trials, the best among them." if len(trials) == MOST_LINES else ""
    return views.add("parallel coordinates", traces, layout, f"A line a trial, the best yellow.{many}")


def _lines(
    shade: int, best: Sequence[float], columns: Sequence[tuple[Any, ...]], numbers: Sequence[int]
) -> dict[str, Any]:
    """Return the trials of one shade as one trace, a gap after each."""
    x: list[Any] = []
    y: list[Any] = []
    said: list[Any] = []
    for i, good in enumerate(best):
        if min(int(good * SHADES), SHADES - 1) == shade:
            x += [*range(len(columns)), None]
            y += [*(places[i] for _, places, _ in columns), None]
            said += [f"trial {numbers[i]}"] * (len(columns) + 1)
    return {
        "type": "scatter", "mode": "lines", "x": x, "y": y, "text": said, "hoverinfo": "text",
        "line": {"color": VIRIDIS[shade], "width": 1.2 + 0.25 * shade}, "opacity": 0.85,
        "name": ("worst", "", "", "", "", "best")[shade] or f"{shade + 1} of {SHADES}",
    }  # fmt: skip


def _varied(trials: DataFrame) -> list[str]:
    """Return the parameters of which the trials have more than one value."""
    names = dict.fromkeys(name for params in trials["params"] for name in params)
    return [name for name in names if len({repr(params.get(name)) for params in trials["params"]}) > 1]


def _scaled(
    trials: DataFrame, name: str, said: Mapping[str, Any]
) -> tuple[Sequence[float | None], list[tuple[float, str]]]:
    """Return a parameter's values as places between 0 and 1, and its marks there."""
    values = [params.get(name) for params in trials["params"]]
    numeric = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)]
    if len(numeric) < len([v for v in values if v is not None]):
        kinds = sorted({setting(v) for v in values if v is not None})
        at = {kind: i / max(1, len(kinds) - 1) for i, kind in enumerate(kinds)}
        return [None if v is None else at[setting(v)] for v in values], [(place, kind) for kind, place in at.items()]
    log = bool(said) and read_range(said).log and min(numeric) > 0
    turned = [None if v is None else math.log10(v) if log else float(v) for v in values]
    low, high = min(v for v in turned if v is not None), max(v for v in turned if v is not None)
    ends = [(0.0, setting(min(numeric))), (1.0, setting(max(numeric)))]
    return [None if v is None else (v - low) / ((high - low) or 1.0) for v in turned], ends


# --- Optuna's own plots ---------------------------------------------------------------------------------------


def study_of(records: Records, arm: str, trials: DataFrame) -> Study:
    """Return these trials of an arm as a study in memory; a trial outside its recorded space is left out."""
    import optuna
    from optuna.trial import create_trial

    direction: Literal["maximize", "minimize"] = "maximize" if _goal(records) == "max" else "minimize"
    spaces = {
        name: _distribution(said) for name, said in records.meta.spaces.get(arm, {}).items() if "fixed" not in said
    }
    with _quiet():
        study = optuna.create_study(direction=direction)
        for row in trials.to_dict("records"):
            params = {name: _plain(row["params"][name]) for name in spaces if name in row["params"]}
            inside = {name: spaces[name] for name in params}
            with suppress(ValueError):  # outside: an older space than the one recorded
                study.add_trial(create_trial(params=params, distributions=inside, value=float(row["value"])))
    return study


def _optuna(records: Records, arm: str, trials: DataFrame, views: Views) -> list[Markup]:
    """Return Optuna's slices and history of an arm's search."""
    from optuna import visualization

    study = study_of(records, arm, trials)
    if not any(len(set(map(repr, values))) > 1 for values in _values(study).values()):
        return []
    score = _named(records.deciding.tune_column, "")
    with _quiet():
        plots = [
            ("slices, by Optuna", visualization.plot_slice(study, target_name=score)),
            ("history of the search, by Optuna", visualization.plot_optimization_history(study, target_name=score)),
        ]
    return [_taken(title, figure, views) for title, figure in plots]


def _importances(results: Results, arm: str, views: Views) -> Markup:
    """Return the view of how much each parameter decides, of all trials of an arm's search."""
    table = results.tables.get("importances")
    mine = None if table is None else table[table["arm"] == arm].sort_values("importance", kind="stable")
    if mine is None or mine.empty:
        return Markup("")
    bar = {
        "type": "bar", "orientation": "h", "x": mine["importance"] * 100, "y": mine["parameter"],
        "hovertemplate": Markup("%{y}: %{x:.0f} %<extra></extra>"),
    }  # fmt: skip
    best, every = (int(mine[name].iloc[0]) for name in ("best", "trials"))
    axis = {"title": {"text": f"importance for being among the best {best} of {every} trials, %"}}
    return views.add("importances (PED-ANOVA)", [bar], {"xaxis": axis, "yaxis": {"type": "category"}}, height=240)


def _taken(title: str, figure: Any, views: Views) -> Markup:
    """Return a figure that Optuna made as a view, without its template: the page has colours of its own."""
    made = figure.to_plotly_json()
    layout = {key: each for key, each in made["layout"].items() if key not in ("template", "title", "width", "height")}
    return views.add(title, _broken(made["data"]), _broken(layout))


def _broken(value: Any) -> Any:
    """Return what Optuna wrote with its line breaks as markup; all else stays text."""
    if isinstance(value, Mapping):
        return {key: _broken(each) for key, each in value.items()}
    if isinstance(value, str):
        text = str(escape(value)).replace("&lt;br&gt;", "<br>")
        return Markup(text.replace("&lt;extra&gt;&lt;/extra&gt;", "<extra></extra>"))
    if isinstance(value, list | tuple):
        return [_broken(each) for each in value]
    return value


def _plain(value: Any) -> Any:
    """Return a value as Optuna's categories want it."""
    return value if value is None or isinstance(value, bool | int | float | str) else setting(value)


def _distribution(said: Mapping[str, Any]) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if "choices" in said:
        return CategoricalDistribution([_plain(choice) for choice in said["choices"]])
    if isinstance(said["low"], int) and isinstance(said["high"], int):
        return IntDistribution(said["low"], said["high"], log=bool(said["log"]))
    return FloatDistribution(float(said["low"]), float(said["high"]), log=bool(said["log"]))


def _values(study: Study) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for trial in study.get_trials(deepcopy=False):
        for name, value in trial.params.items():
            found.setdefault(name, []).append(value)
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from writing to the terminal that it made a study, and that its plots are experimental."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def _goal(records: Records) -> str:
    return str(records.deciding.goal)


def _named(metric: str, unit: str) -> str:
    return f"{title_of(metric)}, {unit}" if unit else title_of(metric)
