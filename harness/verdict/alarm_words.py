"""The alarms of an arm's search in words; a doubt, the reason of a facet and the detail of a pair all tell the same."""

from __future__ import annotations

from collections.abc import Sequence

OUTCOMES = {
    "chance": "is not shown to be better than a constant answer",
    "defaults": "is worse than its own defaults by more than half the margin",
}  # of alarms that are doubts of their own
TUNING = {
    "edge": "its learning rate is at the edge of the searched range",
    "rising": "its scores rise towards the edge of the searched learning rates",
    "improving": "its search still improved at the end",
    "diverged": "too many of its trials diverged",
    "budget": "fewer of its trials ended well than of another arm",
    "special case": "it lost to a special case of itself",
}  # all other alarms in words


def alarm_texts(name: str, alarms: Sequence[str]) -> dict[str, str]:
    """Return a clause for each alarm that is a doubt of its own, and one for all others, by kind of doubt.

    >>> alarm_texts("sgd", ["edge", "diverged"])["tuning"]
    'sgd may be badly tuned: its learning rate is at the edge of the searched range and too many of its trials diverged'
    """
    texts = {alarm: f"{name} {outcome}" for alarm, outcome in OUTCOMES.items() if alarm in alarms}
    tuning_words = [TUNING.get(alarm, alarm) for alarm in alarms if alarm not in OUTCOMES]
    return texts | ({"tuning": f"{name} may be badly tuned: {' and '.join(tuning_words)}"} if tuning_words else {})
