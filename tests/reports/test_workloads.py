"""The common page of several workloads, from made-up verdicts: words, links, effects, profiles and ranks."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from harness_plugins.analyses.scores import profiles, ranks
from harness_reports import html, markdown, text
from harness_reports._page._workloads import page_data
from harness_reports._words import workloads as words

from harness import Workloads
from harness.results.workloads.tables import WORKLOADS, pooled_tables
from harness.verdict.protocol import FACETS
from harness.verdict.reading import NetworkVerdict, ProtocolVerdict

ARMS = ("sgd", "adam", "rmsprop")


def verdict(random: Any, truth: float) -> ProtocolVerdict:
    """Return a verdict on the loss alone, of three pairs of arms that are so many margins apart."""
    rows = []
    for one, other in (("sgd", "adam"), ("sgd", "rmsprop"), ("adam", "rmsprop")):
        effect = truth + 0.2 * random.standard_normal()
        rows.append(
            {
                "facet": "loss", "measure": "accuracy", "scale": "difference", "margin": 0.005, "primary": True, "pair": "arms",
                "arm": f"net/{one}/cosine", "other": f"net/{other}/cosine", "estimate": 0.005 * effect, "se": 0.0005,
                "below_floor": False, "barred": False, "label": "similar" if abs(effect) < 1 else "different",
            }
        )  # fmt: skip
    pooled = {"statement": "inconclusive", **dict.fromkeys(FACETS, "not measured"), "loss": rows[0]["label"]}
    return ProtocolVerdict("hash", pooled, (NetworkVerdict({**pooled, "network": "net", "doubts": ""}, tuple(rows)),))


@pytest.fixture
def made_up(make_records: Any) -> Any:
    """Return a function from a number of workloads, and how far apart their arms are, to what a report is made from."""

    def build(many: int, truth: float = 0.0, names: tuple[str, ...] = (), problem: str = "") -> Workloads:
        random = np.random.default_rng(many)
        names = names or tuple(f"w{number}" for number in range(many))
        records = {name: make_records(ARMS, seeds=2, trials=1, epochs=6) for name in names}
        verdicts = {name: verdict(random, truth) for name in names}
        rows = []
        for name, each in verdicts.items():
            about = {
                "workload": name,
                "folder": f"{name}-01234567",
                "dataset": "moons",
                "networks": "net",
                "regime": "scratch",
            }
            words_of = {facet: each.pooled[facet] for facet in FACETS}
            rows.append(
                {
                    **about,
                    "arms": 3,
                    "replicates": 6,
                    "statement": "inconclusive",
                    **words_of,
                    "doubt": "adam is lost",
                    "problem": "",
                }
            )
        if problem:
            rows.append(
                dict.fromkeys(WORKLOADS, "") | {"workload": "photos", "statement": "no verdict", "problem": problem}
            )
        tables = {
            "workloads": pd.DataFrame(rows, columns=list(WORKLOADS)),
            **pooled_tables(verdicts, 0.05),
            "ranks": ranks.across(records),
            "rank_pairs": ranks.pairs_across(records),
            "profiles": profiles.across(records),
        }
        return Workloads("suite", records, {name: f"{name}-01234567" for name in names}, tables)

    return build


def test_six_workloads_have_a_prediction_profiles_and_a_diagram(made_up: Any) -> None:
    page = html.render_workloads(made_up(6))
    assert "For one more workload like these 6: inconclusive" in page
    assert '<span class="word similar">similar</span></td><td>prediction interval</td>' in page
    for figure in ("effects-loss-", "profiles-", "ranks-"):
        assert f'id="{figure}' in page
    assert "There are 6" not in page
    assert "in each of 6 workloads" in page
    assert page.count('<a href="w0-01234567/report.html">w0</a>') == 1


@pytest.mark.usefixtures("undrawn")  # words are read
def test_three_workloads_are_mixed_or_agree_and_have_no_diagram(made_up: Any) -> None:
    page = html.render_workloads(made_up(3))
    assert "Inconclusive, in all 3 workloads" in page
    assert "A critical-difference diagram needs 6 workloads or more" in page
    assert "Seeds are not blocks" in page
    assert 'id="ranks-' not in page
    workloads = made_up(3)
    table = workloads.tables["words"]
    table["word"] = table["word"].where(table["facet"] != "statement", "mixed")
    assert words.answer(workloads) == "Mixed: the 3 workloads disagree"


def test_a_mean_and_its_intervals_are_in_margins(made_up: Any) -> None:
    workloads = made_up(6, truth=3.0)
    first, *_ = words.pooled_rows(workloads)
    row = workloads.tables["pooled"].iloc[0]
    assert first["pair"] == "adam and sgd"
    assert first["word"] == "different"
    assert row["mean"] == pytest.approx(-3, abs=0.5)  # adam less sgd
    assert row["predicted_low"] < row["low"] < row["mean"] < row["high"] < row["predicted_high"] < -1
    assert words.facet_words(workloads)[0].word == "different"


def test_no_text_of_a_name_is_taken_for_markup_or_for_another_address(made_up: Any) -> None:
    hostile = "<b>&\"'"
    workloads = made_up(1, names=(hostile,), problem="<i>gone</i>")
    workloads = Workloads(hostile, workloads.records, {hostile: "a b#c?d"}, workloads.tables, ("<u>broken</u>",))
    page = html.render_workloads(workloads)
    for tag in ("<b>&", "<i>gone", "<u>broken"):
        assert tag not in page
    assert 'href="a%20b%23c%3Fd/report.html"' in page
    assert re.findall(r'(?:href|src)="(?!#|w|a%20b)[^"]*"', page.partition("<script>")[0]) == []


@pytest.mark.usefixtures("undrawn")  # words are read
def test_what_is_missing_is_said_in_every_format(made_up: Any) -> None:
    workloads = made_up(2, problem="must be given photos, got no folder")
    for render in (html.render_workloads, text.render_workloads, markdown.render_workloads):
        assert "photos is left out: must be given photos, got no folder" in render(workloads)
    assert "| all together | inconclusive |" in markdown.render_workloads(workloads)
    assert text.render_workloads(workloads).splitlines()[0].endswith("3 workloads, each tuned and compared by itself.")


@pytest.mark.usefixtures("undrawn")  # words are read
def test_workloads_without_any_verdict_have_a_page(made_up: Any) -> None:
    whole = made_up(2)
    none = whole.tables["workloads"].assign(statement="no verdict")
    tables = {
        "workloads": none,
        **pooled_tables({}, math.nan),
        "ranks": ranks.across({}),
        "profiles": profiles.across({}),
    }
    empty = Workloads("suite", {}, {}, tables)
    assert page_data(empty)["answer"] == "No workload has a verdict"
    page = html.render_workloads(empty)
    assert "<a href=" not in page.split("</nav>")[1]
