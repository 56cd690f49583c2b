"""Tuning: ``study`` is one search of one arm, ``samplers`` finds Optuna's classes, ``budget`` says when it has had enough."""

from __future__ import annotations

from harness.search.samplers import check, study_name
from harness.search.study import Search

__all__ = ["Search", "check", "study_name"]
