"""What was made of the same things is recorded once."""

from __future__ import annotations

import pytest

from harness.records import Store


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path) as store:
        yield store


def test_a_note_is_made_once_for_the_same_things_and_anew_for_others(store):
    made = []

    def make():
        made.append(len(made))
        return {"value": made[-1]}

    first = store.once("folds", {"runs": ("a", "b")}, make)
    assert first == {"runs": ("a", "b"), "value": 0}
    assert store.once("folds", {"runs": ["a", "b"]}, make) == {"runs": ["a", "b"], "value": 0}
    assert store.noted("folds") == {"runs": ["a", "b"], "value": 0}
    assert store.once("folds", {"runs": ["a"]}, make)["value"] == 1
    assert made == [0, 1]


def test_parts_of_a_note_are_made_by_themselves(store):
    for arm in ("one", "other", "one"):
        store.once("schedules", {"run_id": arm}, lambda: {"steps": [1]}, part=arm)
    assert store.noted("schedules") == {arm: {"run_id": arm, "steps": [1]} for arm in ("one", "other")}
    assert store.is_recorded("schedules", {"run_id": "one"}, part="one")
    assert not store.is_recorded("schedules", {"run_id": "other"}, part="one")
    assert not store.is_recorded("schedules", {"run_id": "third"}, part="third")


def test_what_raises_is_recorded_nowhere(store):
    with pytest.raises(ZeroDivisionError):
        store.once("folds", {"runs": []}, lambda: {"value": 1 / 0})
    assert store.noted("folds") is None
