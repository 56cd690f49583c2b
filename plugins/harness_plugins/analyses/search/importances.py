"""Which parameters decide how good a trial is.

How much each searched parameter decides whether a trial is among the best: PED-ANOVA, from Optuna.

Watanabe et al. 2023, arXiv:2304.10255: the distance between a parameter's distribution among the best trials and among all of
them. The best trials are a quarter of all, but at least five, for fewer do not suffice.

The trials of all replicates count together: one search alone is often too short. How much one of these searches decides is seen
by leaving each of them out in turn.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.verdict.trials import scores
from harness_plugins.analyses._searches import spent_trials

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from pandas import DataFrame

BEST, PART = 5, 0.25
FEWEST = 12  # trials: five of fewer are no longer the best
COLUMNS = ("arm", "parameter", "importance", "low", "high", "best", "trials", "searches")


def compute(records: Records) -> DataFrame:
    """Return a row per arm and searched parameter, the most important first: importances add up to 1.

    ``low`` and ``high`` are the least and the largest importance when one of the arm's ``searches`` is left out, NaN for a single
    search. A trial that diverged or failed counts as one that is not among the best. An arm with fewer than 12 trials, or with
    fewer than five that ended well, has no rows.
    """
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    for arm in map(str, records.arms["arm"]):
        searches = spent_trials(records, arm)
        by_name = _of_searches(records, arm, searches)
        if not by_name:
            continue
        count = sum(map(len, searches))
        without = [_of_searches(records, arm, [*searches[:i], *searches[i + 1 :]]) for i in range(len(searches))]
        recorded = [parts for parts in without if parts] if len(searches) > 1 else []
        for name, importance in by_name.items():
            shares = [parts.get(name, math.nan) for parts in recorded] or [math.nan]
            rows.append((arm, name, importance, min(shares), max(shares), _best_of(count), count, len(searches)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _best_of(trials: int) -> int:
    """Return how many of so many trials are the best."""
    return max(BEST, round(PART * trials))


def _of_searches(records: Records, arm: str, searches: list[DataFrame]) -> dict[str, float]:
    """Return the importance of each searched parameter in these searches of an arm; empty where there are too few trials."""
    import numpy as np

    params = [params for trials in searches for params in trials["params"]]
    values = np.concatenate([np.zeros(0), *(scores(records, trials) for trials in searches)])
    if len(values) < FEWEST or np.isfinite(values).sum() < BEST:
        return {}
    space = _searched(records.meta.spaces.get(arm, {}), params)
    return importances(params, values.tolist(), space, _best_of(len(values)) / len(values)) if space else {}


def importances(
    params: list[Mapping[str, Any]], values: list[float], space: Mapping[str, BaseDistribution], part: float
) -> dict[str, float]:
    """Return each parameter's importance for being among the best ``part`` of the trials; higher values are better."""
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
    is_whole = all(isinstance(value, int) for value in (range_["low"], range_["high"], *values))
    low, high = min(range_["low"], *values), max(range_["high"], *values)  # trials of a range that was wider before
    kind = IntDistribution if is_whole else FloatDistribution
    return kind(low, high, log=bool(range_["log"]))


MEANINGS = {  # of the columns that are not the same in every table
    "parameter": "the hyperparameter",
    "importance": "its part of the variance among the best trials; they add up to 1",
    "low": "its least value when one search is left out",
    "high": "its largest value when one search is left out",
    "best": "how many trials count as the best",
    "searches": "searches of the arm, one a replicate",
    "trials": "how many trials there are",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer importances."""
    return [Analysis(name="importances", compute=compute, reference="arXiv:2304.10255", columns=MEANINGS)]
