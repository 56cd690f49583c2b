"""Optuna's study of one search, in memory: the trials of earlier generations as they ended, those of this one as running.

So whatever a sampler or a pruner decides depends on earlier generations and on the trial itself, and on nothing that
happens at the same time. It asks Optuna for everything by public methods, with one exception: no public method takes a
parameter of a trial away, so ``NotesApart.forget_params`` uses two of the methods that Optuna's storage has for itself.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from harness.plugin.rules import NO_RULES, Rules, allowed_near

ATTEMPTS = 50  # proposals of a sampler that break a constraint, one after the other


class NotesApart(optuna.storages.InMemoryStorage):
    """Optuna's storage in memory. While a pruner decides, what it notes of a trial stands apart from the trial."""

    def __init__(self) -> None:
        super().__init__()
        self.apart: dict[str, Any] | None = None

    def forget_params(self, trial_id: int, attrs: Mapping[str, Any]) -> None:
        """Take a running trial's parameters away, and give it these notes of samplers."""
        trial = copy.copy(self._get_trial(trial_id))
        trial.params, trial.distributions, trial.system_attrs = {}, {}, dict(attrs)
        self._set_trial(trial_id, trial)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Note something of a trial."""
        if self.apart is None:
            super().set_trial_system_attr(trial_id, key, value)
        else:
            self.apart[key] = value


def suggest(trial: optuna.Trial, name: str, space: BaseDistribution) -> None:
    """Have the sampler of a trial's study choose one parameter of it."""
    match space:
        case CategoricalDistribution():
            trial.suggest_categorical(name, space.choices)
        case IntDistribution():
            trial.suggest_int(name, space.low, space.high, step=space.step, log=space.log)
        case FloatDistribution():
            trial.suggest_float(name, space.low, space.high, step=space.step, log=space.log)
        case _:
            raise TypeError(f"{name}: must be a float, an int or a choice, got {space!r}")


class OptunaStudy(optuna.Study):
    """A study with what our ask and tell need besides its methods."""

    def __init__(self, name: str, directions: Sequence[Literal["minimize", "maximize"]]) -> None:
        self._tables = NotesApart()
        optuna.create_study(storage=self._tables, study_name=name, directions=list(directions))
        super().__init__(name, self._tables)
        self._id = self._tables.get_study_id_from_name(name)

    def stop(self) -> None:
        """Go on: a sampler that has tried everything says so here, and the search counts its combinations itself."""

    def prepare(self, sampler: optuna.samplers.BaseSampler, pruner: optuna.pruners.BasePruner) -> None:
        """Take a new sampler and a new pruner, with which a trial is asked.

        The pruner is asked about a trial without steps, because hyperband makes its brackets when it is asked for the first
        time, and samplers propose by the trials of a bracket.
        """
        self.sampler, self.pruner = sampler, pruner
        pruner.prune(self, optuna.trial.create_trial(state=TrialState.RUNNING))

    def ask_with(
        self, fixed: Mapping[str, Any], space: Mapping[str, Any], rules: Rules = NO_RULES,
        sampler: Callable[[int], optuna.samplers.BaseSampler] | None = None,
    ) -> optuna.Trial:  # fmt: skip
        """Ask for a trial; what is not ``fixed`` of its parameters, the sampler chooses, as far as they are in force.

        What breaks a constraint is thrown away, and ``sampler(attempt)`` makes the sampler that proposes something else. Where
        that does not help, the trial is the setting near to the last proposal that breaks none.
        """
        if fixed:
            self.enqueue_trial(dict(fixed))
        trial = self.ask()
        self._suggest(trial, space, rules)
        before = self.trial_attrs(trial.number) if rules.broken(trial.params) else {}
        for attempt in range(1, ATTEMPTS + 1):
            if not rules.broken(trial.params):
                return trial
            if sampler is not None:
                self.sampler = sampler(attempt)
            trial = self._again(trial, {**before, "fixed_params": dict(fixed)} if fixed else before)
            self._suggest(trial, space, rules)
        if rules.broken(trial.params) and (near := allowed_near(space, rules, trial.params)) is not None:
            trial = self._again(trial, {**before, "fixed_params": near})
            self._suggest(trial, space, rules)
        return trial

    @staticmethod
    def _suggest(trial: optuna.Trial, space: Mapping[str, Any], rules: Rules) -> None:
        """Have a sampler choose the parameters that are in force; those that others depend on come first."""
        for name in rules.order(space) if rules.when else space:
            if rules.is_in_force(name, trial.params):
                suggest(trial, name, space[name])

    def _again(self, trial: optuna.Trial, attrs: Mapping[str, Any]) -> optuna.Trial:
        """Return a trial without its parameters, so that they are chosen once more."""
        trial_id = self._trial_id(trial.number)
        self._tables.forget_params(trial_id, attrs)
        return optuna.Trial(self, trial_id)

    def decide(
        self, pruner: optuna.pruners.BasePruner, number: int, steps: Mapping[int, float], notes: Mapping[str, Any]
    ) -> tuple[bool, dict[str, Any]]:
        """Return whether a new pruner stops a running trial after these steps, and what it has noted of the trial so far."""
        trial = copy.copy(self._tables.get_trial(self._trial_id(number)))
        trial.intermediate_values = dict(steps)
        trial.system_attrs = {**trial.system_attrs, **notes}
        self._tables.apart = dict(notes)
        try:
            stop = bool(pruner.prune(self, trial))
            return stop, self._tables.apart
        finally:
            self._tables.apart = None

    def end(
        self, number: int, steps: Mapping[int, float], notes: Mapping[str, Any],
        values: Sequence[float] | None, state: TrialState,
    ) -> FrozenTrial:  # fmt: skip
        """Tell how a trial ended, with its steps and with what its pruner has noted."""
        trial_id = self._trial_id(number)
        for step, value in steps.items():
            self._tables.set_trial_intermediate_value(trial_id, step, value)
        for key, note in notes.items():
            self._tables.set_trial_system_attr(trial_id, key, note)
        return self.tell(number, values, state=state)

    def trial_attrs(self, number: int) -> dict[str, Any]:
        """Return what samplers have noted of a trial."""
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
