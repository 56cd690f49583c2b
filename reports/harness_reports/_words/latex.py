"""Numbers and tables as LaTeX takes them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness import latex_text
from harness_reports._words.latex_layout import USUAL_GAP, breakable, fitting


def escaped_number(text: object) -> str:
    """Return a number of a report with its minus sign and its power of ten as mathematics has them."""
    if power := re.fullmatch(r"(\d+(?:\.\d+)?)e([+-])0*(\d+)", str(text)):
        digits, sign, exponent = power.groups()
        factor = "" if digits == "1" else rf"{digits}\times "
        return f"${factor}10^{{{sign.strip('+')}{exponent}}}$"
    shown = latex_text(text)
    return f"$-${shown.removeprefix('{-}')}" if shown.startswith("{-}") else shown


def floating_table(
    caption: str, label: str, heads: Sequence[str], columns: str, rows: Sequence[Sequence[str]], note: str = ""
) -> str:
    """Return a floating table with booktabs rules that fits a column of a paper, or else its page.

    Args:
        caption: What the table shows, as LaTeX.
        label: Letters and hyphens.
        heads: The heads of the columns, as LaTeX.
        columns: A letter for each column: "l", "r", or "p" for a text that takes the width that the others leave.
        rows: The cells, as LaTeX. One with a ``BREAK`` of ``latex_layout`` may go on below.
        note: What stands below the table.
    """
    layout = fitting(heads, columns, rows)
    size = layout.size
    gap = "" if size.gap == USUAL_GAP else rf"\setlength{{\tabcolsep}}{{{size.gap:g}pt}}"
    heads_above, body = ([f"  {' & '.join(row)} \\\\" for row in part] for part in (layout.heads, layout.rows))
    return "\n".join(
        [
            rf"\begin{{{size.environment}}}[htbp]",
            rf"\centering{size.command}{gap}",
            rf"\caption{{{breakable(caption)}}}",
            rf"\label{{tab:{label}}}",
            rf"\begin{{tabular}}{{@{{}}{layout.columns}@{{}}}}",
            r"\toprule",
            *heads_above,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *([rf"\par\smallskip{{\footnotesize {note}}}"] if note else []),
            rf"\end{{{size.environment}}}",
        ]
    )
