"""The headline: the question of a benchmark, and as much of an answer as its seeds and its test examples support.

Every report and ``harness show`` take their sentences from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness import Records, Results
from harness_reports._words import constant
from harness_reports._words.alarms import LABEL, alarmed, grave
from harness_reports._words.facts import PARTS, differing, labels, title_of
from harness_reports._words.numbers import count, gap, gap_interval, interval, joined, measure, sampled

NOT_TESTED = (
    "Not tested yet: whether the arms reached the same minimum. The arms are ranked here, with how sure the ranking is; "
    "equal scores would not mean equal solutions."
)
SEEDS_ALONE = "the sample of test examples is not accounted for"
MEASURED = 2  # seeds, the fewest whose spread is known
ROUNDING = 1e-9  # of a mean, within which two are equal
MOST_NAMED = 3  # arms in a sentence; more are counted


@dataclass(frozen=True)
class Headline:
    """The first screen in sentences."""

    question: str
    answer: str
    detail: str
    caveat: str = NOT_TESTED  # "" where the verdict says what was tested
    doubts: tuple[str, ...] = ()  # the alarms that come first among the doubts, a sentence each


def headline(results: Results) -> Headline:
    """Return the question, and an answer that names a best arm only where its lead over every other excludes zero.

    An arm whose tuning is in doubt is never called worse; it is "inconclusive (tuning)".
    """
    said, judged = _ranked(results), results.tables.get("verdict")
    said = replace(said, doubts=tuple(grave(results, labels(results.records)).values()))
    return said if judged is None or judged.empty else replace(said, caveat="")


def _ranked(results: Results) -> Headline:
    names = labels(results.records)
    asked = _question(results.records, names)
    rows = deciding_rows(results)
    if rows is None:
        return Headline(asked, "No leaderboard.", "The leaderboard was not computed; the notices say why.")
    there = [row for row in rows if row["n"]]
    if not there:
        return Headline(asked, "No result yet.", f"{_nothing(rows)}, so there is nothing to rank.")
    poor, beside = constant.no_better(results.records, there, names), constant.beside(results.records, there)
    if len(there) == 1:
        best = there[0]
        alone = " No other arm has a result to compare it with." if len(names) > 1 else ""
        answer = f"{names[best['arm']]}: {title_of(best['metric'])} {_value(best)}"
        detail = f"{_sure(best)}{alone}{beside}"
        return Headline(asked, f"{poor}.", f"{answer}. {detail}") if poor else Headline(asked, answer, detail)
    leads = leads_of(results)
    if not leads:
        answer = f"{_highest(there[0], names)}; whether that is chance is not known"
        return Headline(asked, poor or answer, "The analysis of leads is missing; the notices say why.")
    doubted = alarmed(results, names)
    answer = _answer(there[0], leads, names, doubted)
    said = {arm: why for arm, why in doubted.items() if arm not in grave(results, names)}
    detail = _detail(there[0], leads, names, doubted, said) + beside
    if not poor:
        return Headline(asked, answer, detail)
    if all(row["no_better"] for row in there):
        return Headline(asked, f"{poor}.", detail)
    return Headline(asked, answer, f"{poor}. {detail}")


def _nothing(rows: list[dict[str, Any]]) -> str:
    """Return why no arm has a score."""
    if any(row["unusable"] for row in rows):
        return f"The comparison has run, and no run has a finite {title_of(rows[0]['metric'])}"
    return "No comparison run has ended well"


def deciding_rows(results: Results) -> list[dict[str, Any]] | None:
    """Return the leaderboard's rows of the deciding test metric, best first; None where there is no leaderboard."""
    board = results.tables.get("leaderboard")
    if board is None:
        return None
    rows = board[board["metric"] == results.records.deciding.column].to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def leads_of(results: Results) -> list[dict[str, Any]]:
    """Return the rows of the analysis "lead", the arm nearest to the best first; none where it is missing."""
    table = results.tables.get("lead")
    found = [] if table is None else table.to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in found]


def _question(records: Records, names: Mapping[str, str]) -> str:
    if len(names) < 2:
        return f"How well does {joined(list(names.values())) or 'it'} do?"
    words = {"scheduler": "schedule"}
    which = joined([words.get(part, part) for part in PARTS if part in differing(records)])
    whom = joined(list(names.values())) if len(names) <= 6 else f"{len(names)} arms"
    return f"Does it matter which {which or 'arm'} is used? {whom}, tuned alike and compared."


def _answer(
    best: Mapping[str, Any], leads: list[dict[str, Any]], names: Mapping[str, str], doubted: Mapping[str, list[str]]
) -> str:
    """Return the headline itself."""
    alone = f"; over seeds alone: {SEEDS_ALONE}" if any(row["covers"] == "seeds" for row in leads) else ""
    near = [row for row in leads if not row["low"] > 0]
    beaten = [row for row in leads if row not in near and row["arm"] not in doubted]
    unsure = [names[row["arm"]] for row in ([best] if near else []) + leads if row["arm"] in doubted]
    doubt = f"; {LABEL}: {_named(unsure)}" if unsure else ""
    if not near:
        first = f", {gap(beaten[0]['lead'], best['unit'])} ahead of {names[beaten[0]['arm']]}" if beaten else ""
        return f"{_highest(best, names)}{first}{doubt}{alone}"
    behind = [names[row["arm"]] for row in beaten]
    rest = f"; {_named(behind)} {'is' if len(behind) == 1 else 'are'} behind" if behind else ""
    group = [names[best["arm"]], *(names[row["arm"]] for row in near)]
    who = _named(group) if len(near) < len(leads) else f"the {count(len(group), 'arm')}"
    return f"No arm leads: {_together(who, near, best)}{rest}{doubt}{alone}"


def _together(who: str, near: list[dict[str, Any]], best: Mapping[str, Any]) -> str:
    """Return why these arms are not told apart."""
    unit, what = best["unit"], title_of(best["metric"])
    if any(row["seeds"] < MEASURED for row in near):
        return f"without two seeds in common, nothing tells {who} apart"
    if all(equal(row, best) for row in near):
        halves = [(row["high"] - row["low"]) / 2 for row in near if row["low"] == row["low"]]
        return f"{who} have the same mean {what}{f' (± {gap(max(halves), unit)})' if halves else ''}"
    if any(row["low"] != row["low"] for row in near):
        return f"every seed has the same difference, so nothing tells {who} apart"
    far, half = max(abs(row["lead"]) for row in near), max((row["high"] - row["low"]) / 2 for row in near)
    apart = f"less than this run can tell apart (± {gap(half, unit)})"
    return f"{who} lie within {gap(far, unit)} in mean {what}, {apart}"


def _detail(
    best: Mapping[str, Any],
    leads: list[dict[str, Any]],
    names: Mapping[str, str],
    doubted: Mapping[str, list[str]],
    said: Mapping[str, list[str]],
) -> str:
    """Return how large the lead over the next arm is, what its interval covers, and what could have been found.

    Of the ``doubted`` arms it says why, as far as it is asked to.
    """
    first, unit = leads[0], best["unit"]
    where = "behind" if first["lead"] >= 0 else "ahead over the seeds that both have"
    if first["lead"] >= 0 and first["arm"] in doubted:
        where = "apart"  # an arm whose tuning is in doubt is not called worse
    doubts = [f" {names[arm]} is {LABEL}: {joined(why)}." for arm, why in said.items()]
    rest = len(doubts) - MOST_NAMED
    more_doubts = f" So are {rest} more." if rest > 0 else ""
    unsure = "".join(doubts[:MOST_NAMED]) + more_doubts
    order = f"{_highest(best, names)}; next is {names[first['arm']]}, {gap(abs(first['lead']), unit)} {where}"
    if equal(first, best):
        alike = [names[best["arm"]], *(names[row["arm"]] for row in leads if equal(row, best))]
        order = f"{_named(alike)} have the same mean {title_of(best['metric'])}, {_value(best)}"
    if first["low"] != first["low"]:
        why = "it takes two seeds that ended well in both to know how seeds differ"
        if first["seeds"] >= MEASURED:
            why = "the difference is the same in every seed, which says nothing of other seeds"
        return f"{order}, with no interval: {why}.{unsure}"
    ends = f"{order} (95 % interval of the lead {gap_interval(first['low'], first['high'], unit)})."
    seeds, examples = count(first["seeds"], "seed"), count(first["examples"], "test example")
    covers, more = f"The interval covers another draw of {seeds}", f", but {SEEDS_ALONE}"
    if first["covers"] == "test examples":
        covers, more = f"The interval covers another draw of {examples}", ", but not of seeds, which all agree"
    elif first["covers"] != "seeds":
        more = f" and of {examples}"
    least = first["detectable"]
    size = f"is {gap(least, unit)}" if least == least else "is larger than any: there are too few examples"
    found = f"The smallest difference between these two that this run could detect, four times in five, {size}."
    return f"{ends} {covers}{more}; it covers neither another search nor other training data. {found}{unsure}"


def equal(lead: Mapping[str, Any], best: Mapping[str, Any]) -> bool:
    """Return whether an arm's mean is that of the best, but for rounding."""
    return bool(abs(lead["lead"]) <= ROUNDING * abs(best["mean"]))


def _highest(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Return ``sgd has the highest mean test accuracy, 97.97 %``."""
    which = "highest" if row["goal"] == "max" else "lowest"
    return f"{names[row['arm']]} has the {which} mean {title_of(row['metric'])}, {_value(row)}"


def _named(labels: list[str]) -> str:
    """Return the first of these names, and how many others there are."""
    few = labels[: MOST_NAMED - 1]
    return joined(labels if len(labels) <= MOST_NAMED else [*few, f"{len(labels) - len(few)} others"])


def _value(row: Mapping[str, Any]) -> str:
    return measure(row["mean"], row["unit"], row["high"] - row["low"])


def _sure(row: Mapping[str, Any]) -> str:
    """Return a sentence on how sure a mean is."""
    if row["n"] < MEASURED:
        return "That is one seed, so there is no interval."
    if row["low"] != row["low"]:
        return f"All {row['n']} seeds are equal, so there is no interval."
    lost = f" of {row['planned']}; the others have no result" if row["n"] < row["planned"] else ""
    ends = interval(row["low"], row["high"], row["unit"])
    if sampled(row["covers"]):
        return (
            f"95 % interval {ends}; it covers the sample of {row['covers']}, not seeds: all {row['n']} are equal{lost}."
        )
    return (
        f"95 % interval {ends} over {count(row['n'], 'seed')}{lost}; it covers seeds, not the sample of test examples."
    )
