r"""The results as LaTeX tables for a paper: ``\input{report.tex}``, with ``\usepackage{booktabs}`` in the preamble."""

from __future__ import annotations

import re
from typing import Any

from harness import Report, Results, hookimpl
from harness_reports._page.leaderboard import shown_metrics
from harness_reports._words import alarms, constant, facts
from harness_reports._words.headline import deciding_rows, leads_of
from harness_reports._words.latex import escaped, table, value
from harness_reports._words.numbers import NOTHING, count, gap, joined, measure, plain, sampled, setting
from harness_reports._words.statements import FACETS, statements

MOST_METRICS = 4  # columns of the leaderboard, so that it fits on a page


def render(results: Results) -> str:
    """Return the tables: the verdict where there is one, leaderboard, leads, tuned hyperparameters, alarms."""
    parts = (part(results) for part in (_about, _verdicts, _leaderboard, _leads, _tuned, _alarmed))
    return "\n\n".join(filter(None, parts)) + "\n"


def _about(results: Results) -> str:
    """Return comments: what this is, and where from."""
    records = results.records
    data, drawn = records.meta.data, records.meta.data["notice"]
    lines = [
        f"{records.name}: {data['name']}, {_counts(results)}. Run {records.folder.name}.",
        r"Made by optimizer-harness; needs \usepackage{booktabs}. References: harness report --format bibtex.",
        *([facts.sentence(drawn)] if drawn else []),
    ]
    return "\n".join(f"% {' '.join(line.split())}" for line in lines)


def _counts(results: Results) -> str:
    counts = results.records.meta.data["counts"]
    return f"{counts['train']:,} train, {counts['tune']:,} tune, {counts['test']:,} test"


def _label(results: Results, what: str) -> str:
    """Return a label that LaTeX takes: letters, digits and hyphens."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", results.records.name).strip("-").lower()
    return f"{name[:40] or 'run'}-{what}"


def _leaderboard(results: Results) -> str:
    """Return a row per arm, best first: its means with their intervals; "" where nothing has been compared."""
    rows, board = deciding_rows(results), results.tables.get("leaderboard")
    if not rows or board is None:
        return ""
    names, metrics = facts.labels(results.records), shown_metrics(results.records, board)[:MOST_METRICS]
    about = {(row["arm"], row["metric"]): row for row in board.to_dict("records")}
    lines = []
    for row in rows:
        n = str(row["n"]) if row["n"] == row["planned"] else f"{row['n']} of {row['planned']}"
        cells = [_mean(about[row["arm"], metric]) for metric in metrics]
        lines.append([escaped(names[row["arm"]]), n, *cells])
    if scores := constant.cells(results, metrics):
        lines.append([escaped(constant.answer(results.records)), "", *map(value, scores)])
    units = {metric: about[rows[0]["arm"], metric]["unit"] for metric in metrics}
    heads = [f"{facts.title_of(metric)}{f' ({units[metric]})' if units[metric] else ''}" for metric in metrics]
    benchmark, alike = results.records.meta.benchmark, facts.shared(results.records)
    caption = (
        f"{facts.sentence(facts.title_of(metrics[0]))} of {results.records.name}: mean [95 % interval] over seeds, "
        f"{count(benchmark['compare']['epochs'], 'epoch')}, tuned by {facts.budget(benchmark['search'])} per arm; "
        f"{_counts(results)} examples{f'; {alike}' if alike else ''}."
    )
    counted = [row["covers"] for row in about.values() if row["metric"] in metrics and sampled(row["covers"])]
    if counted:
        caption += (
            f" Where all seeds are equal, the interval is that of a proportion of the {joined(sorted(set(counted)))}."
        )
    drawn, notes = results.records.meta.data["notice"], facts.fairness_notes(results.records)
    below = " ".join(f"{note}." for note in [*([facts.sentence(drawn)] if drawn else []), *notes])
    return table(
        escaped(caption), _label(results, "leaderboard"), ["arm", "seeds", *map(escaped, heads)],
        f"lr{'r' * len(heads)}", lines, escaped(below),
    )  # fmt: skip


def _mean(row: dict[Any, Any]) -> str:
    """Return ``97.97 [97.51, 98.43]``."""
    unit, width = row["unit"], row["high"] - row["low"]
    mean = value(plain(row["mean"], unit, width))
    return f"{mean} {_ends(row['low'], row['high'], unit)}" if width == width else mean


def _ends(low: float, high: float, unit: str) -> str:
    ends = [value(plain(each, unit, high - low)) for each in (low, high)]
    return rf"{{\footnotesize[{ends[0]}, {ends[1]}]}}"


def _leads(results: Results) -> str:
    """Return how far each arm is behind the best, and how sure that is."""
    rows, names = leads_of(results), facts.labels(results.records)
    if not rows:
        return ""
    doubted = alarms.alarmed(results, {})
    lines = [
        [
            f"{escaped(names[row['arm']])}{f' ({alarms.LABEL})' if row['arm'] in doubted else ''}",
            value(plain(row["lead"], row["unit"])),
            _ends(row["low"], row["high"], row["unit"]) if row["low"] == row["low"] else value(NOTHING),
            value(gap(row["detectable"], row["unit"]) if row["detectable"] == row["detectable"] else NOTHING),
        ]
        for row in rows
    ]
    covers = joined(sorted({row["covers"] for row in rows if row["covers"]})) or "nothing"
    unit = "points" if rows[0]["unit"] == "%" else rows[0]["unit"]
    caption = (
        f"How far behind {names[rows[0]['best']]}, the best, in {facts.title_of(rows[0]['metric'])}; "
        f"95 % intervals, each on its own, over {covers}. Detectable: found four times in five."
    )
    heads = ["arm", f"behind{f' ({unit})' if unit else ''}", "95 % interval", "detectable"]
    return table(escaped(caption), _label(results, "leads"), list(map(escaped, heads)), "lrrr", lines)


def _tuned(results: Results) -> str:
    """Return what each search chose."""
    records, names = results.records, facts.labels(results.records)
    deciding, unit = records.deciding.name, records.deciding.unit
    lines = []
    for row in records.arms.to_dict("records"):
        params = row["tuned_params"]
        if not params:
            continue
        said = ", ".join(rf"{escaped(name)}~{value(setting(each))}" for name, each in params.items())
        lines.append([escaped(names[row["arm"]]), said, value(measure(float(row["tuned_value"]), unit))])
    if not lines:
        return ""
    caption = (
        f"Tuned hyperparameters of {records.name}, and the {facts.title_of(f'tune_{deciding}')} they were chosen by."
    )
    heads = ["arm", "hyperparameters", facts.title_of(f"tune_{deciding}")]
    columns = r"lp{0.55\linewidth}r"
    return table(escaped(caption), _label(results, "tuned"), list(map(escaped, heads)), columns, lines)


def _alarmed(results: Results) -> str:
    """Return the arms whose tuning is in doubt, with why."""
    names = facts.labels(results.records)
    found = alarms.alarmed(results, names)
    if not found:
        return ""
    lines = [[escaped(names[arm]), escaped(joined(why))] for arm, why in found.items()]
    caption = f"Arms of {results.records.name} that are {alarms.LABEL}, not worse."
    return table(escaped(caption), _label(results, "alarms"), ["arm", "because"], r"lp{0.7\linewidth}", lines)


def _verdicts(results: Results) -> str:
    """Return what the verdict says of every network, facet by facet."""
    said = statements(results)
    if not said:
        return ""
    lines = [
        [escaped(each.network), escaped(each.whole), *map(escaped, each.facets), escaped(each.power)] for each in said
    ]
    caption = (
        f"Do the arms of {results.records.name} reach almost the same minima? Margins registered {said[0].registered}. "
        "Power: the probability that identical arms would have been found similar."
    )
    heads = ["network", "verdict", *FACETS, "power"]
    return table(escaped(caption), _label(results, "verdict"), heads, f"{'l' * (len(heads) - 1)}r", lines)


@hookimpl
def harness_reports() -> list[Report]:
    """Offer latex."""
    return [Report(name="latex", extension="tex", render=render)]
