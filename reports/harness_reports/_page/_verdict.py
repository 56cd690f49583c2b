"""The verdict on the first screen: a statement per network, a label and the deciding numbers per facet, and every pair."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from harness import Results, standing_first
from harness_reports._words.facts import labels
from harness_reports._words.numbers import NOTHING, count
from harness_reports._words.statements import FACETS

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
    table = results.tables.get("verdict")
    if table is None or table.empty:
        return None
    rows = table.to_dict("records")
    hashes = standing_first(results.records.meta, (row["hash"] for row in rows))
    return {
        "claim": CLAIM,
        **_of_protocol(results, [row for row in rows if row["hash"] == hashes[0]]),
        "others": [_of_protocol(results, [row for row in rows if row["hash"] == each]) for each in hashes[1:]],
    }


def _of_protocol(results: Results, rows: list[dict[Any, Any]]) -> dict[str, Any]:
    whole = next(row for row in rows if row["scope"] == "pooled")
    networks = [_network(results, row) for row in rows if row["scope"] == "network"]
    return {
        "statement": whole["statement"],
        "means": MEANS.get(str(whole["statement"]), ""),
        "exploratory": bool(whole["exploratory"]),
        "cells": whole["cells"] if whole["statement"] == "mixed" else "",
        "hash": str(whole["hash"])[:SHORT],
        "registered": whole["registered"],
        "networks": networks,
    }


def _network(results: Results, row: Mapping[Any, Any]) -> dict[str, Any]:
    table = results.tables.get("facets")
    facts = [] if table is None else table.to_dict("records")
    mine = [f for f in facts if (f["hash"], f["network"]) == (row["hash"], row["network"])]
    own = tuple(
        f"{name}/" for name in (row["network"], str(row["network"]).partition("+")[2]) if name
    )  # in the heading
    names = {arm: _without(label, own) for arm, label in labels(results.records).items()}
    return {
        "name": row["network"],
        "regime": row["regime"],
        "statement": row["statement"],
        "means": MEANS.get(str(row["statement"]), ""),
        "facets": [_facet(row, facet, mine, names) for facet in FACETS],
        "reasons": [line for line in str(row["reasons"]).splitlines() if line],
        "about": _about(row),
        "pairs": [_pair(f, names) for f in mine if f["primary"]],
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


def _facet(row: Mapping[Any, Any], facet: str, facts: list[dict[Any, Any]], names: Mapping[str, str]) -> dict[str, Any]:
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
