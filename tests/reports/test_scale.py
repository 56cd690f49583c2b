"""Hundreds of trials: the page renders, its curves are aggregated, and what a reader sees at once stays short."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
from harness_plugins.analyses.search import duels

from harness.plugin.discovery import discover
from harness.records import open_records
from harness.results.reports import write_reports
from harness.verdict.trials import FINEST, chances, thinned

TRIALS, EPOCHS, ARMS, SEEDS = 500, 20, 2, 3


class Tables(HTMLParser):
    """How many rows every table has."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "table":
            self.rows.append(0)
        elif tag == "tr" and self.rows:
            self.rows[-1] += 1


@pytest.fixture(scope="module")
def run(written_records: Any, tmp_path_factory: Any) -> Any:
    """A run folder of 500 trials with its reports."""
    folder = tmp_path_factory.mktemp("scale") / "run"
    written_records(folder, TRIALS, EPOCHS, ARMS, seeds=SEEDS, tested=256)
    write_reports(folder, ["html", "md", "latex", "bibtex", "csv"], discover())
    return folder


def test_the_page_shows_every_arm_and_is_no_larger_than_can_be_sent(run: Any) -> None:
    page = (run / "report.html").read_text()
    assert all(f"optimizer-{i}" in page for i in range(ARMS))
    assert len(page) < 8_000_000
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page)


def test_no_table_of_the_page_has_a_row_for_every_trial(run: Any) -> None:
    page = Tables()
    page.feed((run / "report.html").read_text())
    assert len(page.rows) > 5
    assert max(page.rows) < TRIALS


def test_curves_are_of_arms_not_of_trials(run: Any) -> None:
    curves = pd.read_parquet(run / "tables" / "curves.parquet")
    most = curves.groupby(["arm", "metric"]).size().max()
    epochs = open_records(run).epochs
    assert most == epochs.loc[epochs["phase"] == "compare", "epoch"].max()


def test_every_trial_is_in_the_tables(run: Any) -> None:
    for name in ("trials.parquet", "trials.csv"):
        file = run / "tables" / name
        table = pd.read_parquet(file) if name.endswith("parquet") else pd.read_csv(file)
        assert len(table) == TRIALS


@pytest.mark.parametrize("name", ["md", "tex", "bib"])
def test_the_other_formats_stay_short(run: Any, name: str) -> None:
    assert len((run / f"report.{name}").read_text().splitlines()) < 150


@pytest.mark.parametrize("most", [0, 1, 2, FINEST, FINEST + 1, 1000, 10_000])
def test_budgets_rise_from_one_to_the_last_and_are_not_many(most: int) -> None:
    budgets = thinned(most)
    assert len(budgets) <= FINEST
    assert (np.diff(budgets) > 0).all()
    if most:
        assert (budgets[0], budgets[-1]) == (1, most)
    if most <= FINEST:
        assert len(budgets) == most


def test_thinned_duels_are_the_whole_ones_at_their_budgets() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(0, 1, 130), random.normal(0.1, 1, 140).round(1)
    whole = duels._probability(a, b, chances(130), chances(140)[:130])
    found, low, high = duels.beats(a, b, "00000000")
    assert found == pytest.approx(whole[thinned(130) - 1])
    assert (low <= high).all()
