"""Optuna's study, with what our ask and tell need besides its methods: trials by number, and samplers' notes.

It asks Optuna's storage for them, by public methods, so no private name of Optuna's is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna


class OptunaStudy(optuna.Study):
    """A study that takes note when a sampler has nothing left to ask, where Optuna's refuses outside ``optimize``."""

    exhausted = False

    def __init__(self, name: str, storage: optuna.storages.BaseStorage, pruner: optuna.pruners.BasePruner) -> None:
        self._tables = optuna.storages.get_storage(storage)  # puts Optuna's cache before a database
        super().__init__(name, self._tables, pruner=pruner)
        self._id = self._tables.get_study_id_from_name(name)

    def stop(self) -> None:
        """Take note of it."""
        self.exhausted = True

    def trial(self, number: int) -> optuna.Trial:
        """Return a trial that was asked, to report to and to ask its pruner."""
        return optuna.Trial(self, self._trial_id(number))

    def trial_attrs(self, number: int) -> dict[str, Any]:
        """Return what samplers and pruners have noted of a trial."""
        return self._tables.get_trial(self._trial_id(number)).system_attrs

    @property
    def study_attrs(self) -> dict[str, Any]:
        """What samplers have noted of the study."""
        return self._tables.get_study_system_attrs(self._id)

    def set_study_attrs(self, attrs: Mapping[str, Any]) -> None:
        """Note of the study what samplers had noted."""
        for key, value in attrs.items():
            self._tables.set_study_system_attr(self._id, key, value)

    def _trial_id(self, number: int) -> int:
        return self._tables.get_trial_id_from_study_id_trial_number(self._id, number)
