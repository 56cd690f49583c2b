"""The test of mean ranks in words, and a row for each pair of names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import numbers
from harness_reports._draw.arm_styles import ArmLook

if TYPE_CHECKING:
    from pandas import DataFrame

LEVEL = 0.05  # of the Friedman test
SMALLEST_P = 1e-4  # that is written as a number


def rank_facts(table: DataFrame, pairs: DataFrame, looks: Mapping[str, ArmLook]) -> dict[str, Any]:
    """Return the test in words, and a row per pair."""
    first = table.iloc[0]
    rows = [
        {
            "one": looks[row["one"]],
            "other": looks[row["other"]],
            "apart": numbers.number(float(row["apart"])),
            "beyond": "yes" if row["beyond"] else "no",
            "p": numbers.number(float(row["p_holm"])),
        }
        for row in pairs.to_dict("records")
    ]
    return {
        "blocks": int(first["blocks"]),
        "distance": numbers.number(float(first["critical_difference"])),
        "friedman": f"p {numbers.number(float(first['p']))}" if first["p"] >= SMALLEST_P else "p < 0.0001",
        "differs": bool(first["p"] < LEVEL),
        "pairs": rows,
    }
