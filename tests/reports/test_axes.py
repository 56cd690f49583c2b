"""Axes: of a share they end where it does, and nothing of a run makes matplotlib warn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from harness_reports._draw import budgets, pareto, rates, scores
from harness_reports._draw.arm_styles import arm_looks
from harness_reports._draw.axes import (
    MINUS,
    axis_ends,
    axis_length,
    differs,
    log_ticks,
    round_ticks,
    set_ticks,
    tick_texts,
    widened,
)
from harness_reports._draw.svg import new_panel
from matplotlib.axes import Axes

SGD = "lesson_cnn/sgd/cosine"
LOOKS = arm_looks({SGD: "sgd"})


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[float, float]]:
    """Return the last limits that a figure set, by axis."""
    found: dict[str, tuple[float, float]] = {}
    for which in ("xlim", "ylim"):
        setter, getter = getattr(Axes, f"set_{which}"), getattr(Axes, f"get_{which}")

        def kept(axes: Any, *a: Any, which: str = which, setter: Any = setter, getter: Any = getter, **k: Any) -> Any:
            result = setter(axes, *a, **k)
            found[which] = getter(axes)
            return result

        monkeypatch.setattr(Axes, f"set_{which}", kept)
    return found


def curve_of(mean: Any, low: Any, high: Any, lowest: Any = None, highest: Any = None) -> pd.DataFrame:
    epochs = range(1, len(mean) + 1)
    ends = {"lowest": mean if lowest is None else lowest, "highest": mean if highest is None else highest}
    return pd.DataFrame({"arm": SGD, "epoch": epochs, "mean": mean, "low": low, "high": high, **ends, "n": 2})


@pytest.mark.parametrize("goal", ["max", "min"])
@pytest.mark.parametrize("level", [1.0, 0.97, 0.5, 0.03, 0.0])
@pytest.mark.parametrize("spread", [0.0, 1e-16, 0.02])
def test_an_axis_of_a_share_holds_it_and_no_more(limits: Any, level: float, spread: float, goal: str) -> None:
    values = np.clip(level * (1 + spread * np.array([-1.0, 0.0, 1.0])), 0, 1)
    table = curve_of(values, np.clip(values - 0.2, 0, 1), np.clip(values + 0.2, 0, 1))
    budget = pd.DataFrame({"expected": np.sort(values), "estimate": "mean over subsets"})
    trials = pd.DataFrame({"lr": [0.1, 0.2, 0.3], "value": values, "chosen": False})

    def of_curve() -> tuple[float, float]:
        scores.learning_curves(table, LOOKS, "tune accuracy", "%", "curve-0")
        return limits["ylim"]

    def of_budget() -> tuple[float, float]:
        budgets._set_y_ends(new_panel(2)[1], budget, goal, "%")
        return limits["ylim"]

    for ends in (
        of_curve(),
        of_budget(),
        pareto.score_limits(values, goal, "%"),
        rates.shared_scale(trials, goal, "%", "tune accuracy").y,
    ):
        assert -0.031 <= ends[0] < values.min() or values.min() == 0 >= ends[0] >= -0.031
        assert values.max() <= ends[1] <= 1.031
        assert ends[1] - ends[0] > 1e-4


def test_other_units_have_all_the_room_they_need() -> None:
    assert axis_ends(-5, 7, "nats") == (-5, 7)
    assert axis_ends(-0.5, 1.5, "%") == (pytest.approx(-0.06), pytest.approx(1.06))
    assert (axis_length(1, 3), axis_length(2, 2), axis_length(0, 0)) == (2, 0.2, 1)
    assert axis_length(0.5, 0.5 + 1e-16) == pytest.approx(0.05)


@pytest.mark.parametrize("lowest", [0.0, -0.1, 1e-4])
def test_a_seed_at_zero_leaves_a_logarithmic_axis_as_it_is(limits: Any, lowest: float) -> None:
    """Its mean is above zero, its lowest seed is not: matplotlib warned that such a limit has no logarithm."""
    mean = np.array([1.0, 0.1, 0.01])
    table = curve_of(mean, mean, mean, lowest=[0.5, 0.05, lowest], highest=2 * mean)
    scores.learning_curves(table, LOOKS, "running loss", "nats", "curve-0")
    low, high = limits["ylim"]
    assert 0 < low <= 0.01
    assert high == pytest.approx(1.15 * 2)


def test_every_seed_at_the_ceiling_stands_inside_the_axis(limits: Any) -> None:
    runs = pd.DataFrame({"arm": SGD, "seed": [0, 1], "test_accuracy": [1.0, 1.0]})
    row = {
        "arm": SGD,
        "metric": "test_accuracy",
        "unit": "%",
        "n": 2,
        "mean": 1.0,
        "low": 0.95,
        "high": 1.0,
        "max": 1.0,
    }
    scores.seed_dots(runs, [row], LOOKS, "test accuracy", "dots-0")
    assert limits["xlim"][0] < 0.95
    assert 1 < limits["xlim"][1] < 1.01


# --- ticks -----------------------------------------------------------------------------------------------------


def test_ticks_are_round_lie_within_and_no_two_read_alike() -> None:
    random = np.random.default_rng(0)
    for _ in range(3000):
        middle, length = random.choice([0, 1, -3, 0.0674, 92.3, 4096.0]), 10 ** random.uniform(-4, 4)
        low, high = widened(middle - length / 3, middle + length, "")
        ticks = round_ticks(low, high)
        assert 2 <= len(ticks) <= 6
        assert low - 1e-6 * length <= ticks[0] < ticks[-1] <= high + 1e-6 * length
        step = ticks[1] - ticks[0]
        assert float(f"{step:.0e}") == pytest.approx(step)
        assert f"{step:.0e}"[0] in "125"
        texts = tick_texts(ticks)
        assert len(set(texts)) == len(texts)
        assert not any("-" in text or "e" in text for text in texts)


def test_logarithmic_ticks_are_a_few_round_numbers_and_no_two_read_alike() -> None:
    random = np.random.default_rng(1)
    for _ in range(3000):
        low = 10 ** random.uniform(-12, 6)
        high = low * 10 ** random.uniform(0.05, 14)
        ticks = log_ticks(low, high)
        assert 1 <= len(ticks) <= 6
        assert low <= ticks[0] <= ticks[-1] <= high
        assert len(set(tick_texts(ticks))) == len(ticks)


@pytest.mark.parametrize(
    ("ticks", "texts"),
    [
        ([-0.2, 0, 0.2], [f"{MINUS}0.2", "0", "0.2"]),
        ([91.5, 92, 92.5], ["91.5", "92", "92.5"]),
        ([1e-5, 1e-4, 1e-3], ["10⁻⁵", "10⁻⁴", "10⁻³"]),
        ([2e-7, 4e-7], ["2·10⁻⁷", "4·10⁻⁷"]),
        ([1e-12, 1, 10], ["10⁻¹²", "1", "10"]),
        ([5000, 10000], ["5000", "10,000"]),
    ],
)
def test_the_texts_of_ticks(ticks: list[float], texts: list[str]) -> None:
    assert tick_texts(ticks) == texts


def test_a_share_has_no_tick_beyond_what_can_be() -> None:
    _, axes = new_panel(2)
    axes.set_xlim(0.7, 1.02)
    set_ticks(axes, "%")
    assert [text.get_text() for text in axes.get_xticklabels()] == ["70", "80", "90", "100"]


def test_values_that_read_alike_say_nothing() -> None:
    assert not differs([0.97001, 0.97002, np.nan], "%")
    assert differs([0.9701, 0.9703], "%")
    assert not differs([0.06741028, 0.06741030], "nats")
    assert differs([0.0674, 0.0691], "nats")
    assert widened(0.97, 0.97, "%") == (pytest.approx(0.969), pytest.approx(0.971))


def test_a_band_does_not_jump_where_all_seeds_are_equal_in_some_epochs() -> None:
    rows = pd.DataFrame(
        {"mean": [0.8, 0.9, 0.95], "low": [0.7, 0.85, 0.94], "high": [0.9, 0.95, 0.96], "lowest": [0.75, 0.9, 0.945], "highest": [0.85, 0.9, 0.955]}
    )  # fmt: skip
    low, high = scores._band(rows, "low", "high")
    assert (low.tolist(), high.tolist()) == ([0.7, 0.9, 0.94], [0.9, 0.9, 0.96])
    equal = rows.assign(lowest=rows["mean"], highest=rows["mean"])
    assert scores._band(equal, "low", "high")[0].tolist() == [0.7, 0.85, 0.94]
