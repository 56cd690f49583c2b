"""The alarms of an arm's search, and what each says: heads of columns, doubts, reasons and notes of extensions take their words here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class AlarmWords:
    """What one alarm says."""

    head: str  # of a column
    clause: str  # why an arm may be badly tuned; it reads on from the arm's name for the alarms in ``GRAVE``
    past: str  # why a search was extended


ALARMS: Mapping[str, AlarmWords] = {
    "edge": AlarmWords(
        "learning rate at the edge",
        "its learning rate is at the edge of the searched range",
        "its learning rate was at the edge of the range",
    ),
    "rising": AlarmWords(
        "scores rise to that edge",
        "its scores rise towards the edge of the searched learning rates",
        "scores rose towards the edge of the range",
    ),
    "improving": AlarmWords(
        "still improving at the end", "its search still improved at the end", "it was still improving"
    ),
    "diverged": AlarmWords("diverged trials", "too many of its trials diverged", "many trials diverged"),
    "budget": AlarmWords(
        "fewer trials that ended well",
        "fewer of its trials ended well than of another arm",
        "fewer of its trials ended well",
    ),
    "special case": AlarmWords(
        "lost to its special case", "it lost to a special case of itself", "it lost to its special case"
    ),
    "defaults": AlarmWords(
        "below its own defaults",
        "is worse than its own defaults by more than half the margin",
        "it lay below its own defaults",
    ),
    "chance": AlarmWords(
        "no better than a constant answer",
        "is not shown to be better than a constant answer",
        "it was no better than a constant answer",
    ),
}  # in the order of the table ``alarms``
GRAVE = ("chance", "defaults")  # alarms that are doubts of their own, the gravest first


def alarm_texts(name: str, alarms: Sequence[str]) -> dict[str, str]:
    """Return a clause for each alarm that is a doubt of its own, and one for all others, by kind of doubt.

    >>> alarm_texts("sgd", ["edge", "diverged"])["tuning"]
    'sgd may be badly tuned: its learning rate is at the edge of the searched range and too many of its trials diverged'
    """
    texts = {alarm: f"{name} {ALARMS[alarm].clause}" for alarm in GRAVE if alarm in alarms}
    clauses = [ALARMS[alarm].clause for alarm in alarms if alarm not in GRAVE]
    return texts | ({"tuning": f"{name} may be badly tuned: {' and '.join(clauses)}"} if clauses else {})
