"""The report in a few lines of Markdown, for a pull request."""

from __future__ import annotations

from textwrap import shorten
from typing import Any

from harness import Report, Results, hookimpl, markdown_text
from harness_reports._page import _several
from harness_reports._words import alarms, constant, facts
from harness_reports._words.headline import deciding_rows, headline, leads_of
from harness_reports._words.numbers import NOTHING, count, duration, gap, gap_interval, interval, measure, sampled
from harness_reports._words.statements import FACETS, Statement, statements

REASONS, MOST = 3, 400  # of a verdict, and of their letters; the page has all

WORDS = {"bad": "**Problem**", "warn": "**Warning**", "note": "Note"}


def render(results: Results) -> str:
    """Return the summary: headline, notices, the deciding metric per arm, and what was run."""
    records, said = results.records, headline(results)
    data = records.meta.data
    parts = [f"## {markdown_text(records.name)}"]
    if data["notice"]:
        parts.append(f"> **{markdown_text(facts.sentence(data['notice']))}**")
    parts.append(f"{markdown_text(said.question)}\n\n**{markdown_text(said.answer)}**\n\n{markdown_text(said.detail)}")
    judged = statements(results)
    if judged:
        parts.append(_verdict(judged))
    else:
        parts.append(f"_{markdown_text(said.caveat)}_")
    if table := _table(results):
        parts.append(table)
    if notices := facts.notices(results):
        parts.append("\n".join(f"- {WORDS[notice.level]}: {markdown_text(notice.text)}" for notice in notices))
    parts.append(_made_of(results))
    return "\n\n".join(parts) + "\n"


def _verdict(said: list[Statement]) -> str:
    """Return a row per network with the verdict's label of every facet, and why it is no more than that."""
    heads = ["network", "verdict", *FACETS, "power"]
    rows = [[each.network, each.whole, *each.facets, each.power] for each in said]
    lines = [heads, ["---"] * len(heads), *([markdown_text(cell) for cell in row] for row in rows)]
    why = [
        f"- {markdown_text(each.network)}: {markdown_text(shorten('; '.join(each.reasons[:REASONS]), MOST))}"
        for each in said
        if each.reasons
    ]
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), *(["", *why] if why else [])])


def _table(results: Results) -> str:
    """Return a row per arm, best first; "" where there is no leaderboard."""
    rows = deciding_rows(results)
    if not rows:
        return ""
    names = facts.labels(results.records)
    board = results.tables["leaderboard"]
    seconds = board[board["metric"] == "seconds"].set_index("arm")["mean"].to_dict()
    doubted = alarms.alarmed(results, names)
    behind = {
        row["arm"]: f"{_behind(row)}{f', {alarms.LABEL}' if row['arm'] in doubted else ''}" for row in leads_of(results)
    }
    lines = [
        f"| arm | {markdown_text(facts.title_of(rows[0]['metric']))} | 95 % interval over seeds | behind the best by | seeds | time per run |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    of_arms = [_line(row, names[row["arm"]], seconds.get(row["arm"]), behind.get(row["arm"], NOTHING)) for row in rows]
    if constant.worth_showing(results.records, rows):
        score = measure(rows[0]["constant"], rows[0]["unit"])
        cells = [markdown_text(constant.answer(results.records)), score, *[NOTHING] * 4]
        of_arms.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, *of_arms])


def _behind(lead: dict[str, Any]) -> str:
    """Return how far an arm is behind the best, and the interval of that."""
    sure = f" ({gap_interval(lead['low'], lead['high'], lead['unit'])})" if lead["low"] == lead["low"] else ""
    return f"{gap(lead['lead'], lead['unit'])}{sure}"


def _line(row: dict[str, Any], label: str, seconds: Any, behind: str) -> str:
    state = "" if row["state"] == "done" else f" ({row['state']})"
    n = row["n"] if row["n"] == row["planned"] else f"{row['n']} of {row['planned']}"
    ends = f"{interval(row['low'], row['high'], row['unit']) or NOTHING}{sampled(row['covers'])}"
    took = duration(seconds) if seconds == seconds and seconds is not None else NOTHING
    mean = measure(row["mean"], row["unit"], row["high"] - row["low"])
    return f"| {markdown_text(label)}{state} | {mean} | {ends} | {behind} | {n} | {took} |"


def _made_of(results: Results) -> str:
    """Return in a sentence what was run."""
    records = results.records
    meta, benchmark = records.meta, records.meta.benchmark
    counts = meta.data["counts"]
    trials, seeds = facts.budget(benchmark["search"]), count(benchmark["compare"]["seeds"], "seed")
    alike = facts.shared(records)
    said = [
        f"{meta.data['name']}: {counts['train']:,} train, {counts['tune']:,} tune, {counts['test']:,} test",
        f"{trials} and {seeds} per arm, {count(benchmark['compare']['epochs'], 'epoch')}",
        *([alike] if alike else []),
        f"{meta.environment['hardware']['device']}, {facts.precision(records)}",
        f"{duration(float(records.runs['seconds'].sum()))} of training",
    ]
    return f"<sub>{markdown_text('; '.join(said))}. Run {markdown_text(records.folder.name)}.</sub>"


@hookimpl
def harness_reports() -> list[Report]:
    """Offer md."""
    return [Report(name="md", extension="md", render=render, compare=_several.markdown)]
