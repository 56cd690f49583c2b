"""Which parameters decide how good a trial is.

How much each searched parameter decides whether a trial is among the best: PED-ANOVA, from Optuna.

Watanabe et al. 2023, arXiv:2304.10255: the distance between a parameter's distribution among the best trials and among all of
them. The best trials are a quarter of all, but at least five, for fewer do not suffice.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.verdict.trials import SPENT, scores

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from pandas import DataFrame

BEST, PART = 5, 0.25
FEWEST = 12  # trials: five of fewer are no longer the best
COLUMNS = ("arm", "parameter", "importance", "best", "trials")


def compute(records: Records) -> DataFrame:
    """Return a row per arm and searched parameter, the most important first: importances add up to 1.

    A trial that diverged or failed counts as one that is not among the best. An arm with fewer than 12 trials, or with fewer
    than five that ended well, has no rows.
    """
    import numpy as np
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    for arm in map(str, records.arms["arm"]):
        trials = records.trials[records.trials["arm"] == arm].sort_values("number")
        params = list(trials.loc[trials["state"].isin(SPENT), "params"])
        values = scores(records, arm)
        if len(values) < FEWEST or np.isfinite(values).sum() < BEST:
            continue
        best = max(BEST, round(PART * len(values)))
        space = _searched(records.meta.spaces.get(arm, {}), params)
        by_name = importances(params, values.tolist(), space, best / len(values)) if space else {}
        rows += [(arm, name, importance, best, len(values)) for name, importance in by_name.items()]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def importances(
    params: list[Mapping[str, Any]], values: list[float], space: Mapping[str, BaseDistribution], part: float
) -> dict[str, float]:
    """Return each parameter's importance for being among the best ``part`` of the trials; higher values are better."""
    import math

    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    worst = min(value for value in values if math.isfinite(value))
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
        for trial_params, value in zip(params, values, strict=True):
            score = value if math.isfinite(value) else worst - 1 - abs(worst)
            searched = {name: trial_params[name] for name in space}
            study.add_trial(optuna.trial.create_trial(params=searched, distributions=dict(space), value=score))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            evaluator = PedAnovaImportanceEvaluator(target_quantile=part)
            return get_param_importances(study, evaluator=evaluator)
    finally:
        optuna.logging.set_verbosity(before)


def _searched(space: Mapping[str, Mapping[str, Any]], params: list[Mapping[str, Any]]) -> dict[str, BaseDistribution]:
    """Return the distributions of the parameters that could differ and that every trial has."""
    distributions: dict[str, BaseDistribution] = {}
    for name, range_ in space.items():
        values = [trial_params[name] for trial_params in params if name in trial_params]
        if len(values) == len(params) and (distribution := _distribution(range_, values)):
            distributions[name] = distribution
    return distributions


def _distribution(range_: Mapping[str, Any], values: list[Any]) -> BaseDistribution | None:
    """Return a parameter's distribution, wide enough for these values of its trials; None where it could not differ."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if "fixed" in range_:
        return None
    if "choices" in range_:
        return CategoricalDistribution(range_["choices"]) if len(range_["choices"]) > 1 else None
    if not range_["low"] < range_["high"]:
        return None
    whole = all(isinstance(value, int) for value in (range_["low"], range_["high"], *values))
    low, high = min(range_["low"], *values), max(range_["high"], *values)  # trials of a range that was wider before
    kind = IntDistribution if whole else FloatDistribution
    return kind(low, high, log=bool(range_["log"]))


MEANINGS = {  # of the columns that are not the same in every table
    "parameter": "the hyperparameter",
    "importance": "its part of the variance among the best trials; they add up to 1",
    "best": "how many trials count as the best",
    "trials": "how many trials there are",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer importances."""
    return [Analysis(name="importances", compute=compute, reference="arXiv:2304.10255", columns=MEANINGS)]
