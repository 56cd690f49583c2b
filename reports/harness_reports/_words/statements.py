"""The verdict's statement on every network, for Markdown, LaTeX and other plain formats."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness import Results, numbers
from harness.verdict.protocol import FACETS
from harness.verdict.reading import read_verdicts


@dataclass(frozen=True)
class Statement:
    """The answer of one network to "do the arms reach almost the same minima?"."""

    network: str
    regime: str
    statement: str
    facets: tuple[str, ...]  # a label for every facet
    power: str  # the probability that identical arms would have been found similar
    lines: tuple[str, ...]  # a line per facet: its word, its look, and the pair that it rests on
    reasons: tuple[str, ...]  # why the statement is not stronger

    @property
    def with_regime(self) -> str:
        """The statement with the regime that it holds for."""
        return f"{self.statement} ({self.regime})" if self.regime else self.statement


def statements(results: Results) -> list[Statement]:
    """Return a statement for every network by the standing protocol; none where there is no verdict."""
    verdicts = read_verdicts(results.records.meta, results.tables)
    statements = []
    for verdict in verdicts[0].networks if verdicts else ():
        row, power = verdict.row, float(verdict.row["power"])
        statements.append(
            Statement(
                network=verdict.network,
                regime=str(row["regime"]),
                statement=f"{row['statement']}{', exploratory' if row['exploratory'] and row['statement'] == 'inconclusive' else ''}",
                facets=tuple(str(row[facet]) for facet in FACETS),
                power=numbers.percent(power) if math.isfinite(power) else numbers.NOTHING,
                lines=tuple(verdict.lines),
                reasons=tuple(verdict.reasons),
            )
        )
    return statements
