"""Text as LaTeX takes it, whatever a name holds."""

from __future__ import annotations

import re
import unicodedata

GREEK = {
    "alpha": "\u03b1", "beta": "\u03b2", "gamma": "\u03b3", "delta": "\u03b4", "epsilon": "\u03b5", "eta": "\u03b7",
    "lambda": "\u03bb", "mu": "\u03bc", "rho": "\u03c1", "sigma": "\u03c3", "tau": "\u03c4",
}  # fmt: skip
SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": r"\textasciigrave{}", '"': "''",
    "[": "{[}", "]": "{]}", "*": "{*}",  # at the start of a row they would belong to the \\ before it
    "-": "{-}",  # two of them are no dash
    "\N{EN DASH}": "--", "\N{MINUS SIGN}": "$-$", "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
    "\N{PLUS-MINUS SIGN}": r"$\pm$", "\N{MULTIPLICATION SIGN}": r"$\times$", "\u00a0": "~",
    "\N{EM DASH}": "---", "\N{LEFT SINGLE QUOTATION MARK}": "`", "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": "``", "\N{RIGHT DOUBLE QUOTATION MARK}": "''",
    "\N{SQUARE ROOT}": r"$\surd$", "\N{MIDDLE DOT}": r"$\cdot$", "\N{RIGHTWARDS ARROW}": r"$\rightarrow$",
    "\N{LESS-THAN OR EQUAL TO}": r"$\leq$", "\N{GREATER-THAN OR EQUAL TO}": r"$\geq$", "\N{ALMOST EQUAL TO}": r"$\approx$",
    "\N{MICRO SIGN}": r"$\mu$", "\N{VULGAR FRACTION ONE QUARTER}": r"$\frac{1}{4}$",
    "\N{VULGAR FRACTION ONE HALF}": r"$\frac{1}{2}$", "\N{VULGAR FRACTION THREE QUARTERS}": r"$\frac{3}{4}$",
    "\N{SUPERSCRIPT MINUS}": "$^{-}$",
    **{power: f"$^{{{digit}}}$" for digit, power in enumerate("\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")},
    **{letter: rf"$\{name}$" for name, letter in GREEK.items()},
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
