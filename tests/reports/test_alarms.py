"""Tuning alarms: quiet on arms tuned well, loud on a bad range, and an alarmed arm is never called worse."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from harness_plugins.analyses.scores import lead
from harness_plugins.analyses.search import budget, sensitivity
from harness_reports import html, markdown, text
from harness_reports._words.doubts import doubts
from harness_reports._words.headline import Headline, headline
from harness_reports._words.outcome import Outcome
from scipy import stats

from harness import Records, Results
from harness.benchmark.sections.verdict import VerdictSection
from harness.results.analysis import analyse
from harness.results.tables import differences, leaderboard
from harness.verdict import search_alarms
from harness.verdict import tuning as alarms
from harness.verdict.alarm_words import ALARMS
from harness.verdict.score_alarms import is_special_case, special_cases
from harness.verdict.seed_noise import seed_noise

pytestmark = pytest.mark.usefixtures("undrawn")  # words are read, and no figure


def analyses_of(module: Any) -> list[Any]:
    """Return the analyses of a module: the core's, which a plugin registers, or those of a plugin."""
    return [module.ANALYSIS] if hasattr(module, "ANALYSIS") else module.harness_analyses()


SGD, ADAM = "lesson_cnn/sgd/cosine", "lesson_cnn/adam/cosine"
SD = 0.01  # of the synthetic objective's seeds
FINALS = [0.88, 0.90, 0.89, 0.91]  # tune scores of four seeds
UNCONFIRMED = {"confirmation": "", "confirmation_state": "", "confirmed": np.nan}  # a trial that was trained once only
NOISE = float(stats.t.ppf(0.95, 3) * np.sqrt(2) * np.std(FINALS, ddof=1))


def headline_of(results: Results) -> Headline:
    return headline(Outcome(results))


@pytest.fixture
def searched(make_records: Any) -> Any:
    """Return a function from trials per arm, (learning rate, value or a state), to records with ``FINALS`` as seeds."""

    def build(trials: dict[str, Sequence[tuple[float, Any]]], finals: dict[str, list[float]] | None = None) -> Records:
        count = max(map(len, trials.values()))
        records = make_records([arm.split("/")[1] for arm in trials], trials=count, seeds=4, epochs=2)
        rows = [
            {
                "arm": arm, "number": k, "generation": k, "run_id": f"{arm}-{k}", "reason": "", "seconds": 1.0, "trained": 12, **UNCONFIRMED,
                "epochs": 12,
                "value": None if isinstance(value, str) else value, "state": value if isinstance(value, str) else "done",
                "params": {"lr": lr, "momentum": 0.9, "nesterov": True, "epochs": 12},
            }
            for arm, mine in trials.items() for k, (lr, value) in enumerate(mine)
        ]  # fmt: skip
        scores = [((finals or {}).get(run.arm) or FINALS)[run.seed] for run in records.runs.itertuples()]
        return replace(records, trials=pd.DataFrame(rows), runs=records.runs.assign(tune_accuracy=scores))

    return build


def states(records: Records, arm: str = SGD) -> dict[str, str]:
    table = alarms.compute(records)
    return table[table["arm"] == arm].set_index("alarm")["state"].to_dict()


GOOD = [(1e-3, 0.7), (1e-2, 0.9), (1e-1, 0.8), (3e-3, 0.85), (2e-2, 0.89)]


def test_a_plain_search_is_quiet(searched: Any) -> None:
    quiet = dict.fromkeys([*ALARMS][:5], "quiet")
    quiet |= dict.fromkeys(("special case", "defaults", "chance"), "not judged")
    assert states(searched({SGD: GOOD})) == quiet


def test_seed_noise_is_what_two_seeds_exceed_once_in_twenty(searched: Any) -> None:
    noises = seed_noise(searched({SGD: GOOD, ADAM: GOOD}))
    assert noises == pytest.approx({SGD: NOISE, ADAM: NOISE})
    random = np.random.default_rng(0)
    runs = random.normal(size=(4000, 6))  # four seeds that the sd is taken from, and two that are compared
    over = runs[:, 4] - runs[:, 5] > stats.t.ppf(0.95, 3) * np.sqrt(2) * runs[:, :4].std(axis=1, ddof=1)
    assert over.mean() == pytest.approx(0.05, abs=0.012)


def test_seed_noise_is_at_least_one_example(searched: Any) -> None:
    same = dict.fromkeys((SGD,), [0.9] * 4)
    assert seed_noise(searched({SGD: GOOD}, same)) == {SGD: 1 / 512}


def tiny_spread(records: Records) -> Records:
    """Return records that are searched by the loss, with a protocol, and whose seeds and trials differ in the seventh decimal."""
    meta = replace(records.meta, search_metric="loss")
    meta.benchmark["verdict"] = VerdictSection().model_dump()
    meta.benchmark["compare"].update(fit=0.01, looks=[6])
    losses = 0.2 + 1e-8 * np.arange(len(records.runs))
    trials = records.trials.assign(value=[0.2 - 1e-6 * place for place in range(len(records.trials))])
    return replace(records, meta=meta, runs=records.runs.assign(tune_loss=losses), trials=trials)


def test_a_difference_that_no_reader_would_call_one_raises_no_alarm(searched: Any) -> None:
    """A limit of 1e-7 came of the seeds of a convex problem, which all end alike."""
    rising = [(10.0 ** (k - 4), 0.0) for k in range(5)]  # the best rate is the last and the highest one
    records = tiny_spread(searched({SGD: rising, ADAM: rising}))
    assert 0 < seed_noise(records)[SGD] < 1e-6
    table = alarms.compute(records).set_index(["arm", "alarm"])
    least = 0.01 * (VerdictSection().margins.test_loss - 1) * 0.2
    assert table.loc[(SGD, "edge"), "limit"] == table.loc[(SGD, "edge"), "noise"] == pytest.approx(least, rel=1e-3)
    assert least > 1e-4
    assert set(states(records).values()) <= {"quiet", "not judged"}
    apart = replace(
        records, trials=records.trials.assign(value=records.trials["value"] - 0.01 * records.trials["number"])
    )
    assert states(apart)["edge"] == states(apart)["improving"] == "alarm"


def test_an_arm_without_seeds_borrows_the_others_noise(searched: Any, spoiled: Any) -> None:
    records = spoiled(searched({SGD: GOOD, ADAM: GOOD}), SGD, range(4), "diverged")
    assert seed_noise(records)[SGD] == pytest.approx(NOISE)


def test_without_seeds_nothing_is_judged_against_noise(make_records: Any) -> None:
    found = states(make_records(seeds=1))
    assert [found[kind] for kind in ("edge", "improving", "budget")] == ["not judged"] * 3
    assert found["diverged"] == "quiet"


@pytest.mark.parametrize(("above", "state"), [(0.98, "quiet"), (1.02, "alarm")])
@pytest.mark.parametrize("lr", [1e-4 * 10**0.39, 10**-0.39])
def test_the_edge_must_beat_the_interior_by_more_than_noise(searched: Any, lr: float, above: float, state: str) -> None:
    trials = [(lr, 0.8 + above * NOISE), (1e-2, 0.8), (1e-3, 0.7), (1e-2, 0.6), (1e-2, 0.6)]
    assert states(searched({SGD: trials}))["edge"] == state
    inside = lr * 10 ** (0.03 if lr < 1e-2 else -0.03)  # a range of four decades: its outer tenth is 0.4 of one
    assert states(searched({SGD: [(inside, trials[0][1]), *trials[1:]]}))["edge"] == "quiet"


@pytest.mark.parametrize("turned", [False, True])
def test_scores_that_rise_to_the_edge_are_an_alarm_however_little(searched: Any, turned: bool) -> None:
    rates = np.array([1e-3, 2e-3, 2e-2, 6e-2, 1e-1, 3e-1, 9e-1])
    flat = [(1e-4 / lr if turned else lr, 0.8 + 1e-4 * k) for k, lr in enumerate(rates)]
    assert states(searched({SGD: flat}))["edge"] == "quiet"
    assert states(searched({SGD: flat}))["rising"] == "alarm"
    near = [score for lr, score in flat if (lr < 1e-2 if turned else lr > 1e-2)]
    assert stats.kendalltau(range(len(near)), near, alternative="greater").pvalue < 0.05
    worse = [*flat[:-2], (flat[-2][0], "diverged"), flat[-1]]
    assert states(searched({SGD: worse}))["rising"] == "quiet"  # it falls before the edge
    inside = [*flat[:-1], (1e-2, 0.9)]
    assert states(searched({SGD: inside}))["rising"] == "quiet"


def test_a_search_that_is_all_edge_is_alarmed(searched: Any) -> None:
    assert states(searched({SGD: [(0.9, 0.8), (0.5, 0.8)]}))["edge"] == "alarm"


def test_other_parameters_at_their_edge_do_not_alarm(searched: Any) -> None:
    records = searched({SGD: GOOD})
    params = [{**p, "momentum": 0.98, "epochs": 12} for p in records.trials["params"]]
    assert "alarm" not in states(replace(records, trials=records.trials.assign(params=params))).values()


@pytest.mark.parametrize(("above", "state"), [(0.98, "quiet"), (1.02, "alarm")])
@pytest.mark.parametrize("place", [8, 9])
def test_the_last_fifth_must_improve_by_more_than_noise(searched: Any, place: int, above: float, state: str) -> None:
    trials = [(1e-2, 0.8)] * 10
    trials[place] = (1e-2, 0.8 + above * NOISE)
    assert states(searched({SGD: trials}))["improving"] == state
    assert states(searched({SGD: [trials[place], *trials[:9]]}))["improving"] == "quiet"


@pytest.mark.parametrize(("many", "state"), [(2, "quiet"), (3, "alarm")])
def test_more_than_a_third_diverged(searched: Any, many: int, state: str) -> None:
    trials = [(1e-2, "diverged")] * many + [(1e-2, 0.8)] * (6 - many)
    assert states(searched({SGD: trials, ADAM: trials}))["diverged"] == state


def test_missing_trials_alarm_only_where_they_were_worth_something(searched: Any) -> None:
    few = [(1e-2, 0.9), *[(1e-2, "failed")] * 5]
    flat = [(1e-2, 0.90), (1e-2, 0.89), (1e-2, 0.90), (1e-2, 0.89), (1e-2, 0.9), (1e-2, 0.9)]
    steep = [(1e-2, 0.50), (1e-2, 0.60), (1e-2, 0.90), (1e-2, 0.55), (1e-2, 0.5), (1e-2, 0.5)]
    assert states(searched({SGD: few, ADAM: flat}))["budget"] == "quiet"
    assert states(searched({SGD: few, ADAM: steep}))["budget"] == "alarm"
    assert states(searched({SGD: few, ADAM: steep}), ADAM)["budget"] == "quiet"


@pytest.mark.parametrize(("unit", "column"), [("epochs", "trained"), ("seconds", "seconds")])
def test_a_budget_in_another_unit_is_judged_in_that_unit(searched: Any, unit: str, column: str) -> None:
    steep = [(1e-2, 0.50), (1e-2, 0.60), (1e-2, 0.90), (1e-2, 0.55), (1e-2, 0.5), (1e-2, 0.5)]
    records = searched({SGD: steep[:2], ADAM: steep})
    benchmark = records.meta.benchmark
    meta = replace(
        records.meta, benchmark={**benchmark, "search": {**benchmark["search"], "unit": unit, "budget": 60.0}}
    )

    def spent(sgd: float) -> Records:
        costs = [sgd / 2 if arm == SGD else 10.0 for arm in records.trials["arm"]]
        return replace(records, meta=meta, trials=records.trials.assign(**{column: costs}))

    assert states(spent(60.0))["budget"] == "quiet"  # a third of the trials, each of them as long as three
    assert states(spent(50.0))["budget"] == "quiet"
    assert states(spent(49.0))["budget"] == "alarm"
    assert states(spent(49.0), ADAM)["budget"] == "quiet"
    table = alarms.compute(spent(40.0)).set_index(["arm", "alarm"])
    assert tuple(table.loc[(SGD, "budget"), ["value", "limit", "against"]]) == (20.0, 10.0, ADAM)


# --- special cases -------------------------------------------------------------------------------------------

LR = {"low": 1e-3, "high": 1.0, "log": True}


@pytest.mark.parametrize(
    ("general", "special", "is_one"),
    [
        ({"lr": LR, "m": {"low": 0.5, "high": 0.9, "log": False}}, {"lr": LR, "m": {"fixed": 0.0}}, True),
        ({"lr": LR, "m": {"low": 0.5, "high": 0.9, "log": False}}, {"lr": LR}, False),
        ({"lr": LR, "m": {"fixed": 0.9}}, {"lr": LR, "m": {"fixed": 0.0}}, False),
        ({"lr": LR}, {"lr": LR}, False),
        ({"lr": LR}, {"lr": {**LR, "high": 0.1}}, True),
        ({"lr": {**LR, "high": 0.1}}, {"lr": LR}, False),
        ({"n": {"choices": [True, False]}}, {"n": {"choices": [True]}}, True),
        ({"n": {"choices": [True]}}, {"n": {"choices": [True, False]}}, False),
        ({}, {}, False),
    ],
)
def test_contains(general: Any, special: Any, is_one: bool) -> None:
    assert is_special_case(general, special) is is_one


@pytest.mark.parametrize(("shift", "state"), [(0.0, "quiet"), (0.005, "quiet"), (0.03, "alarm"), (-0.03, "quiet")])
def test_a_general_optimizer_must_not_lose_to_its_special_case(searched: Any, shift: float, state: str) -> None:
    plain = "lesson_cnn/plain/cosine"
    hers = [0.89 + shift, 0.90 + shift, 0.885 + shift, 0.915 + shift]
    records = searched({SGD: GOOD, plain: GOOD}, {plain: hers})
    records.meta.spaces[plain] = {**records.meta.spaces[SGD], "momentum": {"fixed": 0.0}}
    assert states(records)["special case"] == "not judged"  # nothing says that "plain" is sgd
    records = replace(records, arms=records.arms.assign(optimizer="sgd"))
    table = alarms.compute(records).set_index(["arm", "alarm"])
    row = table.loc[(SGD, "special case")]
    assert row["value"] == pytest.approx(stats.ttest_rel(hers, FINALS).statistic)
    assert (row["state"], row["against"]) == (state, plain)
    assert table.loc[(plain, "special case"), "state"] == "not judged"


def test_a_special_case_is_of_one_network_and_one_schedule(searched: Any) -> None:
    plain = "lesson_cnn/plain/cosine"
    records = searched({SGD: GOOD, plain: GOOD})
    records.meta.spaces[plain] = {**records.meta.spaces[SGD], "momentum": {"fixed": 0.0}}
    same = records.arms.assign(optimizer="sgd")
    assert special_cases(replace(records, arms=same), SGD) == [plain]
    assert special_cases(replace(records, arms=same.assign(scheduler=["cosine", "step"])), SGD) == []


def with_untuned(records: Records, scores: dict[str, list[float]], accuracy: float = 0.005) -> Records:
    """Return the records with controls of these arms, the optimizer's own defaults, which have these tune scores.

    They have a verdict with a margin of ``accuracy``, and of 1.10 for the test loss.
    """
    margins = {"accuracy": accuracy, "test_loss": 1.10}
    rules = {"alpha": 0.05, "margins": margins, "floors": {}, "gate": {}}
    benchmark = {**records.meta.benchmark, "verdict": rules}
    benchmark["compare"] = {**benchmark["compare"], "fit": 0.01}
    records = replace(records, meta=replace(records.meta, benchmark=benchmark))
    rows = [
        {"run_id": f"{arm}~{seed}", "arm": f"{arm}~untuned", "role": "untuned", "of": arm, "replicate": 0,
         "init_seed": seed, "order_seed": seed, "state": "done", "tune_accuracy": score}
        for arm, mine in scores.items() for seed, score in enumerate(mine)
    ]  # fmt: skip
    return replace(records, comparison=pd.DataFrame(rows))


@pytest.mark.parametrize(("below", "state"), [(0.0, "quiet"), (0.0024, "quiet"), (0.0026, "alarm"), (-0.05, "quiet")])
def test_an_arm_must_not_lie_below_its_own_defaults(searched: Any, below: float, state: str) -> None:
    """Half of a margin of .005 decides, and no p-value: the seeds scatter by five times as much."""
    theirs = [0.885 + below, 0.895 + below, 0.905 + below]
    records = with_untuned(searched({SGD: GOOD, ADAM: GOOD}), {SGD: theirs})
    table = alarms.compute(records).set_index(["arm", "alarm"])
    row = table.loc[(SGD, "defaults")]
    assert row["value"] == pytest.approx(np.mean(theirs) - np.mean(FINALS))
    assert (row["limit"], row["state"], row["against"]) == (0.0025, state, f"{SGD}~untuned")
    assert table.loc[(ADAM, "defaults"), "state"] == "not judged"  # it is another optimizer


@pytest.mark.parametrize(("ratio", "state"), [(1.04, "quiet"), (1.06, "alarm"), (0.5, "quiet")])
def test_a_loss_lies_below_its_defaults_by_half_the_margin_of_a_ratio(searched: Any, ratio: float, state: str) -> None:
    """Of a margin of 1.10 the half is its root, 1.0488."""
    records = searched({SGD: GOOD}, {SGD: [0.2 * ratio] * 4})
    metrics = {**records.meta.metrics, "accuracy": {"goal": "min", "unit": "nats"}}
    records = with_untuned(replace(records, meta=replace(records.meta, metrics=metrics)), {SGD: [0.2, 0.2]})
    row = alarms.compute(records).set_index("alarm").loc["defaults"]
    assert (row["value"], row["state"]) == (pytest.approx(0.2 * ratio - 0.2), state)
    assert row["limit"] == pytest.approx(0.2 * (1.1**0.5 - 1))


def test_a_search_that_chose_the_defaults_is_not_below_them(searched: Any) -> None:
    """The control runs fewer seeds; equal scores on them say that it is the same arm."""
    records = with_untuned(searched({SGD: GOOD}, {SGD: [0.9, 0.89, 0.91, 0.5]}), {SGD: [0.9, 0.89, 0.91]})
    row = alarms.compute(records).set_index("alarm").loc["defaults"]
    assert (row["value"], row["state"]) == (0.0, "quiet")


@pytest.mark.parametrize(("other", "state"), [(0.1, "quiet"), (0.3, "alarm")])
def test_all_searches_must_have_chosen_the_defaults(searched: Any, other: float, state: str) -> None:
    """The last seed is of another replicate, whose search chose the defaults too, or a rate that is worse."""
    records = with_untuned(searched({SGD: GOOD}, {SGD: [0.9, 0.89, 0.91, 0.5]}), {SGD: [0.9, 0.89, 0.91]})
    recipe = {"scheduler": {}, "batch_size": 64, "epochs": 40}
    rates = [0.1, 0.1, 0.1, other]
    run_ids = records.runs["run_id"]
    vars(records)["recipes"] = {
        run: {**recipe, "optimizer": {"lr": lr}} for run, lr in zip(run_ids, rates, strict=True)
    }
    row = alarms.compute(records).set_index("alarm").loc["defaults"]
    assert row["state"] == state


def test_half_the_margin_is_that_of_the_protocol(searched: Any) -> None:
    records = with_untuned(searched({SGD: GOOD}), {SGD: [0.905] * 3}, accuracy=0.02)
    assert alarms.compute(records).set_index("alarm").loc["defaults", ["limit", "state"]].tolist() == [0.01, "quiet"]


def test_without_a_protocol_defaults_are_not_judged(searched: Any) -> None:
    records = with_untuned(searched({SGD: GOOD}), {SGD: [0.99] * 3})
    meta = replace(records.meta, benchmark={k: v for k, v in records.meta.benchmark.items() if k != "verdict"})
    assert states(replace(records, meta=meta))["defaults"] == "not judged"


# --- chance --------------------------------------------------------------------------------------------------


def with_constant(records: Records, score: float, se: float, answer: str = "cat") -> Records:
    """Return the records with what a constant answer scores on tune."""
    metric = records.meta.metric
    constant = {"answer": answer, "scores": {"tune": {metric: {"score": score, "se": se}}}}
    return replace(records, meta=replace(records.meta, constant=constant))


@pytest.mark.parametrize(
    ("score", "se", "state"),
    [
        (0.80, 0.01, "quiet"),
        (0.90, 0.01, "alarm"),
        (0.88, 0.009, "quiet"),
        (0.88, 0.012, "alarm"),
        (0.895, 0.0, "alarm"),
    ],
)
def test_an_arm_must_be_shown_to_be_better_than_a_constant(searched: Any, score: float, se: float, state: str) -> None:
    records = with_constant(searched({SGD: GOOD}), score, se)
    row = alarms.compute(records).set_index("alarm").loc["chance"]
    assert (row["value"], row["limit"]) == pytest.approx((score - np.mean(FINALS), -stats.norm.ppf(0.95) * se))
    assert (row["state"], row["against"]) == (state, "cat")


def test_of_a_loss_lower_is_better_than_a_constant(searched: Any) -> None:
    records = searched({SGD: GOOD})
    metrics = {**records.meta.metrics, "accuracy": {"goal": "min", "unit": "nats"}}
    records = replace(records, meta=replace(records.meta, metrics=metrics))
    assert states(with_constant(records, 1.2, 0.01))["chance"] == "quiet"
    assert states(with_constant(records, 0.69, 0.01))["chance"] == "alarm"


def test_arms_that_learned_nothing_are_alarmed_and_arms_that_did_are_not(searched: Any) -> None:
    """Of 512 examples of two equal classes: guesses are alarmed 95 times in 100, arms 8 points above never."""
    random, se = np.random.default_rng(3), np.sqrt(0.25 / 512)
    for true, least, most in ((0.5, 0.93, 1.0), (0.58, 0.0, 0.05)):
        means = random.binomial(512, true, 400) / 512
        raised = [
            states(with_constant(searched({SGD: GOOD}, {SGD: [mean] * 4}), 0.5, se))["chance"] for mean in means[:40]
        ]
        assert least <= np.mean([state == "alarm" for state in raised]) <= most


def test_an_alias_is_held_against_its_optimizers_defaults(searched: Any) -> None:
    plain = "lesson_cnn/plain/cosine"
    records = with_untuned(searched({SGD: GOOD, plain: GOOD}), {SGD: [0.97, 0.98, 0.99]})
    records = replace(records, meta=replace(records.meta, optimizers={SGD: "sgd", plain: "sgd"}))
    found = alarms.compute(records).set_index(["arm", "alarm"])["state"]
    assert found[SGD, "defaults"] == found[plain, "defaults"] == "alarm"


# --- rates of alarms -----------------------------------------------------------------------------------------


def synthetic(make_records: Any, random: Any, trials: int, centre: float, sampler: str) -> Records:
    """Return a search of four arms whose score falls with the squared decades from ``centre``, and with momentum."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    records = make_records([f"o{i}" for i in range(4)], trials=trials, seeds=8, epochs=1)
    samplers = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}
    rows, finals = [], {}
    for arm in records.arms["arm"]:
        study = optuna.create_study(direction="maximize", sampler=samplers[sampler](seed=int(random.integers(2**31))))
        best = (-np.inf, 0.0)
        for k in range(trials):
            trial = study.ask()
            params = {
                "lr": trial.suggest_float("lr", 1e-4, 1, log=True),
                "momentum": trial.suggest_float("momentum", 0.5, 0.98),
            }
            true = 0.9 - 0.05 * (np.log10(params["lr"]) - centre) ** 2 - 0.2 * (params["momentum"] - 0.8) ** 2
            value = true + random.normal(0, SD)
            study.tell(trial, value)
            best = max(best, (value, true))
            rows.append(
                {
                    "arm": arm, "number": k, "generation": k, "run_id": f"{arm}-{k}", "state": "done", "value": value,
                    "reason": "", "seconds": 1.0, **UNCONFIRMED, "epochs": 12, "params": {**params, "nesterov": True, "epochs": 12},
                }
            )  # fmt: skip
        finals[arm] = best[1]
    scores = [finals[arm] + random.normal(0, SD) for arm in records.runs["arm"]]
    defaults = {arm: 0.9 - 0.05 * random.uniform(-1, 1) ** 2 for arm in records.arms["arm"]}  # within a decade
    untuned = {arm: [true + random.normal(0, SD) for _ in range(3)] for arm, true in defaults.items()}
    records = with_untuned(records, untuned)
    return replace(records, trials=pd.DataFrame(rows), runs=records.runs.assign(tune_accuracy=scores))


def rate(make_records: Any, times: int, without: str = "", **kind: Any) -> float:
    """Return the part of the arms with any alarm, but for one kind of them."""
    random, found = np.random.default_rng(5), []
    for _ in range(times):
        table = alarms.compute(synthetic(make_records, random, **kind))
        raised = (table["state"] == "alarm") & (table["alarm"] != without)
        found += raised.groupby(table["arm"]).any().tolist()
    return float(np.mean(found))


@pytest.mark.parametrize(("sampler", "trials", "times"), [("random", 16, 24), ("tpe", 24, 8)])
def test_arms_tuned_well_are_seldom_alarmed(make_records: Any, sampler: str, trials: int, times: int) -> None:
    """Of 96 arms, and of 32, at most as many as one in forty would be in all but one of a hundred tries."""
    found = rate(make_records, times, without="defaults", trials=trials, centre=-2.0, sampler=sampler)
    assert found * 4 * times <= stats.binom.ppf(0.99, 4 * times, 0.025)


@pytest.mark.parametrize("sd", [0.0025, 0.0055, 0.01])
def test_arms_as_good_as_their_defaults_are_alarmed_as_often_as_seeds_scatter(searched: Any, sd: float) -> None:
    """Four tuned seeds and three untuned ones, of one truth: nothing but half the margin holds the alarm back."""
    random, raised = np.random.default_rng(1), []
    for _ in range(40):
        tuned, untuned = 0.9 + sd * random.normal(size=4), 0.9 + sd * random.normal(size=3)
        records = with_untuned(searched({SGD: GOOD}, {SGD: list(tuned)}), {SGD: list(untuned)})
        raised.append(states(records)["defaults"] == "alarm")
    expected = stats.norm.sf(0.0025 / (sd * np.sqrt(1 / 4 + 1 / 3)))
    assert np.mean(raised) == pytest.approx(expected, abs=3 * np.sqrt(expected * (1 - expected) / 40))


@pytest.mark.parametrize(("sampler", "trials", "times", "least"), [("random", 24, 8, 0.8), ("tpe", 16, 4, 0.9)])
@pytest.mark.parametrize("centre", [2.0, -6.0])
def test_a_range_far_from_the_best_rate_is_alarmed(
    make_records: Any, sampler: str, trials: int, times: int, least: float, centre: float
) -> None:
    assert rate(make_records, times, trials=trials, centre=centre, sampler=sampler) >= least


# --- what reports say ----------------------------------------------------------------------------------------


@pytest.fixture
def results(searched: Any) -> Any:
    """Return the results of two arms far apart on test, of which adam was or was not searched in a bad range."""

    def build(bad: bool) -> Results:
        adam = [(0.9, 0.8), (1e-2, 0.7), (1e-3, 0.6), (0.01, 0.7), (0.01, 0.7)] if bad else GOOD
        records = searched({SGD: GOOD, ADAM: adam})
        shift = [0.0 if arm == SGD else 0.2 for arm in records.runs["arm"]]
        records = replace(records, runs=records.runs.assign(test_accuracy=records.runs["tune_accuracy"] - shift))
        modules = (alarms, budget, differences, lead, leaderboard, sensitivity)
        found = analyse(records, [offer for module in modules for offer in analyses_of(module)])
        assert not found.problems
        return found

    return build


def test_an_arm_of_a_bad_range_is_inconclusive_and_not_worse(results: Any) -> None:
    found = headline_of(results(bad=True))
    assert found.answer.startswith("sgd has the highest mean test accuracy, 89.50 %; inconclusive (tuning): adam")
    assert found.detail.endswith(
        "adam is inconclusive (tuning): its learning rate is at the edge of the searched range."
    )
    for report in (html, markdown, text):
        said = report.render(results(bad=True)).replace("\\", "").replace("\u00a0", " ")
        assert "inconclusive (tuning)" in said
        assert "ahead of adam" not in said
        assert "adam is behind" not in said
        assert " behind (95" not in said


def test_the_same_arm_tuned_well_is_behind(results: Any) -> None:
    found = headline_of(results(bad=False))
    assert "20.00 points ahead of adam" in found.answer
    for report in (html, markdown, text):
        rendered = re.sub(r"<dl.*?</dl>", "", report.render(results(bad=False)), flags=re.DOTALL)  # but the glossary
        assert "inconclusive" not in rendered.replace("It is “inconclusive (tuning)”", "")


def test_beaten_arms_are_named_beside_one_in_doubt(searched: Any) -> None:
    rms = "lesson_cnn/rmsprop/cosine"
    bad = [(0.9, 0.8), (1e-2, 0.7), (1e-3, 0.6), (0.01, 0.7), (0.01, 0.7)]
    records = searched({SGD: GOOD, ADAM: bad, rms: GOOD})
    shift = {SGD: 0.0, ADAM: 0.1, rms: 0.2}
    runs = records.runs.assign(test_accuracy=[r.tune_accuracy - shift[r.arm] for r in records.runs.itertuples()])
    offers = [offer for module in (alarms, differences, lead, leaderboard) for offer in analyses_of(module)]
    answer = headline_of(analyse(replace(records, runs=runs), offers)).answer
    assert "20.00 points ahead of rmsprop; inconclusive (tuning): adam" in answer


def test_every_alarm_has_its_words(searched: Any, analysed: Any) -> None:
    from harness_reports._words import alarms as words

    table = alarms.compute(searched({SGD: GOOD})).assign(state="alarm", value=0.01, limit=0.005)
    for kind in ALARMS:
        results = analysed(searched({SGD: GOOD}))
        results = replace(results, tables={**results.tables, "alarms": table[table["alarm"] == kind]})
        (why,) = words.tuning_doubts(Outcome(results))[SGD]
        assert why
        kinds = {remark.kind for remark in doubts(Outcome(results), headline_of(results))}
        assert (kind in kinds) == (kind in ("defaults", "chance"))


def test_the_gravest_alarms_stand_first_among_the_doubts(searched: Any) -> None:
    """The tuned arm of the review: it lies 1.05 points below its defaults in tune, a margin of half a point."""
    records = with_untuned(searched({SGD: GOOD, ADAM: GOOD}), {SGD: [float(np.mean(FINALS)) + 0.0105] * 3})
    offers = [offer for module in (alarms, differences, lead, leaderboard) for offer in analyses_of(module)]
    results = analyse(records, offers)
    words = (
        "sgd is inconclusive (tuning). Its search is in doubt, because its tune accuracy lies 1.05 points behind that of its "
        "optimizer's defaults, untuned (half the margin is 0.25 points)."
    )
    assert f"doubt: {words}" in text.render(results).splitlines()[2:4]  # after that of a single search
    plain = markdown.render(results).replace("\\", "")
    assert f"- **Problem**: {words}" in [line for line in plain.splitlines() if line.startswith("- **")][:2]
    page = html.render(replace(results, problems=("analysis 'x' failed",))).replace("&#39;", "'").replace("\u00a0", " ")
    assert page.index(words) < page.index("analysis 'x' failed")


# --- several replicates --------------------------------------------------------------------------------------


def with_replicates(records: Records, searches: Sequence[Sequence[tuple[float, Any]]], control: str = "") -> Records:
    """Return the records with further searches of SGD, each from (learning rate, value or a state), or of its A/A arm."""
    rows = [
        {
            "search": f"{control or SGD} #{replicate + 1}", "control": control, "arm": SGD, "replicate": replicate, "number": k,
            "value": None if isinstance(value, str) else value, "state": value if isinstance(value, str) else "done",
            "params": {"lr": lr, "epochs": 12}, "seconds": 1.0, "trained": 12, "run_id": f"{replicate}-{k}", "reason": "",
            **UNCONFIRMED,
        }
        for replicate, trials in enumerate(searches, 1) for k, (lr, value) in enumerate(trials)
    ]  # fmt: skip
    return replace(records, repeated=pd.DataFrame(rows))


AT_THE_EDGE = [(1.0, 0.99), (0.1, 0.80), (0.01, 0.80)]  # of a range from 1e-3 to 1


def test_an_alarm_looks_at_the_searches_of_all_replicates_of_an_arm(searched: Any) -> None:
    records = with_replicates(searched({SGD: GOOD}), [AT_THE_EDGE])
    assert states(records)["edge"] == "alarm"
    assert states(searched({SGD: GOOD}))["edge"] == "quiet"
    of_the_control = with_replicates(searched({SGD: GOOD}), [AT_THE_EDGE], control="lesson_cnn/sgd~again/cosine")
    assert states(of_the_control)["edge"] == "quiet"
    assert search_alarms.best_is_high(records, SGD)


def test_at_an_earlier_look_later_replicates_do_not_count(searched: Any) -> None:
    records = with_replicates(searched({SGD: GOOD}), [GOOD, AT_THE_EDGE])
    at_the_look = replace(records, repeated=records.repeated[records.repeated["replicate"] < 2])
    assert search_alarms.edge(records, SGD) > 0 > search_alarms.edge(at_the_look, SGD)
    assert search_alarms.edge(at_the_look, SGD) == search_alarms.edge(searched({SGD: GOOD}), SGD)


def test_a_search_that_still_improved_is_one_of_several(searched: Any) -> None:
    """The gain is the mean over the searches, for chance makes some search of many end with its best trial."""
    late = [(0.1, 0.80), (0.2, 0.80), (0.1, 0.80), (0.2, 0.80), (0.1, 0.95)]
    early = late[::-1]
    base = searched({SGD: early})
    gains = [
        search_alarms.improving(with_replicates(base, searches), SGD) for searches in ([early], [late], [late] * 3)
    ]
    assert gains == pytest.approx([0.0, 0.15 / 2, 0.15 * 3 / 4])


def test_an_extension_counts_the_trials_of_each_search(searched: Any) -> None:
    """What was asked before a range was widened looked elsewhere, in every replicate."""
    lost = [(0.1, "diverged")] * 4 + [(0.1, 0.8)] * 4
    records = with_replicates(searched({SGD: lost}), [lost])
    extension = {"arm": SGD, "why": ["edge"], "ranges": {"lr": {}}, "extra": 4.0, "after": [4, 2]}
    widened = replace(records, meta=replace(records.meta, extensions=[extension]))
    assert search_alarms.diverged(records, SGD) == 0.5
    assert search_alarms.diverged(widened, SGD) == 2 / 10
