"""How far apart two arms may be that a run does not tell apart, by the same interval as the answer has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness import numbers
from harness_reports._words.outcome import Outcome

Row = Mapping[str, Any]  # of the table of leads


def draw_of(lead: Row) -> str:
    """Return what a lead is over: replicates, or the seeds of a single one."""
    return str(lead["draw"])


def half_width(lead: Row) -> float:
    """Return half the width of a lead's interval."""
    return float((lead["high"] - lead["low"]) / 2)


def power_sentence(outcome: Outcome) -> str:
    """Return how far the arms may be apart that nothing tells apart, or which lead would have been missed; "" without intervals.

    It is told by the interval that the answer has: one interval for one difference.
    """
    leads = [lead for lead in outcome.leads if lead["low"] == lead["low"]]
    if not leads:
        return ""
    ties = [lead for lead in leads if not lead["low"] > 0]
    lead = max(ties, key=half_width) if ties else leads[0]
    best, arm = outcome.labels[lead["best"]], outcome.labels[lead["arm"]]
    if lead["detectable"] != lead["detectable"]:
        return f"There are too few examples to see any difference between {best} and {arm}."
    if not ties:
        least = numbers.difference(lead["detectable"], lead["unit"])
        return f"A true difference between {best} and {arm} of less than {least} may well have been missed."
    farthest = numbers.difference(max(abs(lead["low"]), abs(lead["high"])), lead["unit"])
    ends = numbers.difference_interval(lead["low"], lead["high"], lead["unit"])
    differ = f"{best} and {arm} may still differ by up to {farthest}: the 95 % interval of their difference is {ends}"
    return f"{differ}. {_what_narrows(lead)}"


def _what_narrows(lead: Row) -> str:
    """Return in a sentence where the width of a lead's interval comes from, and so what would narrow it."""
    if lead["covers"] == "test examples" or lead["se_examples"] > lead["se_seeds"]:
        source = f"the test split ({numbers.counted(lead['examples'], 'example')})"
    else:
        source = f"how {draw_of(lead)}s differ (there are {lead['draws']})"
    return f"Its width comes mostly from {source}: more of those would narrow it."
