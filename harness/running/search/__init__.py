"""Tuning: ``study`` is one search of one arm, ``trials`` its trials, ``samplers`` finds Optuna's classes, ``budget`` limits it."""

from __future__ import annotations

from harness.running.search.dry_run import check
from harness.running.search.samplers import study_name
from harness.running.search.study import Search
from harness.running.search.trials import GO_ON

__all__ = ["GO_ON", "Search", "check", "study_name"]
