"""Tuning: ``study`` is one search of one arm, ``samplers`` finds Optuna's classes, ``trying`` tries them, ``budget`` limits it."""

from __future__ import annotations

from harness.run.search.dry_run import check
from harness.run.search.samplers import study_name
from harness.run.search.study import GO_ON, Search

__all__ = ["GO_ON", "Search", "check", "study_name"]
