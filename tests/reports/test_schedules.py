"""What the page says of schedules, snapshots and confirmations; from made-up records."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from harness_plugins.analyses.scores import snapshots as analysis
from harness_reports import html, markdown
from harness_reports._page import _schedules
from harness_reports._page._section import Page

from harness import Results
from harness.results.analysis import analyse

SGDR, PLATEAU, COSINE = (f"lesson_cnn/sgd/{name}" for name in ("sgdr", "plateau", "cosine"))
ABOUT = {
    "run_id": "x", "steps_per_epoch": 4, "epochs": 7, "head_epochs": 0, "per_epoch": False, "note": "",
    "steps": list(range(1, 29)), "lr": [0.1 - 0.003 * i for i in range(28)], "cycle_ends": [4, 12, 28], "kept": [1, 3, 7],
}  # fmt: skip


@pytest.fixture
def records(make_records):
    """Three arms, of which one has cycles and kept snapshots, and one goes by the loss."""
    made = make_records(optimizers=("sgd",), schedulers=("sgdr", "plateau", "cosine"), epochs=7, seeds=4)
    random = np.random.default_rng(0)
    runs = made.runs.copy()
    mine = runs["arm"] == SGDR
    for name in ("snapshot1_test_accuracy", "snapshot2_test_accuracy", "snapshots_test_accuracy"):
        runs[name] = np.where(mine, random.uniform(0.7, 0.99, len(runs)), np.nan)
    of_loss = {**ABOUT, "per_epoch": True, "steps": [], "lr": [], "cycle_ends": [], "kept": []}
    plain = {**ABOUT, "cycle_ends": [], "kept": []}
    meta = replace(made.meta, schedules={SGDR: ABOUT, PLATEAU: of_loss, COSINE: plain})
    return replace(made, runs=runs, meta=meta)


def results(records) -> Results:
    return analyse(records, analysis.harness_analyses())


def test_the_analysis_is_each_snapshots_mean_and_the_gain_is_taken_seed_by_seed(records):
    from scipy.stats import t

    table = analysis.compute(records)
    assert set(table["arm"]) == {SGDR}
    assert list(table["what"]) == ["snapshot 1", "snapshot 2", "final", "ensemble", "gain"]
    assert list(table["epoch"])[:3] == [1, 3, 7]
    mine = records.compared().query("arm == @SGDR")
    gains = (mine["snapshots_test_accuracy"] - mine["test_accuracy"]).to_numpy()
    half = t.ppf(0.975, 3) * gains.std(ddof=1) / 2
    row = table.set_index("what").loc["gain"]
    assert (row["seeds"], row["unit"]) == (4, "%")
    assert [row["mean"], row["low"], row["high"]] == pytest.approx(
        [gains.mean(), gains.mean() - half, gains.mean() + half]
    )
    means = table.set_index("what")["mean"]
    assert means["snapshot 1"] == pytest.approx(mine["snapshot1_test_accuracy"].mean())
    assert means["gain"] == pytest.approx(means["ensemble"] - means["final"])


@pytest.mark.parametrize("score", [1.0, 0.0])
def test_equal_seeds_are_as_sure_as_their_test_examples(records, score):
    of_accuracy = [name for name in records.runs.columns if name.endswith("test_accuracy")]
    records.runs.loc[records.runs["arm"] == SGDR, of_accuracy] = score
    table = analysis.compute(records).set_index("what")
    for what in ("snapshot 1", "final", "ensemble"):
        low, high = table.loc[what, ["low", "high"]]
        assert (low, high) == pytest.approx((0.999100, 1) if score else (0, 0.000900), abs=1e-6)
    assert tuple(table.loc["gain", ["low", "high"]]) == pytest.approx((-0.000937, 0.000937), abs=1e-6)


@pytest.mark.usefixtures("undrawn")  # words are read
def test_without_snapshots_there_is_no_table_and_no_section(make_records):
    made = make_records(seeds=2)
    assert analysis.compute(made).empty
    page = html.render(results(made))
    assert "Snapshots</summary>" not in page
    assert "Schedules</h3>" not in page
    assert "The whole network</h3>" not in page


@pytest.mark.usefixtures("undrawn")  # words are read
def test_one_seed_has_no_interval(records):
    one = replace(records, runs=records.runs[(records.runs["phase"] != "compare") | (records.runs["seed"] == 0)])
    assert analysis.compute(one)["low"].isna().all()
    assert "Snapshots</summary>" in html.render(results(one))


def test_the_page_draws_a_panel_an_arm_and_says_where_cycles_end(records):
    page = html.render(results(records))
    assert page == html.render(results(records))
    assert "peak 0.1; cycles end after epoch 1, 3 and 7, where the weights are kept<" in page
    assert "by the loss, as recorded, 4 seeds" in page
    assert len(set(re.findall(r'id="schedule-lesson_cnn-sgd-(sgdr|plateau|cosine)-', page))) == 3
    panels = _schedules.schedules(Page.of(Results(records, {})))
    assert [panel["look"].label for panel in panels] == ["sgdr", "plateau", "cosine"]
    for panel in panels:
        ElementTree.fromstring(panel["figure"])


def test_cycles_that_end_within_an_epoch_are_said(records):
    meta = replace(records.meta, schedules={SGDR: {**ABOUT, "cycle_ends": [6, 12, 28]}})
    (panel,) = _schedules.schedules(Page.of(Results(replace(records, meta=meta), {})))
    assert (
        "cycles end after epoch 1.5, 3 and 7; weights kept after epoch 1, 3 and 7, the last whole one" in panel["says"]
    )


def test_the_recorded_rates_of_a_schedule_that_goes_by_the_loss_are_drawn(records):
    epochs = records.epochs.copy()
    mine = epochs["arm"] == PLATEAU
    epochs.loc[mine, "lr"] = epochs.loc[mine, "epoch"] / 100
    drawn = _schedules._recorded_rates(replace(records, epochs=epochs), PLATEAU)
    assert drawn == [[0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07]] * 4


@pytest.mark.usefixtures("undrawn")  # words are read
def test_a_schedule_that_could_not_be_drawn_says_why(records):
    meta = replace(records.meta, schedules={SGDR: {**ABOUT, "steps": [], "lr": [], "note": "ValueError: no <i>"}})
    page = html.render(results(replace(records, meta=meta)))
    assert "not drawn: ValueError: no &lt;i&gt;" in page


@pytest.mark.usefixtures("undrawn")  # words are read
def test_confirmations_are_a_table_and_a_disagreement_is_a_notice_of_the_gravest_kind(records):
    good = {
        "run_id": "a", "examples": 650, "all": 650, "precision": "bf16", "largest": 0.0, "same": 650, "agrees": True,
        "tolerance": 0.1, "whole": 0.9796923, "cached": 0.9796923,
    }  # fmt: skip
    bad = {**good, "largest": 0.73, "same": 640, "agrees": False, "cached": 0.5, "examples": 650, "all": 1300}
    page = html.render(
        results(replace(records, meta=replace(records.meta, confirmations={SGDR: good, "gone/arm/x": bad})))
    )
    assert "on all 650 test photos in bf16" in page
    assert "650 of 650" in page
    assert "disagrees" not in page
    meta = replace(records.meta, confirmations={SGDR: bad})
    page = html.render(results(replace(records, meta=meta)))
    assert "an even choice of 650 test photos of 1,300" in page
    assert '<li class="bad">sgdr: the whole network disagrees with the cached features, by up to 0.73' in page
    assert "disagrees" in markdown.render(results(replace(records, meta=meta)))
