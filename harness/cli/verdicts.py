"""The verdict as ``harness show`` tells it: from the tables of the analyses, for people and, as JSON, for scripts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis, Results
from harness.plugin.registry import Registry
from harness.records import Records
from harness.results.analysis import analyse
from harness.verdict.protocol import standing_first

if TYPE_CHECKING:
    from pandas import DataFrame

TABLES = ("verdict", "facets", "gate")
FACETS = ("loss", "function", "representation", "connectivity", "geometry")
PAIR = (
    "measure", "arm", "other", "pair", "scale", "unit", "estimate", "low", "high", "rho", "rho_low", "rho_high", "margin",
    "floor", "below_floor", "p_same", "p_different", "p_same_holm", "p_different_holm", "label", "detail",
    "label_half_margin", "label_double_margin", "seeds", "seeds_missing", "seeds_needed", "unit_kind", "covers", "controls",
)  # fmt: skip
NETWORK = (
    "regime", "network", "statement", "statement_half_margins", "statement_double_margins", "exploratory", "power", "arms",
    "seeds", "seeds_promised", "searches", "twins", "trials", "claim", "aa", "different", "dataset",
)  # fmt: skip
GATE = (
    "arm",
    "state",
    "reason",
    "gradient",
    "gradient_limit",
    "train_error",
    "fit",
    "train_loss",
    "restarted",
    "gain",
    "gain_limit",
)
SHOWN = 12  # digits of a hash


def verdict_of(records: Records, registry: Registry, results: Results | None = None) -> dict[str, Any] | None:
    """Return the verdict by the standing protocol, and in ``others`` those by all the rest.

    Each has the overall ``statement`` and its ``networks``, each network its statement, its gate and, by facet, a label and
    the pairs with their numbers; what is not known is absent. None where nothing has been compared. The tables are
    those of the ``results`` where these have been computed already.
    """
    wanted = [a for a in registry.all("analysis") if isinstance(a, Analysis) and a.name in TABLES]
    tables = (results or analyse(records, wanted)).tables
    if set(TABLES) - set(tables) or not len(tables["verdict"]):
        return None
    hashes = standing_first(records.meta, tables["verdict"]["hash"])
    found = [_of_protocol(*(table[table["hash"] == each] for table in (tables[n] for n in TABLES))) for each in hashes]
    return {**found[0], "others": found[1:]}


def _of_protocol(verdict: DataFrame, facets: DataFrame, gate: DataFrame) -> dict[str, Any]:
    pooled = verdict[verdict["scope"] == "pooled"].iloc[0]
    networks = verdict[verdict["scope"] == "network"].to_dict("records")
    plain = _plain(pooled, ("hash", "registered", "statement", "statement_half_margins", "statement_double_margins", "exploratory", "power", "claim", "cells"))  # fmt: skip
    return plain | {"networks": [_network(row, facets, gate) for row in networks]}


def _network(row: Any, facets: DataFrame, gate: DataFrame) -> dict[str, Any]:
    mine = facets[facets["network"] == row["network"]]
    by_facet = {}
    for facet in FACETS:
        rows = mine[mine["facet"] == facet].to_dict("records")
        primary = [each for each in rows if each["primary"]]
        by_facet[facet] = {
            "label": row[facet],
            "pairs": [_plain(each, PAIR) for each in primary if each["pair"] == "arms"],
            "controls": [_plain(each, PAIR) for each in primary if each["pair"] != "arms"],
            "secondary": [_plain(each, PAIR) for each in rows if not each["primary"]],
        }
    gates = gate[gate["network"] == row["network"]].to_dict("records")
    return {
        **_plain(row, NETWORK),
        "reasons": row["reasons"].splitlines(),
        "gate": [_plain(each, GATE) for each in gates],
        "facets": by_facet,
    }


def _plain(row: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Return these columns as plain values; numbers that are not known are left out."""
    found = {}
    for name in names:
        value = row[name].item() if hasattr(row[name], "item") else row[name]
        if isinstance(value, float) and not math.isfinite(value):
            continue
        whole = name.startswith("seeds") or name in ("arms", "searches", "twins", "trials")
        found[name] = int(value) if whole and isinstance(value, float) else value
    return found


def verdict_lines(verdict: dict[str, Any]) -> list[str]:
    """Return a verdict for a person: a line per network, and why it is no other."""
    lines = []
    for each in (verdict, *reversed(verdict["others"])):
        registered = f"protocol {each['hash'][:SHOWN]}, registered {each['registered']}"
        lines.append(f"do they reach the same minimum? {each['statement']} ({registered})")
        for network in each["networks"]:
            facets = ", ".join(f"{facet} {found['label']}" for facet, found in network["facets"].items())
            lines.append(f"  {network['network']} ({network['regime']}): {network['statement']}: {facets}")
            if each is verdict:
                lines += [f"    {reason}" for reason in network["reasons"]]
    return lines
