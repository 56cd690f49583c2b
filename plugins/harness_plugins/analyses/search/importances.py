"""How much each searched parameter decides whether a trial is among the best: PED-ANOVA, from Optuna.

Watanabe et al. 2023, arXiv:2304.10255: the distance between a parameter's distribution among the best trials and among
all of them. It needs at least five best trials, so the best are a quarter of all, and five if that is more.
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
FEWEST = 12  # trials: of fewer, five are no best ones
COLUMNS = ("arm", "parameter", "importance", "best", "trials")


def compute(records: Records) -> DataFrame:
    """Return a row per arm and searched parameter, the most important first: importances add up to 1.

    A trial that diverged or failed counts as one that is not among the best. There are no rows of an arm with
    fewer than 12 trials, or with fewer than five that ended well.
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
        found = importances(params, values.tolist(), space, best / len(values)) if space else {}
        rows += [(arm, name, part, best, len(values)) for name, part in found.items()]
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
        for chosen, value in zip(params, values, strict=True):
            score = value if math.isfinite(value) else worst - 1 - abs(worst)
            own = {name: chosen[name] for name in space}
            study.add_trial(optuna.trial.create_trial(params=own, distributions=dict(space), value=score))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            evaluator = PedAnovaImportanceEvaluator(target_quantile=part)
            return get_param_importances(study, evaluator=evaluator)
    finally:
        optuna.logging.set_verbosity(before)


def _searched(said: Mapping[str, Mapping[str, Any]], params: list[Mapping[str, Any]]) -> dict[str, BaseDistribution]:
    """Return the distributions of the parameters that could differ and that every trial has, as the records tell them."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for name, about in said.items():
        chosen = [each[name] for each in params if name in each]
        if len(chosen) < len(params) or "fixed" in about:
            continue
        if "choices" in about:
            if len(about["choices"]) > 1:
                found[name] = CategoricalDistribution(about["choices"])
        elif about["low"] < about["high"]:
            whole = all(isinstance(value, int) for value in (about["low"], about["high"], *chosen))
            # trials of a range that has since been narrowed keep their place
            low, high = min(about["low"], *chosen), max(about["high"], *chosen)
            kind = IntDistribution if whole else FloatDistribution
            found[name] = kind(low, high, log=bool(about["log"]))
    return found


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer importances."""
    return [Analysis(name="importances", compute=compute, reference="arXiv:2304.10255")]
