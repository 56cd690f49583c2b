"""The panels of the learning-rate range tests: loss against rate, what it suggested, and what the search then chose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import Records, draw_range_test
from harness_reports._draw.axes import decades
from harness_reports._draw.figures import Look
from harness_reports._draw.svg import INK, MUTED, NARROW, panel, style, svg
from harness_reports._words.numbers import setting

if TYPE_CHECKING:
    from pandas import DataFrame

NAMES = {"valley": "valley (solid)", "minimum_tenth": "minimum / 10 (dash-dotted)", "steepest": "steepest (dotted)"}


def range_tests(records: Records, looks: Mapping[str, Look]) -> list[dict[str, Any]]:
    """Return a panel per arm whose search was to be centred: ``look``, ``says``, and ``figure``, "" without a curve."""
    tests: Mapping[str, Mapping[str, Any]] = records.meta.range_tests
    tuned = dict(zip(records.arms["arm"], records.arms["tuned_params"], strict=True))
    panels = []
    for i, (arm, look) in enumerate((a, look) for a, look in looks.items() if a in tests):
        rate = tuned.get(arm, {}).get("lr")
        curve = records.range_tests[records.range_tests["arm"] == arm]
        drawn = _figure(curve, tests[arm], look, rate, f"range-{i}") if len(curve) else ""
        panels.append({"look": look, "says": _says(tests[arm], rate), "figure": drawn})
    return panels


def _says(test: Mapping[str, Any], tuned: float | None) -> str:
    """Return in words what a panel shows."""
    found = [f"{NAMES[rule]} {setting(test['suggestions'][rule])}" for rule in NAMES if rule in test["suggestions"]]
    said = [", ".join(found) or "nothing suggested, so the arm's own range was searched"]
    said += [f"tuned (dashed, dark) {setting(tuned)}"] if tuned is not None else []
    said += [test["note"]] if test["note"] else []
    return "; ".join(said)


def _figure(curve: DataFrame, test: Mapping[str, Any], look: Look, tuned: float | None, name: str) -> Any:
    from markupsafe import Markup

    with style():
        figure, axes = panel(2.4, NARROW)
        lr, loss, smoothed = (curve[column].tolist() for column in ("lr", "loss", "smoothed"))
        draw_range_test(axes, lr, loss, smoothed, test["suggestions"], tuned, look.color, INK, MUTED, legend=False)
        decades(axes, axes.get_xlim())
        axes.set_title("training loss", loc="left", fontsize=8.5, color=MUTED)
        title = f"{look.label}: training loss against learning rate in the range test"
        return Markup(svg(figure, name, title, {}, curve))
