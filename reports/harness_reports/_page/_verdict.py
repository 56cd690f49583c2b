"""The verdict on the first screen: a statement per network, a label and the deciding numbers per facet, and every pair."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from harness import numbers
from harness.verdict.protocol import FACETS
from harness.verdict.reading import NetworkVerdict, ProtocolVerdict, read_verdicts
from harness_reports._words.outcome import Outcome

CLAIM = "Different optimizers reach almost the same minima."
MEANINGS = {
    "supported": "similar in every facet",
    "value only": "equally good, not the same minima",
    "refuted": "not even equally good",
    "inconclusive": "not settled by this run",
    "mixed": "the networks differ",
}
QUESTIONS = {
    "loss": "equally good?",
    "function": "the same predictions?",
    "representation": "the same features?",
    "connectivity": "one basin?",
    "geometry": "equally sharp?",
}
MEASURES = {
    "objective": "objective",
    "train_loss": "train loss",
    "accuracy": "test accuracy",
    "calibrated_loss": "calibrated test loss",
    "test_loss": "test loss",
    "disagreement": "disagreement",
    "root_jsd": "root Jensen-Shannon divergence",
    "prediction_distance": "distance of predictions",
    "function_scatter": "scatter of predictions",
    "cka_penultimate": "CKA distance",
    "procrustes_penultimate": "Procrustes distance",
    "cka_within_penultimate": "CKA distance within classes",
    "procrustes_within_penultimate": "Procrustes distance within classes",
    "representation_scatter": "scatter of representations",
    "barrier": "barrier between the arms",
    "excess_barrier": "barrier above that within the arms",
    "sharpness_001": "adaptive sharpness at a thousandth",
    "sharpness_002": "adaptive sharpness at two thousandths",
    "sharpness_005": "adaptive sharpness at five thousandths",
}
CONTROLS = {"aa": "A/A: ", "different": "known different: "}
RATIOS = ("log ratio", "log rho", "log scatter")  # scales whose values are logarithms of ratios
PARTS = ("accuracy", "barrier", "excess_barrier", "disagreement")  # measures in parts of one, shown in points
HASH_DIGITS = 12
NEGLIGIBLE = ": so small that no ratio matters"
TIMES = "\N{MULTIPLICATION SIGN}"

Row = Mapping[str, Any]  # of the table of verdicts, or of that of facets


def verdict(outcome: Outcome) -> dict[str, Any] | None:
    """Return what the first screen says of the claim; None where nothing has been compared.

    The standing protocol leads; the other registered ones stand in ``others``.
    """
    verdicts = read_verdicts(outcome.records.meta, outcome.results.tables)
    if not verdicts:
        return None
    standing, *alternatives = (_of_protocol(outcome, verdict) for verdict in verdicts)
    return {"claim": CLAIM, **standing, "others": alternatives}


def _of_protocol(outcome: Outcome, verdict: ProtocolVerdict) -> dict[str, Any]:
    """Return the verdict by one protocol."""
    pooled = verdict.pooled
    return {
        "statement": pooled["statement"],
        "means": MEANINGS.get(str(pooled["statement"]), ""),
        "exploratory": bool(pooled["exploratory"]),
        "cells": pooled["cells"] if pooled["statement"] == "mixed" else "",
        "hash": verdict.hash[:HASH_DIGITS],
        "registered": pooled["registered"],
        "networks": [_of_network(outcome, network) for network in verdict.networks],
    }


def _of_network(outcome: Outcome, verdict: NetworkVerdict) -> dict[str, Any]:
    """Return the verdict on one network."""
    row, pairs = verdict.row, verdict.facets
    labels = _labels_in_network(outcome, verdict.network)
    return {
        "name": verdict.network,
        "regime": row["regime"],
        "statement": row["statement"],
        "means": MEANINGS.get(str(row["statement"]), ""),
        "facets": [_of_facet(verdict, facet, labels) for facet in FACETS],
        "doubts": [doubt.text for doubt in verdict.doubts],
        "reasons": verdict.reasons,
        "about": _basis_line(row),
        "pairs": [_pair_row(pair, labels) for pair in pairs if pair["primary"]],
    }


def _labels_in_network(outcome: Outcome, network: str) -> dict[str, str]:
    """Return the labels of the arms without the network or its head, which stands in the heading."""
    prefixes = [f"{name}/" for name in (network, network.partition("+")[2]) if name]
    labels = {}
    for arm, label in outcome.labels.items():
        prefix = next((prefix for prefix in prefixes if label.startswith(prefix)), "")
        labels[arm] = label.removeprefix(prefix)
    return labels


def _basis_line(row: Row) -> str:
    """Return in a line what the statement rests on."""
    searches, arms = (
        numbers.counted(int(row[key]), word) for key, word in (("replicates", "replicate"), ("arms", "arm"))
    )
    seeds = numbers.counted(int(row["seeds_per_replicate"]), "seed")
    power = float(row["power"])
    chance = f"with probability {power:.2f}" if math.isfinite(power) else "with a probability that is not known"
    return (
        f"{searches} of {arms}, each with {seeds}; were the arms identical, they would be found similar {chance}; "
        f"at half the margins {row['statement_half_margins']}, at twice the margins {row['statement_double_margins']}; "
        f"A/A arm: {row['aa']}; known-different arm: {row['different']}."
    )


def _of_facet(verdict: NetworkVerdict, facet: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return a facet's label, its line, and of each measure the pair that is nearest to its margin or farthest beyond."""
    of_arms = [pair for pair in verdict.facets if pair["facet"] == facet and pair["primary"] and pair["pair"] == "arms"]
    estimated = [pair for pair in of_arms if math.isfinite(pair["estimate"])]
    several_pairs = len({(pair["arm"], pair["other"]) for pair in estimated}) > 1
    label = verdict.row[facet]
    stated = [line.removeprefix(f"{facet}: ") for line in verdict.lines if line.startswith(f"{facet}: ")]
    lines = [line for line in stated if line != label]
    for measure in dict.fromkeys(pair["measure"] for pair in estimated):
        worst = max((pair for pair in estimated if pair["measure"] == measure), key=_margin_strain)
        arms = f"{_pair_name(worst, labels)}{', farthest apart' if several_pairs else ''}"
        negligible = NEGLIGIBLE if worst["below_floor"] else ""
        lines.append(f"{_measure_title(measure)} {estimate(worst)}, margin {margin(worst)} ({arms}){negligible}")
    return {"name": facet, "asks": QUESTIONS[facet], "label": label, "lines": lines}


def _measure_title(name: str) -> str:
    return MEASURES.get(name, name)


def _margin_strain(pair: Row) -> float:
    """Return how far the interval of a pair reaches towards its margin, or beyond; 1 is at the margin."""
    two_sided = pair["scale"] in ("difference", "log ratio", "log scatter")
    reach = max(abs(end) if two_sided else end for end in (pair["low"], pair["high"]))
    return float(reach / pair["margin"]) if math.isfinite(reach) and pair["margin"] else math.inf


def estimate(pair: Row) -> str:
    """Return an estimate with its interval over replicates, in points, as a ratio or in its own unit.

    Where it is the same in every replicate, that is said instead: an interval of no width would claim to know it exactly.
    """
    value = _value_text(pair, pair["estimate"])
    if pair["low"] == pair["high"]:
        return f"{value} (the same in every replicate)"
    return f"{value} ({_value_text(pair, pair['low'])} to {_value_text(pair, pair['high'])})"


def margin(pair: Row) -> str:
    """Return a margin as its estimates are written."""
    size = _value_text(pair, pair["margin"], signed=False)
    return f"± {size}" if pair["scale"] == "difference" else size


def _value_text(pair: Row, value: float, signed: bool = True) -> str:
    """Return a value on the scale of a pair."""
    if not math.isfinite(value):
        return "unknown"
    if pair["scale"] in RATIOS:
        return f"{TIMES}{math.exp(min(value, 50.0)):.2f}"
    sign = "+" if signed else ""
    if pair["measure"] in PARTS:
        return f"{100 * value:{sign}.2f} points"
    unit = str(pair["unit"] or "")
    return f"{value:{sign}.3g}{f' {unit}' if unit not in ('', '%') else ''}"


def _pair_name(pair: Row, labels: Mapping[str, str]) -> str:
    arm, other = (labels.get(str(pair[key]), str(pair[key])) for key in ("arm", "other"))
    return f"{arm} and {other}"


def _pair_row(pair: Row, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return a row of the table of every pair."""
    needed = pair["replicates_needed"]
    return {
        "facet": pair["facet"],
        "measure": _measure_title(str(pair["measure"])),
        "pair": f"{CONTROLS.get(str(pair['pair']), '')}{_pair_name(pair, labels)}",
        "estimate": estimate(pair) if math.isfinite(pair["estimate"]) else numbers.NOTHING,
        "margin": margin(pair),
        "p_same": numbers.p_value(pair["p_same"]),
        "p_different": numbers.p_value(pair["p_different"]),
        "label": pair["label"],
        "detail": pair["detail"],
        "replicates": int(pair["replicates"]),
        "needed": int(needed) if math.isfinite(needed or math.nan) else numbers.NOTHING,
        "covers": pair["covers"],
    }
