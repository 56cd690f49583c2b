"""What a search may choose from, by the name of the setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Space = Mapping[str, "BaseDistribution"]
