"""A figure outside of the page says which arm is which, and says it once."""

from __future__ import annotations

from typing import Any

from harness_reports._draw.arm_styles import arm_looks
from harness_reports._draw.legend import add_legend
from harness_reports._draw.svg import new_panel

LOOKS = arm_looks({"a": "sgd", "b": "adam", "c": "lion"})


def drawn(*arms: str, title: str = "a figure", named: bool = False) -> Any:
    figure, axes = new_panel(2.0)
    for arm in arms:
        axes.plot([0, 1], [0, 1], color=LOOKS[arm].color, ls=LOOKS[arm].dashes)
        if named:
            axes.text(0, 0, f"{LOOKS[arm].label} here")
    figure.set_label(title)
    return figure


def legend_of(figure: Any) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_it_names_the_arms_that_are_drawn_and_makes_room_for_them() -> None:
    figure = drawn("a", "c")
    before = figure.get_size_inches().tolist()
    add_legend(figure, LOOKS)
    assert legend_of(figure) == ["sgd", "lion"]
    width, height = figure.get_size_inches()
    assert width == before[0]
    assert height > before[1]
    (handle, _) = figure.legends[0].get_lines()
    assert handle.get_color() == LOOKS["a"].color


def test_a_panel_of_one_arm_names_that_arm_alone() -> None:
    figure = drawn("a", "b", title="adam: learning rate against epoch")
    add_legend(figure, LOOKS)
    assert legend_of(figure) == ["adam"]


def test_what_is_named_in_the_figure_or_is_no_arm_has_no_legend() -> None:
    for figure in (drawn("a", "b", named=True), drawn()):
        add_legend(figure, LOOKS)
        assert legend_of(figure) == []
