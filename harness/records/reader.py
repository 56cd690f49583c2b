"""Reading a run folder as pandas tables, without torch."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import RunFolderError
from harness.records import schema

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame


@dataclass(frozen=True)
class Records:
    """Everything a run folder tells, as tables; analyses and reports are made from this alone.

    ``arms``    arm, backbone, optimizer, scheduler, tuned_trial, tuned_value, tuned_params (a dict)
    ``trials``  arm, number, state, value, reason, run_id, seconds, params (a dict), epochs
    ``runs``    run_id, arm, phase, seed, state, reason, seconds, started, ended, environment, and a column a metric;
                of the comparison, only the runs of the arms' tuned parameters
    ``epochs``  run_id, arm, phase, seed, epoch, steps, lr, seconds, and a column a metric
    """

    folder: Path
    meta: Mapping[str, Any]  # benchmark, data, environment, command, plugins, metrics, expected, ...
    arms: DataFrame
    trials: DataFrame
    runs: DataFrame
    epochs: DataFrame

    @property
    def name(self) -> str:
        """The benchmark's name."""
        return str(self.meta["benchmark"]["name"])

    def compared(self) -> DataFrame:
        """Return the comparison runs, ordered by arm and seed."""
        return self.runs[self.runs["phase"] == "compare"].reset_index(drop=True)

    def predictions(self, run_id: str) -> NDArray[np.float32]:
        """Return a comparison run's test predictions ``[N, ...]``; raises RunFolderError where they are missing."""
        return _load(schema.prediction(self.folder, run_id))["predictions"]

    @cached_property
    def targets(self) -> NDArray[Any]:
        """The test targets ``[N, ...]``."""
        return _load(schema.targets(self.folder))["targets"]


def open_records(folder: Path) -> Records:
    """Return the records of a run folder; raises RunFolderError where it is none."""
    import pandas as pd

    file = schema.database(folder)
    if not file.is_file():
        raise RunFolderError(
            f"{folder}: must be a run folder, got {'no run.db in it' if folder.is_dir() else 'nothing there'}; check the path"
        )
    db = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
    try:
        meta = {key: json.loads(value) for key, value in db.execute("SELECT key, value FROM meta")}
        if meta.get("schema_version") != schema.VERSION:
            raise RunFolderError(
                f"{folder}: must have records of version {schema.VERSION}, got {meta.get('schema_version')}; use the release that wrote it"
            )
        if missing := {"benchmark", "arms", "spaces", "environment", "command", "metrics", "data"} - set(meta):
            raise RunFolderError(
                f"{folder}: must be a run that has begun, got no {min(missing)}; 'harness run' goes on"
            )
        arms = pd.read_sql_query("SELECT * FROM arms ORDER BY position", db)
        asks = pd.read_sql_query(
            "SELECT asks.*, runs.seconds FROM asks LEFT JOIN runs USING (run_id) ORDER BY arm, number", db
        )
        runs = pd.read_sql_query("SELECT * FROM runs ORDER BY arm, phase, seed, run_id", db)
        epochs = pd.read_sql_query("SELECT * FROM epochs ORDER BY run_id, epoch", db)
    except (sqlite3.DatabaseError, pd.errors.DatabaseError) as error:
        raise RunFolderError(f"{file}: must be the records of a run, got {error}") from error
    finally:
        db.close()
    wanted = set(meta.get("compare_runs", []))  # the comparison as the benchmark stands now
    runs = _spread(runs[(runs["phase"] == "search") | runs["run_id"].isin(wanted)].drop(columns="traceback"))
    about = runs[["run_id", "arm", "phase", "seed"]]
    arms = arms[arms["arm"].isin(meta.get("arms", []))].reset_index(drop=True)
    fixed = {
        arm: {name: said["fixed"] for name, said in space.items() if "fixed" in said}
        for arm, space in meta["spaces"].items()
    }
    tuned = [
        {**fixed[arm], **json.loads(text)} if isinstance(text, str) else {}
        for arm, text in zip(arms["arm"], arms["tuned_params"], strict=True)
    ]
    arms["tuned_params"] = pd.Series(tuned, index=arms.index, dtype=object)
    asks = asks[asks["arm"].isin(meta.get("arms", [])) & (asks["number"] < meta["benchmark"]["search"]["trials"])]
    asks = asks.drop(columns=["trial_attrs", "study_attrs"]).reset_index(drop=True)
    asks["params"] = [{**fixed[arm], **json.loads(text)} for arm, text in zip(asks["arm"], asks["params"], strict=True)]
    asks["epochs"] = [params["epochs"] for params in asks["params"]]
    return Records(
        folder, meta, arms, asks, runs.drop(columns=["recipe", "stop_after"]), about.merge(_spread(epochs), on="run_id")
    )


def _spread(table: DataFrame) -> DataFrame:
    """Return the table with its JSON column ``metrics`` spread over a column a metric."""
    import pandas as pd

    metrics = pd.DataFrame([json.loads(text) for text in table["metrics"]], index=table.index, dtype=float)
    return pd.concat([table.drop(columns="metrics"), metrics], axis=1).reset_index(drop=True)


def _load(file: Path) -> dict[str, NDArray[Any]]:
    from safetensors.numpy import load_file

    try:
        return load_file(file)
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{file}: must be there for this, got {error}") from error
