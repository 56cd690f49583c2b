"""The page that compares several runs: what differs first, then every arm, then what changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from harness import Records, Several, numbers, typed
from harness.verdict.finite_runs import finite_runs
from harness_reports._draw.arm_styles import ArmLook, arm_looks
from harness_reports._draw.axes import axis_ends, set_ticks, widened, write_row_name
from harness_reports._draw.interactive import digest
from harness_reports._draw.svg import house_style, new_panel, to_svg
from harness_reports._page._templates import environment, script
from harness_reports._words import several as words
from harness_reports._words.names import capitalized, metric_title, shortened

LONGEST_FACT = 160  # characters of a fact in a cell; the whole of it is the title of the cell
STEP = 0.2  # between two runs of one arm


def render_several(several: Several) -> str:
    """Return the page."""
    text = script()
    shown = {**page_data(several), "script": Markup(text), "scripts": Markup(digest(text))}
    return environment().get_template("_several.html.j2").render(shown) + "\n"


def page_data(several: Several) -> dict[str, Any]:
    """Return everything that the page shows, as plain strings and finished figures."""
    looks = arm_looks({label: shortened(label) for label in several.labels})
    return {
        "names": [looks[label] for label in several.labels],
        "labels": several.labels,
        "question": words.question(several),
        "answer": words.answer(several),
        "covers": words.COVERS,
        "metric": words.metric_with_unit(several),
        "better": "higher" if several.goal == "max" else "lower",
        "differs": _difference_rows(several),
        "figure": _draw_scores(several, looks),
        "rows": words.score_rows(several),
        "changes": words.changes(several),
        "facets": words.facets(several),
        "tuned": _tuned_rows(several),
        "runs": [_run_facts(label, records) for label, records in zip(several.labels, several.records, strict=True)],
    }


def _difference_rows(several: Several) -> list[dict[str, Any]]:
    """Return a row for everything in which the runs differ."""
    rows = []
    for row in several.differs.to_dict("records"):
        values = []
        for label in several.labels:
            fact = row[label]
            shown = fact if len(fact) <= LONGEST_FACT else f"{fact[: LONGEST_FACT - 1]}…"
            values.append({"shown": shown, "whole": fact})
        rows.append({"group": row["group"], "what": row["what"], "values": values})
    return rows


def _tuned_rows(several: Several) -> list[dict[str, Any]]:
    """Return a row per arm with its tuned parameters in every run."""
    params = {(row["arm"], row["run"]): numbers.settings(row["tuned"]) for row in several.scores.to_dict("records")}

    def row_of(arm: str) -> dict[str, Any]:
        return {"arm": arm, "values": [params.get((arm, run)) or numbers.NOTHING for run in several.labels]}

    return [row_of(arm) for arm in dict.fromkeys(several.scores["arm"])]


def _run_facts(label: str, records: Records) -> dict[str, Any]:
    """Return where one of the runs comes from."""
    ended = sorted(time for time in records.runs["ended"] if isinstance(time, str))
    facts = [
        ("benchmark", records.name),
        ("folder", records.folder.name),
        ("data", f"{records.meta.data['source']}"),
        ("command", typed(records.meta.command)),
        ("training", numbers.duration(float(records.runs["seconds"].sum()))),
        ("last run", ended[-1] if ended else numbers.NOTHING),
    ]
    return {"label": shortened(label), "facts": facts, "notice": capitalized(records.meta.data["notice"])}


# --- the figure ----------------------------------------------------------------------------------------------


def _draw_scores(several: Several, looks: Mapping[str, ArmLook]) -> Markup:
    """Return the mean of every arm with its interval, a mark per run, and every seed a dot; "" where no arm has a score."""
    scores = several.scores[several.scores["n"] > 0]
    arms = [arm for arm in dict.fromkeys(several.scores["arm"]) if (scores["arm"] == arm).any()]
    if not arms:
        return Markup("")
    many = len(several.labels)
    height = 0.9 + STEP * many  # of an arm
    with house_style():
        figure, axes = new_panel(0.7 + len(arms) * (0.24 + 0.2 * many))
        for place, arm in enumerate(arms):
            write_row_name(axes, shortened(arm), place * height - 0.25)
            _draw_arm(axes, several, arm, place * height, looks)
        axes.set_ylim(len(arms) * height - 0.6, -0.7)
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.set_xlim(*axis_ends(*widened(*axes.get_xlim(), several.unit), several.unit))
        set_ticks(axes, several.unit)
        axes.set_xlabel(words.metric_with_unit(several))
        title = f"{metric_title(f'test_{several.metric}')}: every seed, and mean with 95 % interval per arm and run"
        return to_svg(figure, "several", title, {}, scores.drop(columns="tuned"))


def _draw_arm(axes: Any, several: Several, arm: str, top: float, looks: Mapping[str, ArmLook]) -> None:
    """Draw the seeds and the mean of one arm, a row per run."""
    scores = several.scores[(several.scores["arm"] == arm) & (several.scores["n"] > 0)]
    for i, (label, records) in enumerate(zip(several.labels, several.records, strict=True), 1):
        rows = scores[scores["run"] == label].to_dict("records")
        if rows:
            row, color, height = rows[0], looks[label].color, top + STEP * i
            values = [value for _, value in finite_runs(records, arm, f"test_{several.metric}").values()]
            axes.scatter(values, [height] * len(values), s=9, color=color, alpha=0.4, lw=0)
            if row["n"] > 1:
                axes.plot([row["low"], row["high"]], [height] * 2, color=color, lw=2.2, solid_capstyle="round")
            axes.plot([row["mean"]], [height], marker="D", ms=6, color=color)
