"""The tables of the records, each read by one function, as pandas tables; and the rows of any table as plain values."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts.tables import empty_table, with_kinds
from harness.plugin.meta import Meta
from harness.plugin.rules import Rules

if TYPE_CHECKING:
    from pandas import DataFrame

OF_ONE_PROCESS = ("traceback", "recipe", "stop_after")  # columns of runs that the tables do not have


def read_arms(db: sqlite3.Connection, meta: Meta) -> DataFrame:
    """Return the arms, each with what its first search has chosen; parameters that the arm fixes are among those.

    A parameter that is not in force beside what was chosen is not among them.
    """
    import pandas as pd

    searches = pd.read_sql_query("SELECT * FROM searches WHERE replicate = 0 ORDER BY position", db)
    arms = searches[searches["arm"].isin(meta.arms)].drop(columns=["study", "replicate"]).reset_index(drop=True)
    fixed = _fixed_values(meta)
    tuned = []
    for arm, text in zip(arms["arm"], arms["tuned_params"], strict=True):
        chosen = {**fixed[arm], **json.loads(text)} if isinstance(text, str) else {}
        tuned.append(_rules(meta.spaces[arm]).in_force(chosen))
    arms["tuned_params"] = pd.Series(tuned, index=arms.index, dtype=object)
    return with_kinds("arms", arms)


def read_trials(db: sqlite3.Connection, meta: Meta) -> DataFrame:
    """Return the trials of all searches that count, with the study, its arm and which of the arm's searches it is."""
    import pandas as pd

    query = """
        SELECT asks.*, searches.arm, replicate, asks.number IS searches.tuned_trial AS chosen, runs.state AS confirmation_state, runs.metrics AS confirmed
        FROM asks JOIN searches USING (study) LEFT JOIN runs ON runs.run_id = asks.confirmation ORDER BY study, number
    """
    trials = pd.read_sql_query(query, db).drop(columns=["trial_attrs", "study_attrs", "pruner_notes"])
    column = f"tune_{meta.search_metric}"
    scores = [json.loads(text).get(column) if isinstance(text, str) else None for text in trials["confirmed"]]
    trials["confirmed"] = pd.Series(scores, index=trials.index, dtype=float)
    trials.loc[trials["confirmation_state"] != "done", "confirmed"] = math.nan
    trials["confirmation_state"] = trials["confirmation_state"].fillna("").astype(str)
    trials = trials[trials["number"] < trials["study"].map(meta.counted).fillna(math.inf)].reset_index(drop=True)
    params = [json.loads(text) for text in trials["params"]]
    trials["params"] = pd.Series(params, index=trials.index, dtype=object)
    return trials


def first_searches(trials: DataFrame, meta: Meta) -> DataFrame:
    """Return the trials of each arm's first search; parameters that the arm fixes are among a trial's, where in force."""
    import pandas as pd

    first = trials[(trials["replicate"] == 0) & trials["arm"].isin(meta.arms)].reset_index(drop=True)
    fixed = _fixed_values(meta)
    rules = {arm: _rules(space) for arm, space in meta.spaces.items()}
    params = [
        rules[arm].in_force({**fixed[arm], **chosen}) for arm, chosen in zip(first["arm"], first["params"], strict=True)
    ]
    first["params"] = pd.Series(params, index=first.index, dtype=object)
    first["epochs"] = [chosen["epochs"] for chosen in params]
    first.insert(0, "arm", first.pop("arm"))
    return with_kinds("trials", first.drop(columns=["study", "replicate", "chosen"]))


def further_searches(trials: DataFrame, meta: Meta) -> DataFrame:
    """Return the trials of the searches that are no arm's first: of later replicates, and all of the A/A arm."""
    if trials.empty:
        return empty_table("repeated")
    controls = {name: str(role["of"]) for name, role in meta.roles.items()}
    replicates = (trials["replicate"] > 0) & trials["arm"].isin(meta.arms)
    further = trials[replicates | trials["arm"].isin(controls)].rename(columns={"study": "search"})
    further["control"] = further["arm"].where(further["arm"].isin(controls), "")
    further["arm"] = further["arm"].replace(controls)
    further["chosen"] = further["chosen"].astype(bool)
    return further.reset_index(drop=True)


def read_runs(db: sqlite3.Connection, meta: Meta, measured: DataFrame) -> DataFrame:
    """Return the runs of the searches, and the arms' own runs in the comparison as the benchmark stands now."""
    runs = _all_runs(db)
    run_ids = set(meta.compare_runs or ())
    runs = _spread_metrics(runs[(runs["phase"] == "search") | runs["run_id"].isin(run_ids)])
    runs = _with_probes(runs, measured, meta)
    runs["precision"] = [json.loads(text)["precision"] for text in runs["recipe"]]
    return with_kinds("runs", runs.drop(columns=list(OF_ONE_PROCESS)))


def read_comparison(db: sqlite3.Connection, meta: Meta, measured: DataFrame) -> DataFrame:
    """Return every run of the comparison, in its order, with what the run is for."""
    import pandas as pd

    if not meta.comparison:
        return empty_table("comparison")
    runs = _all_runs(db).drop(columns=[*OF_ONE_PROCESS, "arm"])  # the comparison has the arm's name
    planned = pd.DataFrame(list(meta.comparison))
    return _with_probes(_spread_metrics(planned.merge(runs, on="run_id", how="inner")), measured, meta)


def read_epochs(db: sqlite3.Connection, runs: DataFrame) -> DataFrame:
    """Return the epochs of these runs."""
    import pandas as pd

    epochs = pd.read_sql_query("SELECT * FROM epochs ORDER BY run_id, epoch", db)
    return with_kinds("epochs", runs[["run_id", "arm", "phase", "seed"]].merge(_spread_metrics(epochs), on="run_id"))


def read_range_tests(db: sqlite3.Connection, meta: Meta) -> DataFrame:
    """Return the steps of the arms' range tests."""
    return _of_arms(_read(db, "range_tests", "arm, step"), meta)


def read_paths(db: sqlite3.Connection, meta: Meta) -> DataFrame:
    """Return the steps of the arms' walks over functions of two parameters."""
    return _of_arms(_read(db, "paths", "rowid"), meta).astype({"lr": float})


def read_examples(db: sqlite3.Connection) -> DataFrame:
    """Return the photos, where the data are photos of classes."""
    return _read(db, "examples", "split, row").astype({"excluded": bool})


def read_measured(db: sqlite3.Connection, meta: Meta) -> DataFrame:
    """Return what the probes measured: by their versions of now, and of a probe that has measured all it will."""
    versions = {probe: note["version"] for probe, note in meta.probes.items() if note["over"]}
    measured = _read(db, "measured", "probe, one, other, third, name")
    measured = measured[measured["name"] != ""]  # a probe had nothing to say
    if measured.empty:
        return empty_table("measured")
    measured = measured[measured["version"] == measured["probe"].map(versions)].drop(columns="version")
    return measured.astype({"value": float}).reset_index(drop=True)


def count_measured(db: sqlite3.Connection, meta: Meta) -> dict[str, int]:
    """Return by probe how many measurements it has made so far, by its version of now."""
    query = "SELECT probe, version, count(*) FROM (SELECT DISTINCT probe, version, one, other, third FROM measured) GROUP BY probe, version"
    counts = {(probe, version): int(many) for probe, version, many in db.execute(query)}
    return {probe: counts.get((probe, note["version"]), 0) for probe, note in meta.probes.items()}


def plain_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row of a table as plain values for JSON, without the numbers that are not known.

    >>> import numpy as np
    >>> plain_row({"arm": "adam", "n": np.int64(3), "mean": np.float64("nan")})
    {'arm': 'adam', 'n': 3}
    """
    values = {str(name): value.item() if hasattr(value, "item") else value for name, value in row.items()}
    return {
        name: value for name, value in values.items() if not (isinstance(value, float) and not math.isfinite(value))
    }


def plain_rows(table: DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as ``plain_row`` returns one."""
    return [plain_row(row) for row in table.to_dict("records")]


def _read(db: sqlite3.Connection, table: str, order: str) -> DataFrame:
    """Return a table as it is stored, in an order; without a row, its columns have their kinds all the same."""
    import pandas as pd

    rows = pd.read_sql_query(f"SELECT * FROM {table} ORDER BY {order}", db)
    return empty_table(table) if rows.empty else rows


def _of_arms(rows: DataFrame, meta: Meta) -> DataFrame:
    return rows[rows["arm"].isin(meta.arms)].reset_index(drop=True)


def _all_runs(db: sqlite3.Connection) -> DataFrame:
    import pandas as pd

    return pd.read_sql_query("SELECT * FROM runs ORDER BY arm, phase, seed, run_id", db)


def _fixed_values(meta: Meta) -> dict[str, dict[str, Any]]:
    """Return the hyperparameters that are not searched, by arm."""
    fixed: dict[str, dict[str, Any]] = {}
    for arm, space in meta.spaces.items():
        fixed[arm] = {name: values["fixed"] for name, values in space.items() if _is_fixed(values)}
    return fixed


def _rules(space: Mapping[str, Mapping[str, Any]]) -> Rules:
    """Return which hyperparameters of a described space are in force beside others."""
    return Rules({name: values["when"] for name, values in space.items() if "when" in values})


def _is_fixed(values: Mapping[str, Any]) -> bool:
    return "fixed" in values


def _with_probes(runs: DataFrame, measured: DataFrame, meta: Meta) -> DataFrame:
    """Return runs with a column ``PROBE.name`` for each number of the probes that measured every solution."""
    for probe in (name for name, note in meta.probes.items() if not note["costly"]):
        numbers = measured[measured["probe"] == probe]
        for name in dict.fromkeys(numbers["name"]):
            values = numbers[numbers["name"] == name].set_index("one")["value"]
            runs[f"{probe}.{name}"] = runs["run_id"].map(values).astype(float)
    return runs


def _spread_metrics(rows: DataFrame) -> DataFrame:
    """Return the table with its JSON column ``metrics`` spread over a column a metric."""
    import pandas as pd

    metrics = pd.DataFrame([json.loads(text) for text in rows["metrics"]], index=rows.index, dtype=float)
    return pd.concat([rows.drop(columns="metrics"), metrics], axis=1).reset_index(drop=True)
