"""Times of runs that were trained elsewhere do not compare arms, and every format that shows times says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from harness_reports import html, markdown
from harness_reports._words.outcome import Outcome
from harness_reports._words.times import TAKEN_OVER, arms_timed_elsewhere, time_sentence

pytestmark = pytest.mark.usefixtures("undrawn")

SGD, ADAM = (f"lesson_cnn/{name}/cosine" for name in ("sgd", "adam"))


def taken(records: Any, *arms: str) -> Any:
    """Return the records with every run of these arms taken over from another run folder."""
    folders = ["earlier-0123" if arm in arms else "" for arm in records.runs["arm"]]
    return replace(records, runs=records.runs.assign(taken_from=folders))


def test_arms_are_marked_only_where_their_times_are_of_different_places(make_records: Any) -> None:
    records = make_records(["sgd", "adam"], seeds=2, epochs=1)
    assert arms_timed_elsewhere(records) == []
    assert arms_timed_elsewhere(taken(records, SGD)) == [SGD]
    assert arms_timed_elsewhere(taken(records, SGD, ADAM)) == []  # all in one other folder: they compare
    baseline = {"arms": [ADAM], "file": "tuned.zip"}
    imported = replace(records, meta=replace(records.meta, baseline=baseline))
    assert arms_timed_elsewhere(imported) == [ADAM]


def test_every_format_with_times_says_which_were_measured_elsewhere(make_records: Any, analysed: Any) -> None:
    records = make_records(["sgd", "adam"], seeds=2, epochs=1)
    own, mixed = analysed(records), analysed(taken(records, SGD))
    said = time_sentence(Outcome(mixed))
    assert said.startswith("Times do not compare these arms: runs of sgd were trained elsewhere")
    assert time_sentence(Outcome(own)) == ""
    table = markdown.render(mixed)
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in table.splitlines() if line.startswith("| ")}
    assert lines["sgd"].endswith(f", {TAKEN_OVER} |")
    assert TAKEN_OVER not in lines["adam"]
    assert said in table.replace("\\", "")
    page = html.render(mixed).replace("\u00a0", " ")
    assert page.count(f"{TAKEN_OVER}</small>") == 1
    assert said in page
    assert TAKEN_OVER not in html.render(own) + markdown.render(own)
