"""Conformance checks for plugins, for ``harness check`` and for the tests of a plugin's author.

A whole test file::

    import pytest
    from harness.testing import checks
    from lion import LION

    @pytest.mark.parametrize("check", checks(LION), ids=str)
    def test_lion(check):
        check()
"""

from __future__ import annotations

from harness.testing.likeness import Like
from harness.testing.outcomes import Check, NotApplicable, Outcome, Status
from harness.testing.suites import checks

__all__ = ["Check", "Like", "NotApplicable", "Outcome", "Status", "checks"]
