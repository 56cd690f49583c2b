"""Tuning: ``study`` is one search of one arm, ``samplers`` finds Optuna's classes, ``trying`` tries them, ``budget`` says when it has had enough."""

from __future__ import annotations

from harness.run.search.samplers import study_name
from harness.run.search.study import Search
from harness.run.search.trying import check

__all__ = ["Search", "check", "study_name"]
