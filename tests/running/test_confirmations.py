"""The best trials of a search are trained once more at full length, and the choice is among these confirmations."""

from __future__ import annotations

import json

import optuna
import pytest

from harness.cli.show import show
from harness.console.progress import Reporter
from harness.plugin.runs import Done, Epoch, Failed, State
from harness.records import Store, open_records, schema
from harness.running.prepare import Request
from harness.running.search import GO_ON, study_name
from harness.running.start import run as run_benchmark

TAIL = "sampler_options = { n_startup_trials = 2 }\n"
SIX = ("trials = 3", 'trials = 6\nsampler = "random"')
LENGTH = ("epochs = 2\n", "epochs = 7\n")  # of the comparison


@pytest.fixture
def plan(setting):
    """Return a function that makes the setting of a search of six random trials, so many of which are confirmed."""

    def make(confirm, *replacements):
        trials = () if any("trials = 3" in old for old, _ in replacements) else (SIX, (TAIL, ""))
        return setting(("confirm = 0", f"confirm = {confirm}"), LENGTH, *trials, *replacements)

    return make


def is_confirmation(run):
    return run.epochs == 7


def quality(run):
    """The score of a trial, a smooth function of its rate."""
    return run.optimizer["lr"] ** 0.2 / 2


def end(search, store, run, end):
    """End a run with a score, or as diverged or failed; return what the search says that ended with it."""
    if isinstance(end, float):
        metrics = {"tune_accuracy": end}
        for number in range(1, run.epochs + 1):
            store.append(run.id, Epoch(number, number, 0.1, 0.1, metrics, lambda: State({}, {})))
        store.append(run.id, Done(metrics))
    else:
        store.append(run.id, Failed(end, "too far"))
    return search.tell(run.id)


def trials_to_the_end(search, store, score=quality):
    """Carry out all trials; return the runs that then wait: the confirmations."""
    while not search.over:
        for run in search.ask(1):
            assert not is_confirmation(run)
            end(search, store, run, score(run))
    return search.ask(10)


def ranking(store, search):
    done = [ask for ask in store.asks(search.study) if ask["state"] == "done"]
    return [ask["number"] for ask in sorted(done, key=lambda ask: -ask["value"])]


def test_the_best_are_trained_for_the_length_of_the_comparison_under_a_seed_of_their_own(plan, start):
    search, store = start(plan(3))
    runs = trials_to_the_end(search, store)
    assert [run.epochs for run in runs] == [7, 7, 7]
    assert {run.phase for run in runs} == {"search"}  # which is given no test split
    best = [store.asks(search.study)[number] for number in ranking(store, search)[:3]]
    assert [run.optimizer["lr"] for run in runs] == [ask["params"]["lr"] for ask in best]
    assert (
        len({(run.init_seed, run.order_seed) for run in runs}) == 1
    )  # one seed for all, so that they are compared alike
    seeds = {store.run(ask["run_id"])["seed"] for ask in store.asks(search.study)}
    seeds |= {
        search.setting.search_run(search.competitor, best[0]["params"], r, s).init_seed
        for r in range(9)
        for s in range(99)
    }
    assert runs[0].init_seed not in seeds
    assert runs[0].init_seed > 100 * 1000  # the comparison has no seed so large
    assert not search.finished
    assert search.chosen is None


@pytest.mark.parametrize(
    ("ends", "place"),
    [
        ((0.8, 0.7), 0),
        ((0.7, 0.8), 1),
        ((0.7, 0.7), 0),
        (("diverged", 0.1), 1),
        ((0.1, "diverged"), 0),
        (("error", 0.1), 1),
        (("diverged", "diverged"), 0),
        (("error", "diverged"), 0),
    ],
)
def test_the_better_confirmation_is_chosen_and_one_that_did_not_end_well_loses(plan, start, ends, place):
    search, store = start(plan(2))
    runs = trials_to_the_end(search, store)
    said = [outcome for run, how in zip(runs, ends, strict=True) for outcome in end(search, store, run, how)]
    assert search.finished
    assert search.ask(5) == []
    best = search.best()
    assert best["number"] == ranking(store, search)[place]
    assert search.chosen == best["params"]
    assert [(row["number"], row["confirms"]) for row in said] == [(n, True) for n in ranking(store, search)[:2]]
    states = {"error": "failed", "diverged": "diverged"}
    assert [row["state"] for row in said] == [states.get(how, "done") for how in ends]
    assert len(search.failed_confirmations()) == ends.count("error")


def test_of_a_loss_the_lower_confirmation_is_chosen(plan, start):
    search, store = start(plan(2, ('metric = "accuracy"', 'metric = "loss"')))

    def finish(run, value):
        store.append(run.id, Epoch(1, 1, 0.1, 0.1, {"tune_loss": value}, lambda: State({}, {})))
        store.append(run.id, Done({"tune_loss": value}))
        search.tell(run.id)

    while not search.over:
        (run,) = search.ask(1)
        finish(run, quality(run))
    lowest = sorted(store.asks(search.study), key=lambda ask: ask["value"])
    first, second = search.ask(2)
    assert [first.optimizer["lr"], second.optimizer["lr"]] == [ask["params"]["lr"] for ask in lowest[:2]]
    finish(first, 0.4)
    finish(second, 0.3)
    assert search.best()["number"] == lowest[1]["number"]


def test_without_confirmation_the_best_trial_is_chosen(plan, start):
    search, store = start(plan(0))
    assert trials_to_the_end(search, store) == []
    assert search.finished
    assert search.best()["number"] == ranking(store, search)[0]


@pytest.mark.parametrize(("good", "confirmed"), [(0, 0), (1, 0), (2, 2)])
def test_where_fewer_trials_ended_well_those_there_are_are_confirmed_and_a_single_one_is_not(
    plan, start, good, confirmed
):
    search, store = start(plan(3))
    count = 0
    while not search.over:
        (run,) = search.ask(1)
        end(search, store, run, 0.5 if count < good else "diverged")
        count += 1
    runs = search.ask(10)
    assert len(runs) == confirmed
    for run in runs:
        end(search, store, run, 0.5)
    assert search.finished
    assert (search.best() is None) == (good == 0)


def test_trials_that_differ_in_their_epochs_alone_have_nothing_to_confirm(plan, start):
    setting = plan(2, ("epochs = [1, 2]", "epochs = [1, 3]"))
    competitor = setting.plan.competitors[0]
    object.__setattr__(competitor, "space", {"epochs": competitor.space["epochs"]})
    object.__setattr__(competitor, "fixed", {"lr": 0.1, "momentum": 0.0})
    search, store = start(setting)
    runs = []
    while not search.over:
        runs = search.ask(1)
        if not search.over:
            end(search, store, runs[0], quality(runs[0]))
    runs = runs or search.ask(5)
    assert len({ask["params"]["epochs"] for ask in store.asks(search.study)}) > 1
    assert runs == []  # at full length they are one training
    assert search.finished


def test_a_search_as_long_as_the_comparison_confirms_under_another_seed(plan, start):
    search, store = start(plan(2, ("epochs = [1, 2]", "epochs = [7]")))
    seeds = set()
    while not search.over:
        (run,) = search.ask(1)
        seeds.add(run.init_seed)
        end(search, store, run, quality(run))
    confirmations = search.ask(5)
    assert [run.epochs for run in confirmations] == [7, 7]
    assert not seeds & {run.init_seed for run in confirmations}


def test_a_kill_before_any_event_costs_nothing_and_changes_nothing(plan, start):
    def scored(run):
        return 0.9 - quality(run) if is_confirmation(run) else quality(run)

    search, store = start(plan(2), "whole")
    for run in trials_to_the_end(search, store):
        end(search, store, run, scored(run))
    whole, best = store.asks(search.study), search.best()
    assert best["number"] == ranking(store, search)[1]

    trained = []
    for _ in range(20):
        search, store = start(plan(2), "pieces")
        if search.finished:
            break
        (run,) = search.ask(1)
        store.__exit__()  # asked and entered, never trained
        search, store = start(plan(2), "pieces")
        (run,) = search.ask(1)
        trained.append(run.id)
        end(search, store, run, scored(run))
        store.__exit__()
    assert len(trained) == len(set(trained)) == 8
    assert store.asks(search.study) == whole
    assert search.best() == best


def test_confirmations_are_no_trials_and_take_nothing_of_the_budget(plan, start):
    tables = {}
    for confirm in (0, 2):
        search, store = start(plan(confirm), f"run{confirm}")
        for run in trials_to_the_end(search, store):
            end(search, store, run, 0.5)
        search.write_for_optuna()
        study = optuna.load_study(study_name=search.study, storage=store.optuna)
        assert [trial.number for trial in study.get_trials()] == list(range(6))
        left_out = ("confirmation",)
        tables[confirm] = [
            {key: value for key, value in ask.items() if key not in left_out} for ask in store.asks(search.study)
        ]
    assert tables[0] == tables[2]
    rows = store.db.execute("SELECT count(*) FROM runs WHERE phase = 'search'").fetchone()
    assert rows[0] == 8


def test_a_budget_in_epochs_is_not_spent_by_confirmations(plan, start):
    unit = ("trials = 3", 'unit = "epochs"\nbudget = 8\nsampler = "random"')
    search, store = start(plan(2, unit, (TAIL, "")))
    for run in trials_to_the_end(search, store):
        end(search, store, run, 0.5)
    assert search.finished
    spent = [ask["trained"] for ask in store.asks(search.study)]
    assert sum(spent) >= 8 > sum(spent[:-1])


def test_no_pruner_stops_a_confirmation(plan, start):
    pruner = 'trials = 5\nsampler = "random"\npruner = "median"\npruner_options = { n_startup_trials = 2, n_warmup_steps = 0 }'
    search, store = start(plan(2, ("trials = 3", pruner), (TAIL, "")))
    while not search.over:
        (run,) = search.ask(1)
        epoch = Epoch(1, 1, 0.1, 0.1, {"tune_accuracy": quality(run)}, lambda: State({}, {}))
        decision = search.ask_pruner(run.id, epoch)
        store.append(run.id, epoch, decision)
        store.append(run.id, Done({"tune_accuracy": quality(run)}, stopped=decision.stop))
        search.tell(run.id)
    again, _ = search.ask(2)
    for number in range(1, 7):
        worst = Epoch(number, number, 0.1, 0.1, {"tune_accuracy": 0.0}, lambda: State({}, {}))
        assert search.ask_pruner(again.id, worst) == GO_ON


def test_what_is_left_counts_confirmations_until_they_have_ended(plan, start):
    search, store = start(plan(2))
    assert (search.left, search.confirmations_left) == (6, 2)
    assert search.epochs_left(()) == round(6 * 1.5) + 2 * 7
    runs = trials_to_the_end(search, store)
    assert (search.left, search.confirmations_left, search.epochs_left(())) == (0, 2, 14)
    assert search.epochs_left([runs[0].id]) == 7
    end(search, store, runs[0], 0.5)
    assert (search.confirmations_left, search.epochs_left([runs[1].id])) == (1, 0)
    end(search, store, runs[1], 0.5)
    assert (search.confirmations_left, search.epochs_left(())) == (0, 0)


def test_more_trials_confirm_the_best_of_all_and_train_nothing_twice(plan, start):
    search, store = start(plan(2))
    before = trials_to_the_end(search, store)
    for run in before:
        end(search, store, run, 0.5)
    store.__exit__()
    search, store = start(plan(2, ("trials = 3", 'trials = 9\nsampler = "random"'), (TAIL, "")))
    assert not search.finished
    again = trials_to_the_end(search, store)
    wanted = {store.asks(search.study)[number]["confirmation"] for number in ranking(store, search)[:2]}
    assert {run.id for run in again} == wanted - {run.id for run in before}
    for run in again:
        end(search, store, run, 0.5)
    assert search.finished


def test_two_arms_and_two_replicates_share_no_seed(setting):
    made = setting(("confirm = 0", "confirm = 2"))
    params = {"lr": 0.1, "epochs": 1}
    seeds = []
    for competitor in made.plan.competitors:
        for replicate in range(100):
            seeds += [made.search_run(competitor, params, replicate, seed).init_seed for seed in range(5)]
            seeds.append(made.confirmation_run(competitor, params, replicate).init_seed)
    assert len(set(seeds)) == len(seeds)
    assert min(seeds) > 100 * 1000


def test_the_records_tell_how_each_confirmation_ended(plan, start, tmp_path):
    search, store = start(plan(2))
    first, second = trials_to_the_end(search, store)
    assert [store.run(run.id)["state"] for run in (first, second)] == [schema.WAITING] * 2
    end(search, store, first, 0.9)
    end(search, store, second, "diverged")
    confirmations = {ask["number"]: ask["confirmation"] for ask in store.asks(search.study) if ask["confirmation"]}
    assert confirmations == dict(zip(ranking(store, search)[:2], (first.id, second.id), strict=True))
    store.__exit__()
    with Store(tmp_path / "run") as again:
        rows = again.db.execute("SELECT recipe FROM runs WHERE run_id IN (?, ?)", (first.id, second.id)).fetchall()
    assert [json.loads(recipe)["epochs"] for (recipe,) in rows] == [7, 7]
    assert search.study == study_name(search.arm)


# --- in a whole run ------------------------------------------------------------------------------------------


@pytest.fixture
def carried_out(benchmark_file, tmp_path, unreported):
    """The records of the searches of a small benchmark, which confirm two trials each, for three epochs."""
    text = (
        ("confirm = 0", "confirm = 2"),
        ("epochs = 2\n", "epochs = 3\n"),
        ("trials = 3", 'trials = 3\nsampler = "random"'),
    )
    file = benchmark_file(*text, (TAIL, ""), ("looks = [1]", "looks = [2]"))
    request = Request(file, out=tmp_path / "runs", only_search=True)
    assert run_benchmark(request, Reporter(quiet=True), ["harness", "run", str(file)]) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    return open_records(folder)


def test_a_run_chooses_by_tune_loss_among_its_confirmations_and_shows_them(carried_out):
    records = carried_out
    assert (records.searched.name, records.deciding.name) == ("loss", "accuracy")
    runs = records.runs.set_index("run_id")
    for arm in records.arms.to_dict("records"):
        trials = records.trials[records.trials["arm"] == arm["arm"]].set_index("number")
        scores = {number: runs.loc[trial["run_id"], "tune_loss"] for number, trial in trials.iterrows()}
        assert trials["value"].to_dict() == pytest.approx(scores)
        best = sorted(scores, key=scores.get)[:2]
        confirmed = trials[trials["confirmation"] != ""]
        assert sorted(confirmed.index) == sorted(best)
        again = runs.loc[confirmed["confirmation"]]
        assert set(again["phase"]) == {"search"}
        assert confirmed["confirmed"].tolist() == again["tune_loss"].tolist()
        assert set(confirmed["confirmation_state"]) == {"done"}
        assert set(trials.loc[trials["confirmation"] == "", "confirmation_state"]) <= {""}
        assert arm["tuned_trial"] == confirmed["confirmed"].idxmin()
        assert arm["tuned_value"] == scores[arm["tuned_trial"]]
        epochs = records.epochs[records.epochs["run_id"].isin(confirmed["confirmation"])]
        assert set(epochs.groupby("run_id")["epoch"].max()) == {3}
    assert set(records.repeated["replicate"]) == {1}
    assert (records.repeated.groupby("search")["confirmation"].apply(lambda ids: (ids != "").sum()) == 2).all()


def test_show_tells_of_each_confirmation(carried_out):
    for arm in show(carried_out.folder)["arms"]:
        confirmed = [trial for trial in arm["trials"] if "confirmation" in trial]
        assert len(confirmed) == 2
        best = min(confirmed, key=lambda trial: trial["confirmation"]["value"])
        assert best["number"] == arm["tuned"]["trial"]
        assert {trial["confirmation"]["state"] for trial in confirmed} == {"done"}
