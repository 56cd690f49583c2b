r"""The results as LaTeX tables for a paper: ``\input{report.tex}``, with ``\usepackage{booktabs}`` in the preamble."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from harness import Records, Report, Results, hookimpl, latex_text, numbers
from harness.verdict.protocol import FACETS, standing_protocol
from harness_reports._words import alarms, constant
from harness_reports._words.benchmark import comparison_length, first_search, search_budget, split_sizes
from harness_reports._words.columns import shown_metrics
from harness_reports._words.coverage import ends, sampled_examples
from harness_reports._words.doubts import doubts, gravest
from harness_reports._words.headline import headline
from harness_reports._words.latex import escaped_number, floating_table
from harness_reports._words.latex_layout import BREAK
from harness_reports._words.names import capitalized, metric_title, shared_parts, title_with_unit
from harness_reports._words.notices import fairness_notes
from harness_reports._words.outcome import Outcome
from harness_reports._words.power import level_sentence
from harness_reports._words.statements import statements
from harness_reports._words.table_note import DIGITS, verdict_note
from harness_reports._words.times import time_sentence
from harness_reports._words.work import ABOUT, HEADS, work_rows

MOST_METRICS = 4  # columns of the leaderboard, so that its letters are not too small
DOUBTS = "Why you might doubt this, the gravest first:"


def render(results: Results) -> str:
    """Return the tables: the verdict where there is one, leaderboard, leads, tuned hyperparameters, alarms."""
    outcome = Outcome(results)
    parts = (
        part(outcome)
        for part in (
            _head_comments,
            _verdict_table,
            _leaderboard_table,
            _lead_table,
            _work_table,
            _tuned_table,
            _alarm_table,
        )
    )
    return "\n\n".join(filter(None, parts)) + "\n"


def _head_comments(outcome: Outcome) -> str:
    """Return comments that say what this is, which run it is from, and the gravest doubts."""
    records = outcome.records
    data, notice = records.meta.data, records.meta.data["notice"]
    lines = [
        f"{records.name}: {data['name']}, {split_sizes(records)}. Run {records.folder.name}.",
        r"Made by optimizer-harness; needs \usepackage{booktabs}. References: harness report --format bibtex.",
        *([capitalized(notice)] if notice else []),
    ]
    head = headline(outcome)
    first = [f"- {remark.text}" for remark in gravest(doubts(outcome, head))]
    return _commented([*lines, *([DOUBTS, *first] if first else [])])


def _table_label(records: Records, table: str) -> str:
    """Return a label that LaTeX takes: letters, digits and hyphens."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", records.name).strip("-").lower()
    return f"{name[:40] or 'run'}-{table}"


def _work_table(outcome: Outcome) -> str:
    """Return the work of every arm; "" where none is known."""
    rows = work_rows(outcome)
    if not rows:
        return ""
    lines = [[latex_text(label), *map(escaped_number, cells)] for label, *cells in rows]
    caption = latex_text(f"{outcome.records.name}: {ABOUT[0].lower()}{ABOUT[1:]}")
    return floating_table(caption, _table_label(outcome.records, "work"), list(map(latex_text, HEADS)), "lrrrrr", lines)


# --- the leaderboard -----------------------------------------------------------------------------------------


def _leaderboard_table(outcome: Outcome) -> str:
    """Return a row per arm, best first: its means with their intervals; "" where nothing has been compared."""
    deciding, board = outcome.deciding_rows, outcome.table("leaderboard")
    if not deciding or board is None:
        return ""
    metrics = shown_metrics(outcome.records, board)[:MOST_METRICS]
    rows = {(row["arm"], row["metric"]): row for row in outcome.rows("leaderboard")}
    lines = []
    for row in deciding:
        seeds = str(row["n"]) if row["n"] == row["planned"] else f"{row['n']} of {row['planned']}"
        cells = [_mean_cell(rows[row["arm"], metric]) for metric in metrics]
        lines.append([latex_text(outcome.labels[row["arm"]]), seeds, *cells])
    if scores := constant.leaderboard_cells(outcome, metrics):
        lines.append([latex_text(constant.answer(outcome.records)), "", *map(escaped_number, scores)])
    first = deciding[0]["arm"]
    heads = [title_with_unit(metric_title(metric), rows[first, metric]["unit"]) for metric in metrics]
    shown = [row for row in rows.values() if row["metric"] in metrics]
    return floating_table(
        latex_text(_leaderboard_caption(outcome, metrics, shown)), _table_label(outcome.records, "leaderboard"),
        ["arm", "seeds", *map(latex_text, heads)], f"lr{'r' * len(heads)}", lines, latex_text(_note_below(outcome.records)),
    )  # fmt: skip


def _leaderboard_caption(outcome: Outcome, metrics: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what the leaderboard shows, how the arms were tuned and trained, and what its intervals cover."""
    records = outcome.records
    benchmark, shared = records.meta.benchmark, shared_parts(records)
    epochs = comparison_length(benchmark)
    caption = (
        f"{capitalized(metric_title(metrics[0]))} of {records.name}: mean [95 % interval] over {_draws(records)}, {epochs} each, tuned by "
        f"{search_budget(benchmark['search'])} per arm and replicate; {split_sizes(records)} examples{f'; {shared}' if shared else ''}."
    )
    if examples := sorted({sampled_examples(row["covers"]) for row in rows} - {""}):
        caption += (
            f" Where all seeds are equal, the interval is that of a proportion of the {numbers.joined(examples)}."
        )
    caption += f" {text}" if (text := level_sentence(outcome)) else ""
    if "seconds" in metrics:
        caption += f" {text}" if (text := time_sentence(outcome)) else ""
    if any(map(_equal_seeds, rows)):
        caption += " [--]: all seeds are equal, which gives no interval of a metric that is no proportion of examples."
    registered = standing_protocol(records.meta)
    return f"{caption} Protocol {registered.protocol.hash[:DIGITS]}." if registered else caption


def _draws(records: Records) -> str:
    """Return what the means are over: "6 replicates of 2 seeds", "8 seeds"."""
    seeds = numbers.counted(int(records.meta.benchmark["compare"]["seeds"]), "seed")
    replicates = records.meta.planned_replicates
    return seeds if replicates == 1 else f"{numbers.counted(replicates, 'replicate')} of {seeds}"


def _note_below(records: Records) -> str:
    """Return what stands below the leaderboard: the notice of the data, and the notes on fairness."""
    notice = records.meta.data["notice"]
    lines = [*([capitalized(notice)] if notice else []), *fairness_notes(records)]
    return " ".join(f"{line}." for line in lines)


def _mean_cell(row: Mapping[str, Any]) -> str:
    """Return ``97.97 [97.51, 98.43]``; ``80.56 [--]`` where equal seeds give no interval."""
    unit, width = row["unit"], row["high"] - row["low"]
    if width == width:
        if not ends(row["low"], row["high"], unit):
            width = math.nan  # however many digits are written, the ends read alike
        mean = escaped_number(numbers.plain(row["mean"], unit, width))
        return f"{mean}{BREAK}{_interval_text(row['low'], row['high'], unit, width)}"
    mean = escaped_number(numbers.plain(row["mean"], unit))
    return rf"{mean}{BREAK}{{\footnotesize[--]}}" if _equal_seeds(row) else mean


def _equal_seeds(row: Mapping[str, Any]) -> bool:
    """Return whether a mean has no interval because all of its seeds are equal."""
    return bool(row["n"] > 1 and row["low"] != row["low"] and row["sd"] == row["sd"])


def _interval_text(low: float, high: float, unit: str, width: float) -> str:
    """Return both ends of an interval, with the digits that its width asks for."""
    first, last = (escaped_number(numbers.plain(end, unit, width)) for end in (low, high))
    return rf"{{\footnotesize[{first}, {last}]}}"


# --- the other tables ----------------------------------------------------------------------------------------


def _lead_table(outcome: Outcome) -> str:
    """Return how far each arm is behind the best, and how sure that is."""
    leads = outcome.rows("lead")
    if not leads:
        return ""
    lines = [_lead_line(outcome, lead) for lead in leads]
    covers = numbers.joined(sorted({lead["covers"] for lead in leads if lead["covers"]})) or "nothing"
    unit = "points" if leads[0]["unit"] == "%" else leads[0]["unit"]
    caption = (
        f"How far behind {outcome.labels[leads[0]['best']]}, the best, in {metric_title(leads[0]['metric'])}; "
        f"95 % intervals, each on its own, over {covers}. Detectable: found four times in five."
    )
    heads = ["arm", title_with_unit("behind", unit), "95 % interval", title_with_unit("detectable", unit)]
    return floating_table(
        latex_text(caption), _table_label(outcome.records, "leads"), list(map(latex_text, heads)), "lrrr", lines
    )


def _lead_line(outcome: Outcome, lead: Mapping[str, Any]) -> list[str]:
    """Return the cells of one lead."""
    unit, doubted = lead["unit"], lead["arm"] in alarms.arms_in_doubt(outcome)
    detectable = lead["detectable"] == lead["detectable"]
    return [
        f"{latex_text(outcome.labels[lead['arm']])}{f', {alarms.LABEL}' if doubted else ''}",
        escaped_number(numbers.plain(lead["lead"], unit)),
        _interval_text(lead["low"], lead["high"], unit, lead["high"] - lead["low"])
        if lead["low"] == lead["low"]
        else escaped_number(numbers.NOTHING),
        escaped_number(numbers.plain(lead["detectable"], unit) if detectable else numbers.NOTHING),
    ]


def _tuned_table(outcome: Outcome) -> str:
    """Return what each search chose."""
    records, lines = outcome.records, []
    for row in records.arms.to_dict("records"):
        if row["tuned_params"]:
            score = numbers.plain(float(row["tuned_value"]), outcome.searched.unit)
            label, params = latex_text(outcome.labels[row["arm"]]), _params_in_line(row["tuned_params"])
            lines.append([label, params, escaped_number(score)])
    if not lines:
        return ""
    caption = (
        f"Hyperparameters of {records.name} that {first_search(records)} chose, and the {outcome.trial_title} of the trials that "
        "they come from."
    )
    score_head = title_with_unit(outcome.trial_title, outcome.searched.unit)
    heads = [latex_text(head) for head in ("arm", "hyperparameters", score_head)]
    return floating_table(latex_text(caption), _table_label(records, "tuned"), heads, "lpr", lines)


def _params_in_line(params: Mapping[str, Any]) -> str:
    """Return hyperparameters in one line; a name and its value stay on one line of the paper."""
    return ", ".join(rf"{latex_text(name)}~{escaped_number(numbers.setting(value))}" for name, value in params.items())


def _alarm_table(outcome: Outcome) -> str:
    """Return the arms whose tuning is in doubt, with the reasons; not those on whose alarms the verdict does not depend."""
    in_doubt = alarms.arms_in_doubt(outcome)
    doubts = {arm: reasons for arm, reasons in alarms.tuning_doubts(outcome).items() if arm in in_doubt}
    if not doubts:
        return ""
    lines = [[latex_text(outcome.labels[arm]), latex_text(numbers.joined(reasons))] for arm, reasons in doubts.items()]
    caption = latex_text(f"Arms of {outcome.records.name} that are {alarms.LABEL}, not worse.")
    label = _table_label(outcome.records, "alarms")
    return floating_table(caption, label, ["arm", "because"], "lp", lines)


def _verdict_table(outcome: Outcome) -> str:
    """Return the verdict on every network, facet by facet; comments before the table say why no word is stronger."""
    verdict = statements(outcome.results)
    if not verdict:
        return ""
    comments = ["The verdict, and why no word is stronger:"]
    comments += [f"{network.network}: {line}" for network in verdict for line in network.reasons]
    words = [("verdict", *(network.with_regime for network in verdict))]
    words += zip(FACETS, *(network.facets for network in verdict), strict=True)
    words += [("power", *(network.power for network in verdict))]
    lines = [list(map(latex_text, row)) for row in words]
    caption = (
        f"Do the arms of {outcome.records.name} reach almost the same minima? The verdict, and the word of each of its facets. "
        "Power: the probability that identical arms would have been found similar."
    )
    heads = ["", *(latex_text(network.network) for network in verdict)]
    columns = "l" * len(heads)
    table = floating_table(
        latex_text(caption), _table_label(outcome.records, "verdict"), heads, columns, lines, latex_text(verdict_note(outcome))
    )  # fmt: skip
    return f"{_commented(comments)}\n{table}"


def _commented(lines: Sequence[str]) -> str:
    """Return lines that LaTeX does not set."""
    return "\n".join(f"% {' '.join(line.split())}" for line in lines)


@hookimpl
def harness_reports() -> list[Report]:
    """Offer latex."""
    return [Report(name="latex", extension="tex", render=render)]
