"""The report in a few lines of Markdown, for a pull request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import Any

from harness import Report, Results, Several, Workloads, hookimpl, markdown_text, numbers
from harness.verdict.protocol import FACETS
from harness_reports._words import alarms, constant, several
from harness_reports._words.benchmark import machines, search_budget, split_sizes, training_precision
from harness_reports._words.coverage import draws_of, sampled_examples
from harness_reports._words.doubts import Remark, doubts, gravest, others, untold
from harness_reports._words.headline import headline
from harness_reports._words.names import capitalized, metric_title, shared_parts, shortened
from harness_reports._words.outcome import Outcome
from harness_reports._words.power import level_sentence
from harness_reports._words.statements import Statement, statements
from harness_reports._words.times import TAKEN_OVER, arms_timed_elsewhere, time_sentence
from harness_reports._words.work import ABOUT, HEADS, work_rows
from harness_reports._words.workloads import answer, facet_words, members, problems, question

MOST_REASONS, MOST_LETTERS = 3, 400  # of a verdict, and letters of a line; the page has all
MOST_IN_CELL = 60  # letters of a fact in which runs differ
LEVELS = {"bad": "**Problem**", "warn": "**Warning**", "note": "Note"}


def render(results: Results) -> str:
    """Return the summary: headline, doubts, the deciding metric per arm, and what was run."""
    outcome = Outcome(results)
    head = headline(outcome)
    parts = [f"## {markdown_text(outcome.records.name)}"]
    if notice := outcome.records.meta.data["notice"]:
        parts.append(f"> **{markdown_text(capitalized(notice))}**")
    parts.append(f"{markdown_text(head.question)}\n\n**{markdown_text(head.answer)}**")
    remarks = doubts(outcome, head)
    if first := gravest(remarks):
        parts.append(f"Why you might doubt this:\n\n{_listed(first)}")
    parts += [markdown_text(text) for text in (head.detail, *untold(head, first)) if text]
    if verdict := statements(results):
        parts.append(_verdict_table(verdict))
    if table := _leaderboard_table(outcome):
        parts += [table, *(markdown_text(text) for text in _below_board(outcome) if text)]
    if works := work_rows(outcome):
        parts.append(f"{markdown_text(ABOUT)}\n\n{_table_of(HEADS, works)}")
    if rest := others(remarks):
        parts.append(_listed(rest))
    parts.append(_what_was_run(outcome))
    return "\n\n".join(parts) + "\n"


def _listed(remarks: Sequence[Remark]) -> str:
    """Return doubts as a list, each with its level."""
    return "\n".join(f"- {LEVELS[remark.level]}: {markdown_text(remark.text)}" for remark in remarks)


def _table_of(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the heads are Markdown, the cells are text."""
    lines = [heads, ["---"] * len(heads)]
    lines += [list(map(markdown_text, row)) for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _verdict_table(verdict: Sequence[Statement]) -> str:
    """Return a row per network with the label of every facet, then a line per facet, and its reasons."""
    rows = [[network.network, network.with_regime, *network.facets, network.power] for network in verdict]
    items = []
    for network in verdict:
        name = f"{network.network}: " if len(verdict) > 1 else ""
        items += [_verdict_line(name, line) for line in network.lines]
        if network.reasons:
            items.append(_verdict_line(name, "; ".join(network.reasons[:MOST_REASONS])))
    table = _table_of(["network", "verdict", *FACETS, "power"], rows)
    return "\n".join([table, *(["", *(f"- {item}" for item in items)] if items else [])])


def _verdict_line(name: str, text: str) -> str:
    return markdown_text(shorten(f"{name}{text}", MOST_LETTERS))


def _leaderboard_table(outcome: Outcome) -> str:
    """Return a row per arm, best first; "" where there is no leaderboard."""
    rows = outcome.deciding_rows
    if not rows:
        return ""
    title = markdown_text(metric_title(rows[0]["metric"]))
    lines = [
        f"| arm | {title} | 95 % interval over {draws_of(rows)} | behind the best by | seeds | time per run |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    times, behind = _time_by_arm(outcome), _behind_by_arm(outcome)
    for row in rows:
        arm = row["arm"]
        known = behind.get(arm, numbers.NOTHING), times.get(arm, numbers.NOTHING)
        lines.append(_arm_line(row, outcome.labels[arm], *known))
    if constant.worth_showing(outcome.records, rows):
        score = numbers.measure(rows[0]["constant"], rows[0]["unit"])
        cells = [markdown_text(constant.answer(outcome.records)), score, *[numbers.NOTHING] * 4]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _below_board(outcome: Outcome) -> list[str]:
    """Return what stands below the leaderboard: that the best arms are not told apart, and whose time is of another run."""
    return [level_sentence(outcome), time_sentence(outcome)]


def _behind_by_arm(outcome: Outcome) -> dict[str, str]:
    """Return how far each arm is behind the best, with the interval of that, and whether its tuning is in doubt."""
    doubted = alarms.arms_in_doubt(outcome)
    behind = {}
    for lead in outcome.rows("lead"):
        text = numbers.difference(lead["lead"], lead["unit"])
        if lead["low"] == lead["low"]:
            text += f" ({numbers.difference_interval(lead['low'], lead['high'], lead['unit'])})"
        behind[lead["arm"]] = f"{text}{f', {alarms.LABEL}' if lead['arm'] in doubted else ''}"
    return behind


def _time_by_arm(outcome: Outcome) -> dict[str, str]:
    """Return how long a run of each arm took, and whether that was measured elsewhere."""
    elsewhere, times = arms_timed_elsewhere(outcome.records), {}
    for row in outcome.rows("leaderboard"):
        if row["metric"] == "seconds" and row["mean"] == row["mean"]:
            times[row["arm"]] = numbers.duration(row["mean"]) + (f", {TAKEN_OVER}" if row["arm"] in elsewhere else "")
    return times


def _arm_line(row: Mapping[str, Any], label: str, behind: str, time: str) -> str:
    """Return the line of one arm."""
    state = "" if row["state"] == "done" else f" ({row['state']})"
    seeds = row["n"] if row["n"] == row["planned"] else f"{row['n']} of {row['planned']}"
    ends = numbers.interval(row["low"], row["high"], row["unit"]) or numbers.NOTHING
    examples = sampled_examples(row["covers"])
    covers = f", of {examples}" if examples else ""
    mean = numbers.measure(row["mean"], row["unit"], row["high"] - row["low"])
    return f"| {markdown_text(label)}{state} | {mean} | {ends}{covers} | {behind} | {seeds} | {time} |"


def _what_was_run(outcome: Outcome) -> str:
    """Return in a sentence what was run."""
    records = outcome.records
    meta, benchmark = records.meta, records.meta.benchmark
    replicates = numbers.counted(meta.planned_replicates, "replicate")
    seeds = numbers.counted(benchmark["compare"]["seeds"], "seed")
    epochs = numbers.counted(benchmark["compare"]["epochs"], "epoch")
    words = [
        f"{meta.data['name']}: {split_sizes(records)}",
        f"{replicates} of each arm, each with {search_budget(benchmark['search'])} and {seeds} of {epochs}",
        shared_parts(records),
        f"{machines(records)}, {training_precision(records)}",
        f"{numbers.duration(float(records.runs['seconds'].sum()))} of training",
    ]
    return f"<sub>{markdown_text('; '.join(filter(None, words)))}. Run {markdown_text(records.folder.name)}.</sub>"


# --- several runs --------------------------------------------------------------------------------------------


def render_several(compared: Several) -> str:
    """Return a comparison of runs as a few tables."""
    runs = [markdown_text(shortened(label)) for label in compared.labels]
    parts = [
        "<!-- optimizer-harness -->",
        f"**{markdown_text(several.answer(compared))}**",
        markdown_text(several.question(compared)),
        _difference_table(compared, runs),
        _score_table(compared, runs),
        _change_table(compared),
    ]
    if facets := several.facets(compared):
        rows = [[facet.network, facet.facet, *facet.labels] for facet in facets]
        parts.append(_table_of(["verdict", "", *runs], rows))
    return "\n\n".join([*parts, f"<sub>{markdown_text(several.COVERS)}</sub>"]) + "\n"


def _difference_table(compared: Several, runs: Sequence[str]) -> str:
    """Return a row for everything in which the runs differ."""
    rows = []
    for row in compared.differs.to_dict("records"):
        facts = [row[label][:MOST_IN_CELL] for label in compared.labels]
        rows.append([row["group"], row["what"], *facts])
    return _table_of(["differs", "", *runs], rows) if rows else "Nothing differs that is recorded."


def _score_table(compared: Several, runs: Sequence[str]) -> str:
    """Return a row per arm with its mean in every run."""
    rows = []
    for row in several.score_rows(compared):
        cells = []
        for score in row.scores:
            more = ", ".join(filter(None, (score.interval, score.state)))
            cells.append(f"{score.mean} ({more})" if more else score.mean)
        rows.append([row.label, *cells])
    return _table_of([markdown_text(several.metric_with_unit(compared)), *runs], rows)


def _change_table(compared: Several) -> str:
    """Return a row per arm and later run, the worst change first."""
    rows = [
        [change.label, change.runs, change.size, change.interval, change.p, change.state]
        for change in several.changes(compared)
    ]
    return _table_of(["change", "", "by", "95 % interval", "p (Holm)", ""], rows)


def render_workloads(workloads: Workloads) -> str:
    """Return the common summary of several workloads: the words over all of them, and each workload in a row."""
    parts = [f"## {markdown_text(workloads.name)}"]
    parts.append(f"{markdown_text(question(workloads))}\n\n**{markdown_text(answer(workloads))}**")
    rows = [["all together", workloads.word("statement"), *(each.word for each in facet_words(workloads))]]
    rows += [[each.name, each.statement, *each.words] for each in members(workloads) if each.link]
    parts.append(_table_of(["workload", "statement", *FACETS], rows))
    if missing := problems(workloads):
        parts.append("\n".join(f"- {LEVELS['warn']}: {markdown_text(line)}" for line in missing))
    return "\n\n".join(parts) + "\n"


@hookimpl
def harness_reports() -> list[Report]:
    """Offer md."""
    return [Report(name="md", extension="md", render=render, compare=render_several, workloads=render_workloads)]
