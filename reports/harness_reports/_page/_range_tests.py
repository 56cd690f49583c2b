"""The learning-rate range tests: loss against rate, the suggested rates, and the rate that the search chose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import draw_range_test, numbers
from harness_reports._draw.arm_styles import ArmLook
from harness_reports._draw.axes import set_ticks, write_title
from harness_reports._draw.figure_data import named_arms
from harness_reports._draw.svg import NARROW, house_style, new_panel, to_svg
from harness_reports._draw.theme import INK, MUTED
from harness_reports._page._section import Page

if TYPE_CHECKING:
    from pandas import DataFrame

RULES = {"valley": "valley (solid)", "minimum_tenth": "minimum / 10 (dash-dotted)", "steepest": "steepest (dotted)"}


def range_tests(page: Page) -> list[dict[str, Any]]:
    """Return a panel per arm with a range test: ``look``, ``says``, and ``figure``, "" without a curve."""
    records = page.records
    tests: Mapping[str, Mapping[str, Any]] = records.meta.range_tests
    tuned = dict(zip(records.arms["arm"], records.arms["tuned_params"], strict=True))
    panels: list[dict[str, Any]] = []
    for arm, look in page.looks.items():
        if arm in tests:
            rate = tuned.get(arm, {}).get("lr")
            curve = records.range_tests[records.range_tests["arm"] == arm]
            name = f"range-test-{page.arm_names[arm]}"
            figure = _draw_curve(curve, tests[arm], look, rate, name) if len(curve) else ""
            panels.append({"look": look, "says": _panel_caption(tests[arm], rate), "figure": figure})
    return panels


def _panel_caption(test: Mapping[str, Any], tuned: float | None) -> str:
    """Return in words what a panel shows."""
    suggested = test["suggestions"]
    rates = [f"{words} {numbers.setting(suggested[rule])}" for rule, words in RULES.items() if rule in suggested]
    words = [", ".join(rates) or "nothing suggested, so the arm's own range was searched"]
    words += [f"tuned (dashed, dark) {numbers.setting(tuned)}"] if tuned is not None else []
    words += [test["note"]] if test["note"] else []
    return "; ".join(words)


def _draw_curve(curve: DataFrame, test: Mapping[str, Any], look: ArmLook, tuned: float | None, name: str) -> Markup:
    """Return the curve of one range test."""
    with house_style():
        figure, axes = new_panel(2.4, NARROW)
        lr, loss, smoothed = (curve[column].tolist() for column in ("lr", "loss", "smoothed"))
        draw_range_test(axes, lr, loss, smoothed, test["suggestions"], tuned, look.color, INK, MUTED, legend=False)
        set_ticks(axes)
        set_ticks(axes, which="y")
        write_title(axes, "training loss")
        title = f"{look.label}: training loss against learning rate in the range test"
        return to_svg(figure, name, title, {}, named_arms(curve, {str(curve["arm"].iloc[0]): look}))
