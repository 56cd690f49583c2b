"""The markers that tell arms apart where colour alone does not."""

from __future__ import annotations

SIGNS = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼", "P": "✚", "X": "✖", "<": "◀", ">": "▶", "p": "⬟"}  # as text
NAMES = {
    "o": "round", "s": "square", "^": "up", "D": "diamond", "v": "down", "P": "plus", "X": "cross", "<": "left", ">": "right", "p": "pentagon",
}  # fmt: skip


def marker_of(place: int) -> str:
    """Return matplotlib's marker of the arm at this place; the markers come again after the last."""
    return list(SIGNS)[place % len(SIGNS)]
