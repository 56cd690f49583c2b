"""Tuning one arm with Optuna's ask and tell, so that a resumed search asks what an undisturbed one would have.

Our table ``asks`` is the truth. The sampler of trial k is made anew, seeded from (arm, k), and asked only when all
trials of earlier generations have been told; so what it answers depends on records alone. Optuna's own study stands in
the same file for its samplers, its dashboard and its plots, and is rebuilt from ours where the two differ.

A trial is one training, or with ``search.seeds`` one after the other under as many seeds; its value is their mean.
"""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from harness.benchmark.arms import Competitor
from harness.benchmark.plan import Setting
from harness.benchmark.toml import refusal
from harness.errors import HarnessError, one_line, shortened
from harness.plugin.runs import Epoch, PrunerDecision, Run
from harness.records import Store, schema
from harness.records.earlier import EarlierRun
from harness.run.search import budget
from harness.run.search.rebuilding import OPTUNA_STATE, open_study
from harness.run.search.samplers import combinations, make_sampler, study_name
from harness.training.device import environment

GO_ON = PrunerDecision(stop=False, trial_attrs={})


class Search:
    """A search of one arm, its first or a replicate."""

    def __init__(self, setting: Setting, competitor: Competitor, store: Store, replicate: int = 0) -> None:
        self.setting = setting
        self.competitor = competitor
        self.arm = competitor.name
        self.replicate = replicate
        self.study = study_name(self.arm, replicate)
        self._store = store
        self._options = competitor.benchmark.search
        self._by_epochs = self._options.pruner != "none" and self._options.seeds == 1  # else the pruner goes by seeds
        self._asks = store.asks(self.study)
        self._numbers_by_run: dict[str, list[int]] = {}
        for ask in self._asks:
            self._note_runs(ask)
        self._decided = {
            ask["run_id"]: (max(self._reported(ask), default=0), (store.run(ask["run_id"]) or {}).get("stop_after"))
            for ask in self._asks
            if ask["state"] == schema.WAITING
        }  # by run: the last epoch that has a decision of the pruner, and the epoch after which the run is to stop
        self._pruner_notes: dict[str, Mapping[int, Mapping[str, Any]]] = {}  # by run: what the pruner noted in a replay
        self._generation_size = store.generation_size(self.study)
        self._study = open_study(self.study, setting.plan, competitor.space, store, self._asks, self._reported)
        self._study.exhausted = (store.noted("exhausted") or {}).get(self.study) == self.combinations
        self._ready: deque[Run] = deque()  # of trials under way
        for ask in self.trials:  # one that a smaller budget no longer covers is left as it is
            self._go_on(ask)

    @property
    def limit(self) -> float:
        """How much the search may spend, in the benchmark's unit."""
        return budget.amount(self._options, self.competitor)

    @property
    def trials(self) -> list[dict[str, Any]]:
        """The trials asked so far, in order; never more than the budget covers."""
        return self._asks[: budget.within(self._asks, self._options, self.limit)]

    @property
    def combinations(self) -> int:
        """How many different trials the space has; 0 where they are infinitely many."""
        return combinations(self.competitor.space)

    @property
    def exhaustion(self) -> str:
        """Say that the sampler has nothing left to ask though the budget is not spent; "" where that is not so."""
        used, unit = budget.spent(self._asks, self._options), self._options.unit
        if not self._study.exhausted or used >= self.limit:
            return ""
        space = f"the grid of {self.combinations} combinations" if self.combinations else "the search space"
        return f"{space} is exhausted after {used:.4g} of {self.limit:g} {unit}"

    @property
    def spent(self) -> bool:
        """Whether nothing may be asked any more: the budget is spent, or the sampler has asked everything."""
        return self._study.exhausted or budget.spent(self._asks, self._options) >= self.limit

    @property
    def finished(self) -> bool:
        """Whether nothing may be asked any more and all trials have ended."""
        return self.spent and all(ask["ended"] for ask in self.trials)

    @property
    def left(self) -> int:
        """How many trainings are still to do, about so many where the budget is not in trials."""
        under_way = [ask for ask in self.trials if not ask["ended"]]
        begun = sum(self._count_waiting(ask) for ask in under_way)
        unasked = 0 if self.spent else budget.trials_left(self._asks, self._options, self.limit)
        return begun + self._options.seeds * unasked

    def label(self, number: int) -> str:
        """Return what a trial is called on the console."""
        unit, search = self._options.unit, f"search {self.replicate + 1}, " if self.replicate else ""
        if unit == "trials":
            return f"{search}trial {number + 1}/{self.limit:.0f}"
        used = budget.spent(self._asks[: number + 1], self._options)
        return f"{search}trial {number + 1}, {used:.0f}/{self.limit:.0f} {unit}"

    def ask(self, room: int) -> list[Run]:
        """Return up to ``room`` runs: of trials under way, then of new ones, but none beyond the current generation.

        A trial whose parameters have been tried before is told at once and needs no run.
        """
        runs: list[Run] = []
        while len(runs) < room:
            if self._ready:
                runs.append(self._ready.popleft())
                continue
            number = len(self._asks)
            generation = number // self._generation_size
            earlier = self._asks[: generation * self._generation_size]
            if self.spent or not all(ask["ended"] for ask in earlier):
                break
            self._ask(number, generation)
        return runs

    def _ask(self, number: int, generation: int) -> None:
        """Ask the sampler for a trial, and note it; what it needs trained is ready then."""
        with self._translated("sampler"):
            self._study.sampler = make_sampler(self.setting.plan, self.competitor, number, self.replicate)
            trial = self._study.ask(dict(self.competitor.space))
        assert trial.number == number
        runs = self._runs(trial.params)
        attrs = self._study.trial_attrs(number), self._study.study_attrs
        self._store.add_runs(runs[:1], str(environment(self.setting.device)["hash"]))
        self._asks.append(self._store.add_ask(self.study, number, generation, trial.params, runs[0], *attrs))
        self._note_runs(self._asks[number])
        self._go_on(self._asks[number])

    def ask_pruner(self, run_id: str, epoch: Epoch) -> PrunerDecision:
        """Return the pruner's decision on an epoch.

        The decision goes into the records with the epoch, in one transaction. So the pruner is never asked about an epoch
        again, and a search that goes on elsewhere knows all that its pruner knew. For an epoch that was decided on before a
        kill, the decision of then is returned.
        """
        decided, stop_after = self._decided.get(run_id, (0, None))
        if epoch.number <= decided:
            return PrunerDecision(stop_after == epoch.number, self._pruner_notes.get(run_id, {}))
        if not self._by_epochs:
            return GO_ON
        trials = {number: self._study.trial(number) for number in self._numbers_by_run[run_id]}
        for trial in trials.values():
            trial.report(epoch.metrics[self._metric], epoch.number)
        with self._translated("pruner"):
            decisions = [trial.should_prune() for trial in trials.values()]  # each is asked, for pruners take notes
        return PrunerDecision(any(decisions), {number: self._study.trial_attrs(number) for number in trials})

    def replay(self, earlier: EarlierRun) -> EarlierRun | None:
        """Return a run of another run folder as it would have ended in this search; None where that is not known.

        The pruner is asked about each of its epochs, for it may have seen other trials than the pruner there. Where it
        would have let a run go on that was stopped there, the run must be trained; its epochs are not asked about again.
        """
        if not self._by_epochs:
            return None if earlier.state == schema.STOPPED else earlier
        total = json.loads(earlier.row["recipe"])["epochs"]
        if any(row["metrics"].get(self._metric) is None for row in earlier.epochs):
            return None  # it was no finite number, and which one is not recorded
        decision = None
        for row in earlier.epochs:
            if row["epoch"] < total:
                decision = self.ask_pruner(earlier.run_id, _epoch(row))
                if decision.stop:
                    return earlier.stopped_after(row["epoch"], decision)
                self._decided[earlier.run_id] = (row["epoch"], None)
                self._pruner_notes[earlier.run_id] = decision.trial_attrs
        if earlier.state == schema.STOPPED:
            return None
        return replace(earlier, decision=decision)

    def tell(self, run_id: str) -> list[dict[str, Any]]:
        """Take the end of a run over from the records; return the trials that ended with it."""
        trials = [self._asks[number] for number in self._numbers_by_run.get(run_id, [])]
        waiting = [ask for ask in trials if not ask["ended"]]
        for ask in waiting:
            self._go_on(ask)
        return [ask for ask in waiting if ask["ended"]]

    def best(self) -> dict[str, Any] | None:
        """Return the best of the trials that ended well, the earliest among equals; None where there is none."""
        sign = self.setting.plan.goal.sign
        good = [ask for ask in self.trials if ask["state"] == schema.DONE]
        return max(good, key=lambda ask: (sign * ask["value"], -ask["number"]), default=None)

    @property
    def chosen(self) -> dict[str, Any] | None:
        """The parameters that the search has chosen; None before it has ended, and where no trial ended well."""
        best = self.best() if self.finished else None
        return best["params"] if best is not None else None

    # --- inside

    @contextmanager
    def _translated(self, part: str) -> Iterator[None]:
        """Turn what a sampler or pruner raises into a line; errors of the harness and of the disk stay what they are."""
        try:
            yield
        except (HarnessError, OSError, sqlite3.Error, SQLAlchemyError, StorageInternalError):
            raise
        except Exception as error:  # Optuna's classes raise many types
            trouble = f"{shortened(one_line(error), 160)} at trial {len(self._asks)}"
            hint = f"what is trained stays in {self._store.folder}; choose other options in search.{part}_options"
            raise refusal(f"search.{part}", f"go on for {self.arm}", trouble, hint) from error

    @property
    def _metric(self) -> str:
        return f"tune_{self.setting.plan.metric}"

    def _runs(self, params: Mapping[str, Any]) -> list[Run]:
        """Return the runs of a trial, a seed each."""
        seeds = range(self._options.seeds)
        return [self.setting.search_run(self.competitor, params, self.replicate, seed) for seed in seeds]

    def _note_runs(self, ask: Mapping[str, Any]) -> None:
        for run in self._runs(ask["params"]):
            self._numbers_by_run.setdefault(run.id, []).append(ask["number"])

    def _count_waiting(self, ask: Mapping[str, Any]) -> int:
        """Return how many runs of a trial have not ended."""
        return sum(not self._has_ended(run) for run in self._runs(ask["params"]))

    def _has_ended(self, run: Run) -> bool:
        row = self._store.run(run.id)
        return row is not None and row["state"] in schema.ENDED

    def _go_on(self, ask: dict[str, Any]) -> None:
        """Bring a trial on: what it needs trained next is made ready; if it needs no more, it ends."""
        if ask["ended"]:
            return
        runs = self._runs(ask["params"])
        for place, run in enumerate(runs):
            row = self._store.run(run.id)
            if row is None:
                self._store.add_runs([run], str(environment(self.setting.device)["hash"]))
            if row is None or row["state"] == schema.WAITING:
                self._ready.append(run)
                return
            if row["state"] != schema.DONE:
                self._end(ask, row["state"], row["reason"], place + 1)
                return
            if self._given_up(ask, place, row["metrics"][self._metric], runs):
                self._end(ask, schema.STOPPED, "", place + 1)
                return
        self._end(ask, schema.DONE, "", len(runs))

    def _given_up(self, ask: Mapping[str, Any], place: int, value: float, runs: list[Run]) -> bool:
        """Report a seed's score to the pruner, and return whether it gives the trial up.

        A trial is not given up after its last seed, or if its next seed has begun: the pruner was asked before that.
        """
        if self._options.seeds == 1 or self._options.pruner == "none":
            return False
        trial = self._study.trial(ask["number"])
        if place not in self._study.get_trials(deepcopy=False)[ask["number"]].intermediate_values:
            trial.report(value, place)
        if place == len(runs) - 1 or self._store.run(runs[place + 1].id) is not None:
            return False
        with self._translated("pruner"):
            return bool(trial.should_prune())

    def _end(self, ask: dict[str, Any], state: str, reason: str, trained: int) -> None:
        """End a trial in our table and in Optuna's, by the first so many of its runs."""
        runs = self._runs(ask["params"])[:trained]
        rows = [self._store.run(run.id) or {} for run in runs]
        values = [row["metrics"][self._metric] for row in rows] if state == schema.DONE else []
        value = sum(values) / len(values) if values else None
        cost = {
            "seconds": sum(float(row["seconds"]) for row in rows),
            "trained": sum(self._store.trained(run.id) for run in runs),
        }
        objectives = {"score": value, "seconds": cost["seconds"]}
        told_values = [objectives[name] for name in self._options.objectives] if values else None
        with self._translated("sampler"):
            self._study.sampler = make_sampler(self.setting.plan, self.competitor, ask["number"], self.replicate)
            trial = self._study.tell(ask["number"], told_values, state=OPTUNA_STATE[state])  # type: ignore[arg-type]
        ask |= {"state": state, "value": value, "reason": reason, "ended": True, **cost}
        exhausted = {self.study: self.combinations} if self._study.exhausted else {}
        self._store.end_ask(self.study, ask["number"], ask, trial.system_attrs, exhausted)

    def _reported(self, ask: Mapping[str, Any]) -> dict[int, float]:
        """Return what the pruner has seen of a trial: its seeds, or every epoch but the last, when it is too late."""
        if self._options.pruner == "none":
            return {}
        if not self._by_epochs:
            rows = [self._store.run(run.id) or {} for run in self._runs(ask["params"])]
            ended = [row["metrics"][self._metric] for row in rows if row.get("state") == schema.DONE]
            return dict(enumerate(ended))
        epochs = [e for e in self._store.epochs(ask["run_id"]) if e["epoch"] < ask["params"]["epochs"]]
        return {e["epoch"]: e["metrics"][self._metric] for e in epochs}


def _epoch(row: Mapping[str, Any]) -> Epoch:
    """Return a recorded epoch, of which no state is kept."""
    return Epoch(row["epoch"], row["steps"], row["seconds"], row["lr"], row["metrics"])
