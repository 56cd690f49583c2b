"""The colours of all figures: neutral ones and those of the arms, each as a light and as a dark page has it.

A figure is drawn in the colours of a light page. In the page they are variables of its style sheet, so that one figure serves
light and dark. Every colour of an arm has a contrast of at least 3:1 with the grounds of its page (WCAG 2.2, 1.4.11).
"""

from __future__ import annotations

import re

INK, MUTED, GRID, SURFACE = "#0a0b0c", "#0a0b0d", "#0a0b0e", "#0a0b0f"  # stand for the variables of these names
HUES = (
    "#0173b2", "#c56a00", "#02845f", "#a8489a", "#c8421a", "#8a5a2b", "#1687a7", "#d6336c", "#6b6b00", "#5f6771",
)  # fmt: skip
DARK_HUES = (
    "#56a8e8", "#f0a030", "#2cc295", "#dd93cf", "#ff7a45", "#c89a6a", "#4fd0e8", "#ff8fb1", "#c9c94a", "#a3abb5",
)  # fmt: skip
CONTROLS = {"aa": ("#6f7883", "#8d96a1"), "different": ("#868e97", "#b3bac2")}  # light and dark
PLAIN = {INK: "#1b1f24", MUTED: "#5b6470", GRID: "#dfe3e8", SURFACE: "#ffffff"}  # as a light page has them
VARIABLES = {
    INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)", SURFACE: "var(--surface)",
    **{hue: f"var(--hue-{place})" for place, hue in enumerate(HUES)},
    **{light: f"var(--control-{kind})" for kind, (light, _) in CONTROLS.items()},
}  # fmt: skip
KNOWN = re.compile("|".join(VARIABLES))


def paint(color: str) -> str:
    """Return a colour of these as a variable of the style sheet, and any other one as it is."""
    return VARIABLES.get(color, color)


def painted(style: str) -> str:
    """Return a text of CSS in which these colours are variables."""
    return KNOWN.sub(lambda match: VARIABLES[match[0]], style)


def definitions(dark: bool) -> str:
    """Return the variables of the colours as CSS."""
    hues = DARK_HUES if dark else HUES
    lines = [f"--hue-{place}: {hue};" for place, hue in enumerate(hues)]
    lines += [f"--control-{kind}: {both[dark]};" for kind, both in CONTROLS.items()]
    return " ".join(lines)
