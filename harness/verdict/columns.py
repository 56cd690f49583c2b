"""An estimate as columns of a table."""

from __future__ import annotations

import math

from harness.statistics.pairwise import Estimate


def numbers(estimate: Estimate, scale: str) -> dict[str, float]:
    """Return an estimate's columns; NaN for what is not known, and ``rho`` where the scale is a log."""
    ends = {"estimate": estimate.value, "low": estimate.low, "high": estimate.high, "se": estimate.se}
    found = {name: value if math.isfinite(value) else math.nan for name, value in ends.items()}
    if scale.startswith("log"):
        logs = {"rho": found["estimate"], "rho_low": found["low"], "rho_high": found["high"]}
        found |= {name: math.nan if math.isnan(log) else math.exp(min(700.0, log)) for name, log in logs.items()}
    return found
