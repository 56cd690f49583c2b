"""Optuna's studies from our table ``asks``, which is the truth: in memory for a search, in ``run.db`` for Optuna's dashboard."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from harness.benchmark.plan import Plan
from harness.records import Store, schema
from harness.running.search.dashboard import Shown
from harness.running.search.optuna_study import OptunaStudy
from harness.running.search.optuna_tables import write_trials
from harness.running.search.samplers import directions, quiet_optuna
from harness.running.search.storage import open_storage

OPTUNA_STATE = {
    schema.WAITING: TrialState.RUNNING,
    schema.DONE: TrialState.COMPLETE,
    schema.STOPPED: TrialState.PRUNED,
    schema.DIVERGED: TrialState.PRUNED,  # without a value, which samplers rank below every trial that has one
    schema.FAILED: TrialState.FAIL,
}


Ask = Mapping[str, Any]  # a row of the table ``asks``
Reported = Callable[[Ask], Mapping[int, float]]  # what the pruner has seen of a trial, by step


def study_in_memory(
    name: str, plan: Plan, space: Mapping[str, Any], asks: Sequence[Ask], told: int, reported: Reported
) -> OptunaStudy:
    """Return Optuna's study of a search, to which so many trials have been told; the others are running."""
    quiet_optuna()
    study = OptunaStudy(name, directions(plan))
    for ask in asks[:told]:
        study.add_trial(_ended(ask, plan, space, reported(ask)))
    for ask in asks[told:]:
        study.add_trial(_running(ask, space))
    if asks:
        study.set_study_attrs(asks[-1]["study_attrs"])
    return study


def write_study(
    name: str, plan: Plan, space: Mapping[str, Any], store: Store, asks: Sequence[Ask], reported: Reported,
    shown: Callable[[Ask], Shown],
) -> None:  # fmt: skip
    """Write a search, as far as it is, into Optuna's tables, where it is not there yet. The harness never reads it there.

    A trial has its curve there so far and the ids of its runs. The study of the search itself has what its pruner has seen.
    """
    trials = []
    for ask in asks:
        trial = _ended(ask, plan, space, reported(ask)) if ask["ended"] else _running(ask, space)
        more = shown(ask)
        trial.intermediate_values, trial.user_attrs = dict(more.curve), dict(more.notes)
        trial.datetime_start = more.started or trial.datetime_start
        trial.datetime_complete = more.ended or trial.datetime_complete
        trials.append(trial)
    write_trials(open_storage(store), name, directions(plan), trials)


def _ended(ask: Ask, plan: Plan, space: Mapping[str, Any], reported: Mapping[int, float]) -> FrozenTrial:
    """Return a trial of ours that has ended as one of Optuna's, with what its pruner has seen and noted."""
    values = {"score": ask["value"], "seconds": ask["seconds"]}
    state = OPTUNA_STATE[ask["state"]]
    scores = [values[name] for name in plan.benchmark.search.objectives] if ask["value"] is not None else None
    if state == TrialState.PRUNED and reported and not math.isnan(reported[max(reported)]):
        scores = [reported[max(reported)]]  # as Optuna does where a trial is told that was stopped
    return optuna.trial.create_trial(
        state=state,
        params=ask["params"],
        distributions={name: space[name] for name in ask["params"]},
        values=scores,
        intermediate_values=dict(reported),
        system_attrs={**ask["trial_attrs"], **ask["pruner_notes"]},
    )


def _running(ask: Ask, space: Mapping[str, Any]) -> FrozenTrial:
    """Return a trial of the generation under way: Optuna knows what was asked, and nothing more."""
    return optuna.trial.create_trial(
        state=TrialState.RUNNING,
        params=ask["params"],
        distributions={name: space[name] for name in ask["params"]},
        system_attrs=ask["trial_attrs"],
    )
