"""How a solution is drawn: that of an arm in its colour and with a mark of its own, that of a control in grey."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness_reports._draw.arm_styles import ArmLook, swatch
from harness_reports._draw.markers import NAMES
from harness_reports._draw.theme import CONTROLS, paint

if TYPE_CHECKING:
    from pandas import DataFrame

CONTROL_WORDS = {"aa": ("tuned again", "P"), "different": ("noisy labels", "X")}  # words and mark
DOTTED = (0, (1.5, 1.2))
LONGEST = 12  # characters of a label beside a block
SWATCH_MARK = 7  # its size


@dataclass(frozen=True)
class Sign:
    """How an arm or a control is drawn."""

    label: str
    color: str
    marker: str
    dashes: Any
    control: str = ""  # what kind of control it is, in words
    own: str = ""  # the label without the first parts that all arms of the figure have; "" where it is the same

    @property
    def paint(self) -> str:
        """The colour as the style sheet of the page has it."""
        return paint(self.color)

    @property
    def mark(self) -> str:
        """The mark as the style sheet of the page names it."""
        return NAMES[self.marker]

    @property
    def short(self) -> str:
        """The label, shortened for the edge of a figure; the kind alone for a control."""
        text = self.control or self.own or self.label
        return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def signs(solutions: DataFrame, looks: Mapping[str, ArmLook]) -> dict[str, Sign]:
    """Return a sign per arm and control of the table ``solutions``, in its order."""
    by_arm: dict[str, Sign] = {}
    arms = solutions.drop_duplicates("arm")
    for arm, kind, controlled in zip(arms["arm"], arms["kind"], arms["of"], strict=True):
        look = looks.get(controlled)
        if look is None:
            continue
        if kind in CONTROLS:
            words, marker = CONTROL_WORDS[kind]
            by_arm[arm] = Sign(f"{look.label}, {words}", CONTROLS[kind][0], marker, DOTTED, words)
        else:
            by_arm[arm] = Sign(look.label, look.color, look.marker, look.dashes)
    return _with_own_names(by_arm)


def _with_own_names(signs: Mapping[str, Sign]) -> dict[str, Sign]:
    """Return the signs with names that begin where the labels of the arms first differ: "sgd/cosine" of "mlp/sgd/cosine"."""
    parts = [sign.label.split("/") for sign in signs.values() if not sign.control]
    first = next((i for i, words in enumerate(zip(*parts, strict=False)) if len(set(words)) > 1), 0)
    return {
        arm: sign if sign.control else replace(sign, own="/".join(sign.label.split("/")[first:]))
        for arm, sign in signs.items()
    }


def legend(signs: Mapping[str, Sign]) -> list[dict[str, Any]]:
    """Return ``arm``, ``label`` and ``swatch`` of every sign."""
    return [
        {"arm": arm, "label": sign.label, "swatch": swatch(sign.color, sign.dashes, sign.marker, SWATCH_MARK)}
        for arm, sign in signs.items()
    ]
