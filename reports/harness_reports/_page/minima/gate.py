"""Whether each arm is at a minimum, by the standing protocol."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness import Results, numbers
from harness.verdict.reading import read_gate
from harness_reports._page.minima.signs import Sign

TITLES = {
    "error": "train error",
    "gain": "objective gained by going on",
    "gradient": "gradient, in parts of its start",
}


def gate(results: Results, network: str, signs: Mapping[str, Sign]) -> dict[str, Any] | None:
    """Return a row per arm: whether it is at a minimum, and what decided that; None where the gate is not known."""
    gates = [row for row in read_gate(results.records.meta, results.tables, network) if row["arm"] in signs]
    if not gates:
        return None
    loss_unit = str(results.records.meta.metrics.get("loss", {}).get("unit", ""))
    rows = [_arm_row(row, signs[row["arm"]], loss_unit) for row in gates]
    columns = [column for column in TITLES if _any_has(rows, column)]
    reasons = any(row["reason"] for row in rows)
    return {"rows": rows, "heads": [TITLES[column] for column in columns], "columns": columns, "reasons": reasons}


def _any_has(rows: Sequence[Mapping[str, Any]], column: str) -> bool:
    """Return whether any arm has a value in a column."""
    return any(row[column] for row in rows)


def _arm_row(row: Mapping[str, Any], sign: Sign, loss_unit: str) -> dict[str, Any]:
    """Return one arm."""
    return {
        "sign": sign,
        "state": row["state"],
        "passed": row["state"] == "at a minimum",
        "reason": row["reason"],
        "error": _with_limit(row["train_error"], row["fit"], "%"),
        "gain": _with_limit(row["gain"], row["gain_limit"], loss_unit, of_gain=True),
        "gradient": _with_limit(row["gradient"], row["gradient_limit"], ""),
    }


def _with_limit(value: float, limit: float, unit: str, of_gain: bool = False) -> dict[str, str] | None:
    """Return a value and its limit; None where the value is not known. A gain that is not above zero is "none"."""
    if math.isnan(value):
        return None
    scale = 100 if unit == "%" else 1
    text = "" if math.isnan(limit) else f"limit {scale * limit:.3g} {unit}".rstrip()
    shown = numbers.measure(value, unit) if unit == "%" else numbers.beside_margin(value, limit, unit)
    return {"value": "none" if of_gain and value <= 0 else shown, "limit": text}
