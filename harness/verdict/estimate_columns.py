"""An estimate as columns of a table."""

from __future__ import annotations

import math

from harness.statistics.pairwise import Estimate

LARGEST = 700.0  # whose exponential is still a floating-point number


def estimate_columns(estimate: Estimate, scale: str) -> dict[str, float]:
    """Return an estimate's columns, NaN for a number that is not finite; on a log scale ``rho`` is their exponential."""
    numbers = {"estimate": estimate.value, "low": estimate.low, "high": estimate.high, "se": estimate.se}
    columns = {name: value if math.isfinite(value) else math.nan for name, value in numbers.items()}
    if scale.startswith("log"):
        logs = {"rho": columns["estimate"], "rho_low": columns["low"], "rho_high": columns["high"]}
        columns |= {name: math.nan if math.isnan(log) else math.exp(min(LARGEST, log)) for name, log in logs.items()}
    return columns
