"""Numbers and tables as LaTeX takes them."""

from __future__ import annotations

from collections.abc import Sequence

from harness import latex_text

NARROW = 3  # columns of a table that fits one column of a paper


def escaped_number(text: object) -> str:
    """Return a number of a report with its minus sign as mathematics has it."""
    shown = latex_text(text)
    return f"$-${shown.removeprefix('{-}')}" if shown.startswith("{-}") else shown


def floating_table(
    caption: str, label: str, heads: Sequence[str], columns: str, rows: Sequence[Sequence[str]], note: str = ""
) -> str:
    """Return a floating table with booktabs rules; ``heads`` and cells are LaTeX, ``label`` is letters and hyphens.

    A table of many columns goes over both columns of a paper that has two, in smaller letters.
    """
    wide = len(heads) > NARROW
    environment, size = ("table*", r"\small") if wide else ("table", "")
    body = [f"  {' & '.join(row)} \\\\" for row in rows]
    return "\n".join(
        [
            rf"\begin{{{environment}}}[htbp]",
            rf"\centering{size}",
            rf"\caption{{{caption}}}",
            rf"\label{{tab:{label}}}",
            rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
            r"\toprule",
            f"  {' & '.join(heads)} \\\\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *([rf"\par\smallskip{{\footnotesize {note}}}"] if note else []),
            rf"\end{{{environment}}}",
        ]
    )
