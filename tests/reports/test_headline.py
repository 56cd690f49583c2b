"""The headline: a best arm is named only where its lead excludes zero, and every report says the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from harness_reports import html, latex, markdown, text
from harness_reports._words import alarms
from harness_reports._words.coverage import SEEDS_ALONE
from harness_reports._words.headline import STATEMENTS, Headline, headline
from harness_reports._words.notices import notices
from harness_reports._words.outcome import Outcome
from harness_reports._words.power import level_sentence

from harness import Results, markdown_text
from harness.results.tables.against import rows_against, sentence
from harness.verdict.protocol import FACETS

pytestmark = pytest.mark.usefixtures("undrawn")  # words are read, and no figure

N = 1000


def headline_of(results: Results) -> Headline:
    return headline(Outcome(results))


@pytest.fixture
def said(make_records: Any, scored: Any, analysed: Any, tmp_path: Path) -> Any:
    """Return a function from how many test examples each arm gets wrong to the results."""

    def results(wrong: dict[str, int], seeds: int = 4) -> Results:
        records = make_records(list(wrong), seeds=seeds)
        scores = {}
        for run in records.runs.itertuples():
            random = np.random.default_rng([run.seed, *run.arm.encode()])
            scores[run.run_id] = np.ones(N)
            scores[run.run_id][random.permutation(N)[: wrong[run.arm.split("/")[1]]]] = 0
        return analysed(scored(records, tmp_path, scores))

    return results


def test_a_clear_lead_is_named(said: Any) -> None:
    found = headline_of(said({"sgd": 50, "adam": 100, "rmsprop": 150}))
    assert found.answer == "sgd has the highest mean test accuracy, 95.00 %, 5.00 points ahead of adam"
    assert found.detail.startswith("The 95 % interval of the lead over adam is ")
    assert "sgd has the highest" not in found.detail  # no sentence twice
    assert "The interval covers another draw of 4 seeds and of 1,000 test examples;" in found.detail
    assert found.power.startswith("A true difference between sgd and adam of less than ")
    assert found.power.endswith(" may well have been missed.")


def test_a_lead_of_one_photo_is_none(said: Any) -> None:
    """The seeds agree on it to the last photo, and still it is one photo of a thousand."""
    results = said({"sgd": 50, "adam": 51})
    found = headline_of(results)
    lead = results.tables["lead"].iloc[0]
    farthest = 100 * max(-lead["low"], lead["high"])
    assert found.answer == (
        "No arm leads: the 2 arms lie within 0.10 points in mean test accuracy and are not told apart "
        f"(they may still differ by up to {farthest:.2f} points)"
    )
    assert farthest > 0.1
    assert found.detail.startswith("sgd has the highest mean test accuracy, 95.00 %; next is adam, 0.10 points behind")
    ends = f"{100 * lead['low']:.2f} to {100 * lead['high']:.2f} points".replace("-", "\N{MINUS SIGN}")
    assert ends in found.detail
    assert found.power.startswith(
        f"sgd and adam may still differ by up to {farthest:.2f} points: the 95 % interval of their difference is {ends}. "
    )  # one interval for one difference


def test_arms_that_are_clearly_behind_are_named(said: Any) -> None:
    answer = headline_of(said({"sgd": 50, "adam": 51, "rmsprop": 200})).answer
    assert answer.startswith("No arm leads: sgd and adam lie within 0.10 points in mean test accuracy and are not ")
    assert answer.endswith("points); rmsprop is behind")


def test_one_seed_decides_nothing(said: Any) -> None:
    found = headline_of(said({"sgd": 50, "adam": 300}, seeds=1))
    assert found.answer == "No arm leads: without two seeds in common, nothing tells the 2 arms apart"
    assert "with no interval" in found.detail


def test_equal_arms_are_said_to_be_equal(make_records: Any, scored: Any, analysed: Any, tmp_path: Path) -> None:
    records = make_records(["sgd", "adam"], seeds=3)
    same = scored(records, tmp_path, dict.fromkeys(records.runs["run_id"], np.eye(1, 8)[0]))
    found = headline_of(analysed(same))
    assert found.answer == (
        "No arm leads: the 2 arms have the same mean test accuracy (they may still differ by up to 36.94 points)"
    )
    assert found.power.startswith(
        "sgd and adam may still differ by up to 36.94 points: the 95 % interval of their difference"
    )
    assert found.detail.startswith(
        "sgd and adam have the same mean test accuracy, 12.50 % (95 % interval of the lead \N{MINUS SIGN}36.94 "
    )
    assert "The interval covers another draw of 8 test examples, but not of seeds, which all agree;" in found.detail
    assert "points behind" not in found.detail


def test_a_lead_that_two_decimals_do_not_show_is_not_called_zero(make_records: Any, analysed: Any) -> None:
    records = make_records(["sgd", "adam"], seeds=3)
    records.runs["test_accuracy"] = [0.9, 0.91, 0.92, 0.9, 0.91, 0.91999]
    assert "next is adam, less than 0.01 points behind" in headline_of(analysed(records)).detail


@pytest.mark.parametrize(("shift", "leads"), [(0.1, True), (0.001, False)])
def test_without_scores_it_says_what_is_not_accounted_for(
    make_records: Any, analysed: Any, shift: float, leads: bool
) -> None:
    records = make_records(["sgd", "adam"], seeds=4)
    values = np.array([0.90, 0.91, 0.92, 0.93])
    records.runs["test_accuracy"] = np.concatenate([values, values[::-1] - shift])
    found = headline_of(analysed(records))
    assert found.answer.startswith("sgd has the highest" if leads else "No arm leads: ")
    assert found.answer.endswith(f"over seeds alone: {SEEDS_ALONE}")
    assert f"covers another draw of 4 seeds, but {SEEDS_ALONE}" in found.detail


def test_units_other_than_percent_are_kept(make_records: Any, analysed: Any) -> None:
    records = make_records(["sgd", "adam"], seeds=4, metrics={"mse": {"goal": "min", "unit": "mm"}})
    records.runs["test_mse"] = [0.1, 0.11, 0.12, 0.13, 0.5, 0.53, 0.51, 0.52]
    assert headline_of(analysed(records)).answer.startswith(
        "sgd has the lowest mean test mse, 0.115 mm, 0.400 mm ahead of adam"
    )


@pytest.mark.parametrize(
    ("of_draws", "of_examples", "covers", "source"),
    [
        (0.01, 0.12, "replicates and test examples", "the test split (24 examples)"),
        (0.12, 0.01, "replicates and test examples", "how replicates differ (there are 6)"),
        (float("nan"), float("nan"), "test examples", "the test split (24 examples)"),
        (0.12, float("nan"), "replicates", "how replicates differ (there are 6)"),
    ],
)
def test_a_wide_interval_is_put_down_to_what_makes_it_wide_and_to_nothing_else(
    said: Any, of_draws: float, of_examples: float, covers: str, source: str
) -> None:
    results = said({"sgd": 50, "adam": 51})
    changed = {"low": -0.2, "high": 0.24, "se_seeds": of_draws, "se_examples": of_examples, "covers": covers,
               "draw": "replicate", "draws": 6, "examples": 24}  # fmt: skip
    lead = results.tables["lead"].assign(**changed)
    power = headline_of(replace(results, tables={**results.tables, "lead": lead})).power
    assert power.endswith(f" points. Its width comes mostly from {source}: more of those would narrow it.")
    assert power.startswith("sgd and adam may still differ by up to 24.00 points: ")


def test_a_missing_analysis_names_no_winner(said: Any) -> None:
    results = said({"sgd": 50, "adam": 100})
    tables = {name: table for name, table in results.tables.items() if name != "lead"}
    assert headline_of(replace(results, tables=tables)).answer.endswith("; whether that is chance is not known")


def test_a_single_arm_is_not_compared(said: Any) -> None:
    found = headline_of(said({"sgd": 50}))
    assert found.answer == "sgd: test accuracy 95.00 %"
    assert found.detail.startswith(
        "95 % interval 94.29 to 95.65 %; it covers the sample of test examples, not seeds: all 4"
    )


def test_of_a_single_arm_it_says_what_its_interval_covers(make_records: Any, analysed: Any) -> None:
    records = make_records(["sgd"], seeds=3)
    assert "it covers seeds, not the sample of test examples." in headline_of(analysed(records)).detail
    records.runs.loc[1:, "state"] = "failed"
    assert headline_of(analysed(records)).detail.startswith("That is one seed, so there is no interval.")
    loss = make_records(["sgd"], seeds=3, metrics={"mse": {"goal": "min", "unit": "", "each": True}})
    loss.runs["test_mse"] = 0.5
    assert headline_of(analysed(loss)).detail.startswith("All 3 seeds are equal, so there is no interval.")


@pytest.mark.parametrize("wrong", [{"sgd": 50, "adam": 100}, {"sgd": 50, "adam": 51}, {"sgd": 50}])
def test_every_report_says_the_same(said: Any, wrong: Any) -> None:
    results = said(wrong)
    answer, detail = headline_of(results).answer, headline_of(results).detail
    lines = text.render(results).splitlines()
    assert lines[1] == answer
    assert detail in lines
    assert headline_of(results).power in ["", *(line.removeprefix("doubt: ") for line in lines)]
    page = html.render(results).replace("\u00a0", " ")
    assert f'<p class="answer">{answer}</p>' in page
    assert f'<p class="lead detail">{detail}</p>' in page
    assert markdown_text(answer) in markdown.render(results)
    assert markdown_text(detail) in markdown.render(results)


def test_the_page_says_what_each_lead_is_due_to(said: Any) -> None:
    page = html.render(said({"sgd": 50, "adam": 100, "rmsprop": 150})).replace("\u00a0", " ")
    by_reference = 3 * 2  # the panel of each reference
    assert page.count("seeds and test examples</td>") >= by_reference
    assert "The differences from sgd in numbers" in page


def test_runs_that_ended_with_nan_are_not_called_runs_that_did_not_end(make_records: Any, analysed: Any) -> None:
    records = make_records(["sgd", "adam"], seeds=3)
    nan = replace(records, runs=records.runs.assign(test_accuracy=np.nan))
    found = headline_of(analysed(nan))
    assert found.answer == "No result yet."
    assert found.detail == (
        "The comparison has run, and no run has a finite test accuracy, so there is nothing to rank."
    )
    for report in (html, markdown, text):
        words = report.render(analysed(nan)).replace("\\", "")
        assert "no run has a finite test accuracy" in words.replace("\u00a0", " ")
        assert "No comparison run has ended well" not in words
    none = replace(records, runs=records.runs.assign(state="failed", test_accuracy=np.nan))
    assert headline_of(analysed(none)).detail.startswith("No comparison run has ended well")


def with_verdict(results: Results, statements: dict[str, str], pooled: str) -> Results:
    """Return the results with a verdict on each network, and with an alarm on Adam's search in each."""
    row = {"hash": "0", "replicates_promised": 6, "arms": 2, **dict.fromkeys(FACETS, "")}
    networks = [row | {"scope": "network", "network": name, "statement": word} for name, word in statements.items()]
    verdict = [row | {"scope": "pooled", "network": "", "statement": pooled}, *networks]
    alarm = {"alarm": "improving", "state": "alarm", "value": 1.0, "limit": 0.0, "against": ""}
    of_adam = [alarm | {"arm": f"{name}/adam/cosine"} for name in statements]
    return replace(
        results, tables={**results.tables, "verdict": pd.DataFrame(verdict), "alarms": pd.DataFrame(of_adam)}
    )


@pytest.mark.parametrize(
    ("statement", "named"), [("supported", False), ("value only", False), ("inconclusive", True), ("refuted", True)]
)
def test_an_alarm_that_leaves_the_verdict_standing_is_a_doubt_alone(said: Any, statement: str, named: bool) -> None:
    """Of a convex objective whose minimum every arm has reached, the verdict stands whatever the searches were like."""
    results = with_verdict(said({"sgd": 50, "adam": 51}, seeds=2), {"lesson_cnn": statement}, statement)
    answer = headline_of(results).answer
    assert answer.startswith(f"{STATEMENTS[statement]}: no arm leads, and the 2 arms lie within")
    assert answer.endswith(f"; {alarms.LABEL}: adam") == named
    assert (alarms.LABEL in answer) == named
    (doubt,) = [notice for notice in notices(Outcome(results)) if notice.kind in ("tuning", "weighed")]
    assert doubt.arm == "adam"
    assert doubt.text.endswith("The verdict does not depend on it.") != named
    assert doubt.kind == ("tuning" if named else "weighed")


@pytest.mark.parametrize(
    ("names", "shown"),
    [(("net+linear", "net+mlp"), ("linear", "mlp")), (("small", "large"), ("small", "large"))],
)
def test_networks_with_different_verdicts_are_named_with_them(
    make_records: Any, analysed: Any, names: tuple[str, str], shown: tuple[str, str]
) -> None:
    settled, unsettled = names
    results = analysed(make_records(["sgd", "adam"], seeds=2, networks=names))
    answer = headline_of(with_verdict(results, {settled: "supported", unsettled: "inconclusive"}, "mixed")).answer
    assert answer.startswith(f"Supported with {shown[0]}, inconclusive with {shown[1]}: ")
    assert f"; {alarms.LABEL}: {shown[1]}/adam;" in answer  # the other network's verdict has weighed its alarm


def test_the_leaderboard_says_that_the_best_arms_are_not_told_apart(said: Any) -> None:
    tied, clear = said({"sgd": 50, "adam": 51, "rmsprop": 200}), said({"sgd": 50, "adam": 100})
    sentence = level_sentence(Outcome(tied))
    assert sentence == (
        "The best arms are not told apart (sgd and adam): the 95 % interval of their difference contains zero, so their order "
        "says nothing."
    )
    for module in (html, markdown, latex):
        words = module.render(tied).replace("\u00a0", " ").replace("\\", "").replace("~", " ")
        assert sentence in words
        assert "not told apart" not in module.render(clear)
    assert (
        "sgd and adam lie within 0.10 points in mean test accuracy and are not told apart" in headline_of(tied).answer
    )
    assert level_sentence(Outcome(said({"sgd": 50, "adam": 51}, seeds=1))).endswith(
        "not every one of their differences has an interval, so their order says nothing."
    )


@pytest.mark.parametrize("statement", ["no verdict", "inconclusive"])
def test_the_answer_and_the_verdict_say_one_thing(said: Any, statement: str) -> None:
    """Before: "A leaderboard, no verdict" beside "do they reach the same minimum? inconclusive"."""
    answer = headline_of(with_verdict(said({"sgd": 50, "adam": 51}), {"lesson_cnn": statement}, statement)).answer
    assert answer.startswith("A leaderboard, no verdict: ") == (statement == "no verdict")
    assert ("no verdict" in answer) == (statement == "no verdict")


SGD = np.array([0.90, 0.91, 0.92, 0.93])
CLOSE = 0.01 * np.array([1.468, 0.532, 1.468, 0.532])  # t is 3.7 with 3 degrees of freedom: p is about .034
SCATTERED = np.array([0.02, -0.02, 0.03, 0.01])


def test_an_arm_is_behind_only_where_the_comparison_calls_it_worse(make_records: Any, analysed: Any) -> None:
    """Before: "sgd is behind" above "sgd cannot be told apart from adam ... p = .058 by Holm"."""
    two, three = make_records(["sgd", "adam"], seeds=4), make_records(["sgd", "adam", "rmsprop"], seeds=4)
    two.runs["test_accuracy"] = np.concatenate([SGD, SGD - CLOSE])
    three.runs["test_accuracy"] = np.concatenate([SGD, SGD - CLOSE, SGD - SCATTERED])
    alone, results = analysed(two), analysed(three)
    leads = results.tables["lead"]
    best, adam = leads["best"].iloc[0], next(arm for arm in leads["arm"] if "/adam/" in arm)
    assert leads.set_index("arm").loc[adam, "low"] > 0  # by itself, its interval excludes zero
    compared = rows_against(results.tables["differences"], [best], ())
    of_metric = compared[compared["measure"] == three.deciding.column].to_dict("records")
    said_below = [sentence(row, Outcome(results).labels) for row in of_metric]
    assert any(text.startswith("adam cannot be told apart from sgd: ") for text in said_below)
    answer = headline_of(results).answer
    assert answer.startswith(
        "No arm leads: the 3 arms lie within 1.00 points in mean test accuracy and are not told apart"
    )
    assert "behind" not in answer
    assert level_sentence(Outcome(results)) == (
        "The best arms are not told apart (sgd, adam and rmsprop): the 95 % interval of the difference from sgd that each has "
        "contains zero, or its p-value is .05 or more by Holm for 2 arms, so their order says nothing."
    )
    assert headline_of(alone).answer.startswith(
        "sgd has the highest mean test accuracy, 91.50 %, 1.00 points ahead of adam"
    )
    assert level_sentence(Outcome(alone)) == ""


def test_arms_no_better_than_guessing_are_not_among_the_best(make_records: Any, analysed: Any) -> None:
    """Before: "rmsprop, adagrad and 8 others lie within 57.15 points ... (they may still differ by up to 100.00 points)"."""
    records = make_records(["sgd", "adam", "rmsprop"], seeds=4)
    records.runs["test_accuracy"] = np.concatenate([SGD, SGD - SCATTERED, [0.1, 0.95, 0.2, 0.93]])
    results = analysed(records)
    plain_answer = headline_of(results).answer
    assert plain_answer.startswith("No arm leads: the 3 arms lie within 37.00 points")
    board = results.tables["leaderboard"]
    poor = board.assign(constant=0.5, no_better=board["arm"].str.contains("/rmsprop/"))
    found = headline_of(replace(results, tables={**results.tables, "leaderboard": poor}))
    assert found.answer.startswith(
        "No arm leads: sgd and adam lie within 1.00 points in mean test accuracy and are not"
    )
    assert "; 1 of the 3 arms is not better than a constant answer" in found.answer
    assert "rmsprop" not in found.answer + found.power
    assert found.detail.startswith("rmsprop is not shown to be better than a constant answer (50.00 %). ")


@pytest.mark.parametrize(
    ("measures", "begins"),
    [
        (["train_loss"], "Not equally good in train loss: no arm leads"),
        (
            ["objective", "calibrated_loss"],
            "Not equally good in the objective and in calibrated test loss: no arm leads",
        ),
        (["train_loss", "accuracy"], "Not equally good: no arm leads"),
    ],
)
def test_the_measure_in_which_arms_are_not_equally_good_is_named(said: Any, measures: list[str], begins: str) -> None:
    """Before: "Not equally good: no arm leads, and the 2 arms lie within 0.75 points", which was of another measure."""
    results = with_verdict(said({"sgd": 50, "adam": 51}), {"lesson_cnn": "refuted"}, "refuted")
    of_pair = {"hash": "0", "network": "lesson_cnn", "facet": "loss", "primary": True, "pair": "arms"}
    rows = [of_pair | {"measure": name, "label": "different"} for name in measures]
    rows += [of_pair | {"measure": "accuracy", "label": "inconclusive"}]
    results = replace(results, tables={**results.tables, "facets": pd.DataFrame(rows)})
    assert headline_of(results).answer.startswith(begins)
