"""The search: Optuna behind ask and tell, reconciled from our tables, and the same trials whatever happened."""

from __future__ import annotations

import importlib
import math
import shutil
import sqlite3

import optuna
import pytest

from harness.benchmark.loading import load
from harness.benchmark.plan import resolve
from harness.errors import BenchmarkError, RunFolderError
from harness.plugin.runs import Done, Epoch, Failed, State
from harness.records import Store, database, schema
from harness.running.search import GO_ON, check, optuna_tables
from harness.running.search import samplers as module
from harness.running.search.budget import LEAST_SECONDS
from harness.running.search.optuna_study import OptunaStudy


def score(run):
    """A smooth objective with its best learning rate at 0.1."""
    return 1 - abs(math.log10(run.optimizer["lr"]) + 1) / 4 + run.optimizer["momentum"] / 100


TAIL = "sampler_options = { n_startup_trials = 2 }\n"


def finish(search, store, run, value=None, seconds=0.1):
    metrics = {"tune_accuracy": score(run) if value is None else value}
    store.append(run.id, Epoch(run.epochs, 1, seconds, 0.1, metrics, lambda: State({}, {})))
    store.append(run.id, Done(metrics))
    return search.tell(run.id)


def carry_out(search, store, value=lambda run: None, seconds=0.1):
    """Carry a search out to its end; return how many runs that took."""
    count = 0
    while not search.finished:
        runs = search.ask(1)
        assert runs or search.finished, "a search that is not over must have something to ask"
        for run in runs:
            finish(search, store, run, value(run), seconds)
            count += 1
        assert count < 500
    return count


def table(store, arm="lesson_cnn/sgd/cosine"):
    return [(a["number"], a["params"], a["state"], a["value"]) for a in store.asks(arm)]


SAMPLERS = ["tpe", "random", "qmc", "gp", "cmaes"]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_begun_anew_before_every_trial_asks_what_an_undisturbed_one_asks(setting, start, sampler):
    options = [(TAIL, "")] if sampler != "tpe" else []
    plan = setting(("trials = 3", f'trials = 6\nsampler = "{sampler}"'), *options)
    search, store = start(plan, "whole")
    carry_out(search, store)
    whole = table(store)
    assert len(whole) == 6
    assert len({str(params) for _, params, _, _ in whole}) > 1

    while True:
        search, store = start(plan, "pieces")
        if search.finished:
            break
        run = (search.ask(1))[0]
        finish(search, store, run)
        store.__exit__()
    assert table(store) == whole


def test_a_kill_between_asking_and_noting_changes_nothing(setting, start, tmp_path):
    plan = setting(("trials = 3", "trials = 5"))
    search, store = start(plan, "whole")
    carry_out(search, store)
    whole = table(store)

    search, store = start(plan, "killed")
    finish(search, store, search.ask(1)[0])
    search._study.ask(dict(search.competitor.space))  # Optuna knows a trial that our table does not
    store.__exit__()
    search, store = start(plan, "killed")
    run = search.ask(1)[0]
    store.__exit__()  # asked and noted, never trained
    search, store = start(plan, "killed")
    (again,) = search.ask(1)
    assert again.id == run.id
    finish(search, store, again)
    carry_out(search, store)
    assert table(store) == whole
    assert [t.state.name for t in search._study.get_trials()] == ["COMPLETE"] * 5


@pytest.mark.parametrize(("place", "call"), [("add_runs", 3), ("add_ask", 3), ("end_ask", 3), ("_replace", 1)])
def test_a_lock_before_any_write_of_a_search_is_one_line_and_the_same_search_goes_on(
    setting, start, monkeypatch, place, call
):
    """Another connection holds the lock before a write of ours (the store's) or of Optuna's."""
    pruner = 'pruner = "median"\npruner_options = { n_startup_trials = 2, n_warmup_steps = 0 }'
    plan = setting(("trials = 3", f"trials = 5\n{pruner}"), ("epochs = [1, 2]", "epochs = [2]"))

    def carry_on(search, store):
        while not search.finished:
            for run in search.ask(1):
                epoch = Epoch(1, 1, 0.1, 0.1, {"tune_accuracy": score(run)}, lambda: State({}, {}))
                decision = search.ask_pruner(run.id, epoch)
                store.append(run.id, epoch, decision)
                store.append(run.id, Done({"tune_accuracy": score(run)}, stopped=decision.stop))
                search.tell(run.id)
        search.write_for_optuna()

    search, store = start(plan, "whole")
    carry_on(search, store)
    whole = table(store)

    monkeypatch.setattr(database, "PATIENCE", 0.05)
    search, store = start(plan, "locked")
    owner = optuna_tables if place == "_replace" else Store
    write, calls = getattr(owner, place), []

    def locked(self, *arguments, **options):
        calls.append(place)
        if len(calls) != call:
            return write(self, *arguments, **options)
        other = sqlite3.connect(schema.database(store.folder), isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        try:
            return write(self, *arguments, **options)
        finally:
            other.close()

    monkeypatch.setattr(owner, place, locked)
    with pytest.raises(RunFolderError, match=r"run\.db: must be free to be used, got locked"), store:
        carry_on(search, store)
    assert len(calls) == call
    search, store = start(plan, "locked")
    carry_on(search, store)
    assert table(store) == whole


def written(search, store):
    """Return the trials as they stand in Optuna's tables."""
    study = optuna.load_study(study_name=search.study, storage=store.optuna)
    return [(trial.number, trial.params, trial.value, trial.state.name) for trial in study.get_trials()]


def test_a_search_that_is_over_is_written_into_optunas_tables_once(setting, start, monkeypatch):
    plan = setting()
    search, store = start(plan)
    carry_out(search, store)
    search.write_for_optuna()
    before = written(search, store)
    assert before == [(ask["number"], ask["params"], ask["value"], "COMPLETE") for ask in store.asks(search.study)]
    optuna.delete_study(study_name=search.arm, storage=store.optuna)
    store.__exit__()
    search, store = start(plan)
    assert search.finished
    search.write_for_optuna()
    assert written(search, store) == before
    store.__exit__()
    search, store = start(setting(("trials = 3", "trials = 5")))
    carry_out(search, store)
    monkeypatch.setattr(optuna, "delete_study", lambda **_: pytest.fail("Optuna's study was right, and was rebuilt"))
    search.write_for_optuna()
    assert written(search, store)[:3] == before
    assert len(written(search, store)) == 5


def overwrite_pages(file, table):
    """Damage every page of a table, as a disk does."""
    with sqlite3.connect(file) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = db.execute("PRAGMA page_size").fetchone()[0]
        pages = [page for (page,) in db.execute("SELECT pageno FROM dbstat WHERE name = ?", (table,))]
    with file.open("r+b") as raw:
        for page in pages:
            raw.seek((page - 1) * size)
            raw.write(b"\xa5" * size)


DAMAGE = {
    "another release": "UPDATE alembic_version SET version_num = 'v9.9.9'",
    "a release before": "DROP TABLE alembic_version; UPDATE version_info SET schema_version = 1",
    "no trials": "DROP TABLE trials",
    "no studies": "DROP TABLE studies",
    "a column less": "ALTER TABLE trial_values DROP COLUMN value_type",
    "other columns": "DROP TABLE version_info; CREATE TABLE version_info (a TEXT)",
    "a state that is none": "UPDATE trials SET state = 'RUBBISH'",
    "no JSON": "UPDATE trial_params SET distribution_json = '{'",
    "values of another trial": "UPDATE trial_values SET value = 7",
    "overwritten pages": None,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_whatever_is_wrong_with_optunas_tables_they_are_made_anew_from_ours(setting, start, damage, tmp_path):
    plan = setting(("trials = 3", "trials = 4"))
    search, store = start(plan, "whole")
    carry_out(search, store)
    search.write_for_optuna()
    whole, trials = table(store), written(search, store)

    search, store = start(plan, "damaged")
    for _ in range(3):
        finish(search, store, search.ask(1)[0])
    search.write_for_optuna()
    store.__exit__()
    file = schema.database(tmp_path / "damaged")
    if DAMAGE[damage] is None:
        overwrite_pages(file, "trials")
    else:
        with sqlite3.connect(file) as db:
            db.executescript(DAMAGE[damage])
    lines = []
    search, store = start(plan, "damaged", warn=lines.append)
    carry_out(search, store)
    search.write_for_optuna()
    assert table(store) == whole
    assert written(search, store) == trials
    assert len(lines) == (0 if damage == "values of another trial" else 1)  # nothing is wrong with the tables then
    assert all("Optuna's tables are made anew from the run's own, got " in line for line in lines)
    assert store.db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    store.__exit__()
    search, _ = start(plan, "damaged", warn=pytest.fail)
    search.write_for_optuna()


@pytest.mark.parametrize(
    "name", ["a{b}c{}", "a?mode=memory", "a#b", "a%41b%", "'\"@:;&=", " blank ", "Größe\N{HIRAGANA LETTER A}"]
)
def test_optunas_tables_stand_in_the_run_folder_whatever_it_is_called(setting, start, tmp_path, monkeypatch, name):
    """Its address is no template and no URL, whichever release of SQLAlchemy reads it."""
    monkeypatch.chdir(tmp_path)  # a stray file of a wrong address would lie here
    search, store = start(setting(("trials = 3", "trials = 1")), name)
    finish(search, store, search.ask(1)[0])
    search.write_for_optuna()
    store.__exit__()
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".toml"] == [name]
    with database.reading(tmp_path / name) as db:
        assert db.execute("SELECT study_name FROM studies").fetchall() == [(search.study,)]
        assert db.execute("SELECT count(*) FROM trials").fetchone() == (1,)
    search, _ = start(setting(("trials = 3", "trials = 1")), name, warn=pytest.fail)
    search.write_for_optuna()
    assert search.finished


def test_a_folder_whose_own_tables_are_damaged_is_refused_in_one_line(setting, start, tmp_path):
    search, store = start(setting())
    carry_out(search, store)
    store.__exit__()
    overwrite_pages(schema.database(tmp_path / "run"), "asks")
    line = r"run\.db: must be the records of a run, got .*; move the folder away"
    with pytest.raises(RunFolderError, match=line), Store(tmp_path / "run") as store:
        store.asks("lesson_cnn/sgd/cosine")


def test_a_generation_is_asked_before_any_of_it_is_told_and_in_any_order_of_ending(setting, start):
    plan = setting(("trials = 3", "trials = 9\ntogether = 3"))
    tables = []
    for folder, backwards in (("forwards", False), ("backwards", True)):
        search, store = start(plan, folder)
        while not search.finished:
            runs = search.ask(5)
            assert len(runs) == 3
            assert search.ask(5) == []  # the next generation waits for this one
            for run in reversed(runs) if backwards else runs:
                finish(search, store, run)
        tables.append(table(store))
    assert tables[0] == tables[1]


def test_trials_are_a_total_and_raising_it_goes_on(setting, start):
    search, store = start(setting())
    carry_out(search, store)
    three = table(store)
    assert search.ask(1) == []
    store.__exit__()
    search, store = start(setting(("trials = 3", "trials = 5")))
    assert not search.finished
    carry_out(search, store)
    assert table(store)[:3] == three
    assert len(table(store)) == 5
    store.__exit__()
    search, _ = start(setting())  # lowered again: the first three decide
    assert search.finished
    assert search.best()["number"] < 3


def test_diverged_and_failed_trials_are_told_and_never_chosen(setting, start):
    search, store = start(setting(("trials = 3", "trials = 4")))
    ends = [Failed("diverged", "epoch 1: nan"), Failed("error", "KeyError: 'x'"), None, None]
    for end in ends:
        run = search.ask(1)[0]
        if end:
            store.append(run.id, end)
            (ask,) = search.tell(run.id)
            assert ask["reason"] == end.reason
        else:
            finish(search, store, run)
    assert [a["state"] for a in store.asks(search.arm)] == ["diverged", "failed", "done", "done"]
    assert [t.state.name for t in search._study.get_trials()] == ["PRUNED", "FAIL", "COMPLETE", "COMPLETE"]
    assert search.finished
    assert search.best()["number"] >= 2


def test_an_arm_whose_every_trial_failed_has_no_best(setting, start):
    search, store = start(setting())
    while runs := search.ask(1):
        store.append(runs[0].id, Failed("error", "no"))
        search.tell(runs[0].id)
    assert search.finished
    assert search.best() is None


def test_the_best_is_the_highest_of_a_metric_to_be_maximised_and_the_earliest_among_equals(setting, start):
    search, store = start(setting(("trials = 3", "trials = 4")))
    for value in (0.5, 0.7, 0.7, 0.6):
        finish(search, store, search.ask(1)[0], value)
    assert search.best()["number"] == 1


def test_equal_parameters_are_one_run_and_two_trials(setting, start):
    plan = setting(("epochs = [1, 2]", "epochs = [2]"))
    competitor = plan.plan.competitors[0]
    object.__setattr__(competitor, "space", {"epochs": competitor.space["epochs"]})
    object.__setattr__(competitor, "fixed", {"lr": 0.1, "momentum": 0.0})
    search, store = start(plan)
    run = search.ask(1)[0]
    finish(search, store, run)
    assert search.ask(1) == []  # known already: told at once, and nothing is left to ask
    assert [a["state"] for a in store.asks(search.arm)] == ["done", "done", "done"]
    assert search.finished


def test_a_pruner_stops_the_bad_trial_and_the_resumed_search_agrees(setting, start):
    options = 'pruner = "median"\npruner_options = { n_startup_trials = 2, n_warmup_steps = 0 }'
    plan = setting(("trials = 3", f"trials = 4\n{options}"), ("epochs = [1, 2]", "epochs = [1, 4]"))

    def epoch(number, value):
        return Epoch(number, number, 0.1, 0.1, {"tune_accuracy": value}, lambda: State({}, {}))

    def go_on(search, store, run, number, value):
        """Do what the driver does with an epoch; return whether the run is to stop."""
        decision = search.ask_pruner(run.id, epoch(number, value))
        store.append(run.id, epoch(number, value), decision)
        return decision.stop

    for killed in (False, True):
        search, store = start(plan, f"pruned{killed}")
        for value in (0.8, 0.9):
            run = search.ask(1)[0]
            assert run.epochs == 4  # one schedule horizon for all
            assert not any(go_on(search, store, run, number, value) for number in range(1, 4))
            finish(search, store, run, value)
        run = search.ask(1)[0]
        assert not go_on(search, store, run, 1, 0.95)  # the best of a trial's epochs counts, so it is safe
        bad = search.ask(1)
        assert bad == []
        store.append(run.id, Done({"tune_accuracy": 0.95}))
        search.tell(run.id)
        run = search.ask(1)[0]
        stop = go_on(search, store, run, 1, 0.1)
        if killed:  # after the decision was written, before the executor was told
            store.__exit__()
            search, store = start(plan, "prunedTrue")
            decision = search.ask_pruner(run.id, epoch(1, 0.1))
            assert decision.notes == {3: {}}  # the pruner was not asked again
            stop = decision.stop
        assert stop
        store.append(run.id, Done({}, stopped=True))
        (ask,) = search.tell(run.id)
        assert ask["state"] == schema.STOPPED


def test_what_a_pruner_remembers_survives_a_kill(setting, start):
    """Successive halving keeps its rungs in Optuna's attributes: a trial half way through must keep its own."""
    options = 'pruner = "successivehalving"\npruner_options = { min_resource = 1, reduction_factor = 2 }'
    plan = setting(("trials = 3", f"trials = 6\n{options}"), ("epochs = [1, 2]", "epochs = [8]"))

    def value(run, number):
        return score(run) + number / 100

    outcomes = []
    for folder, every in (("whole", None), ("killed", 3)):
        search, store = start(plan, folder)
        steps = 0
        while not search.finished:
            run = (search.ask(1))[0]
            first = len(store.epochs(run.id)) + 1
            if first > 1:
                first -= 1  # the saved state is older than the last epoch: one is trained again
            stop = False
            for number in range(first, 9):
                made = Epoch(number, number, 0.1, 0.1, {"tune_accuracy": value(run, number)}, lambda: State({}, {}))
                decision = search.ask_pruner(run.id, made) if number < 8 else GO_ON
                stop = decision.stop
                store.append(run.id, made, decision)
                steps += 1
                if stop or (every and steps % every == 0):
                    break
            if stop or number == 8:
                store.append(run.id, Done({"tune_accuracy": value(run, number)}, stopped=stop))
                search.tell(run.id)
            if every:
                store.__exit__()
                search, store = start(plan, folder)
        outcomes.append(
            [(a["params"], a["state"], a["value"], len(store.epochs(a["run_id"]))) for a in store.asks(search.arm)]
        )
    assert outcomes[0] == outcomes[1]
    assert {state for _, state, _, _ in outcomes[0]} == {"done", "stopped"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            'sampler = "tpee"',
            r"tiny\.toml:14: search\.sampler: must be one that Optuna has, got 'tpee'; did you mean 'tpe'",
        ),
        ('pruner = "mediann"', r"search\.pruner: must be one that Optuna has, got 'mediann'; did you mean 'median'"),
        (
            'sampler = "random"',
            r"search\.sampler_options\.n_startup_trials: must be an option of Optuna's RandomSampler, got",
        ),
        ('pruner = "percentile"', r"search\.pruner_options: must have 'percentile' for 'percentile', got none"),
    ],
)
def test_a_wrong_sampler_or_pruner_is_refused(benchmark_file, registry, options, message):
    benchmark, source = load(benchmark_file(("trials = 3", f"trials = 3\n{options}")))
    with pytest.raises(BenchmarkError, match=message):
        check(resolve(benchmark, source, registry), source.where)


def test_every_sampler_and_pruner_of_optuna_has_a_short_name():
    assert {"tpe", "random", "gp", "cmaes", "grid", "qmc", "nsgaii"} <= set(module.samplers())
    assert {"hyperband", "successivehalving", "median", "wilcoxon", "percentile"} <= set(module.pruners())


def test_a_grid_needs_finite_spaces(setting, start):
    search, _ = start(setting(("trials = 3", 'trials = 3\nsampler = "grid"'), (TAIL, "")))
    with pytest.raises(
        BenchmarkError, match="must have finite spaces for 'grid', got a range for 'lr' of lesson_cnn/sgd"
    ):
        search.ask(1)


def test_a_grid_walks_through_every_combination_once(setting, start):
    lr = ("momentum = {", "lr = { choices = [0.01, 0.1] }\nmomentum = {")
    plan = setting(("trials = 3", 'trials = 8\nsampler = "grid"'), (TAIL, ""), lr)
    search, store = start(plan)
    carry_out(search, store)
    seen = [tuple(sorted(params.items())) for _, params, _, _ in table(store)]
    assert len(set(seen)) == len(seen) == 8


LR = ("momentum = {", "lr = { choices = [0.01, 0.1] }\nmomentum = {")


@pytest.mark.parametrize("sampler", ["grid", "bruteforce"])
def test_an_exhausted_grid_ends_its_search_in_good_order(setting, start, sampler):
    """Of two rates, two momenta and two lengths there are eight combinations, and the ninth trial does not exist."""

    def plan(total):
        return setting(("trials = 3", f'trials = {total}\nsampler = "{sampler}"'), (TAIL, ""), LR)

    search, store = start(plan(11), "whole")
    assert carry_out(search, store) == 8
    whole = table(store)
    assert len({str(params) for _, params, _, _ in whole}) == len(whole) == 8
    assert search.exhaustion == "the grid of 8 combinations is exhausted after 8 of 11 trials"
    assert (search.finished, search.left, search.ask(1)) == (True, 0, [])
    assert store.noted("exhausted") == {search.study: 8}
    assert [trial.state.name for trial in search._study.get_trials()] == ["COMPLETE"] * 8

    for _ in range(12):  # begun anew before every trial, and asked and noted but never told
        search, store = start(plan(11), "pieces")
        if search.finished:
            break
        finish(search, store, search.ask(1)[0])
        search.ask(1)
        store.__exit__()
    assert table(store) == whole
    assert search.exhaustion == "the grid of 8 combinations is exhausted after 8 of 11 trials"
    store.__exit__()

    search, store = start(plan(20), "pieces")  # more are asked for: there are none
    assert (search.finished, search.ask(1)) == (True, [])
    store.__exit__()
    search, store = start(plan(8), "pieces")
    assert (search.finished, search.exhaustion) == (True, "")


def test_a_grid_with_more_combinations_than_before_goes_on(setting, start):
    """An extension widens the space, and what was exhausted is not any more."""
    options = ("trials = 3", 'trials = 12\nsampler = "bruteforce"')
    search, store = start(setting(options, (TAIL, ""), LR))
    assert carry_out(search, store) == 8
    store.__exit__()
    wider = setting(options, (TAIL, ""), (LR[0], LR[1].replace("0.1]", "0.1, 0.5]")))
    search, store = start(wider)
    assert not search.finished
    assert carry_out(search, store) == 4
    assert (search.finished, search.exhaustion) == (True, "")


def test_the_combinations_of_a_space_are_counted():
    from optuna.distributions import CategoricalDistribution as Choice
    from optuna.distributions import FloatDistribution as Floats
    from optuna.distributions import IntDistribution as Ints

    assert module.combinations({}) == 1
    assert (
        module.combinations({"a": Choice([1, 2, 3]), "b": Ints(1, 7, step=3), "c": Floats(0, 1, step=0.25)})
        == 3 * 3 * 5
    )
    assert module.combinations({"a": Choice([1, 2]), "b": Floats(0.1, 0.3, step=0.1), "c": Floats(2, 2)}) == 6
    assert module.combinations({"a": Choice([1, 2]), "b": Floats(0, 1)}) == 0


def test_another_search_seed_asks_other_parameters(setting, start):
    first, one = start(setting(), "a")
    second, two = start(setting(("trials = 3", "trials = 3\nseed = 1")), "b")
    for search, store in ((first, one), (second, two)):
        carry_out(search, store)
    assert {row["seed"] for row in one.db.execute("SELECT seed FROM runs")} != {
        row["seed"] for row in two.db.execute("SELECT seed FROM runs")
    }
    assert table(one)[0][1] == table(two)[0][1]  # the defaults
    assert table(one)[1][1] != table(two)[1][1]


def test_the_store_can_be_removed_while_a_copy_goes_on(setting, start, tmp_path):
    search, store = start(setting())
    finish(search, store, search.ask(1)[0])
    store.__exit__()
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    shutil.rmtree(tmp_path / "run")
    search, store = start(setting(), "copy")
    carry_out(search, store)
    assert search.finished


# --- budgets -------------------------------------------------------------------------------------------------

EPOCHS = ("trials = 3", 'unit = "epochs"\nbudget = 10')
SECONDS = ("trials = 3", 'unit = "seconds"\nbudget = 3')


def spent(store, search, unit):
    asks = store.asks(search.study)
    return [ask["trained"] if unit == "epochs" else max(LEAST_SECONDS, ask["seconds"]) for ask in asks]


@pytest.mark.parametrize(("budget", "total"), [(EPOCHS, 10), (SECONDS, 3)])
def test_a_budget_is_a_total_that_a_kill_does_not_add_to(setting, start, budget, total):
    plan = setting(budget)
    unit = plan.plan.benchmark.search.unit

    def seconds(run):
        return 0.3 if run.optimizer["lr"] < 0.01 else 0.5

    def pieces(folder, killed):
        search, store = start(plan, folder)
        while not search.finished:
            (run,) = search.ask(1)
            if killed:  # asked and noted, never trained
                store.__exit__()
                search, store = start(plan, folder)
                (again,) = search.ask(1)
                assert again.id == run.id
            finish(search, store, run, seconds=seconds(run))
        assert search.ask(3) == []
        assert search.left == 0
        return table(store), spent(store, search, unit)

    whole, costs = pieces("whole", killed=False)
    assert sum(costs) >= total > sum(costs[:-1])  # the trial with which it is reached is the last one
    assert pieces("killed", killed=True) == (whole, costs)


def test_a_larger_budget_goes_on_and_a_smaller_one_counts_fewer_trials(setting, start):
    search, store = start(setting(EPOCHS))
    carry_out(search, store)
    before = table(store)
    store.__exit__()
    search, store = start(setting(("trials = 3", 'unit = "epochs"\nbudget = 14')))
    assert not search.finished
    carry_out(search, store)
    assert table(store)[: len(before)] == before
    assert sum(spent(store, search, "epochs")) >= 14
    store.__exit__()
    search, _ = start(setting(EPOCHS))
    assert [trial["number"] for trial in search.trials] == [number for number, *_ in before]


def test_a_trial_beyond_a_lowered_budget_is_not_trained(setting, start):
    search, store = start(setting(("trials = 3", "trials = 5")))
    for _ in range(3):
        finish(search, store, search.ask(1)[0])
    search.ask(1)
    store.__exit__()
    search, _ = start(setting())
    assert search.finished
    assert search.left == 0
    assert search.ask(1) == []


@pytest.mark.parametrize(("budget", "least"), [(EPOCHS, 1.0), (SECONDS, LEAST_SECONDS)])
def test_trials_that_fail_at_once_cost_something(setting, start, budget, least):
    search, store = start(setting(budget))
    count = 0
    while runs := search.ask(1):
        store.append(runs[0].id, Failed("error", "no"))
        search.tell(runs[0].id)
        count += 1
        assert count <= 30
    assert search.finished
    assert count == math.ceil(search.limit / least - 1e-9)


@pytest.mark.parametrize("budget", [EPOCHS, SECONDS])
def test_a_space_of_one_point_is_trained_once_and_comes_to_an_end(setting, start, budget):
    plan = setting(("epochs = [1, 2]", "epochs = [2]"), budget)
    competitor = plan.plan.competitors[0]
    object.__setattr__(competitor, "space", {"epochs": competitor.space["epochs"]})
    object.__setattr__(competitor, "fixed", {"lr": 0.1, "momentum": 0.0})
    search, store = start(plan)
    assert carry_out(search, store) == 1
    assert len(store.asks(search.study)) > 1
    assert len({ask["run_id"] for ask in store.asks(search.study)}) == 1


def test_in_seconds_a_generation_asks_no_more_than_is_left_to_spend(setting, start):
    """However many are asked at once, the trials that count are those before which the budget was not spent."""
    search, store = start(setting((SECONDS[0], f"{SECONDS[1]}\ntogether = 4")))
    while not search.finished:
        for run in search.ask(4):
            finish(search, store, run, seconds=1.0)
    assert len(search.trials) == 3
    assert search.best()["number"] < 3


# --- seeds within a trial ------------------------------------------------------------------------------------

SEEDS = 8


def value_of(run):
    """The score of a run, with a little noise of its seed."""
    return score(run) + ((run.init_seed // 1_009) % 7 - 3) / 1000


def across(store, study):
    return [(a["number"], a["params"], a["state"], a["value"], a["trained"]) for a in store.asks(study)]


def test_a_trial_with_seeds_is_worth_their_mean(setting, start):
    search, store = start(setting(("trials = 3", "trials = 3\nseeds = 4")))
    assert carry_out(search, store, value_of) == 12
    for ask in store.asks(search.study):
        runs = [search.setting.search_run(search.competitor, ask["params"], 0, seed) for seed in range(4)]
        assert len({run.init_seed for run in runs}) == 4
        assert ask["value"] == pytest.approx(sum(map(value_of, runs)) / 4)
        assert ask["trained"] == 4 * ask["params"]["epochs"]
        assert ask["seconds"] == pytest.approx(0.4)


def test_a_seed_that_diverges_ends_its_trial(setting, start):
    search, store = start(setting(("trials = 3", "trials = 1\nseeds = 3")))
    finish(search, store, search.ask(1)[0])
    (run,) = search.ask(1)
    store.append(run.id, Failed("diverged", "epoch 1: nan"))
    (ask,) = search.tell(run.id)
    assert (ask["state"], ask["value"]) == ("diverged", None)
    assert search.finished
    assert search.best() is None


def test_wilcoxon_prunes_what_is_clearly_worse_and_spends_fewer_runs(setting, start):
    """A trial whose every seed is worse than the best trial's stops early, and what is chosen is the same."""
    seeds = ("trials = 3", f"trials = 8\nseeds = {SEEDS}")
    pruned = (seeds[0], f'{seeds[1]}\nsampler = "random"\npruner = "wilcoxon"')
    plain = (seeds[0], f'{seeds[1]}\nsampler = "random"')
    epochs = ("epochs = [1, 2]", "epochs = [2]")
    found = {}
    for name, options in (("plain", plain), ("pruned", pruned)):
        search, store = start(setting(options, (TAIL, ""), epochs), name)
        runs = carry_out(search, store, value_of)
        found[name] = runs, search.best()["params"], across(store, search.study)
    assert found["plain"][0] == 8 * SEEDS
    assert found["pruned"][0] < 0.7 * 8 * SEEDS
    assert found["pruned"][1] == found["plain"][1]
    states = {state for _, _, state, _, _ in found["pruned"][2]}
    assert states == {"done", "stopped"}
    best = max(value for *_, value, _ in found["plain"][2])
    for number, _, state, value, trained in found["pruned"][2]:
        if state == "stopped":
            assert value is None
            assert 2 < trained < 2 * SEEDS
            assert found["plain"][2][number][3] < best


def test_a_search_with_seeds_goes_on_after_kills_as_if_undisturbed(setting, start):
    options = ("trials = 3", f'trials = 5\nseeds = {SEEDS}\npruner = "wilcoxon"')
    plan = setting(options)
    search, store = start(plan, "whole")
    whole = carry_out(search, store, value_of)
    total = 0
    while True:
        again, other = start(plan, "pieces")
        if again.finished:
            break
        for _ in range(3):
            for run in again.ask(1):
                finish(again, other, run, value_of(run))
                total += 1
        again.ask(1)  # asked and noted, never trained
        other.__exit__()
    assert total == whole
    assert across(other, again.study) == across(store, search.study)


# --- two objectives ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "random", "qmc", "gp"])
def test_two_objectives_are_told_to_optuna_and_a_kill_changes_nothing(setting, start, sampler):
    options = f'trials = 6\nsampler = "{sampler}"\nobjectives = ["score", "seconds"]'
    plan = setting(("trials = 3", options), *([(TAIL, "")] if sampler != "tpe" else []))
    search, store = start(plan, "whole")
    carry_out(search, store, seconds=0.5)
    trials = search._study.get_trials()
    assert [tuple(trial.values) for trial in trials] == [(ask["value"], 0.5) for ask in store.asks(search.study)]
    assert [d.name for d in search._study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert search.best()["value"] == max(trial.values[0] for trial in trials)
    while True:
        again, other = start(plan, "pieces")
        if again.finished:
            break
        finish(again, other, again.ask(1)[0], seconds=0.5)
        other.__exit__()
    assert table(other) == table(store)


# --- replicates ----------------------------------------------------------------------------------------------


def test_a_replicate_is_another_search_with_other_seeds(setting, start):
    plan = setting(("trials = 3", "trials = 4\nseeds = 2"))
    first, one = start(plan, "first")
    carry_out(first, one)
    second, two = start(plan, "second", replicate=1)
    carry_out(second, two)
    assert second.study == "lesson_cnn/sgd/cosine #2"
    assert not {a["run_id"] for a in one.asks(first.study)} & {a["run_id"] for a in two.asks(second.study)}
    assert [a["params"] for a in one.asks(first.study)] != [a["params"] for a in two.asks(second.study)]
    params = {"lr": 0.1, "momentum": 0.9, "epochs": 2}
    seeds = {plan.search_run(first.competitor, params, r, s).init_seed for r in range(100) for s in range(50)}
    assert len(seeds) == 5000


# --- every sampler and pruner --------------------------------------------------------------------------------

ALONE = ('optimizers = ["sgd", "adam"]', 'optimizers = ["sgd"]')
GRID = ("momentum = {", "lr = { choices = [0.001, 0.01, 0.1, 0.5] }\nmomentum = {")


@pytest.mark.parametrize("sampler", ["tpe", "random", "gp", "cmaes", "grid", "qmc", "nsgaii"])
def test_every_sampler_carries_a_search_to_its_end(setting, start, sampler):
    plan = setting(
        ("trials = 3", f'trials = 8\nsampler = "{sampler}"'), (TAIL, ""), *([GRID, ALONE] if sampler == "grid" else [])
    )
    check(plan.plan, lambda *key: ".".join(key))
    search, store = start(plan)
    carry_out(search, store)
    assert [state for _, _, state, _ in table(store)] == ["done"] * 8
    assert search.best()["value"] == max(value for *_, value in table(store))


@pytest.mark.parametrize(
    ("pruner", "options", "more"),
    [
        ("hyperband", "{ min_resource = 1, max_resource = 8, reduction_factor = 2 }", ""),
        ("successive-halving", "{ min_resource = 1, reduction_factor = 2 }", ""),
        ("median", "{ n_startup_trials = 2 }", ""),
        ("percentile", "{ percentile = 40.0, n_startup_trials = 2 }", ""),
        ("wilcoxon", "{ n_startup_steps = 2 }", "seeds = 6"),
    ],
)
def test_every_pruner_carries_a_search_to_its_end_and_prunes(setting, start, pruner, options, more):
    said = f'trials = 12\npruner = "{pruner}"\npruner_options = {options}\n{more}'
    plan = setting(("trials = 3", said), ("epochs = [1, 2]", "epochs = [4, 8]"))
    check(plan.plan, lambda *key: ".".join(key))
    search, store = start(plan)
    trained = 0
    while not search.finished:
        (run,) = search.ask(1)
        assert run.epochs == 8  # one schedule horizon for all
        for number in range(1, 9):
            metrics = {"tune_accuracy": value_of(run) + number / 100}
            epoch = Epoch(number, number, 0.1, 0.1, metrics, lambda: State({}, {}))
            decision = search.ask_pruner(run.id, epoch) if number < 8 else GO_ON
            store.append(run.id, epoch, decision)
            trained += 1
            if decision.stop:
                break
        store.append(run.id, Done(metrics, stopped=number < 8))
        search.tell(run.id)
    states = [ask["state"] for ask in store.asks(search.study)]
    assert len(states) == 12
    assert set(states) == {"done", "stopped"}
    assert trained < 12 * 8 * plan.plan.benchmark.search.seeds
    assert trained == sum(ask["trained"] for ask in store.asks(search.study))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            'pruner = "median"\nobjectives = ["score", "seconds"]',
            r"search\.pruner: must be 'none' with two search\.objectives, got 'median'",
        ),
        ('pruner = "wilcoxon"\nseeds = 2', r"search\.pruner: must have search\.seeds of 3 or more to judge by, got 2"),
        (
            'pruner = "median"\nseeds = 3',
            r"search\.pruner: must be 'wilcoxon' or 'none' where a trial has 3 seeds, got 'median'",
        ),
    ],
)
def test_a_pruner_that_has_nothing_to_judge_by_is_refused(benchmark_file, registry, options, message):
    benchmark, source = load(benchmark_file(("trials = 3", f"trials = 3\n{options}")))
    with pytest.raises(BenchmarkError, match=message):
        check(resolve(benchmark, source, registry), source.where)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ('unit = "epochs"', r"search\.budget: must say how many epochs each arm gets, got none"),
        ("budget = 3", r'search\.budget: must go with unit = "epochs" or "seconds", got 3; a budget in trials is'),
        ('unit = "second"\nbudget = 3', r"search\.unit: must be .*got 'second'; did you mean 'seconds'"),
        ('objectives = ["seconds"]', r'search\.objectives: must be \["score"\] or \["score", "seconds"\]'),
    ],
)
def test_a_budget_that_says_nothing_is_refused(benchmark_file, options, message):
    with pytest.raises(BenchmarkError, match=message):
        load(benchmark_file(("trials = 3", f"trials = 3\n{options}")))


# --- Optuna behind one class ---------------------------------------------------------------------------------


def test_what_a_pruner_notes_of_a_running_trial_stands_apart_from_it():
    study = OptunaStudy("one", ["maximize"])
    space = {"lr": optuna.distributions.FloatDistribution(0, 1)}
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
    for number, value in enumerate((0.9, 0.1, 0.95)):
        study.prepare(optuna.samplers.RandomSampler(seed=number), pruner)
        assert study.ask(space).number == number
        stop, notes = study.decide(pruner, number, {1: value}, {})
        assert notes == {"completed_rung_0": value}
        assert study.decide(pruner, number, {1: value, 2: value}, notes)[1]["completed_rung_0"] == value
        assert stop == (number == 1)
        assert study.trial_attrs(number) == {}
        assert study.get_trials()[number].intermediate_values == {}
        study.end(number, {1: value}, notes, [value], optuna.trial.TrialState.COMPLETE)
        assert study.trial_attrs(number) == notes
    assert study.get_trials()[1].intermediate_values == {1: 0.1}
    study.set_study_attrs({"note": {"a": 1}})
    assert study.study_attrs == {"note": {"a": 1}}


def test_a_pruner_that_raises_leaves_the_study_as_it_was():
    class Careless(optuna.pruners.BasePruner):
        def prune(self, study, trial):
            raise RuntimeError("no")

    study = OptunaStudy("one", ["maximize"])
    study.ask({})
    with pytest.raises(RuntimeError, match="no"):
        study.decide(Careless(), 0, {1: 0.5}, {})
    study.end(0, {}, {"noted": 1}, [0.5], optuna.trial.TrialState.COMPLETE)
    assert study.trial_attrs(0) == {"noted": 1}


def test_importing_the_search_leaves_optunas_lines_as_they_are():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        importlib.reload(module)
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
        module.quiet_optuna()
        assert optuna.logging.get_verbosity() == optuna.logging.ERROR
    finally:
        optuna.logging.set_verbosity(before)
