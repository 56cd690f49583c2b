"""Text and tables as LaTeX takes them, whatever a name holds."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": r"\textasciigrave{}", '"': "''",
    "[": "{[}", "]": "{]}", "*": "{*}",  # at the start of a row they would belong to the \\ before it
    "-": "{-}",  # two of them are no dash
    "\N{EN DASH}": "--", "\N{MINUS SIGN}": "$-$", "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
    "\N{PLUS-MINUS SIGN}": r"$\pm$", "\N{MULTIPLICATION SIGN}": r"$\times$", "\u00a0": "~",
}  # fmt: skip
LAST_LETTER = 0x17F  # of the letters that every LaTeX can set; beyond them a letter is named by its number


def escaped(text: object) -> str:
    """Return a line in which nothing is a command; letters that not every LaTeX has are written ``U+1F600``."""
    return "".join(_escaped_letter(letter) for letter in re.sub(r"[ \t\r\n\f\v]+", " ", str(text)).strip(" "))


def _escaped_letter(letter: str) -> str:
    if letter in SPECIAL:
        return SPECIAL[letter]
    if ord(letter) < 128:
        return letter if letter.isprintable() else " "
    if ord(letter) <= LAST_LETTER and unicodedata.category(letter).startswith("L"):
        return letter
    return f"U+{ord(letter):04X}"


def escaped_number(text: object) -> str:
    """Return a number of a report with its minus sign as mathematics has it."""
    shown = escaped(text)
    return f"$-${shown.removeprefix('{-}')}" if shown.startswith("{-}") else shown


def floating_table(
    caption: str, label: str, heads: Sequence[str], columns: str, rows: Sequence[Sequence[str]], note: str = ""
) -> str:
    """Return a floating table with booktabs rules; ``heads`` and cells are LaTeX, ``label`` is letters and hyphens."""
    body = [f"  {' & '.join(row)} \\\\" for row in rows]
    return "\n".join(
        [
            r"\begin{table}[htbp]",
            r"\centering",
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
            r"\end{table}",
        ]
    )
