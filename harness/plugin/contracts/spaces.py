"""What a search may choose from, by the name of the setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Space = Mapping[str, "BaseDistribution"]
When = Mapping[str, Mapping[str, Any]]  # by hyperparameter: the values that others must have for it to be in force
