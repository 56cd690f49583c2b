"""A known failure is shown with its reason, and is a failure when it no longer fails."""

from __future__ import annotations

from unittest import SkipTest

import pytest

from harness import Scheduler
from harness.testing import Check, NotApplicable, Outcome

OFFER = Scheduler("s", lambda optimizer, total_steps: None)


def passing(offer):
    return "2 x"


def failing(offer):
    raise AssertionError("must be\n  so")


def raising(offer):
    raise KeyError("beta")


def skipping(offer):
    raise NotApplicable("it has none")


@pytest.mark.parametrize(
    ("test", "reason", "outcome"),
    [
        (passing, "", Outcome("ok", "2 x")),
        (failing, "", Outcome("FAILED", "must be so")),
        (raising, "", Outcome("FAILED", "must run, got KeyError: 'beta'")),
        (skipping, "", Outcome("n/a", "it has none")),
        (failing, "by design", Outcome("known", "by design")),
        (raising, "by design", Outcome("known", "by design")),
        (
            passing,
            "by design",
            Outcome("FAILED", "must fail, as known_failures says (by design), and does not; take the line out"),
        ),
    ],
)
def test_outcomes(test, reason, outcome):
    check = Check("c", OFFER, test, reason=reason)
    assert check.outcome() == outcome
    if outcome.status == "ok":
        assert check() == "2 x"
    else:
        with pytest.raises(AssertionError if outcome.status == "FAILED" else SkipTest, match=f"{outcome.text[:9]}"):
            check()


def test_a_check_goes_by_its_name():
    assert str(Check("c", OFFER, passing)) == "c"
