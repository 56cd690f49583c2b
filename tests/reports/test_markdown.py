"""The Markdown report: short, harmless and the same twice."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from harness_reports import markdown

from harness import Results


def test_summary_has_answer_caveat_and_a_row_per_arm(make_records: Any, analysed: Any) -> None:
    results = analysed(make_records())
    text = markdown.render(results)
    assert text == markdown.render(results)
    assert "**sgd has the highest mean test accuracy, 89.83 %, " in text
    assert "points ahead of adam" in text
    assert "whether the arms reached the same minimum" in text
    assert "DRAWINGS" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
    assert [row.split(" | ")[0] for row in rows] == ["| sgd", "| adam", "| rmsprop"]
    assert ["points (" in row for row in rows] == [False, True, True]  # how far behind, and how sure that is
    assert len(text.splitlines()) < 30


def test_where_each_arm_has_an_objective_of_its_own_the_caveat_is_that_minima_are_not_compared(
    make_records: Any, analysed: Any
) -> None:
    results = analysed(make_records())
    results.records.meta.benchmark["search"]["objective"] = "free"
    text = markdown.render(results)
    assert "Minima are not compared: each arm may have an objective of its own" in text
    assert "Not tested yet" not in text


def test_a_verdict_is_shown_facet_by_facet_instead_of_the_caveat(make_records: Any, analysed: Any) -> None:
    results = analysed(make_records())
    facets = dict.fromkeys(("loss", "function", "representation", "connectivity", "geometry"), "similar")
    row = {
        "hash": "ab", "registered": "before the comparison", "scope": "network", "regime": "scratch", "statement": "supported",
        "network": "a|b", "exploratory": False, "power": 0.62, "reasons": "one\ntwo\nthree\nfour", **facets,
        "doubts": "\n".join(f"lost: arm{k} lost a replicate" for k in range(7)),
        "lines": "loss: similar (look 1 of 2, 3 searches x 2 seeds)", "replicates": 3, "replicates_promised": 6,
    }  # fmt: skip
    later = {**row, "hash": "cd", "statement": "refuted"}  # of margins that were chosen afterwards
    text = markdown.render(
        Results(
            results.records,
            {
                **results.tables,
                "verdict": pd.DataFrame([row, {**row, "scope": "pooled"}, later, {**later, "scope": "pooled"}]),
            },
        )
    )
    assert "| a\\|b | supported (scratch) | similar | similar | similar | similar | similar | 62 % |" in text
    listed = [line for line in text.splitlines() if line.startswith("- ")]
    assert listed[0] == ("- **Problem**: Arm0 lost a replicate. Much the same holds for arm1, arm2 and 4 more arms.")
    facet = next(place for place, line in enumerate(listed) if line.startswith("- loss: similar (look 1 of 2"))
    assert listed[facet + 1] == "- one; two; three"
    assert "- **Problem**: Arm6 lost a replicate." in listed[facet + 2 :]
    assert "refuted" not in text
    assert "Not tested yet" not in text


def test_hostile_names_stay_text(make_records: Any, analysed: Any) -> None:
    text = markdown.render(analysed(make_records(["<b>|x", "a\n\n# b", "$x$ @you `c`"], seeds=2)))
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert table[2].startswith(r"| &lt;b&gt;\|x |")
    assert len(table) == 5
    assert r"a \# b" in text
    assert "<b>" not in text
    assert "@you" not in text


@pytest.mark.parametrize("about", [{"compared": False}, {"seeds": 1}, {"optimizers": ["sgd"]}])
def test_it_is_written_for_whatever_there_is(make_records: Any, analysed: Any, about: Any) -> None:
    assert markdown.render(analysed(make_records(**about))).startswith("## made-up\n")


def test_arms_without_result_are_listed(make_records: Any, spoiled: Any, analysed: Any) -> None:
    text = markdown.render(analysed(spoiled(make_records(seeds=2), "lesson_cnn/sgd/cosine", range(2))))
    assert "| sgd (failed) | \N{EN DASH} | \N{EN DASH} | \N{EN DASH} | 0 of 2 | \N{EN DASH} |" in text
    assert "- **Problem**: sgd: 2 of 2 seeds diverged: too far" in text


def test_failed_analyses_are_named(make_records: Any) -> None:
    text = markdown.render(Results(make_records(), {}, ("analysis 'leaderboard' failed: oops",)))
    assert "- **Problem**: analysis 'leaderboard' failed: oops" in text
