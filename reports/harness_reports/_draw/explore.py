"""The interactive views of the comparison and of all searches: every seed, every learning rate, every budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness_reports._draw.arm_styles import ArmLook
from harness_reports._draw.axes import needs_log_axis
from harness_reports._draw.budgets import BEST_SO_FAR, thinned
from harness_reports._draw.interactive import Views
from harness_reports._words.names import metric_title
from harness_reports._words.outcome import Outcome

if TYPE_CHECKING:
    from pandas import DataFrame

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SEEDS_NOTE = (
    "Each line is a seed. A click on an arm in the legend hides it; a double click shows it alone. "
    "Drag to zoom in; a double click in the figure zooms out."
)


def seed_curves(outcome: Outcome, looks: Mapping[str, ArmLook], views: Views) -> list[Markup]:
    """Return a view per metric of the learning curves, a line a seed."""
    runs = outcome.records.compared()
    epochs = outcome.records.epochs
    epochs = epochs[epochs["run_id"].isin(runs.loc[runs["state"] == "done", "run_id"])]
    curves = []
    for metric, unit in (("running_loss", outcome.loss_unit), (outcome.deciding.tune_column, outcome.deciding.unit)):
        if metric in epochs and epochs[metric].notna().any():
            traces = list(_seed_lines(epochs, metric, unit, looks))
            kind = {"type": "log", "exponentformat": "power"} if needs_log_axis(epochs[metric]) else {}
            y_axis = {"title": {"text": titled(metric, unit)}, **kind}
            layout = {"xaxis": {"title": {"text": "epoch"}}, "yaxis": y_axis}
            curves.append(views.add(f"{metric_title(metric)} of every seed", traces, layout, SEEDS_NOTE))
    return curves


def _seed_lines(epochs: DataFrame, metric: str, unit: str, looks: Mapping[str, ArmLook]) -> Iterator[dict[str, Any]]:
    """Yield a line for every seed of every arm."""
    kinds = list(dict.fromkeys(look.dashes for look in looks.values()))
    for arm, look in looks.items():
        arm_epochs = epochs[epochs["arm"] == arm]
        dash = DASHES[kinds.index(look.dashes) % len(DASHES)]
        for i, (seed, line) in enumerate(arm_epochs.groupby("seed", sort=True)):
            run = f"{look.label}, seed {seed}"
            yield {
                "type": "scatter", "mode": "lines" if len(line) > 1 else "markers", "name": look.label, "meta": {"seed": run},
                "legendgroup": arm, "showlegend": i == 0, "x": line["epoch"], "y": line[metric] * scale_of(unit),
                "line": {"color": look.color, "width": 1.2, "dash": dash},
                "hovertext": run,
                "hovertemplate": Markup("%{hovertext}<br>epoch %{x}: %{y:.4g}<extra></extra>"),
            }  # fmt: skip


def learning_rates(outcome: Outcome, looks: Mapping[str, ArmLook], views: Views) -> Markup:
    """Return the view of every trial's score against its learning rate, all arms in one."""
    table = outcome.table("sensitivity")
    if table is None:
        return Markup("")
    traces = []
    for arm, look in looks.items():
        trials = table[(table["arm"] == arm) & (table["lr"] > 0) & table["value"].notna()]
        if len(trials):
            sizes = [12 if chosen else 7 for chosen in trials["chosen"]]
            hover = Markup("%{hovertext}, trial %{customdata}<br>learning rate %{x:.3g}: %{y:.4g}<extra></extra>")
            traces.append(
                {
                    "type": "scatter", "mode": "markers", "name": look.label, "x": trials["lr"],
                    "y": trials["value"] * scale_of(outcome.searched.unit), "customdata": trials["number"] + 1, "hovertext": look.label,
                    "marker": {"color": look.color, "size": sizes, "opacity": 0.8, "line": {"width": 0}},
                    "hovertemplate": hover,
                }
            )  # fmt: skip
    x_axis = {"type": "log", "title": {"text": "learning rate"}, "exponentformat": "power"}
    y_axis = {"title": {"text": titled(outcome.searched.tune_column, outcome.searched.unit)}}
    note = "Each dot is a trial that has a score. The chosen ones are larger."
    return views.add("learning rates of all arms", traces, {"xaxis": x_axis, "yaxis": y_axis}, note)


def budget_curves(outcome: Outcome, looks: Mapping[str, ArmLook], views: Views) -> Markup:
    """Return the view of the budget curves, all arms in one."""
    table = outcome.table("budget")
    if table is None:
        return Markup("")
    traces, table = [], thinned(table)
    kinds = list(dict.fromkeys(look.dashes for look in looks.values()))
    for arm, look in looks.items():
        rows = table[table["arm"] == arm]
        if len(rows):
            traces.append(
                {
                    "type": "scatter", "mode": "lines", "name": look.label, "x": rows["budget"],
                    "y": rows["expected"] * scale_of(outcome.searched.unit), "line": _step_line(rows, look, kinds),
                    "hovertext": look.label, "hovertemplate": Markup("%{hovertext}<br>%{x} trials: %{y:.4g}<extra></extra>"),
                }
            )  # fmt: skip
    y_axis = {"title": {"text": f"best {titled(outcome.searched.tune_column, outcome.searched.unit)}"}}
    return views.add("budget curves of all arms", traces, {"xaxis": {"title": {"text": "trials"}}, "yaxis": y_axis})


def _step_line(rows: DataFrame, look: ArmLook, kinds: list[Any]) -> dict[str, Any]:
    """Return how the budget curve of an arm is drawn: in steps where it is the best score so far, as in the static figure."""
    shape = "hv" if rows["estimate"].iloc[0] == BEST_SO_FAR else "linear"
    return {"color": look.color, "shape": shape, "dash": DASHES[kinds.index(look.dashes) % len(DASHES)], "width": 2}


def titled(metric: str, unit: str) -> str:
    """Return the name of an axis in a view: the metric in words, with its unit."""
    return f"{metric_title(metric)}, {unit}" if unit else metric_title(metric)


def scale_of(unit: str) -> int:
    """Return what a recorded value is multiplied with in a view."""
    return 100 if unit == "%" else 1
