"""Each facet of a verdict in one plain sentence: what was seen, and what would have counted as the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness import numbers
from harness.verdict.lines import interval_name
from harness.verdict.measures import LOG_SCALES, MEASURES, TWO_SIDED
from harness.verdict.protocol import FACETS
from harness.verdict.reading import NetworkVerdict
from harness.verdict.why import NAMES_ALIKE, NOT_ADJUSTED, STRADDLES

Row = Mapping[str, Any]  # of the table ``facets``
Labels = Mapping[str, str]  # of the arms

QUESTIONS = {
    "loss": "equally good?",
    "function": "the same predictions?",
    "representation": "the same features?",
    "connectivity": "one basin?",
    "geometry": "equally sharp?",
}
OF_SIZE = (STRADDLES, NOT_ADJUSTED, NAMES_ALIKE)  # reasons that say something of a difference, which stands before them
ADD = "to compare.probes:"  # before the command that measures a facet whose probe was not asked for
NOT_ASKED = "Not measured: its probe is not in compare.probes. The doubts name the command."
SIMILAR = {
    "function": "Networks of two arms predict as alike as two networks of one arm.",
    "representation": "Features of two arms are as alike as those of two networks of one arm.",
    "geometry": "No arm is sharper than another by a ratio that counts.",
}
TIMES = "\N{MULTIPLICATION SIGN}"
DISTANCES = {
    "disagreement": "{one} and {other} disagree about {size} times as many photos as two networks of one arm do",
    "root_jsd": "predictions of {one} and {other} are {size} times as far apart as those of one arm",
    "prediction_distance": "predictions of {one} and {other} are {size} times as far apart as those of one arm",
    "cka": "features of {one} and {other} are {size} times as far apart as those of one arm",
    "procrustes": "features of {one} and {other} are {size} times as far apart as those of one arm",
}


def facet_words(verdict: NetworkVerdict, labels: Labels) -> list[dict[str, str]]:
    """Return every facet of a network with its question, its word and its sentence."""
    return [
        {
            "name": facet,
            "asks": QUESTIONS[facet],
            "label": str(verdict.row[facet]),
            "says": facet_sentence(verdict, facet, labels),
        }
        for facet in FACETS
    ]


def facet_sentence(verdict: NetworkVerdict, facet: str, labels: Labels) -> str:
    """Return what a facet came to in one plain sentence."""
    word, rows, why = str(verdict.row[facet]), arm_rows(verdict, facet), verdict.why_of(facet).rstrip(".")
    if word == "not applicable":
        return f"Not asked: {why}." if why and len(labels) > 1 else "There is one arm."
    if word == "not measured":
        return NOT_ASKED if ADD in why else f"Not measured: {why}."
    if word == "similar":
        return _similar_sentence(facet, rows)
    if word == "inconclusive" and why not in OF_SIZE:
        return f"Not judged: {why}."
    row = telling_row([row for row in rows if math.isfinite(row["estimate"])], word)
    text = _sentence_start(row, labels)
    if word == "not connected":
        return f"{text}, and as much within one arm."
    if word == "upper bound only":
        return f"{text} at most; too few units could be matched to say more."
    if word == "different":
        return f"{text}; {_allowed(row)}."
    if why != STRADDLES:
        return f"{text}; {why}."
    return f"{text}; its {interval_name(row['level'])}, {_ends(row)}, reaches across the margin of {margin_text(row).removeprefix(TIMES)}."


def arm_rows(verdict: NetworkVerdict, facet: str) -> list[Row]:
    """Return the rows of a facet's primary measures that compare two arms."""
    return [row for row in verdict.facets if row["facet"] == facet and row["primary"] and row["pair"] == "arms"]


def telling_row(rows: Sequence[Row], word: str) -> Row:
    """Return the row that a word rests on most: the one farthest beyond its margin, or nearest to it."""
    if word in ("not connected", "upper bound only"):
        rows = [row for row in rows if row["scale"] == "barrier"] or rows
    labelled = [row for row in rows if row["label"] == word] or list(rows)
    first = [row for row in labelled if row["measure"] == "accuracy" and word == "different"]
    return max(first or labelled, key=in_margins)  # a reader knows what accuracy is


def in_margins(row: Row) -> float:
    """Return the size of a pair's estimate in margins."""
    size = abs(row["estimate"]) if row["scale"] in TWO_SIDED else row["estimate"]
    return float(size / row["margin"]) if row["margin"] and math.isfinite(size) else 0.0


def _similar_sentence(facet: str, rows: Sequence[Row]) -> str:
    margins = {row["measure"]: row for row in rows}
    if facet == "loss":
        accuracy = margins.get("accuracy")
        least = f"{margin_text(accuracy)} of test accuracy" if accuracy else "the margins of the losses"
        return f"No two arms differ by {least} or more{', nor in loss by more than its margins' if accuracy else ''}."
    if facet == "connectivity" and "barrier" in margins:
        return f"Between any two arms the train error rises by less than {margin_text(margins['barrier'])}."
    if facet == "geometry" and rows and all(row["below_floor"] for row in rows):
        return "All arms are so flat that no ratio matters."
    return SIMILAR.get(facet, "No two arms differ by more than the margins.")


def _sentence_start(row: Row, labels: Labels) -> str:
    """Return how far apart the two arms of a row are, as the beginning of a sentence."""
    one, other = (labels.get(str(row[key]), str(row[key])) for key in ("arm", "other"))
    measure, estimate = str(row["measure"]), float(row["estimate"])
    size = value_text(row, abs(estimate) if row["scale"] in TWO_SIDED else estimate)
    ratio = size.removeprefix(TIMES)
    if measure == "accuracy":
        ahead, behind = (one, other) if estimate >= 0 else (other, one)
        return f"{ahead} is {size} ahead of {behind} in test accuracy"
    more, less = (one, other) if estimate >= 0 else (other, one)
    if row["facet"] == "loss":
        title = MEASURES[measure].title
        if estimate == 0:
            return f"The {title} of {one} and of {other} is the same in the mean"
        return (
            f"The {title} of {more} is {ratio} times that of {less}"
            if row["scale"] in LOG_SCALES
            else f"The {title} of {more} is {size} above that of {less}"
        )
    if row["facet"] == "geometry":
        return f"{more} is {ratio} times as sharp as {less}"
    if row["scale"] == "log scatter":
        what = "Predictions" if row["facet"] == "function" else "Features"
        return f"{what} of {more} scatter {ratio} times as widely as those of {less}"
    if row["scale"] == "log rho":
        name = measure if measure in DISTANCES else measure.partition("_")[0]
        text = DISTANCES.get(name, DISTANCES["root_jsd"]).format(one=one, other=other, size=ratio)
        return text[:1].upper() + text[1:] if text[0] == "f" or text[0] == "p" else text
    beyond = " more than within one arm" if row["scale"] == "excess" else ""
    return f"Between {one} and {other} the train error rises by {size}{beyond}"


def _allowed(row: Row) -> str:
    """Return what would have counted as the same."""
    return f"up to {margin_text(row).removeprefix(TIMES)} counts as the same"


def margin_text(row: Row) -> str:
    """Return a margin in the unit of its estimates."""
    return value_text(row, float(row["margin"]))


def value_text(row: Row, value: float) -> str:
    """Return a value on the scale of a row: a ratio, points, or a number with its unit."""
    if not math.isfinite(value):
        return "unknown"
    if row["scale"] in LOG_SCALES:
        return f"{TIMES}{numbers.number(math.exp(min(value, 50.0)))}"
    if row["measure"] in MEASURES and MEASURES[row["measure"]].is_part:
        return numbers.difference(value, "%")
    unit = str(row["unit"] or "")
    return numbers.beside_margin(value, float(row["margin"]), "" if unit == "%" else unit)


def estimate_text(row: Row) -> str:
    """Return an estimate with its interval; where all replicates are equal, that is said instead of an interval of no width."""
    value = value_text(row, row["estimate"])
    if row["low"] == row["high"]:
        return f"{value}, the same in every replicate"
    return f"{value} ({bare(row, row['low'])} to {bare(row, row['high'])})"


def _ends(row: Row) -> str:
    """Return the ends of an interval for a sentence that names the larger of two arms first, without their unit."""
    low, high = row["low"], row["high"]
    if row["estimate"] < 0 and row["scale"] in TWO_SIDED:
        low, high = -high, -low
    return f"{bare(row, low)} to {bare(row, high)}"


def bare(row: Row, value: float) -> str:
    """Return a value as ``value_text`` does, without its unit: an interval has that once."""
    return value_text(row, value).removeprefix(TIMES).removesuffix(" points").removesuffix(f" {row['unit'] or ''}")
