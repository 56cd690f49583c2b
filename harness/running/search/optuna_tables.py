"""Writing a search into Optuna's tables, for its dashboard and its plots. The harness never reads it there.

The rows are written at once. Optuna's own way, a trial at a time, takes ten milliseconds a trial, which is a quarter of
the time that a trial of a small head takes. What was written is read back by Optuna. Where another release has other
tables and reads something else, Optuna writes the trials itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import optuna
import sqlalchemy
from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial

from harness.records import database

Rows = Mapping[str, list[dict[str, Any]]]  # by the name of Optuna's table


def write_trials(
    storage: optuna.storages.RDBStorage, name: str, directions: Sequence[Literal["minimize", "maximize"]],
    trials: Sequence[FrozenTrial],
) -> None:  # fmt: skip
    """Have a study of this name consist of these trials; what stands there already is not written again.

    The study and its trials keep their ids, so a dashboard that shows them follows a search under way.
    """
    study = optuna.create_study(storage=storage, study_name=name, directions=directions, load_if_exists=True)
    written = [compared(trial) for trial in study.get_trials(deepcopy=False)]
    rows_wanted = [compared(trial) for trial in trials]
    if written == rows_wanted:
        return
    changed = {
        number: trial for number, trial in enumerate(trials) if written[number : number + 1] != [rows_wanted[number]]
    }
    try:
        _replace(storage, name, changed, range(len(trials), len(written)))
        read = optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False)
        are_equal = [compared(trial) for trial in read] == rows_wanted
    except Exception as error:  # Optuna and SQLAlchemy raise many types on tables that they do not know
        if database.is_passing(error):
            raise
        are_equal = False
    if not are_equal:
        optuna.delete_study(study_name=name, storage=storage)
        optuna.create_study(storage=storage, study_name=name, directions=directions).add_trials(trials)


def compared(trial: FrozenTrial) -> tuple[Any, ...]:
    """Return what Optuna's dashboard shows of a trial. The distributions belong to it, for a range may have been extended.

    A value that is no number is compared as text, because NaN is unequal to itself.
    """
    steps = {step: repr(value) for step, value in trial.intermediate_values.items()}
    return (
        trial.state, trial.params, trial.values, steps, trial.distributions, trial.system_attrs, trial.user_attrs,
    )  # fmt: skip


def _replace(
    storage: optuna.storages.RDBStorage, name: str, trials: Mapping[int, FrozenTrial], gone: Sequence[int]
) -> None:
    """Put trials, by their numbers, into the tables as Optuna has made them, and take some out; all of it or nothing."""
    study_id = storage.get_study_id_from_name(name)
    with storage.engine.begin() as connection:
        columns = {
            table: sqlalchemy.Table(table, sqlalchemy.MetaData(), autoload_with=connection, resolve_fks=False)
            for table in _TABLES
        }
        of_trial = columns["trials"].c
        standing = sqlalchemy.select(of_trial.number, of_trial.trial_id).where(of_trial.study_id == study_id)
        ids = {row.number: row.trial_id for row in connection.execute(standing)}
        last_id = connection.execute(sqlalchemy.text("SELECT coalesce(max(trial_id), 0) FROM trials")).scalar_one()
        taken_out = [{"gone": ids[number]} for number in (*trials, *gone) if number in ids]
        for table in columns.values() if taken_out else ():
            connection.execute(table.delete().where(table.c.trial_id == sqlalchemy.bindparam("gone")), taken_out)
        for number in trials:
            if number not in ids:
                ids[number] = last_id = last_id + 1
        for name_of_table, rows in _rows(trials, study_id, ids).items():
            if rows:
                connection.execute(columns[name_of_table].insert(), rows)


def _rows(trials: Mapping[int, FrozenTrial], study_id: int, ids: Mapping[int, int]) -> Rows:
    """Return the rows of Optuna's tables that trials are, by their numbers; ``ids`` has the id of each number."""
    rows: dict[str, list[dict[str, Any]]] = {table: [] for table in _TABLES}
    for number, trial in trials.items():
        trial_id = ids[number]
        times = {"datetime_start": trial.datetime_start, "datetime_complete": trial.datetime_complete}
        identity = {"trial_id": trial_id, "number": number, "study_id": study_id, "state": trial.state.name}
        rows["trials"].append(identity | times)
        for key, value in trial.params.items():
            space = trial.distributions[key]
            values = {"param_value": space.to_internal_repr(value), "distribution_json": distribution_to_json(space)}
            rows["trial_params"].append({"trial_id": trial_id, "param_name": key, **values})
        for objective, value in enumerate(trial.values or ()):
            stored, kind = _stored(value)
            values = {"objective": objective, "value": stored, "value_type": kind}
            rows["trial_values"].append({"trial_id": trial_id, **values})
        for step, value in trial.intermediate_values.items():
            stored, kind = _stored(value)
            values = {"step": step, "intermediate_value": stored, "intermediate_value_type": kind}
            rows["trial_intermediate_values"].append({"trial_id": trial_id, **values})
        for key, note in trial.system_attrs.items():
            rows["trial_system_attributes"].append({"trial_id": trial_id, "key": key, "value_json": json.dumps(note)})
        for key, note in trial.user_attrs.items():
            rows["trial_user_attributes"].append({"trial_id": trial_id, "key": key, "value_json": json.dumps(note)})
    return rows


_TABLES = (
    "trials", "trial_params", "trial_values", "trial_intermediate_values", "trial_system_attributes",
    "trial_user_attributes",
)  # fmt: skip


def _stored(value: float) -> tuple[float | None, str]:
    """Return a value as Optuna stores it: a database need not have numbers that are not finite."""
    if math.isnan(value):
        return None, "NAN"
    if math.isinf(value):
        return None, "INF_POS" if value > 0 else "INF_NEG"
    return value, "FINITE"
