"""The columns of the records' tables that a run may be without, with the kind of value in each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame

_TABLES: Mapping[str, Mapping[str, type]] = {
    "range_tests": {"arm": str, "step": int, "lr": float, "loss": float, "smoothed": float},
    "paths": {
        "arm": str,
        "landscape": str,
        "step": int,
        "gradients": int,
        "x": float,
        "y": float,
        "value": float,
        "lr": float,
        "problem": str,
    },
    "examples": {"split": str, "row": int, "name": str, "target": int, "excluded": bool},
    "comparison": {
        "run_id": str,
        "arm": str,
        "role": str,
        "of": str,
        "phase": str,
        "state": str,
        "reason": str,
        "started": str,
        "ended": str,
        "environment": str,
        "replicate": int,
        "init_seed": int,
        "order_seed": int,
        "seed": int,
        "seconds": float,
    },
    "measured": {"probe": str, "one": str, "other": str, "third": str, "name": str, "value": float},
    "repeated": {
        "search": str,
        "control": str,
        "arm": str,
        "state": str,
        "reason": str,
        "run_id": str,
        "replicate": int,
        "number": int,
        "trained": int,
        "value": float,
        "seconds": float,
        "params": object,
        "confirmation": str,
        "confirmation_state": str,
        "confirmed": float,
        "chosen": bool,
    },
}


def empty_table(name: str) -> DataFrame:
    """Return one of the records' tables without a row: its columns, each of its kind."""
    import pandas as pd

    return pd.DataFrame({column: pd.Series(dtype=kind) for column, kind in _TABLES[name].items()})
