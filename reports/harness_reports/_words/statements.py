"""The verdict's statement on every network, for Markdown, LaTeX and other plain formats."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness import Results, numbers, standing_first

FACETS = ("loss", "function", "representation", "connectivity", "geometry")


@dataclass(frozen=True)
class Statement:
    """The answer of one network to "do the arms reach almost the same minima?"."""

    network: str
    regime: str
    statement: str
    facets: tuple[str, ...]  # a label for every facet
    power: str  # the probability that identical arms would have been found similar
    reasons: tuple[str, ...]  # why the statement is not stronger
    registered: str  # when the margins were registered, in words

    @property
    def with_regime(self) -> str:
        """The statement with the regime that it holds for."""
        return f"{self.statement} ({self.regime})" if self.regime else self.statement


def statements(results: Results) -> list[Statement]:
    """Return a statement for every network by the standing protocol; none where there is no verdict."""
    table = results.tables.get("verdict")
    if table is None or table.empty or not {"scope", "hash", "statement", *FACETS} <= set(table.columns):
        return []
    standing, *_ = standing_first(results.records.meta, table["hash"])
    rows = table[(table["hash"] == standing) & (table["scope"] == "network")]
    return [
        Statement(
            network=str(row["network"]),
            regime=str(row["regime"]),
            statement=f"{row['statement']}{', exploratory' if row['exploratory'] else ''}",
            facets=tuple(str(row[facet]) for facet in FACETS),
            power=numbers.percent(float(row["power"])) if math.isfinite(row["power"]) else numbers.NOTHING,
            reasons=tuple(str(row["reasons"]).splitlines()),
            registered=str(row["registered"]),
        )
        for row in rows.to_dict("records")
    ]
