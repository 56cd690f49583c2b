"""A search of one arm: its trials, and then the best of them once more, at full length, before one is chosen.

A trial's score is one number of a short run, and chance alone orders the best ones. So when all trials have ended, the
``search.confirm`` best are trained again, for the epochs of the comparison and under one seed that no trial and no
comparison run has. Of these confirmations the better one is chosen; one that diverges or fails loses.

They are runs like the trials' own, so a kill costs nothing. Nothing prunes them, and they count towards no budget,
because every arm has equally many.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.benchmark.arms import Competitor
from harness.benchmark.plan import Setting
from harness.plugin.runs import Epoch, PrunerDecision, Run
from harness.records import Store, schema
from harness.records.earlier import EarlierRun
from harness.running.search import budget
from harness.running.search.trials import GO_ON, Trials
from harness.training.device import environment


@dataclass(frozen=True)
class Confirmation:
    """The run that trains a trial of a search once more."""

    trial: dict[str, Any]
    run: Run


class Search(Trials):
    """A search of one arm in one replicate."""

    def __init__(self, setting: Setting, competitor: Competitor, store: Store, replicate: int = 0) -> None:
        super().__init__(setting, competitor, store, replicate)
        self._confirmations: dict[str, Confirmation] = {}  # by the id of the run, that of the best trial first
        self._has_confirmations = False  # whether all trials have ended, and the confirmations are entered
        self._to_end: set[str] = set()  # the ids of the confirmations that have not ended
        self._enter_confirmations()

    @property
    def finished(self) -> bool:
        """Whether nothing may be asked any more, and all trials and their confirmations have ended."""
        return self.over and self._has_confirmations and not self.confirmations_left

    @property
    def confirmations_left(self) -> int:
        """How many confirmations are still to be trained, or are being trained; at the most where trials go on."""
        if self._has_confirmations:
            return len(self._to_end)
        trials = self.asked + (0 if self.spent else self._spending.trials_left(self.limit))
        return budget.confirmations(self.competitor, 1, trials)

    def epochs_left(self, under_way: Collection[str]) -> int:
        """Return about how many epochs are still to train in runs that are not among those under way, which are ids."""
        if self.finished:
            return 0
        trainings = max(0, self.left - sum(run_id in self._numbers_by_run for run_id in under_way))
        confirmations = self.confirmations_left - sum(run_id in self._confirmations for run_id in under_way)
        full_length = self.competitor.benchmark.compare.epochs
        return round(trainings * budget.expected_epochs(self.competitor)) + confirmations * full_length

    def label(self, trial: Mapping[str, Any]) -> str:
        """Return what a trial, or its confirmation, is called on the console."""
        return f"{self.search_label}confirm {trial['number'] + 1}" if trial.get("confirms") else super().label(trial)

    def ask(self, room: int) -> list[Run]:
        """Return up to ``room`` runs: of trials, and when all of these have ended, of confirmations."""
        runs = super().ask(room)
        self._enter_confirmations()
        return runs + super().ask(room - len(runs))

    def ask_pruner(self, run_id: str, epoch: Epoch) -> PrunerDecision:
        """Return the pruner's decision on an epoch; a confirmation goes on to its end."""
        return GO_ON if run_id in self._confirmations else super().ask_pruner(run_id, epoch)

    def replay(self, earlier: EarlierRun) -> EarlierRun | None:
        """Return a run of another run folder as it would have ended in this search; None where that is not known."""
        return earlier if earlier.run_id in self._confirmations else super().replay(earlier)

    def tell(self, run_id: str) -> list[dict[str, Any]]:
        """Take the end of a run over from the records; return the trials, and the confirmations, that ended with it.

        A confirmation is a row like a trial's, with its number, and ``confirms`` is true.
        """
        ended = super().tell(run_id)
        self._to_end.discard(run_id)
        self._enter_confirmations()
        return [*ended, self._outcome(self._confirmations[run_id])] if run_id in self._confirmations else ended

    def best(self) -> dict[str, Any] | None:
        """Return the best of the trials that ended well, by its confirmation where trials are confirmed; None without any.

        Of equal ones it is the trial with the better score, and so it is where no confirmation ended well.
        """
        ranked = self.ranked()
        sign = self.setting.plan.searched.sign
        good = [outcome for outcome in self._outcomes() if outcome["state"] == schema.DONE]
        if not good:
            return next(iter(ranked), None)
        number = max(good, key=lambda outcome: sign * outcome["value"])["number"]  # the first of equal ones
        return next(trial for trial in ranked if trial["number"] == number)

    @property
    def chosen(self) -> dict[str, Any] | None:
        """The parameters that the search has chosen; None before it has ended, and where no trial ended well."""
        best = self.best() if self.finished else None
        return best["params"] if best is not None else None

    def failed_confirmations(self) -> list[dict[str, Any]]:
        """Return the outcomes of the confirmations that failed."""
        return [outcome for outcome in self._outcomes() if outcome["state"] == schema.FAILED]

    # --- inside

    def _enter_confirmations(self) -> None:
        """Enter the confirmations in the records once all trials have ended, and make those ready that are to be trained."""
        if self._has_confirmations or not self.over:
            return
        self._confirmations, self._has_confirmations = self._to_confirm(self.ranked()), True
        runs = [confirmation.run for confirmation in self._confirmations.values()]
        self._store.add_runs(runs, str(environment(self.setting.device)["hash"]))
        numbers = {entry.trial["number"]: run_id for run_id, entry in self._confirmations.items()}
        self._store.note_confirmations(self.study, numbers)
        for run_id, confirmation in self._confirmations.items():
            confirmation.trial["confirmation"] = run_id
        waiting = [run for run in runs if self._row(run.id)["state"] == schema.WAITING]
        self._to_end.update(run.id for run in waiting)
        self._ready += waiting

    def _to_confirm(self, ranked: Iterable[dict[str, Any]]) -> dict[str, Confirmation]:
        """Return the confirmations of the best trials, by run; two trials that differ in their epochs alone have one.

        One alone decides nothing, and is left out.
        """
        chosen: dict[str, Confirmation] = {}
        for trial in ranked:
            if len(chosen) == self._options.confirm:
                break
            run = self.setting.confirmation_run(self.competitor, trial["params"], self.replicate)
            chosen.setdefault(run.id, Confirmation(trial, run))
        return chosen if len(chosen) > 1 else {}

    def _row(self, run_id: str) -> Mapping[str, Any]:
        row = self._store.run(run_id)
        assert row is not None
        return row

    def _outcomes(self) -> list[dict[str, Any]]:
        """Return how every confirmation stands."""
        return [self._outcome(confirmation) for confirmation in self._confirmations.values()]

    def _outcome(self, confirmation: Confirmation) -> dict[str, Any]:
        """Return how a confirmation stands: ``state``, ``value``, ``reason`` and ``seconds``, and the trial's ``number``."""
        row = self._row(confirmation.run.id)
        value = row["metrics"][self._metric] if row["state"] == schema.DONE else None
        of_run = {key: row[key] for key in ("state", "reason", "seconds")}
        return {"number": confirmation.trial["number"], "confirms": True, "value": value, **of_run}
