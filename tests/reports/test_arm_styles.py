"""How arms are drawn: colours of optimizers, dashes and marks of schedules, and contrast in light and dark."""

from __future__ import annotations

from typing import Any

import pytest
from harness_reports._draw.arm_styles import arm_looks, swatch
from harness_reports._draw.theme import CONTROLS, DARK_HUES, HUES, definitions, paint, painted
from harness_reports._words.names import arm_labels, arm_parts

LIGHT_GROUNDS, DARK_GROUNDS = ("#ffffff", "#f6f7f8"), ("#1a1d21", "#121417")  # of _page.css
OPTIMIZERS = ["sgd", "adam", "rmsprop", "adamw", "nadam", "adagrad", "lion", "radam"]


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_every_colour_has_a_contrast_of_three_to_one_on_every_ground() -> None:
    for grounds, colors in (
        (LIGHT_GROUNDS, [*HUES, *(light for light, _ in CONTROLS.values())]),
        (DARK_GROUNDS, [*DARK_HUES, *(dark for _, dark in CONTROLS.values())]),
    ):
        assert len(set(colors)) == len(colors)
        assert min(contrast(color, ground) for color in colors for ground in grounds) >= 3


def test_a_colour_is_an_optimizer_and_dashes_and_mark_are_a_schedule(make_records: Any) -> None:
    records = make_records(OPTIMIZERS, seeds=1, trials=1, epochs=1, schedulers=["cosine", "onecycle"])
    looks = arm_looks(arm_labels(records), arm_parts(records))
    assert len(looks) == 16
    assert len({look.color for look in looks.values()}) == 8
    assert len({(look.color, look.dashes, look.marker) for look in looks.values()}) == 16
    for part in arm_parts(records):
        look = looks[part.arm]
        assert look.color == HUES[OPTIMIZERS.index(part.optimizer)]
        assert (look.dashes == "solid") == (part.scheduler == "cosine")


def test_beyond_ten_colours_dashes_tell_arms_apart() -> None:
    looks = arm_looks({f"arm {i}": f"arm {i}" for i in range(24)})
    assert len({look.color for look in looks.values()}) == 10
    assert len({(look.color, look.dashes, look.marker) for look in looks.values()}) == 24


@pytest.mark.parametrize("place", range(len(HUES)))
def test_a_colour_is_a_variable_of_the_page(place: int) -> None:
    assert paint(HUES[place]) == f"var(--hue-{place})"
    assert painted(f"fill: {HUES[place]}; stroke: #123456") == f"fill: var(--hue-{place}); stroke: #123456"
    assert f"--hue-{place}: {HUES[place]};" in definitions(dark=False)
    assert f"--hue-{place}: {DARK_HUES[place]};" in definitions(dark=True)


@pytest.mark.parametrize("look", list(arm_looks({f"arm {i}": f"arm {i}" for i in range(24)}).values()))
def test_a_swatch_has_the_colour_and_the_dashes_of_its_arm_and_no_id(look: Any) -> None:
    drawn = str(swatch(look.color, look.dashes, look.marker))
    assert drawn.count(look.paint) == 2
    assert ("stroke-dasharray" in drawn) == (look.dashes != "solid")
    assert "id=" not in drawn
    assert drawn.count("Z") == 1  # a mark is one closed path
