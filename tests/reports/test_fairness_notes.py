"""What was found out of the optimizers beforehand stands high in every report."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from harness_reports import bibtex, html, latex, markdown
from harness_reports._words.notices import Notice, notices
from harness_reports._words.outcome import Outcome

pytestmark = pytest.mark.usefixtures("undrawn")  # words are read, and no figure

NOTE = (
    "adamw is adam here: without weight decay both take the same steps (compared over 20 steps); "
    "to give adamw a weight decay of its own, set search.objective to free"
)


def test_that_two_arms_are_one_algorithm_is_said_in_every_format(make_records: Any, analysed: Any) -> None:
    records = make_records(("adam", "adamw"))
    records = replace(
        records, meta=replace(records.meta, fairness={"notes": [NOTE], "equal": [{"name": "adamw", "same_as": "adam"}]})
    )
    results = analysed(records)
    assert Notice("warn", f"{NOTE}.", "equal") in notices(Outcome(results))
    page = html.render(results)
    assert page.index(NOTE) < page.index('<section id="trust"')  # on the first screen
    assert NOTE in markdown.render(results)
    table = latex.render(results)
    below = table[table.index(r"\bottomrule") : table.index(r"\end{table}")]
    assert "adamw is adam here" in below
    assert "optimizer adamw (takes the steps of adam here)" in bibtex.render(results)


def test_nothing_is_said_where_nothing_was_found(make_records: Any, analysed: Any) -> None:
    assert "is adam here" not in latex.render(analysed(make_records(("adam", "adamw"))))
