"""Every mark of a dot plot can be seen: tuned and untuned seeds have lanes of their own, and equal values have levels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from harness_reports._draw import scores
from harness_reports._draw.arm_styles import arm_looks
from harness_reports._draw.lanes import MARK, lane_heights

SGD = "lesson_cnn/sgd/cosine"
LOOKS = arm_looks({SGD: "sgd"})


def test_marks_that_would_cover_each_other_have_levels_of_their_own() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        places = np.round(random.uniform(0, random.choice([0.01, 0.2, 1]), random.integers(1, 30)), 2)
        heights = lane_heights(places.tolist(), (0.1, 0.4))
        assert all(0.1 < height < 0.4 for height in heights)
        for i in range(len(places)):
            for k in range(i):
                assert abs(places[i] - places[k]) >= MARK or heights[i] != heights[k]
    assert lane_heights([0.5, 0.9], (0.1, 0.4)) == pytest.approx([0.25, 0.25])
    assert lane_heights([], (0.1, 0.4)) == []


def test_no_hollow_mark_lies_under_a_full_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve tuned and four untuned seeds that all have one value: sixteen places."""
    drawn: list[Any] = []
    monkeypatch.setattr(scores, "to_svg", lambda figure, *_: drawn.append(figure))
    runs = pd.DataFrame({"arm": SGD, "seed": range(12), "test_accuracy": 0.97})
    row = {"arm": SGD, "metric": "test_accuracy", "unit": "%", "n": 12, "mean": 0.97, "low": 0.95, "high": 0.98}
    scores.seed_dots(runs, [row], LOOKS, "test accuracy", "first", {SGD: [0.97] * 4})
    full, hollow = drawn[0].axes[0].collections
    assert not len(hollow.get_facecolor())
    below, above = full.get_offsets()[:, 1], hollow.get_offsets()[:, 1]
    assert len({*np.round(below, 4), *np.round(above, 4)}) == 16
    assert max(below) < min(above) - 0.1
