"""The sections on budget, alarms and targets are made of whatever records there are, and nothing in them fails."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from harness_plugins.analyses.scores import lead, profiles, reached, targets
from harness_plugins.analyses.search import budget, duels, importances, regions, sensitivity
from harness_reports import html, markdown, text

from harness import Records, Results
from harness.results.analysis import analyse
from harness.results.tables import leaderboard, times
from harness.verdict import tuning as alarms


def analyses_of(module: Any) -> list[Any]:
    """Return the analyses of a module: the core's, which a plugin registers, or those of a plugin."""
    return [module.ANALYSIS] if hasattr(module, "ANALYSIS") else module.harness_analyses()


MODULES = (
    alarms, budget, duels, importances, lead, leaderboard, profiles, reached, regions, sensitivity, targets, times,
)  # fmt: skip
SGD = "lesson_cnn/sgd/cosine"


def results(records: Records) -> Results:
    return analyse(records, [offer for module in MODULES for offer in analyses_of(module)])


def randomly(records: Records) -> Records:
    records.meta.benchmark["search"]["sampler"] = "random"
    return records


def all_in(state: str, records: Records) -> Records:
    """Return the records with every trial of sgd in one state, without a value."""
    hers = records.trials["arm"] == SGD
    values = records.trials["value"].where(~hers, None)
    return replace(
        records, trials=records.trials.assign(state=records.trials["state"].where(~hers, state), value=values)
    )


CASES: dict[str, Callable[[Any, Any], Records]] = {
    "whole": lambda make, _: make(),
    "random": lambda make, _: randomly(make()),
    "search alone": lambda make, _: randomly(make(compared=False)),
    "one seed": lambda make, _: randomly(make(seeds=1)),
    "one arm": lambda make, _: randomly(make(["sgd"], seeds=2)),
    "one trial": lambda make, _: randomly(make(trials=1, seeds=2)),
    "regression": lambda make, _: randomly(make(metrics={"mse": {"goal": "min", "unit": "mm"}}, seeds=3)),
    "a failed arm": lambda make, spoil: spoil(randomly(make(seeds=2)), SGD, range(2), "failed"),
    "nothing but divergence": lambda make, _: all_in("diverged", randomly(make(["sgd"], seeds=2))),
    "one arm diverged": lambda make, _: all_in("diverged", randomly(make(seeds=2))),
    "waiting": lambda make, _: all_in("waiting", make(seeds=2)),
    "three schedules": lambda make, _: randomly(make(["sgd", "adam"], schedulers=("a", "b", "c"), seeds=2)),
}


@pytest.mark.parametrize("case", CASES)
def test_any_records_have_a_page(make_records: Any, spoiled: Any, case: str) -> None:
    found = results(CASES[case](partial(make_records, epochs=3), spoiled))
    assert not found.problems
    for name, table in found.tables.items():
        module = next(m for m in MODULES if analyses_of(m)[0].name == name)
        assert list(table.columns) == list(module.COLUMNS)
    page = html.render(found)
    assert ">nan" not in page
    assert "inf points" not in page
    assert markdown.render(found)
    assert text.render(found)


def test_a_learning_rate_that_is_not_searched_has_no_alarm_and_no_region(make_records: Any) -> None:
    records = make_records(["sgd"], seeds=3)
    records.meta.spaces[SGD]["lr"] = {"fixed": 0.1}
    params = [{**each, "lr": 0.1} for each in records.trials["params"]]
    table = alarms.compute(replace(records, trials=records.trials.assign(params=params))).set_index("alarm")
    assert table.loc["edge", "state"] == table.loc["rising", "state"] == "not judged"
    assert math.isnan(table.loc["edge", "value"])
    without = [{name: value for name, value in each.items() if name != "lr"} for each in params]
    assert regions.compute(replace(records, trials=records.trials.assign(params=without))).empty


def test_same_records_same_page(make_records: Any) -> None:
    made = partial(make_records, ["sgd", "adam"], seeds=2, epochs=3)
    assert html.render(results(randomly(made()))) == html.render(results(randomly(made())))


def test_a_run_without_a_result_does_not_say_that_there_is_no_alarm(make_records: Any) -> None:
    records = make_records(["sgd", "adam"], seeds=2, epochs=1)
    page = html.render(results(records))
    assert "tuned well enough to be judged? no alarm" in page
    waiting = replace(records, runs=records.runs.assign(state="waiting"))
    assert "tuned well enough to be judged? Not known: nothing was compared yet" in html.render(results(waiting))
    begun = replace(waiting, trials=records.trials.assign(state="waiting", value=np.nan))
    page = html.render(results(begun))
    assert "tuned well enough to be judged? Nothing was tuned yet" in page
    assert "no alarm" not in page
