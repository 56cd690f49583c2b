"""The interactive views of one search: parallel coordinates, Optuna's own plots, and importances."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from markupsafe import Markup, escape

from harness import numbers
from harness_reports._draw.arm_styles import ArmLook
from harness_reports._draw.explore import scale_of, titled
from harness_reports._draw.interactive import Views
from harness_reports._words.outcome import Outcome
from harness_reports._words.ranges import read_range

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from pandas import DataFrame

MOST_LINES = 200  # trials in parallel coordinates and in Optuna's plots; more would hide each other
PARALLEL_NOTE = (
    "Each line is a trial; the stronger its colour, the better its score. Drag along an axis to keep the trials in a range. "
    "The table of every trial takes the same ranges as words, such as “lr > 0.1”."
)
NO_LAYOUT = ("template", "title", "width", "height")  # parts of Optuna's layout that the page sets itself


def search_views(outcome: Outcome, looks: Mapping[str, ArmLook], views: Views) -> list[dict[str, Any]]:
    """Return per arm its ``look`` and ``views``: parallel coordinates, Optuna's plots of its search, and importances."""
    searches = []
    for arm, look in looks.items():
        trials = scored_trials(outcome, arm)
        if len(trials) < 2:
            continue
        arm_views = [
            parallel_coordinates(outcome, arm, trials, views),
            *_optuna_plots(outcome, arm, trials, views),
            _importance_view(outcome, arm, views),
        ]
        arm_views = [view for view in arm_views if view]
        if arm_views:
            searches.append({"look": look, "views": arm_views})
    return searches


def scored_trials(outcome: Outcome, arm: str) -> DataFrame:
    """Return the trials of an arm that have a score.

    Of more than ``MOST_LINES`` trials, these are the best quarter of that number and an even choice of the others.
    """
    import numpy as np
    import pandas as pd

    trials: DataFrame = outcome.records.trials[outcome.records.trials["arm"] == arm]
    values = pd.to_numeric(trials["value"], errors="coerce")
    trials = trials[np.isfinite(values.to_numpy(dtype=float))]
    if len(trials) <= MOST_LINES:
        return trials
    ordered = trials.sort_values("value", ascending=outcome.searched.goal == "min", kind="stable")
    best = MOST_LINES // 4
    spread = np.linspace(best, len(ordered) - 1, MOST_LINES - best).round().astype(int)
    chosen: DataFrame = ordered.iloc[[*range(best), *spread]].sort_values("number")
    return chosen


# --- parallel coordinates ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Coordinate:
    """One vertical axis of parallel coordinates: the place of every trial on it, from 0 to 1, and the marks beside it."""

    name: str
    places: Sequence[float | None]  # None where a trial lacks the parameter
    texts: Sequence[str]  # the values, "" where a trial lacks the parameter
    marks: Sequence[tuple[float, str]]


def parallel_coordinates(outcome: Outcome, arm: str, trials: DataFrame, views: Views) -> Markup:
    """Return the parallel coordinates of an arm's trials: a line a trial, from parameter to parameter to its score.

    A reader drags ranges along the axes. plotly's own kind needs ``eval``, which the page forbids, so the page's script draws it.
    """
    spaces = outcome.records.meta.spaces.get(arm, {})
    coordinates = [_parameter_axis(trials, name, spaces.get(name, {})) for name in _varied_parameters(trials)]
    if not coordinates:
        return Markup("")
    score = _score_axis(outcome, trials)
    places = [float(place or 0) for place in score.places]
    quality = places if outcome.searched.goal == "max" else [1 - place for place in places]
    coordinates.append(score)
    axes = [{"name": coordinate.name, "marks": coordinate.marks} for coordinate in coordinates]
    rows = trials.to_dict("records")
    lines = [_trial_line(row, place, coordinates, quality[place]) for place, row in enumerate(rows)]
    remark = f" Drawn are {len(trials)} of its trials, the best among them." if len(trials) == MOST_LINES else ""
    return views.add_parallel("parallel coordinates", axes, lines, f"{PARALLEL_NOTE}{remark}")


def _varied_parameters(trials: DataFrame) -> list[str]:
    """Return the parameters that have more than one value in these trials."""
    values: dict[str, set[str]] = {}
    names = dict.fromkeys(chain.from_iterable(trials["params"]))
    for name in names:
        values[name] = {repr(params.get(name)) for params in trials["params"]}
    return [name for name in names if len(values[name]) > 1]


def _parameter_axis(trials: DataFrame, name: str, space: Mapping[str, Any]) -> Coordinate:
    """Return the axis of a parameter: numbers between their ends, anything else as evenly spaced kinds."""
    values = [params.get(name) for params in trials["params"]]
    present = [value for value in values if value is not None]
    numeric = [value for value in present if _is_number(value)]
    if len(numeric) < len(present):
        return _axis_of_kinds(name, values)
    log = bool(space) and read_range(space).log and min(numeric) > 0
    points = [_axis_point(value, log) for value in values]
    ends = [point for point in points if point is not None]
    low, length = min(ends), (max(ends) - min(ends)) or 1.0
    marks = [(0.0, numbers.setting(min(numeric))), (1.0, numbers.setting(max(numeric)))]
    texts = ["" if value is None else numbers.setting(value) for value in values]
    return Coordinate(name, [None if point is None else (point - low) / length for point in points], texts, marks)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _axis_point(value: Any, log: bool) -> float | None:
    if value is None:
        return None
    return math.log10(value) if log else float(value)


def _axis_of_kinds(name: str, values: Sequence[Any]) -> Coordinate:
    """Return the axis of a parameter whose values are not all numbers."""
    kinds = sorted({numbers.setting(value) for value in values if value is not None})
    places = {kind: i / max(1, len(kinds) - 1) for i, kind in enumerate(kinds)}
    of_trials = [None if value is None else places[numbers.setting(value)] for value in values]
    texts = ["" if value is None else numbers.setting(value) for value in values]
    return Coordinate(name, of_trials, texts, [(place, kind) for kind, place in places.items()])


def _score_axis(outcome: Outcome, trials: DataFrame) -> Coordinate:
    """Return the last axis, that of the score."""
    scores = trials["value"].to_numpy(dtype=float)
    low, high = float(scores.min()), float(scores.max())
    places = [(float(score) - low) / ((high - low) or 1.0) for score in scores]
    unit = outcome.searched.unit
    texts = [numbers.plain(float(score), unit) for score in scores]
    ends = [(0.0, numbers.plain(low, unit)), (1.0, numbers.plain(high, unit))]
    return Coordinate(titled(outcome.searched.tune_column, unit), places, texts, ends)


def _trial_line(
    trial: Mapping[Any, Any], place: int, coordinates: Sequence[Coordinate], quality: float
) -> dict[str, Any]:
    """Return a trial as a line of parallel coordinates."""
    values = [f"{coordinate.name} {coordinate.texts[place]}" for coordinate in coordinates if coordinate.texts[place]]
    return {
        "places": [coordinate.places[place] for coordinate in coordinates],
        "quality": quality,
        "says": f"trial {trial['number'] + 1}: {', '.join(values)}",
    }


# --- Optuna's own plots ---------------------------------------------------------------------------------------


def study_of(outcome: Outcome, arm: str, trials: DataFrame) -> Study:
    """Return these trials of an arm as a study in memory, its scores as the page shows them.

    A trial outside its recorded space is left out.
    """
    import optuna
    from optuna.trial import create_trial

    direction: Literal["maximize", "minimize"] = "maximize" if outcome.searched.goal == "max" else "minimize"
    recorded = outcome.records.meta.spaces.get(arm, {})
    scale = scale_of(outcome.searched.unit)
    spaces = {name: _optuna_distribution(space) for name, space in recorded.items() if "fixed" not in space}
    with _quiet_optuna():
        study = optuna.create_study(direction=direction)
        for row in trials.to_dict("records"):
            params = {name: _optuna_category(row["params"][name]) for name in spaces if name in row["params"]}
            distributions = {name: spaces[name] for name in params}
            with suppress(ValueError):  # a trial of a space that was recorded before this one
                study.add_trial(
                    create_trial(params=params, distributions=distributions, value=scale * float(row["value"]))
                )
    return study


def _optuna_plots(outcome: Outcome, arm: str, trials: DataFrame, views: Views) -> list[Markup]:
    """Return Optuna's slices and history of an arm's search; none where no parameter varies."""
    from optuna import visualization

    study = study_of(outcome, arm, trials)
    if not _any_varies(study):
        return []
    score = titled(outcome.searched.tune_column, outcome.searched.unit)
    with _quiet_optuna():
        plots = [
            ("slices, by Optuna", visualization.plot_slice(study, target_name=score)),
            ("history of the search, by Optuna", visualization.plot_optimization_history(study, target_name=score)),
        ]
    return [_as_view(title, figure, views) for title, figure in plots]


def _any_varies(study: Study) -> bool:
    """Return whether any parameter of a study has more than one value."""
    values: dict[str, set[str]] = {}
    for trial in study.get_trials(deepcopy=False):
        for name, value in trial.params.items():
            values.setdefault(name, set()).add(repr(value))
    return any(len(of_parameter) > 1 for of_parameter in values.values())


def _as_view(title: str, figure: Any, views: Views) -> Markup:
    """Return a figure of Optuna's as a view, without its template: the page has colours of its own."""
    parts = figure.to_plotly_json()
    layout = {key: value for key, value in parts["layout"].items() if key not in NO_LAYOUT}
    return views.add(title, _with_line_breaks(parts["data"]), _with_line_breaks(layout))


def _with_line_breaks(value: Any) -> Any:
    """Return a part of Optuna's figure in which its line breaks are markup, and everything else is text."""
    if isinstance(value, Mapping):
        return {key: _with_line_breaks(item) for key, item in value.items()}
    if isinstance(value, str):
        text = str(escape(value)).replace("&lt;br&gt;", "<br>")
        return Markup(text.replace("&lt;extra&gt;&lt;/extra&gt;", "<extra></extra>"))
    if isinstance(value, list | tuple):
        return [_with_line_breaks(item) for item in value]
    return value


def _optuna_distribution(space: Mapping[str, Any]) -> BaseDistribution:
    """Return a recorded space as Optuna has it."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if "choices" in space:
        return CategoricalDistribution([_optuna_category(choice) for choice in space["choices"]])
    if isinstance(space["low"], int) and isinstance(space["high"], int):
        return IntDistribution(space["low"], space["high"], log=bool(space["log"]))
    return FloatDistribution(float(space["low"]), float(space["high"]), log=bool(space["log"]))


def _optuna_category(value: Any) -> Any:
    """Return a value as Optuna's categories take it."""
    return value if value is None or isinstance(value, bool | int | float | str) else numbers.setting(value)


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Keep Optuna from writing to the terminal that it made a study, and that its plots are experimental.

    Its plots get no template, which plotly would copy for each of them, and which the page leaves out.
    """
    import optuna
    from plotly.io import templates

    before, template = optuna.logging.get_verbosity(), templates.default
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    templates.default = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
        templates.default = template


def _importance_view(outcome: Outcome, arm: str, views: Views) -> Markup:
    """Return the view of how much each parameter decides, over all trials of an arm's search."""
    table = outcome.table("importances")
    rows = None if table is None else table[table["arm"] == arm].sort_values("importance", kind="stable")
    if rows is None or rows.empty:
        return Markup("")
    bar = {
        "type": "bar", "orientation": "h", "x": rows["importance"] * 100, "y": rows["parameter"],
        "hovertemplate": Markup("%{y}: %{x:.0f} %<extra></extra>"),
    }  # fmt: skip
    best, trials = (int(rows[column].iloc[0]) for column in ("best", "trials"))
    x_axis = {"title": {"text": f"importance for being among the best {best} of {trials} trials, %"}}
    layout = {"xaxis": x_axis, "yaxis": {"type": "category"}}
    return views.add("importances (PED-ANOVA)", [bar], layout, height=240)
