"""Optuna's study of a search, rebuilt from our table ``asks`` where the two differ: ours is the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from harness.benchmark.plan import Plan
from harness.records import Store, schema
from harness.run.search.optuna_study import OptunaStudy
from harness.run.search.samplers import directions, make_pruner
from harness.run.search.storage import open_storage

OPTUNA_STATE = {
    schema.WAITING: TrialState.RUNNING,
    schema.DONE: TrialState.COMPLETE,
    schema.STOPPED: TrialState.PRUNED,
    schema.DIVERGED: TrialState.PRUNED,  # without a value, which samplers rank below every trial that has one
    schema.FAILED: TrialState.FAIL,
}


Ask = Mapping[str, Any]  # a row of the table ``asks``


def open_study(
    name: str, plan: Plan, space: Mapping[str, Any], store: Store, asks: Sequence[Ask],
    reported: Callable[[Ask], Mapping[int, float]],
) -> OptunaStudy:  # fmt: skip
    """Return Optuna's study of a search; ``reported`` returns what the pruner was told of a trial, by step."""
    storage = open_storage(store)
    pruner = make_pruner(plan)
    trials = [_frozen(ask, plan, space, reported(ask)) for ask in asks]
    optuna.create_study(storage=storage, study_name=name, directions=directions(plan), load_if_exists=True)
    study = OptunaStudy(name, storage, pruner)
    if [_compared(trial) for trial in study.get_trials(deepcopy=False)] == [_compared(trial) for trial in trials]:
        return study
    optuna.delete_study(study_name=name, storage=storage)
    optuna.create_study(storage=storage, study_name=name, directions=directions(plan))
    study = OptunaStudy(name, storage, pruner)
    for trial in trials:
        study.add_trial(trial)
    if asks:
        study.set_study_attrs(asks[-1]["study_attrs"])
    return study


def _frozen(ask: Ask, plan: Plan, space: Mapping[str, Any], reported: Mapping[int, float]) -> FrozenTrial:
    """Return a trial of ours as one of Optuna's, with the intermediate values that its pruner was told."""
    values = {"score": ask["value"], "seconds": ask["seconds"]}
    trial = optuna.trial.create_trial(
        state=OPTUNA_STATE[ask["state"]],
        params=ask["params"],
        distributions={name: space[name] for name in ask["params"]},
        values=[values[name] for name in plan.benchmark.search.objectives] if ask["value"] is not None else None,
        intermediate_values=dict(reported),
        system_attrs=ask["trial_attrs"],
    )
    trial.datetime_start = trial.datetime_start or datetime.now()  # noqa: DTZ005 - Optuna's are naive too
    return trial


def _compared(trial: FrozenTrial) -> tuple[Any, ...]:
    """Return all that samplers and pruners read of a trial. It must equal what our records say.

    The distributions belong to it, because a range may have been extended. The value of a pruned trial does not belong to
    it, because Optuna takes the last intermediate value instead.
    """
    values = trial.values if trial.state == TrialState.COMPLETE else None
    return trial.state, trial.params, values, trial.intermediate_values, trial.distributions, trial.system_attrs
