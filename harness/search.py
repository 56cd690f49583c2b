"""Tuning one arm with Optuna's ask and tell, so that a resumed search asks what an undisturbed one would have.

Our table ``asks`` is the truth. The sampler of trial k is made anew, seeded from (arm, k), and asked only when all
trials of earlier generations have been told; so what it answers depends on records alone. Optuna's own study stands in
the same file for its samplers, its dashboard and its plots, and is rebuilt from ours where the two differ.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import URL

from harness.device import environment
from harness.errors import BenchmarkError, did_you_mean, one_line
from harness.plan import Competitor, Plan, Setting
from harness.records import Store, schema
from harness.runs import Epoch, Run, Verdict, digest

optuna.logging.set_verbosity(optuna.logging.ERROR)

_ONE_SEED = ("qmc", "grid", "bruteforce")  # these walk through one sequence, so every trial gets the same seed
_OPTUNA_STATE = {
    schema.WAITING: TrialState.RUNNING,
    schema.DONE: TrialState.COMPLETE,
    schema.STOPPED: TrialState.PRUNED,
    schema.DIVERGED: TrialState.PRUNED,  # without a value, which samplers rank below every trial that has one
    schema.FAILED: TrialState.FAIL,
}


def check(plan: Plan, where: Callable[..., str]) -> None:
    """Raise BenchmarkError where the benchmark's sampler or pruner is not one that Optuna has, or does not work.

    Every arm's space is asked once, in memory, for some samplers refuse only then.
    """
    options = plan.benchmark.search
    if options.pruner != "none":
        _make(_pruners(), options.pruner, options.pruner_options, where("search", "pruner"))
    for competitor in plan.competitors:
        sampler = _sampler(plan, competitor, 0, where=where("search", "sampler"))
        try:
            optuna.create_study(sampler=sampler).ask(dict(competitor.space))
        except Exception as error:  # Optuna's samplers raise many types on options they cannot use
            raise BenchmarkError(
                f"{where('search', 'sampler')}: must work for {competitor.arm.name}, got {one_line(error)}"
            ) from error


def study_name(arm: str, replicate: int = 0) -> str:
    """Return what a search of an arm is called in Optuna and in our tables: the first one like the arm."""
    return f"{arm} #{replicate + 1}" if replicate else arm


class Search:
    """A search of one arm, its first or a replicate."""

    def __init__(self, setting: Setting, competitor: Competitor, store: Store, replicate: int = 0) -> None:
        self.setting = setting
        self.competitor = competitor
        self.arm = competitor.arm.name
        self.replicate = replicate
        self.study = study_name(self.arm, replicate)
        self._store = store
        self._options = setting.plan.benchmark.search
        self._asks = store.asks(self.study)
        self._of_run: dict[str, list[int]] = {}
        for ask in self._asks:
            self._of_run.setdefault(ask["run_id"], []).append(ask["number"])
        self._judged = {
            ask["run_id"]: (max(self._seen(ask), default=0), (store.run(ask["run_id"]) or {}).get("stop_after"))
            for ask in self._asks
            if ask["state"] == schema.WAITING
        }  # before this process: the last epoch judged, and the one after which the run is to stop
        self._generation_size = store.generation_size(self.study)
        self._study = self._reconciled()
        for ask in self._asks:
            self._tell_if_ended(ask)

    @property
    def trials(self) -> list[dict[str, Any]]:
        """The trials asked so far, in order; never more than the benchmark's total."""
        return self._asks[: self.total]

    @property
    def total(self) -> int:
        """How many trials there shall be."""
        return self._options.trials

    @property
    def finished(self) -> bool:
        """Whether all trials that there shall be have ended."""
        return len(self.trials) == self.total and not self.waiting()

    def waiting(self) -> list[Run]:
        """Return the runs of trials that were asked and have not ended, as after a kill."""
        return [self._run(ask["params"]) for ask in self.trials if ask["state"] == schema.WAITING]

    def ask(self, room: int) -> list[Run]:
        """Return up to ``room`` new runs: never more than the benchmark's total, nor beyond the current generation.

        A trial whose parameters have been tried before is told at once and needs no run.
        """
        runs: list[Run] = []
        while len(runs) < room and len(self._asks) < self.total:
            number = len(self._asks)
            generation = number // self._generation_size
            earlier = self._asks[: generation * self._generation_size]
            if any(ask["state"] == schema.WAITING for ask in earlier):
                break
            run = self._ask(number, generation)
            if self._asks[number]["state"] == schema.WAITING:
                runs.append(run)
        return runs

    def _ask(self, number: int, generation: int) -> Run:
        """Ask the sampler for a trial, note it, and return its run."""
        self._study.sampler = _sampler(self.setting.plan, self.competitor, number, self.replicate)
        trial = self._study.ask(dict(self.competitor.space))
        assert trial.number == number
        run = self._run(trial.params)
        storage, study_id = self._study._storage, self._study._study_id
        attrs = storage.get_trial(trial._trial_id).system_attrs, storage.get_study_system_attrs(study_id)
        self._store.add_runs([run], str(environment(self.setting.device)["hash"]))
        self._asks.append(self._store.add_ask(self.study, number, generation, trial.params, run, *attrs))
        self._of_run.setdefault(run.id, []).append(number)
        self._tell_if_ended(self._asks[number])
        return run

    def judge(self, run_id: str, epoch: Epoch) -> Verdict | None:
        """Return the pruner's verdict on an epoch; None where there is no pruner or the epoch was judged before a kill.

        The verdict goes into the records with the epoch, in one transaction: so what was judged is never judged anew,
        and a search that goes on elsewhere knows all that its pruner knew.
        """
        if self._options.pruner == "none" or epoch.number <= self._judged.get(run_id, (0, None))[0]:
            return None
        trials = {number: self._trial(number) for number in self._of_run[run_id]}
        for trial in trials.values():
            trial.report(epoch.metrics[f"tune_{self.setting.plan.metric}"], epoch.number)
        judged = [bool(trial.should_prune()) for trial in trials.values()]
        attrs = {n: self._study._storage.get_trial(trial._trial_id).system_attrs for n, trial in trials.items()}
        return Verdict(any(judged), attrs)

    def stops(self, run_id: str, epoch: Epoch, verdict: Verdict | None) -> bool:
        """Return whether a run ends with this epoch, by a verdict of now or of before a kill."""
        return verdict.stop if verdict else self._judged.get(run_id, (0, None))[1] == epoch.number

    def tell(self, run_id: str) -> list[dict[str, Any]]:
        """Take the end of a run over from the records; return the trials that ended with it."""
        numbers = self._of_run.get(run_id, [])
        for number in numbers:
            self._tell_if_ended(self._asks[number])
        return [self._asks[number] for number in numbers]

    def best(self) -> dict[str, Any] | None:
        """Return the best of the trials that ended well, the earliest among equals; None where there is none."""
        sign = -1 if self.setting.plan.goal.goal == "max" else 1
        good = [ask for ask in self.trials if ask["state"] == schema.DONE]
        return min(good, key=lambda ask: (sign * ask["value"], ask["number"]), default=None)

    # --- inside

    def _run(self, params: Mapping[str, Any]) -> Run:
        return self.setting.search_run(self.competitor, params, self.replicate)

    def _trial(self, number: int) -> optuna.Trial:
        return optuna.Trial(self._study, self._study.get_trials(deepcopy=False)[number]._trial_id)

    def _tell_if_ended(self, ask: dict[str, Any]) -> None:
        run = self._store.run(ask["run_id"])
        if ask["state"] != schema.WAITING or run is None or run["state"] == schema.WAITING:
            return
        state, value = run["state"], None
        if state == schema.DONE:
            value = run["metrics"][f"tune_{self.setting.plan.metric}"]
        self._study.sampler = self._teller(ask["number"])
        told = self._study.tell(ask["number"], value, state=_OPTUNA_STATE[state])
        ask |= {"state": state, "value": value, "reason": run["reason"]}
        self._store.end_ask(self.study, ask["number"], state, value, run["reason"], told.system_attrs)

    def _teller(self, number: int) -> optuna.samplers.BaseSampler:
        """Return the sampler that learns of a trial's end."""
        if (
            self._options.sampler == "grid"
        ):  # at its last point a grid stops a ``study.optimize``, which we have none of
            return optuna.samplers.RandomSampler(seed=0)
        sampler: optuna.samplers.BaseSampler = _sampler(self.setting.plan, self.competitor, number, self.replicate)
        return sampler

    def _reconciled(self) -> optuna.Study:
        """Return Optuna's study of the arm, rebuilt from our asks where it differs from them."""
        file = URL.create("sqlite", database=str(schema.database(self._store.folder).resolve()))
        storage = optuna.storages.RDBStorage(file.render_as_string())
        pruner: Any = optuna.pruners.NopPruner()
        if self._options.pruner != "none":
            pruner = _make(_pruners(), self._options.pruner, self._options.pruner_options, "search.pruner")
        direction: Any = "maximize" if self.setting.plan.goal.goal == "max" else "minimize"

        def open_study() -> optuna.Study:
            return optuna.create_study(
                storage=storage, study_name=self.study, direction=direction, load_if_exists=True, pruner=pruner
            )

        study = open_study()
        there = [(t.state, t.params, t.intermediate_values) for t in study.get_trials(deepcopy=False)]
        if there == [(_OPTUNA_STATE[ask["state"]], ask["params"], self._seen(ask)) for ask in self._asks]:
            return study
        optuna.delete_study(study_name=self.study, storage=storage)
        study = open_study()
        for ask in self._asks:
            study.add_trial(self._frozen(ask))
        if self._asks:
            for key, value in self._asks[-1]["study_attrs"].items():
                study._storage.set_study_system_attr(study._study_id, key, value)
        return study

    def _seen(self, ask: Mapping[str, Any]) -> dict[int, float]:
        """Return what the pruner has seen of a trial: every epoch but the last, after which there is nothing to stop."""
        if self._options.pruner == "none":
            return {}
        epochs = [e for e in self._store.epochs(ask["run_id"]) if e["epoch"] < ask["params"]["epochs"]]
        return {e["epoch"]: e["metrics"][f"tune_{self.setting.plan.metric}"] for e in epochs}

    def _frozen(self, ask: Mapping[str, Any]) -> FrozenTrial:
        """Return a trial of ours as one of Optuna's, with the intermediate values its pruner had seen."""
        state = _OPTUNA_STATE[ask["state"]]
        trial = optuna.trial.create_trial(
            state=state,
            params=ask["params"],
            distributions={name: self.competitor.space[name] for name in ask["params"]},
            value=ask["value"],
            intermediate_values=self._seen(ask),
            system_attrs=ask["trial_attrs"],
        )
        trial.datetime_start = trial.datetime_start or datetime.now()  # noqa: DTZ005 - Optuna's are naive too
        return trial


def _sampler(plan: Plan, competitor: Competitor, number: int, replicate: int = 0, where: str = "search.sampler") -> Any:
    """Return the sampler of one trial, seeded from (search seed, study, number)."""
    search, arm = plan.benchmark.search, study_name(competitor.arm.name, replicate)
    options = dict(search.sampler_options)
    key = [search.seed, arm] if search.sampler in _ONE_SEED else [search.seed, arm, number]
    if search.sampler == "grid":
        options["search_space"] = _grid(competitor, where)
    return _make(_samplers(), search.sampler, options, where, seed=int(digest(key)[:8], 16))


def _samplers() -> dict[str, type]:
    return _classes(optuna.samplers, "Sampler", ("BaseSampler", "BaseGASampler", "PartialFixedSampler"))


def _pruners() -> dict[str, type]:
    return _classes(optuna.pruners, "Pruner", ("BasePruner", "NopPruner", "PatientPruner"))


def _classes(module: Any, ending: str, without: tuple[str, ...]) -> dict[str, type]:
    """Return Optuna's classes by short name: ``TPESampler`` is ``tpe``."""
    names = [name for name in module.__all__ if name.endswith(ending) and name not in without]
    return {name.removesuffix(ending).lower(): getattr(module, name) for name in names}


def _make(classes: Mapping[str, type], name: str, options: Mapping[str, Any], where: str, **more: Any) -> Any:
    """Return an instance of Optuna's class of that name; raises BenchmarkError in one line."""
    key = name.replace("_", "").replace("-", "")
    if key not in classes:
        raise BenchmarkError(f"{where}: must be one that Optuna has, got '{name}'{did_you_mean(name, classes)}")
    takes = inspect.signature(classes[key]).parameters
    for option in options:
        if option not in takes:
            raise BenchmarkError(
                f"{where}_options: must be options of Optuna's {classes[key].__name__}, got '{option}'{did_you_mean(option, takes)}"
            )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            return classes[key](**{k: v for k, v in more.items() if k in takes}, **options)
        except (TypeError, ValueError, ImportError) as error:
            raise BenchmarkError(f"{where}: must build, got {' '.join(str(error).split())}") from error


def _grid(competitor: Competitor, where: str) -> dict[str, list[Any]]:
    """Return every value of every parameter; raises BenchmarkError for one with infinitely many."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    grid: dict[str, list[Any]] = {}
    for name, space in competitor.space.items():
        if isinstance(space, CategoricalDistribution):
            grid[name] = list(space.choices)
        elif isinstance(space, IntDistribution):
            grid[name] = list(range(space.low, space.high + 1, space.step))
        else:
            raise BenchmarkError(
                f"{where}: must have finite spaces for 'grid', got a range for '{name}' of {competitor.arm.name}; give {{choices = [...]}} in [search.space.{competitor.entered}]"
            )
    return grid
