"""What several analyses need is worked out once for the same records, and anew for others."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import Any

from harness_plugins.analyses import _once
from harness_plugins.analyses._once import once


def test_once_for_the_same_records_and_key(make_records: Any) -> None:
    records, calls = make_records(["sgd"]), []
    found = [once(records, key, lambda key=key: calls.append(key) or len(calls)) for key in ("a", "b", "a")]
    assert (found, calls) == ([1, 2, 1], ["a", "b"])


def test_other_records_have_their_own_and_nothing_outlives_its_records(make_records: Any) -> None:
    gc.collect()
    before = len(_once._kept)
    records = make_records(["sgd"])
    other = replace(records)
    assert [once(each, "a", lambda each=each: id(each)) for each in (records, other)] == [id(records), id(other)]
    assert len(_once._kept) == before + 2
    del records, other
    gc.collect()
    assert len(_once._kept) == before
