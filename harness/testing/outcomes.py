"""A check, and its outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from unittest import SkipTest

from harness.errors import DiskError, HarnessError, PluginError, message_of, one_line
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Offer

Status = Literal["ok", "FAILED", "known", "n/a"]


class NotApplicable(SkipTest):
    """The check asks for what this plugin does not have; pytest shows it as skipped."""


@dataclass(frozen=True)
class Outcome:
    """What came of a check, and what was measured or is wrong, in one line."""

    status: Status
    text: str = ""


@dataclass(frozen=True)
class Check:
    """One thing that a plugin must do; calling it raises AssertionError with one line where it does not.

    A known failure is expected to fail: it is shown with its reason, and when it no longer fails, that is a failure.
    """

    name: str
    offer: Offer
    test: Callable[[Any], str]  # of the offer; returns what was measured, or ""
    quick: bool = True
    reason: str = ""  # why it is known to fail; empty where it is not

    def __str__(self) -> str:
        return self.name

    def __call__(self) -> str:
        """Return what was measured; raises AssertionError, or SkipTest where it does not apply or fails as is known."""
        outcome = self.outcome()
        if outcome.status == "FAILED":
            raise AssertionError(f"{self.offer.name}: {self.name}: {outcome.text}")
        if outcome.status == "n/a":
            raise NotApplicable(outcome.text)
        if outcome.status == "known":
            raise SkipTest(f"known failure: {outcome.text}")
        return outcome.text

    def outcome(self) -> Outcome:
        """Return what comes of it, whatever the plugin raises."""
        try:
            with Boundary():
                result = Outcome("ok", self.test(self.offer))
        except PluginFailed as error:
            result = _outcome_of(error)
        except DiskError:  # no plugin's fault
            raise
        except PluginError as error:  # it says what must be
            result = Outcome("FAILED", str(error))
        except HarnessError as error:
            result = Outcome("FAILED", f"must run, got {one_line(error)}")
        if not self.reason:
            return result
        if result.status == "FAILED":
            return Outcome("known", self.reason)
        return Outcome("FAILED", f"must fail, as known_failures says ({self.reason}), and does not; take the line out")


def _outcome_of(error: PluginFailed) -> Outcome:
    """Return what comes of a check that raised: a verdict of the check itself, or a failure of the plugin."""
    match error.raised:
        case _ if error.who:  # it says what must be
            return Outcome("FAILED", str(error))
        case NotApplicable() as why:
            return Outcome("n/a", message_of(why))
        case AssertionError() as fault:
            return Outcome("FAILED", message_of(fault))
    return Outcome("FAILED", f"must run, got {error.why}")


def require(ok: object, fault: str) -> None:
    """Raise AssertionError with the fault, ``must be ..., got ...; what to do``, unless it is ok."""
    if not ok:
        raise AssertionError(fault)
