"""The verdict read back from its tables: for ``harness show`` and its JSON, ``harness compare``, and every report.

The tables have rows of every registered protocol. Whoever shows a verdict reads them here, so that the protocol that
stands comes first everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.plugin.meta import Meta
from harness.records.tables import plain_row
from harness.verdict.doubts import Doubt, read_doubts
from harness.verdict.protocol import FACETS, standing_first
from harness.verdict.tables import facets as facets_table
from harness.verdict.tables import gate as gate_table
from harness.verdict.tables import verdict as verdict_table
from harness.verdict.tables.verdict import LOOK_OF, WHY_OF

if TYPE_CHECKING:
    from pandas import DataFrame

Row = Mapping[str, Any]
TABLES = (verdict_table.ANALYSIS, facets_table.ANALYSIS, gate_table.ANALYSIS)  # that a whole verdict is read from
READ = frozenset({"hash", "scope", "network", "statement", *FACETS})  # columns of the table ``verdict``
PROTOCOL = (
    "hash", "registered", "statement", "statement_half_margins", "statement_double_margins", "exploratory", "power",
    "look", "looks", "level", "replicates", "replicates_promised", "replicates_ended", "seeds_per_replicate", "cells",
)  # fmt: skip
NETWORK = (
    "regime", "network", "statement", "statement_half_margins", "statement_double_margins", "exploratory", "power", "arms",
    "look", "looks", "level", "replicates", "replicates_promised", "replicates_ended", "replicates_lost",
    "seeds_per_replicate", "twins", "trials", "aa", "different", "dataset",
)  # fmt: skip
PAIR = (
    "measure", "arm", "other", "pair", "scale", "unit", "estimate", "low", "high", "rho", "rho_low", "rho_high", "margin",
    "floor", "below_floor", "p_same", "p_different", "p_different_holm", "p_permuted", "p_within", "p_above", "p_below",
    "sd_searches", "sd_seeds", "single_different", "single_reverse", "label", "detail", "label_half_margin",
    "label_double_margin", "look", "looks", "level", "replicates", "replicates_lost", "replicates_needed", "covers",
    "controls",
)  # fmt: skip
GATE = (
    "arm", "state", "reason", "gradient", "gradient_limit", "train_error", "fit", "objective", "restarted", "gain",
    "gain_limit",
)  # fmt: skip
COUNTS = (
    "arms",
    "twins",
    "trials",
    "look",
    "looks",
    "seeds_per_replicate",
)  # whole numbers, besides those of replicates
SHOWN = 12  # digits of a hash


@dataclass(frozen=True)
class NetworkVerdict:
    """The verdict on one network by one protocol: a row of each of the three tables' parts."""

    row: Row  # of the table ``verdict``
    facets: tuple[Row, ...] = ()  # of the table ``facets``
    gate: tuple[Row, ...] = ()  # of the table ``gate``

    @property
    def network(self) -> str:
        """The network's name."""
        return str(self.row["network"])

    @property
    def doubts(self) -> list[Doubt]:
        """What a reader must know before the statement, the gravest first."""
        return read_doubts(str(self.row["doubts"]))

    @property
    def lines(self) -> list[str]:
        """A line for each facet: its word, its look, and the pair that it rests on."""
        return _lines(self.row["lines"])

    @property
    def reasons(self) -> list[str]:
        """A line for each reason that a facet has no other word."""
        return _lines(self.row["reasons"])

    def look_of(self, facet: str) -> int | None:
        """Return the look at which a facet got its word; None without one."""
        look = float(self.row[f"{LOOK_OF}{facet}"])
        return None if math.isnan(look) else int(look)

    def why_of(self, facet: str) -> str:
        """Return the gravest reason that a facet has no word; "" where it has one."""
        return str(self.row[f"{WHY_OF}{facet}"])


@dataclass(frozen=True)
class ProtocolVerdict:
    """The verdict by one protocol: on all networks together, and on each of them."""

    hash: str
    pooled: Row  # of the table ``verdict``, on all networks
    networks: tuple[NetworkVerdict, ...] = field(default=())


def read_verdicts(meta: Meta, tables: Mapping[str, DataFrame]) -> list[ProtocolVerdict]:
    """Return a verdict for each protocol in the tables ``verdict``, ``facets`` and ``gate``, the standing one first.

    The list is empty where nothing was compared, and where the table ``verdict`` is missing. Without the other two tables
    the networks have no facets and no gate.
    """
    statements = tables.get(verdict_table.ANALYSIS.name)
    if statements is None or statements.empty or not set(statements.columns) >= READ:
        return []
    pairs, gates = (_by_network(tables.get(table.ANALYSIS.name)) for table in (facets_table, gate_table))
    by_hash: dict[str, list[Row]] = {}
    for row in _rows(statements):
        by_hash.setdefault(str(row["hash"]), []).append(row)
    verdicts = []
    for protocol in standing_first(meta, list(by_hash)):
        rows = by_hash[protocol]
        pooled = next(row for row in rows if row["scope"] == "pooled")
        networks = []
        for row in rows:
            key = (protocol, str(row["network"]))
            if row["scope"] == "network":
                networks.append(NetworkVerdict(row, tuple(pairs.get(key, ())), tuple(gates.get(key, ()))))
        verdicts.append(ProtocolVerdict(protocol, pooled, tuple(networks)))
    return verdicts


def read_gate(meta: Meta, tables: Mapping[str, DataFrame], network: str) -> list[Row]:
    """Return a network's rows of the table ``gate`` by the standing protocol; none where there is no such table."""
    table = tables.get(gate_table.ANALYSIS.name)
    if table is None or table.empty:
        return []
    standing, *_ = standing_first(meta, table["hash"])
    return _by_network(table).get((standing, network), [])


def _lines(column: Any) -> list[str]:
    return [line for line in str(column).splitlines() if line]


def _rows(table: DataFrame) -> list[Row]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _by_network(table: DataFrame | None) -> dict[tuple[str, str], list[Row]]:
    """Return a table's rows by protocol and network."""
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in [] if table is None else _rows(table):
        grouped.setdefault((str(row["hash"]), str(row["network"])), []).append(row)
    return grouped


# --- as plain values, and as lines


def plain_verdict(verdicts: list[ProtocolVerdict]) -> dict[str, Any] | None:
    """Return the first verdict as plain values for JSON, and the rest in ``others``; None for no verdict.

    Each has the ``statement`` on all networks and its ``networks``. Each network has its statement, its ``doubts`` with the
    gravest first, a line for each facet, its gate and, by facet, a label, the look of the label, and the pairs with their
    numbers; a facet without a word has ``why``. A number that is not known is absent.
    """
    if not verdicts:
        return None
    plain = [_plain_protocol(protocol) for protocol in verdicts]
    return {**plain[0], "others": plain[1:]}


def _plain_protocol(verdict: ProtocolVerdict) -> dict[str, Any]:
    networks = [_plain_network(network) for network in verdict.networks]
    return _plain(verdict.pooled, PROTOCOL) | {"networks": networks}


def _plain_network(network: NetworkVerdict) -> dict[str, Any]:
    return {
        **_plain(network.row, NETWORK),
        "doubts": [{"kind": doubt.kind, "text": doubt.text} for doubt in network.doubts],
        "lines": network.lines,
        "reasons": network.reasons,
        "gate": [_plain(row, GATE) for row in network.gate],
        "facets": {facet: _plain_facet(network, facet) for facet in FACETS},
    }


def _plain_facet(network: NetworkVerdict, facet: str) -> dict[str, Any]:
    rows = [row for row in network.facets if row["facet"] == facet]
    primary = [row for row in rows if row["primary"]]
    look, reason = network.look_of(facet), network.why_of(facet)
    return {
        "label": network.row[facet],
        **({} if look is None else {"look": look}),
        **({"why": reason} if reason else {}),
        "pairs": [_plain(row, PAIR) for row in primary if row["pair"] == "arms"],
        "controls": [_plain(row, PAIR) for row in primary if row["pair"] != "arms"],
        "secondary": [_plain(row, PAIR) for row in rows if not row["primary"]],
    }


def _plain(row: Row, names: tuple[str, ...]) -> dict[str, Any]:
    """Return these columns as plain values, without the numbers that are not known."""
    plain = plain_row({name: row[name] for name in names})
    for name, value in plain.items():
        is_whole = name.startswith("replicates") or name in COUNTS
        plain[name] = int(value) if is_whole and isinstance(value, float) else value
    return plain


def verdict_lines(verdict: dict[str, Any], with_doubts: bool = True) -> list[str]:
    """Return a plain verdict for a person: a line per protocol and network.

    By the standing protocol each network has its doubts, the gravest first, then a line per facet, then the reasons.
    ``with_doubts`` is False where a headline has told the doubts.
    """
    lines = []
    for protocol in (verdict, *reversed(verdict["others"])):
        registered = f"protocol {protocol['hash'][:SHOWN]}, registered {protocol['registered']}"
        lines.append(f"do they reach the same minimum? {protocol['statement']} ({registered})")
        for network in protocol["networks"]:
            facets = ", ".join(f"{name} {facet['label']}" for name, facet in network["facets"].items())
            lines.append(f"  {network['network']} ({network['regime']}): {network['statement']}: {facets}")
            if protocol is verdict:
                doubts = network["doubts"] if with_doubts else ()
                lines += [f"    doubt: {doubt['text']}" for doubt in doubts]
                lines += [f"    {line}" for line in (*network["lines"], *network["reasons"])]
    return lines
