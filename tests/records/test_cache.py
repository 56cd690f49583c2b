"""What several analyses need is computed once for the same records, and anew for others."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from harness.records import FolderRecords


@pytest.fixture
def records():
    tables = dict.fromkeys(("arms", "trials", "runs", "epochs", "comparison"), pd.DataFrame())
    return FolderRecords(folder=Path("runs/made-up"), meta={}, **tables)


def test_once_for_the_same_records_and_key_copies_included(records):
    calls = []
    results = [
        each.once(key, lambda key=key: calls.append(key) or len(calls))
        for each in (records, records.own())
        for key in ("a", "b", "a")
    ]
    assert (results, calls) == ([1, 2, 1, 1, 2, 1], ["a", "b"])
    assert records.cache == {"a": 1, "b": 2}  # in the open, on the value itself


def test_other_records_have_their_own_and_nothing_outlives_its_records(records):
    class Made:
        pass

    other = replace(records)
    made = [each.once("a", Made) for each in (records, other)]
    assert made[0] is not made[1]
    left = weakref.ref(other.once("a", Made))
    del other, made
    gc.collect()
    assert left() is None
