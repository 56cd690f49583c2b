"""What the verdict says, network by network, as Markdown, LaTeX and other plain formats show it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness import Results
from harness.verdict.protocol import FACETS
from harness.verdict.reading import read_verdicts
from harness_reports._words.numbers import NOTHING, percent


@dataclass(frozen=True)
class Statement:
    """One network's answer to "do the arms reach almost the same minima?"."""

    network: str
    regime: str
    statement: str
    facets: tuple[str, ...]  # a label per facet
    power: str  # the probability that identical arms would have been found similar
    reasons: tuple[str, ...]  # why it is no more than that
    registered: str  # when the margins were, in words

    @property
    def whole(self) -> str:
        """The statement with the regime it holds for."""
        return f"{self.statement} ({self.regime})" if self.regime else self.statement


def statements(results: Results) -> list[Statement]:
    """Return a statement per network by the standing protocol; none where there is no verdict."""
    verdicts = read_verdicts(results.records.meta, results.tables)
    rows = [(network.row, network.reasons) for network in verdicts[0].networks] if verdicts else []
    return [
        Statement(
            str(row["network"]),
            str(row["regime"]),
            f"{row['statement']}{', exploratory' if row['exploratory'] else ''}",
            tuple(str(row[facet]) for facet in FACETS),
            percent(float(row["power"])) if math.isfinite(row["power"]) else NOTHING,
            tuple(reasons),
            str(row["registered"]),
        )
        for row, reasons in rows
    ]
