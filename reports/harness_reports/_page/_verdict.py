"""The verdict on the first screen: a statement per network, a label and the deciding numbers per facet, and every pair."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness import Results
from harness.verdict.protocol import FACETS
from harness.verdict.reading import NetworkVerdict, ProtocolVerdict, read_verdicts
from harness_reports._words.facts import labels
from harness_reports._words.numbers import NOTHING, count

CLAIM = "Different optimizers reach almost the same minima."
MEANS = {
    "supported": "similar in every facet",
    "value only": "equally good, not the same minima",
    "refuted": "not even equally good",
    "inconclusive": "not settled by this run",
    "mixed": "the networks differ",
}
ASKS = {
    "loss": "equally good?",
    "function": "the same predictions?",
    "representation": "the same features?",
    "connectivity": "one basin?",
    "geometry": "equally sharp?",
}
MEASURES = {
    "accuracy": "test accuracy",
    "test_loss": "test loss",
    "train_loss": "train loss",
    "disagreement": "disagreement",
    "root_jsd": "root Jensen-Shannon divergence",
    "prediction_distance": "distance of predictions",
    "cka_penultimate": "CKA distance",
    "procrustes_penultimate": "Procrustes distance",
    "aligned_error": "barrier, aligned",
    "sharpness": "adaptive sharpness",
}
RATIOS = ("log ratio", "log rho")
PARTS = ("accuracy", "aligned_error", "disagreement")  # measures in parts of one, shown in points
SHORT = 12  # digits of a hash
NEGLIGIBLE = ": so small that no ratio matters"
TIMES = "\N{MULTIPLICATION SIGN}"


def verdict(results: Results) -> dict[str, Any] | None:
    """Return what the first screen says of the claim; None where nothing has been compared."""
    verdicts = [_of_protocol(results, each) for each in read_verdicts(results.records.meta, results.tables)]
    return {"claim": CLAIM, **verdicts[0], "others": verdicts[1:]} if verdicts else None


def _of_protocol(results: Results, verdict: ProtocolVerdict) -> dict[str, Any]:
    pooled = verdict.pooled
    return {
        "statement": pooled["statement"],
        "means": MEANS.get(str(pooled["statement"]), ""),
        "exploratory": bool(pooled["exploratory"]),
        "cells": pooled["cells"] if pooled["statement"] == "mixed" else "",
        "hash": verdict.hash[:SHORT],
        "registered": pooled["registered"],
        "networks": [_network(results, network) for network in verdict.networks],
    }


def _network(results: Results, verdict: NetworkVerdict) -> dict[str, Any]:
    row, network = verdict.row, verdict.network
    headings = tuple(f"{name}/" for name in (network, network.partition("+")[2]) if name)
    names = {arm: _without(label, headings) for arm, label in labels(results.records).items()}
    pairs = list(verdict.facets)
    return {
        "name": network,
        "regime": row["regime"],
        "statement": row["statement"],
        "means": MEANS.get(str(row["statement"]), ""),
        "facets": [_facet(row, facet, pairs, names) for facet in FACETS],
        "reasons": verdict.reasons,
        "about": _about(row),
        "pairs": [_pair(pair, names) for pair in pairs if pair["primary"]],
    }


def _without(label: str, beginnings: tuple[str, ...]) -> str:
    """Return a label without the first of these that it begins with."""
    return next((label.removeprefix(each) for each in beginnings if label.startswith(each)), label)


def _about(row: Mapping[Any, Any]) -> str:
    """Return in a line what the statement rests on."""
    power = f"were the arms identical, it would be found with probability {row['power']:.2f}"
    margins = (
        f"at half the margins {row['statement_half_margins']}, at twice the margins {row['statement_double_margins']}"
    )
    controls = f"A/A arm: {row['aa']}; known-different arm: {row['different']}"
    return f"{count(int(row['seeds']), 'seed')} of {count(int(row['arms']), 'arm')}, {row['claim']}; {power}; {margins}; {controls}."


def _facet(
    row: Mapping[Any, Any], facet: str, facts: Sequence[Mapping[str, Any]], names: Mapping[str, str]
) -> dict[str, Any]:
    mine = [f for f in facts if f["facet"] == facet and f["primary"] and f["pair"] == "arms"]
    known = [f for f in mine if math.isfinite(f["estimate"])]
    found = []
    for measure in dict.fromkeys(f["measure"] for f in known):
        worst = max((f for f in known if f["measure"] == measure), key=_strain)
        found.append(
            f"{MEASURES.get(measure, measure)} {estimate(worst)}, margin {margin(worst)} "
            f"({_pair_name(worst, names)}{', farthest apart' if len({(f['arm'], f['other']) for f in known}) > 1 else ''})"
            f"{NEGLIGIBLE if worst['below_floor'] else ''}"
        )
    return {"name": facet, "asks": ASKS[facet], "label": row[facet], "found": found}


def _strain(fact: Mapping[Any, Any]) -> float:
    """Return how far a pair's interval reaches towards its margin, or beyond."""
    ends = [abs(e) if fact["scale"] in ("difference", "log ratio") else e for e in (fact["low"], fact["high"])]
    reach = max(ends)
    return float(reach / fact["margin"]) if math.isfinite(reach) and fact["margin"] else math.inf


def estimate(fact: Mapping[Any, Any]) -> str:
    """Return an estimate with its 90 % interval over seeds, in points, as a ratio or in its own unit.

    Where it is the same in every seed, that is said instead: an interval of no width would claim to know it exactly.
    """
    if fact["low"] == fact["high"]:
        return f"{_value(fact, fact['estimate'])} (the same in every seed)"
    low, high = (_value(fact, fact[end]) for end in ("low", "high"))
    return f"{_value(fact, fact['estimate'])} ({low} to {high})"


def margin(fact: Mapping[Any, Any]) -> str:
    """Return a margin as its estimates are written."""
    size = _value(fact, fact["margin"], signed=False)
    return f"± {size}" if fact["scale"] == "difference" else size


def _value(fact: Mapping[Any, Any], value: float, signed: bool = True) -> str:
    if not math.isfinite(value):
        return "unknown"
    if fact["scale"] in RATIOS:
        return f"{TIMES}{math.exp(min(value, 50.0)):.2f}"
    sign = "+" if signed else ""
    if fact["measure"] in PARTS:
        return f"{100 * value:{sign}.2f} points"
    return f"{value:{sign}.3g}{' ' + str(fact['unit']) if fact['unit'] and fact['unit'] != '%' else ''}"


def _pair_name(fact: Mapping[Any, Any], names: Mapping[str, str]) -> str:
    one, other = (names.get(str(fact[key]), str(fact[key])) for key in ("arm", "other"))
    return f"{one} and {other}"


def _pair(fact: Mapping[Any, Any], names: Mapping[str, str]) -> dict[str, Any]:
    kinds = {"aa": "A/A: ", "different": "known different: "}
    return {
        "facet": fact["facet"],
        "measure": MEASURES.get(str(fact["measure"]), str(fact["measure"])),
        "pair": f"{kinds.get(str(fact['pair']), '')}{_pair_name(fact, names)}",
        "estimate": estimate(fact) if math.isfinite(fact["estimate"]) else NOTHING,
        "margin": margin(fact),
        "p_same": _p(fact["p_same"]),
        "p_different": _p(fact["p_different"]),
        "label": fact["label"],
        "detail": fact["detail"],
        "seeds": int(fact["seeds"]),
        "needed": int(fact["seeds_needed"]) if math.isfinite(fact["seeds_needed"] or math.nan) else NOTHING,
        "unit": "" if fact.get("unit_kind", "seeds") == "seeds" else str(fact["unit_kind"]),
        "covers": fact["covers"],
    }


def _p(value: float) -> str:
    if not math.isfinite(value):
        return NOTHING
    return "< .001" if value < 0.001 else f"{value:.3f}".lstrip("0") if value < 1 else "1"


def line(results: Results) -> str:
    """Return the verdict in a sentence, for the headline; "" where nothing has been compared."""
    said = verdict(results)
    if said is None:
        return ""
    exploratory = " (exploratory)" if said["exploratory"] else ""
    several = len(said["networks"]) > 1
    each = "; ".join(f"{n['name']}: {n['statement']}" for n in said["networks"]) if several else said["means"]
    facets = [f"{f['name']} {f['label']}" for f in said["networks"][0]["facets"]] if not several else []
    end = f" {', '.join(facets).capitalize()}." if facets else ""
    return f"“{CLAIM.removesuffix('.')}”: {said['statement']}{exploratory}, {each}.{end}"
