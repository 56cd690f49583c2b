"""Text as LaTeX takes it, whatever a name holds."""

from __future__ import annotations

import re
import unicodedata

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


def latex_text(text: object) -> str:
    r"""Return a line in which nothing is a command of LaTeX.

    Args:
        text: Any value; its text is taken.

    Returns:
        The line, without spaces at its ends. Letters that not every LaTeX has are written ``U+1F600``.

    >>> latex_text("adam_w 95 %")
    'adam\\_w 95 \\%'
    """
    return "".join(_escaped_letter(letter) for letter in re.sub(r"[ \t\r\n\f\v]+", " ", str(text)).strip(" "))


def _escaped_letter(letter: str) -> str:
    if letter in SPECIAL:
        return SPECIAL[letter]
    if ord(letter) < 128:
        return letter if letter.isprintable() else " "
    if ord(letter) <= LAST_LETTER and unicodedata.category(letter).startswith("L"):
        return letter
    return f"U+{ord(letter):04X}"
