"""The verdict in numbers: what each facet's word rests on, why it is no other word, and every pair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from harness import numbers
from harness.verdict.measures import MEASURES
from harness.verdict.protocol import FACETS
from harness.verdict.reading import NetworkVerdict, ProtocolVerdict, read_verdicts
from harness.verdict.stating import NO_VERDICT
from harness_reports._page._first import labels_in_network
from harness_reports._words.facets import Labels, Row, arm_rows, estimate_text, in_margins, margin_text
from harness_reports._words.outcome import Outcome

MEANINGS = {
    "supported": "similar in every facet",
    "value only": "equally good, not the same minima",
    "refuted": "not even equally good",
    "inconclusive": "not settled by this run",
    "mixed": "not the same answer for all networks",
    NO_VERDICT: "the arms are ranked, and no minima are compared",
}
CONTROLS = {"aa": "A/A: ", "different": "known different: "}
HASH_DIGITS = 12
MOST_ROWS, MOST_REASONS = 2, 3  # of a facet; the table of every pair has all rows
LEVELS = 2  # the interval leaves out the level of the look on both sides


def verdict(outcome: Outcome) -> dict[str, Any] | None:
    """Return the verdict of the standing protocol, with the others in ``others``; None where nothing has been compared."""
    verdicts = read_verdicts(outcome.records.meta, outcome.results.tables)
    if not verdicts or not any(int(network.row["arms"]) > 1 for network in verdicts[0].networks):
        return None
    standing, *alternatives = (_of_protocol(outcome, verdict) for verdict in verdicts)
    return {**standing, "others": alternatives}


def _of_protocol(outcome: Outcome, verdict: ProtocolVerdict) -> dict[str, Any]:
    pooled = verdict.pooled
    return {
        "statement": pooled["statement"],
        "means": MEANINGS.get(str(pooled["statement"]), ""),
        "hash": verdict.hash[:HASH_DIGITS],
        "registered": pooled["registered"],
        "networks": [_of_network(outcome, network) for network in verdict.networks if int(network.row["arms"]) > 1],
    }


def _of_network(outcome: Outcome, verdict: NetworkVerdict) -> dict[str, Any]:
    """Return the verdict on one network in numbers."""
    row, labels = verdict.row, labels_in_network(outcome, verdict)
    pairs = [pair for pair in verdict.facets if pair["primary"]]
    return {
        "name": verdict.network,
        "regime": row["regime"],
        "statement": row["statement"],
        "means": MEANINGS.get(str(row["statement"]), ""),
        "facets": [_facet_rows(verdict, facet, labels) for facet in FACETS],
        "reasons": _first_reasons(verdict.reasons),
        "basis": _basis(row),
        "interval": _interval_words(row),
        "pairs": [_pair_row(pair, labels) for pair in pairs],
    }


def _basis(row: Row) -> list[str]:
    """Return what the statement rests on, a sentence each."""
    replicates = numbers.counted(int(row["replicates"]), "replicate")
    look = f", look {int(row['look'])} of {int(row['looks'])}" if row["look"] else ", before the first look"
    half, double = row["statement_half_margins"], row["statement_double_margins"]
    lines = [
        f"{replicates} of {numbers.counted(int(row['arms']), 'arm')}{look}.",
        f"With margins half as wide the statement is “{half}”, with margins twice as wide “{double}”.",
    ]
    power = float(row["power"])
    if row["statement"] == "inconclusive" and math.isfinite(power):
        often = f"{100 * power:.0f} times in 100" if power >= 0.01 else "less than once in 100 times"
        lines.append(f"Of identical arms this design says “supported” {often}.")
    controls = [(name.rstrip(": "), str(row[key])) for key, name in CONTROLS.items()]
    lines += [f"The {name} control is {text}." for name, text in controls if text != "not run"]
    return lines


def _interval_words(row: Row) -> str:
    """Return how wide the intervals of a verdict are: "95.4 %"."""
    return f"{100 * (1 - LEVELS * float(row['level'])):.3g} %"


def _first_reasons(reasons: Sequence[str]) -> list[dict[str, Any]]:
    """Return the first reasons of every facet, and how many more there are."""
    by_facet: dict[str, list[str]] = {}
    for reason in reasons:
        by_facet.setdefault(reason.partition(":")[0] if ": " in reason else "", []).append(reason)
    shown = []
    for lines in by_facet.values():
        more = len(lines) - MOST_REASONS
        shown.append({"lines": lines[:MOST_REASONS], "more": max(0, more)})
    return shown


def _facet_rows(verdict: NetworkVerdict, facet: str, labels: Labels) -> dict[str, Any]:
    """Return a facet's word, the look of it, and of each measure the pair that strains its margin most."""
    rows = [row for row in arm_rows(verdict, facet) if math.isfinite(row["estimate"])]
    strained = []
    for measure in dict.fromkeys(row["measure"] for row in rows):
        of_measure = [row for row in rows if row["measure"] == measure]
        strained.append(max(of_measure, key=in_margins))
    strained.sort(key=in_margins, reverse=True)
    look = verdict.look_of(facet)
    return {
        "name": facet,
        "label": str(verdict.row[facet]) + (f" (look {look})" if look else ""),
        "rows": [_strained_row(row, labels) for row in strained[:MOST_ROWS]],
    }


def _strained_row(row: Row, labels: Labels) -> dict[str, str]:
    """Return a pair with its estimate, its margin and how probable it is that the truth lies beyond."""
    beyond = 1 - float(row["p_within"])
    return {
        "what": f"{_title(row)}, {_pair_name(row, labels)}",
        "estimate": estimate_text(row),
        "margin": _margin(row),
        "beyond": _probability(beyond),
        "label": str(row["label"]),
        "note": "so small that no ratio matters" if row["below_floor"] else "",
    }


def _probability(value: float) -> str:
    if not math.isfinite(value):
        return numbers.NOTHING
    return numbers.percent(value)


def _title(row: Row) -> str:
    return MEASURES[str(row["measure"])].title


def _margin(row: Row) -> str:
    """Return a margin as its estimates are written."""
    size = margin_text(row)
    return f"± {size}" if row["scale"] == "difference" else size


def _pair_name(pair: Row, labels: Labels) -> str:
    """Return a pair in the order of its estimate: a difference is the first less the second."""
    arm, other = (labels.get(str(pair[key]), str(pair[key])) for key in ("arm", "other"))
    return f"{arm} less {other}" if pair["scale"] == "difference" else f"{arm} and {other}"


def _pair_row(pair: Row, labels: Labels) -> dict[str, Any]:
    """Return a row of the table of every pair."""
    needed = pair["replicates_needed"]
    known = math.isfinite(pair["estimate"])
    return {
        "facet": pair["facet"],
        "measure": _title(pair),
        "pair": f"{CONTROLS.get(str(pair['pair']), '')}{_pair_name(pair, labels)}",
        "label": pair["label"],
        "detail": pair["detail"],
        "estimate": estimate_text(pair) if known else numbers.NOTHING,
        "margin": _margin(pair),
        "p_same": numbers.p_value(pair["p_same"]),
        "p_different": numbers.p_value(pair["p_different"]),
        "within": _probability(float(pair["p_within"])),
        "replicates": int(pair["replicates"]),
        "needed": int(needed) if math.isfinite(needed or math.nan) else numbers.NOTHING,
        "covers": pair["covers"],
    }
