"""newcomer keeps the contract of a dataset, and draws what it says."""

from __future__ import annotations

import numpy as np
import pytest

from harness.testing import Check, checks
from harness.testing.templates.dataset import draw, harness_datasets


@pytest.mark.parametrize("check", [check for offer in harness_datasets() for check in checks(offer)], ids=str)
def test_it_keeps_its_contract(check: Check) -> None:
    check()


def test_without_noise_every_point_is_on_its_spiral() -> None:
    points = draw(50, 0.0, [0])
    radius = np.hypot(points.inputs[:, 0], points.inputs[:, 1])
    angle = 3 * np.pi * radius + np.pi * points.targets
    where = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    np.testing.assert_allclose(points.inputs, where, atol=1e-5)
