"""A search stands in Optuna's tables as Optuna itself would have written it, also while it goes on."""

from __future__ import annotations

import math
from datetime import datetime
from types import SimpleNamespace

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from harness.running.search import optuna_tables
from harness.running.search.dashboard import shown_of
from harness.running.search.optuna_tables import compared, write_trials

SPACE = {
    "lr": FloatDistribution(1e-4, 1.0, log=True),
    "epochs": IntDistribution(4, 12, step=2),
    "nesterov": CategoricalDistribution([False, True]),
    "kind": CategoricalDistribution(["a", None, 3]),
}
STATES = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.COMPLETE]


def trial(number):
    state = STATES[number % 4]
    return create_trial(
        state=state,
        params={
            "lr": 0.01 * (number + 1),
            "epochs": 4,
            "nesterov": bool(number % 2),
            "kind": ["a", None, 3][number % 3],
        },
        distributions=SPACE,
        values=[0.5 + number / 100, math.inf] if state == TrialState.COMPLETE else None,
        intermediate_values={1: 0.25, 2: -math.inf, 3: math.nan, 10: 0.5} if state == TrialState.PRUNED else {},
        user_attrs={"runs": [f"run{number}"], "state": "done"} if number % 3 else {},
        system_attrs={"nsga:generation": number, "note": [1, "two", None]} if number % 2 else {},
    )


@pytest.fixture
def storage(tmp_path):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'run.db'}")


@pytest.fixture
def by_optuna(monkeypatch):
    """The numbers of trials that Optuna was asked to write itself, a call after another."""
    many = []
    add = optuna.Study.add_trials
    monkeypatch.setattr(
        optuna.Study, "add_trials", lambda study, trials: many.append(len(trials)) or add(study, trials)
    )
    return many


def read(storage, name="adam"):
    return optuna.load_study(study_name=name, storage=storage).get_trials()


def test_what_is_written_is_what_optuna_writes(storage, by_optuna):
    trials = [trial(number) for number in range(12)]
    write_trials(storage, "sgd", ["maximize", "minimize"], trials[:5])
    write_trials(storage, "adam", ["maximize", "minimize"], trials)
    assert by_optuna == []
    study = optuna.create_study(storage=storage, study_name="by optuna", directions=["maximize", "minimize"])
    study.add_trials(trials)
    ours, optunas = read(storage), read(storage, "by optuna")
    assert [compared(one) for one in ours] == [compared(one) for one in optunas]
    assert [one.number for one in ours] == [*range(12)]
    assert [one.datetime_complete for one in ours] == [one.datetime_complete for one in optunas]
    assert len({one._trial_id for one in [*ours, *optunas, *read(storage, "sgd")]}) == 12 + 12 + 5
    assert ours[1].user_attrs == {"runs": ["run1"], "state": "done"}
    assert math.isnan(ours[1].intermediate_values[3])
    assert optuna.load_study(study_name="adam", storage=storage).best_trials
    assert len(read(storage, "sgd")) == 5


def test_only_what_is_missing_is_written(storage, by_optuna, monkeypatch):
    trials = [trial(number) for number in range(6)]
    put, replace = [], optuna_tables._replace
    monkeypatch.setattr(
        optuna_tables, "_replace", lambda *arguments: put.append([*arguments[2]]) or replace(*arguments)
    )
    for many in (4, 4, 6):
        write_trials(storage, "adam", ["maximize", "minimize"], trials[:many])
    assert put == [[0, 1, 2, 3], [4, 5]]
    assert [compared(one) for one in read(storage)] == [compared(one) for one in trials]
    write_trials(storage, "adam", ["maximize", "minimize"], [trial(number) for number in range(1, 4)])
    assert [one.params["lr"] for one in read(storage)] == [0.02, 0.03, 0.04]
    assert by_optuna == []


def running(number, steps):
    space = {"lr": SPACE["lr"]}
    return create_trial(
        state=TrialState.RUNNING, params={"lr": 0.1 * number}, distributions=space, intermediate_values=steps
    )


def test_a_search_under_way_is_written_again_and_keeps_its_ids(storage, by_optuna, monkeypatch):
    """A dashboard has a study open by its id, and takes a trial that has ended from its memory."""
    directions = ["maximize", "minimize"]
    write_trials(storage, "sgd", directions, [trial(0), running(1, {1: 0.2})])
    write_trials(storage, "adam", directions, [trial(number) for number in range(3)])
    study = storage.get_study_id_from_name("sgd")
    ids = [one._trial_id for one in read(storage, "sgd")]
    put, replace = [], optuna_tables._replace
    monkeypatch.setattr(
        optuna_tables, "_replace", lambda *arguments: put.append([*arguments[2]]) or replace(*arguments)
    )
    later = [trial(0), running(1, {1: 0.2, 2: 0.3}), running(2, {}), trial(3)]
    write_trials(storage, "sgd", directions, later)
    write_trials(storage, "sgd", directions, [trial(0), trial(1), *later[2:]])
    shown = read(storage, "sgd")
    assert put == [[1, 2, 3], [1]]
    assert [compared(one) for one in shown] == [compared(one) for one in (trial(0), trial(1), *later[2:])]
    assert [one._trial_id for one in shown][:2] == ids
    assert min(one._trial_id for one in shown[2:]) > max(one._trial_id for one in read(storage))
    assert storage.get_study_id_from_name("sgd") == study
    assert [compared(one) for one in read(storage)] == [compared(trial(number)) for number in range(3)]
    assert by_optuna == []


@pytest.mark.parametrize("change", ["a table is missing", "a row is refused", "a value is read as another"])
def test_where_another_release_has_other_tables_optuna_writes_the_trials_itself(
    storage, by_optuna, monkeypatch, change
):
    rows = optuna_tables._rows

    def changed(*arguments):
        tables = dict(rows(*arguments))
        match change:
            case "a table is missing":
                tables["no_such_table"] = [{"trial_id": 1}]
            case "a row is refused":
                tables["trials"] = [{**row, "state": None} for row in tables["trials"]]
            case "a value is read as another":
                tables["trial_params"] = [{**row, "param_value": 0.0} for row in tables["trial_params"]]
        return tables

    monkeypatch.setattr(optuna_tables, "_rows", changed)
    trials = [trial(number) for number in range(5)]
    write_trials(storage, "adam", ["maximize", "minimize"], trials)
    assert by_optuna == [5]
    assert [compared(one) for one in read(storage)] == [compared(one) for one in trials]


def test_a_trial_is_shown_with_the_mean_curve_of_its_seeds_and_with_its_runs():
    epochs = {
        "a": [{"epoch": 1, "metrics": {"tune_loss": 0.5}}, {"epoch": 2, "metrics": {"tune_loss": 0.3}}],
        "b": [{"epoch": 1, "metrics": {"tune_loss": 0.7}}, {"epoch": 2, "metrics": {"tune_loss": None}}],
    }  # a number that is not finite is recorded as none
    rows = {
        "a": {"started": "2026-01-01T10:00:00+00:00", "ended": "2026-01-01T10:01:00+00:00"},
        "b": {"started": "2026-01-01T10:01:00+00:00", "ended": None},
    }
    store = SimpleNamespace(run=rows.get, epochs=epochs.get)
    runs = [SimpleNamespace(id=name) for name in ("a", "b", "never trained")]
    ask = {"state": "done", "reason": "", "confirmation": "c", "ended": False}
    shown = shown_of(lambda _: runs, store, "tune_loss", ask)
    assert shown.curve[1] == pytest.approx(0.6)
    assert math.isnan(shown.curve[2])
    assert shown.notes == {"runs": ["a", "b"], "state": "done", "confirmation": "c"}
    assert shown.started == datetime.fromisoformat(rows["a"]["started"]).astimezone().replace(tzinfo=None)
    assert shown.ended is None
    over = shown_of(lambda _: runs[:1], store, "tune_loss", {**ask, "ended": True})
    assert (over.ended - over.started).total_seconds() == 60
