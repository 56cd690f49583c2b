"""Several runs side by side, as a page and as Markdown: what differs first, then every arm, then what changed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from harness import Records, Several, markdown_text, typed
from harness_reports._draw import figures
from harness_reports._draw.axes import formatter, with_unit
from harness_reports._draw.interactive import digest
from harness_reports._draw.svg import panel, style, svg
from harness_reports._words.facts import sentence, shortened, title_of
from harness_reports._words.numbers import NOTHING, count, duration, gap, gap_interval, joined, plain, settings, span

LEVELS = {"regression": "bad", "improvement": "note", "not comparable": "warn"}
LONGEST = 160  # characters of a fact in a cell; the whole of it is its title
COVERS = (
    "Intervals are over seeds, and where all of these are equal, over test examples: they cover neither another search nor "
    "other training data, and both runs are scored on the same test examples. A change is called one where its p-value, adjusted for all changes shown (Holm), is below "
    ".05 and it is larger than the margin."
)


def page(several: Several) -> str:
    """Return the page."""
    from importlib.resources import files

    from jinja2 import Environment, FunctionLoader, StrictUndefined

    def read(name: str) -> str:
        return files("harness_reports").joinpath(name).read_text(encoding="utf-8")

    loader = FunctionLoader(read)
    house = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    script = read("_page/_page.js")
    shown = {**told(several), "script": Markup(script), "scripts": Markup(digest(script))}
    return house.get_template("_page/_several.html.j2").render(shown) + "\n"


def told(several: Several) -> dict[str, Any]:
    """Return everything the page shows, as plain strings and finished figures."""
    names = dict(zip(several.labels, map(shortened, several.labels), strict=True))
    looks = figures.looks(names)
    differs = [
        {"group": row["group"], "what": row["what"], "values": [_cut(row[label]) for label in several.labels]}
        for row in several.differs.to_dict("records")
    ]
    return {
        "names": [looks[label] for label in several.labels],
        "labels": several.labels,
        "question": question(several),
        "answer": answer(several),
        "covers": COVERS,
        "metric": with_unit(title_of(f"test_{several.metric}"), several.unit),
        "better": "higher" if several.goal == "max" else "lower",
        "differs": differs,
        "figure": Markup(_figure(several, looks)),
        "rows": _rows(several),
        "changes": changes(several),
        "facets": facets(several),
        "tuned": _tuned(several),
        "runs": [_run(label, each) for label, each in zip(several.labels, several.records, strict=True)],
    }


def question(several: Several) -> str:
    """Return what is asked."""
    first, *later = map(shortened, several.labels)
    return f"What changed from {first} to {joined(later)}?"


def answer(several: Several) -> str:
    """Return what came out: regressions by name, else that none is shown, else why nothing can be said."""
    changes, found = several.changes, several.regressions
    if len(found):
        first = found.assign(size=found["change"].abs()).sort_values("size", ascending=False).to_dict("records")[0]
        more = f" and {count(len(found) - 1, 'more regression')}" if len(found) > 1 else ""
        size = gap(abs(first["change"]), several.unit)
        return f"Regression: {shortened(first['arm'])} is {size} worse in {shortened(first['run'])}{more}"
    if not len(changes) or (changes["state"] == "not comparable").all():
        why = joined(sorted(set(changes["how"]))) if len(changes) else "no arm in common"
        return f"Side by side only: no difference can be put down to the arms ({why})"
    better = int((changes["state"] == "improvement").sum())
    lost = int((changes["state"] == "not comparable").sum())
    more = f"; {count(better, 'improvement')}" if better else ""
    unsure = f"; {count(lost, 'change')} not comparable" if lost else ""
    return f"No regression shown in {count(len(changes) - lost, 'comparison')}{more}{unsure}"


def _cut(text: str) -> dict[str, str]:
    """Return a fact as a cell shows it, and the whole of it."""
    return {"shown": text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…", "whole": text}


def _rows(several: Several) -> list[dict[str, Any]]:
    """Return a row per arm with a cell per run, the arms of the first run first."""
    by = {(row["arm"], row["run"]): row for row in several.scores.to_dict("records")}
    return [
        {
            "arm": shortened(arm),
            "whole": arm,
            "cells": [_cell(by.get((arm, label)), several.unit) for label in several.labels],
        }
        for arm in dict.fromkeys(several.scores["arm"])
    ]


def _cell(row: Mapping[Any, Any] | None, unit: str) -> dict[str, str]:
    if row is None:
        return {"mean": NOTHING, "interval": "not in this run", "state": ""}
    if not row["n"]:
        return {"mean": NOTHING, "interval": "", "state": row["state"]}
    seeds = count(row["n"], "seed") if row["n"] == row["planned"] else f"{row['n']} of {count(row['planned'], 'seed')}"
    ends = span(row["low"], row["high"], unit)
    return {
        "mean": plain(row["mean"], unit, row["high"] - row["low"]),
        "interval": f"{ends}, {seeds}" if ends else seeds,
        "state": "" if row["state"] == "done" else row["state"],
    }


def changes(several: Several) -> list[dict[str, str]]:
    """Return a row per arm and later run, the worst first."""
    grave = {"regression": 0, "not comparable": 2}
    rows = sorted(several.changes.to_dict("records"), key=lambda row: grave.get(row["state"], 1))
    first = shortened(several.labels[0])
    return [
        {
            "arm": shortened(row["arm"]),
            "whole": row["arm"],
            "whom": f"{shortened(row['run'])} less {first}",
            "change": gap(row["change"], several.unit) if math.isfinite(row["change"]) else NOTHING,
            "interval": gap_interval(row["low"], row["high"], several.unit) or NOTHING,
            "p": _probability(row["adjusted"]),
            "margin": gap(row["margin"], several.unit) if math.isfinite(row["margin"]) else NOTHING,
            "how": f"{row['how']}, {count(row['seeds'], 'seed')}" if row["seeds"] else row["how"],
            "state": row["state"],
            "level": LEVELS.get(row["state"], ""),
        }
        for row in rows
    ]


def _probability(p: float) -> str:
    if not math.isfinite(p):
        return NOTHING
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def facets(several: Several) -> list[dict[str, Any]]:
    """Return a row per network and facet with what each run says of it; none where no run has a verdict."""
    found = several.verdicts.to_dict("records")
    by = {(row["network"], row["regime"], row["facet"], row["run"]): row for row in found}
    kinds = dict.fromkeys((row["network"], row["regime"], row["facet"]) for row in found)
    return [
        {
            "network": f"{network} ({regime})",
            "facet": facet,
            "labels": [str(by.get((network, regime, facet, run), {}).get("label", NOTHING)) for run in several.labels],
        }
        for network, regime, facet in kinds
    ]


def _tuned(several: Several) -> list[dict[str, Any]]:
    by = {(row["arm"], row["run"]): settings(row["tuned"]) for row in several.scores.to_dict("records")}
    return [
        {"arm": arm, "values": [by.get((arm, run), NOTHING) or NOTHING for run in several.labels]}
        for arm in dict.fromkeys(several.scores["arm"])
    ]


def _run(label: str, records: Records) -> dict[str, Any]:
    ended = sorted(time for time in records.runs["ended"] if isinstance(time, str))
    facts = [
        ("benchmark", records.name),
        ("folder", records.folder.name),
        ("data", f"{records.meta.data['source']}"),
        ("command", typed(records.meta.command)),
        ("training", duration(float(records.runs["seconds"].sum()))),
        ("last run", ended[-1] if ended else NOTHING),
    ]
    notice = records.meta.data["notice"]
    return {"label": shortened(label), "facts": facts, "notice": sentence(notice) if notice else ""}


def _figure(several: Several, looks: Mapping[str, figures.Look]) -> str:
    """Return every arm's mean with its interval, a mark per run, and every seed a dot."""
    scores = several.scores[several.scores["n"] > 0]
    arms = [arm for arm in dict.fromkeys(several.scores["arm"]) if (scores["arm"] == arm).any()]
    if not arms:
        return ""
    title = title_of(f"test_{several.metric}")
    step = 0.2
    with style():
        figure, axes = panel(0.7 + len(arms) * (0.24 + 0.2 * len(several.labels)))
        for place, arm in enumerate(arms):
            top = place * (0.9 + step * len(several.labels))
            axes.text(0, top - 0.25, shortened(arm), transform=axes.get_yaxis_transform(), va="center")
            for i, (label, records) in enumerate(zip(several.labels, several.records, strict=True)):
                mine = scores[(scores["arm"] == arm) & (scores["run"] == label)]
                if len(mine):
                    _mark(
                        axes,
                        mine.to_dict("records")[0],
                        _values(records, arm, several.metric),
                        top + step * (i + 1),
                        looks[label],
                    )
        bottom = len(arms) * (0.9 + step * len(several.labels))
        axes.set_ylim(bottom - 0.6, -0.7)
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_formatter(formatter(several.unit))
        axes.set_xlabel(with_unit(title, several.unit))
        said = scores.drop(columns="tuned")
        return svg(figure, "several", f"{title}: every seed, and mean with 95 % interval per arm and run", {}, said)


def _values(records: Records, arm: str, metric: str) -> Any:
    runs = records.compared()
    done = runs[(runs["arm"] == arm) & (runs["state"] == "done")]
    return done[f"test_{metric}"].dropna()


def _mark(axes: Any, row: Mapping[Any, Any], values: Any, height: float, look: figures.Look) -> None:
    axes.scatter(values, [height] * len(values), s=9, color=look.color, alpha=0.4, lw=0)
    if row["n"] > 1:
        axes.plot([row["low"], row["high"]], [height, height], color=look.color, lw=2.2, solid_capstyle="round")
    axes.plot([row["mean"]], [height], marker="D", ms=6, color=look.color)


def markdown(several: Several) -> str:
    """Return the comparison as a few tables of Markdown, for a pull request."""

    def grid(heads: list[str], rows: list[list[str]]) -> str:
        lines = [heads, ["---"] * len(heads), *([markdown_text(cell) for cell in row] for row in rows)]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    runs = [markdown_text(shortened(label)) for label in several.labels]
    parts = ["<!-- optimizer-harness -->", f"**{markdown_text(answer(several))}**", markdown_text(question(several))]
    differs = [
        [row["group"], row["what"], *(row[each][:60] for each in several.labels)]
        for row in several.differs.to_dict("records")
    ]
    parts.append(grid(["differs", "", *runs], differs) if differs else "Nothing differs that is recorded.")
    metric = with_unit(title_of(f"test_{several.metric}"), several.unit)
    rows = _rows(several)
    parts.append(
        grid([markdown_text(metric), *runs], [[row["arm"], *(_line(cell) for cell in row["cells"])] for row in rows])
    )
    made = [
        [row["arm"], row["whom"], row["change"], row["interval"], row["p"], row["state"]] for row in changes(several)
    ]
    parts.append(grid(["change", "", "by", "95 % interval", "p (Holm)", ""], made))
    if said := facets(several):
        parts.append(grid(["verdict", "", *runs], [[row["network"], row["facet"], *row["labels"]] for row in said]))
    return "\n\n".join([*parts, f"<sub>{markdown_text(COVERS)}</sub>"]) + "\n"


def _line(cell: Mapping[str, str]) -> str:
    more = ", ".join(filter(None, (cell["interval"], cell["state"])))
    return f"{cell['mean']} ({more})" if more else cell["mean"]
