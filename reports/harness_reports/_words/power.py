"""How far apart two arms may be that a run does not tell apart, by the same interval as the answer has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness import numbers
from harness_reports._words.names import some_names
from harness_reports._words.outcome import Outcome

Row = Mapping[str, Any]  # of the table of leads


LEVEL = "not told apart"  # of arms of which none is shown to be better


def draw_of(lead: Row) -> str:
    """Return what a lead is over: replicates, or the seeds of a single one."""
    return str(lead["draw"])


def farthest(lead: Row) -> float:
    """Return how far two arms may be apart by the interval of their difference: its end that is farther from zero."""
    return float(max(abs(lead["low"]), abs(lead["high"])))


def widest_tie(ties: Sequence[Row]) -> Row | None:
    """Return the arm that may lie farthest from the best one, of those that are not told apart from it; None without intervals.

    The answer and the doubt both tell its interval: one interval for one difference.
    """
    return max((tie for tie in ties if tie["low"] == tie["low"]), key=farthest, default=None)


def level_sentence(outcome: Outcome) -> str:
    """Return which of the best arms are not told apart, to stand beside their ranks; "" where the best one leads."""
    ties = outcome.ties
    if not ties:
        return ""
    best = outcome.labels[ties[0]["best"]]
    who = f"The best arms are {LEVEL} ({some_names([best, *(outcome.labels[lead['arm']] for lead in ties)])})"
    why = f"the 95 % interval of {'their difference' if len(ties) == 1 else f'the difference from {best} that each has'} contains zero"
    if any(lead["low"] > 0 for lead in ties):
        why += f", or its p-value is .05 or more by Holm for {numbers.counted(ties[0]['arms'], 'arm')}"
    if any(lead["low"] != lead["low"] for lead in ties):
        why = "not every one of their differences has an interval"
    return f"{who}: {why}, so their order says nothing."


def power_sentence(outcome: Outcome) -> str:
    """Return how far the arms may be apart that nothing tells apart, or which lead would have been missed; "" without intervals.

    It is told by the interval that the answer has: one interval for one difference.
    """
    leads = [lead for lead in outcome.leads if lead["low"] == lead["low"]]
    if not leads:
        return ""
    tie = widest_tie(outcome.ties)
    lead = tie or leads[0]
    best, arm = outcome.labels[lead["best"]], outcome.labels[lead["arm"]]
    if lead["detectable"] != lead["detectable"]:
        return f"There are too few examples to see any difference between {best} and {arm}."
    if tie is None:
        least = numbers.difference(lead["detectable"], lead["unit"])
        return f"A true difference between {best} and {arm} of less than {least} may well have been missed."
    most = numbers.difference(farthest(lead), lead["unit"])
    ends = numbers.difference_interval(lead["low"], lead["high"], lead["unit"])
    differ = f"{best} and {arm} may still differ by up to {most}: the 95 % interval of their difference is {ends}"
    return f"{differ}. {_what_narrows(lead)}"


def _what_narrows(lead: Row) -> str:
    """Return in a sentence where the width of a lead's interval comes from, and so what would narrow it."""
    if lead["covers"] == "test examples" or lead["se_examples"] > lead["se_seeds"]:
        source = f"the test split ({numbers.counted(lead['examples'], 'example')})"
    else:
        source = f"how {draw_of(lead)}s differ (there are {lead['draws']})"
    return f"Its width comes mostly from {source}: more of those would narrow it."
