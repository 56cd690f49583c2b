"""Tuning: ``study`` is one search of one arm, ``trials`` its trials, ``samplers`` finds Optuna's classes, ``budget`` limits it."""

from __future__ import annotations

from harness.run.search.dry_run import check
from harness.run.search.samplers import study_name
from harness.run.search.study import Search
from harness.run.search.trials import GO_ON

__all__ = ["GO_ON", "Search", "check", "study_name"]
