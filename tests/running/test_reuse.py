"""A run is never done twice on one machine: what another run folder has is taken over, named, and equal to what training gives."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import tomllib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from harness_reports._words.notices import _about_taken_runs as taken_runs

from harness.benchmark.arms import ends
from harness.console.progress import Reporter
from harness.errors import RunFolderError
from harness.plugin.runs import Epoch, State
from harness.records import Store, open_records, schema
from harness.records.earlier import EarlierRun
from harness.running.event_loop import EventLoop
from harness.running.forecast.estimate import estimate
from harness.running.forecast.lines import lines
from harness.running.prepare import Request, prepare
from harness.running.reuse import earlier_runs, not_taken_over, unusable
from harness.running.search import Search
from harness.running.start import run
from harness.verdict.protocol import registered_protocols

ONE = """
name = "tiny"
[data]
size = 16
options = { train = 64, tune = 32, test = 64 }
[train]
executor = "inprocess"
optimizers = ["sgd"]
batch_size = 16
precision = "fp32"
threads = 1
[search]
trials = 1
epochs = [1]
[compare]
looks = [1]
seeds = 1
epochs = 1
probes = []
[report]
formats = ["text"]
paths = false
"""
TINY = (Path(__file__).parent.parent / "tiny.toml").read_text(encoding="utf-8")
TWO, THREE = ("sgd", "adam"), ("sgd", "adam", "rmsprop")
FEWER = ("trials = 3", "trials = 2")
CONTROLS = ("[compare]", "[compare]\nuntuned = 1\ntwins = 1\naa = true\nlabel_noise = 0.2")
COLUMNS = ["seconds", "started", "ended", "taken_from"]  # that may differ from a run from scratch


@pytest.fixture
def trained(monkeypatch):
    """Return a list that fills with the arm of every epoch that is trained."""
    arms: list[str] = []
    write = EventLoop._write

    def count(self, work, event, decision):
        if isinstance(event, Epoch):
            arms.append(work.run.arm.name)
        return write(self, work, event, decision)

    monkeypatch.setattr(EventLoop, "_write", count)
    return arms


@pytest.fixture
def said(monkeypatch):
    """Return a list that fills with the lines of the console."""
    lines: list[str] = []
    monkeypatch.setattr(Reporter, "say", lambda self, text, style="", brief=False: lines.append(text))
    return lines


def finished(place: Path, leave_out_reports, *changes):
    """Carry out the tiny benchmark with the optimizers ``TWO`` and return its run folder."""
    text = TINY
    for old, new in (FEWER, *changes):
        assert old in text, old
        text = text.replace(old, new)
    (place / "tiny.toml").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        leave_out_reports(patch)
        assert run(Request(place / "tiny.toml", out=place / "runs"), Reporter(quiet=True)) == 0
    (folder,) = (place / "runs").iterdir()
    return folder


@pytest.fixture(scope="module")
def of_two(tmp_path_factory, leave_out_reports):
    """The run folder of ``TWO``, of which tests take copies."""
    return finished(tmp_path_factory.mktemp("two"), leave_out_reports)


@pytest.fixture(scope="module")
def of_two_controlled(tmp_path_factory, leave_out_reports):
    """The same with ``CONTROLS``."""
    return finished(tmp_path_factory.mktemp("controlled"), leave_out_reports, CONTROLS)


def copy(folder: Path, tmp_path: Path) -> Path:
    """Return a copy of a run folder where ``carry_out`` finds it."""
    return shutil.copytree(folder, tmp_path / "runs" / folder.name)


@pytest.fixture
def carry_out(benchmark_file, tmp_path, unreported):
    """Return a function that carries out a tiny benchmark with some optimizers, and returns its run folder."""

    def start(optimizers, *changes, out="runs", **more):
        listed = json.dumps(list(optimizers))
        file = benchmark_file(('["sgd", "adam"]', listed), FEWER, *changes)
        assert run(Request(file, out=tmp_path / out, **more), Reporter(quiet=True)) == 0
        written = {
            toml.parent: tomllib.loads(toml.read_text()) for toml in (tmp_path / out).glob("tiny-*/benchmark.toml")
        }
        (folder,) = [folder for folder, text in written.items() if text["train"]["optimizers"] == list(optimizers)]
        return folder

    return start


def tables(folder: Path):
    """Return what is recorded of the runs, but for times and where they were trained."""
    records = open_records(folder)
    found = {name: getattr(records, name) for name in ("trials", "runs", "epochs", "comparison")}
    texts = {
        name: table.drop(columns=[column for column in COLUMNS if column in table]).to_json()
        for name, table in found.items()
    }
    predictions = {run_id: records.predictions(run_id).tobytes() for run_id in records.compared()["run_id"]}
    return texts, predictions, {path.name: path.read_bytes() for path in (folder / "solutions").iterdir()}


def origins(folder: Path) -> dict[str, str]:
    with sqlite3.connect(schema.database(folder)) as db:
        return dict(db.execute("SELECT run_id, taken_from FROM runs"))


def registered(folder: Path) -> list[str]:
    """Return when each protocol was registered."""
    return [protocol.when for protocol in registered_protocols(open_records(folder).meta)]


def arm(optimizer: str) -> str:
    return f"lesson_cnn/{optimizer}/cosine"


def test_adding_an_optimizer_trains_that_optimizer_only(carry_out, of_two_controlled, trained, said, tmp_path):
    first = copy(of_two_controlled, tmp_path)
    folder = carry_out(THREE, CONTROLS)
    assert folder != first
    own = {name for name in trained if "rmsprop" not in name}
    assert own == set()
    count, taken = len(trained), origins(folder)
    before = origins(first)
    assert {run_id for run_id, origin in taken.items() if origin} == set(before)
    assert set(taken.values()) == {"", first.name}
    day = open_records(first).runs["ended"].min()[:10]
    assert f"{len(before)} runs were taken from {first.name}, where they were trained on {day}" in said
    (notice,) = taken_runs(open_records(folder))
    assert (notice.level, notice.text.rstrip(".")) in {("note", line) for line in said}
    assert taken_runs(open_records(first)) == []
    assert any(f" s  taken from {first.name}  lr=" in line and "trial 1/2" in line for line in said)

    seen = open_records(first).comparison["run_id"].nunique()
    assert registered(first) == ["before the comparison"]
    assert registered(folder) == [
        f"after {seen} comparison runs that can be taken over had ended in another run folder"
    ]

    trained.clear()
    scratch = carry_out(THREE, CONTROLS, out="scratch")
    assert tables(folder) == tables(scratch)
    assert count == sum("rmsprop" in name for name in trained)
    trained.clear()
    carry_out(THREE, CONTROLS)
    assert trained == []


def test_a_protocol_counts_the_runs_of_all_replicates_that_ended_elsewhere(carry_out, tmp_path):
    """It is registered before the first replicate's runs, when the searches of the second one have not ended yet."""
    twice = ("looks = [1]", "looks = [2]")
    first = carry_out(TWO, twice)
    folder = carry_out(THREE, twice)
    taken = open_records(folder).comparison.query("taken_from != ''")["run_id"].nunique()
    assert taken == open_records(first).comparison["run_id"].nunique()
    assert registered(folder) == [
        f"after {taken} comparison runs that can be taken over had ended in another run folder"
    ]
    assert registered(carry_out(THREE, twice, out="scratch", no_reuse=True)) == ["before the comparison"]


def test_a_kill_while_runs_are_taken_over_loses_nothing(carry_out, of_two, trained, tmp_path, monkeypatch):
    copy(of_two, tmp_path)
    enter, calls, done = Store._enter_end, [], []

    def killed(self, *arguments):
        calls.append(self.folder)
        if len(calls) == 4:  # its files are written, its record is not
            shutil.copytree(tmp_path / "runs", tmp_path / "killed")
            done.append(len(trained))
        enter(self, *arguments)

    monkeypatch.setattr(Store, "_enter_end", killed)
    whole = carry_out(THREE)
    epochs = len(trained)
    trained.clear()
    folder = tmp_path / "killed" / whole.name
    (folder / "lock").unlink()
    assert carry_out(THREE, out="killed") == folder
    assert tables(folder) == tables(whole)
    assert origins(folder) == origins(whole)
    assert len(trained) == epochs - done[0]  # what was trained before the kill is not trained again


def test_a_run_that_was_taken_over_twice_names_the_folder_it_was_trained_in(carry_out, of_two, trained, tmp_path):
    first = copy(of_two, tmp_path)
    second = carry_out(THREE)
    shutil.move(first, tmp_path / "away")
    trained.clear()
    third = carry_out(("adam", "rmsprop"))
    assert trained == []
    with sqlite3.connect(schema.database(third)) as db:
        found = set(db.execute("SELECT substr(arm, 12, 4), taken_from FROM runs"))
    assert found == {("adam", first.name), ("rmsp", second.name)}


def test_runs_are_taken_from_a_folder_that_is_named_and_from_none_where_that_is_wanted(carry_out, trained, tmp_path):
    first = carry_out(("sgd",), out="elsewhere")
    for name, more in (("a", {"reuse": first}), ("b", {"reuse": first.parent})):
        trained.clear()
        assert set(origins(carry_out(("sgd",), out=name, **more)).values()) == {first.name}
        assert trained == []
    shutil.copytree(first, tmp_path / "c" / "copy")
    assert set(origins(carry_out(("sgd",), out="c", no_reuse=True)).values()) == {""}
    assert trained


@pytest.mark.parametrize(
    ("make", "got"),
    [
        (lambda place: None, "nothing there: "),
        (lambda place: place.mkdir(), "a folder without one: "),
        (lambda place: place.write_text("no"), "a file: "),
    ],
)
def test_a_place_without_runs_is_refused_in_one_line(benchmark_file, tmp_path, make, got):
    make(tmp_path / "place")
    request = Request(benchmark_file(), out=tmp_path / "runs", reuse=tmp_path / "place")
    line = f"^--reuse: must be a run folder, or a folder of run folders, got {got}'.*place'; check the path$"
    with pytest.raises(RunFolderError, match=line):
        run(request, Reporter(quiet=True))
    assert not (tmp_path / "runs").exists()


def test_a_plan_says_how_many_runs_it_would_take_over(of_two_controlled, benchmark_file, tmp_path, monkeypatch):
    monkeypatch.setattr("harness.running.forecast.timing.SECONDS_PER_ARM", 0.05)
    first = copy(of_two_controlled, tmp_path)
    listed = ('["sgd", "adam"]', json.dumps(list(THREE)))
    request = Request(benchmark_file(listed, ("trials = 3", "trials = 2"), CONTROLS), out=tmp_path / "runs")
    document = estimate(request, Reporter(quiet=True))
    count = len(origins(first))
    assert document["taken"] == {first.name: count}
    assert f"  up to {count} runs will be taken from {first.name}, where they were trained before" in lines(document)
    assert estimate(replace(request, no_reuse=True), Reporter(quiet=True))["taken"] == {}
    smaller = replace(request, overrides=("compare.seeds=1", "train.optimizers=['adam', 'rmsprop']"))
    taken = estimate(smaller, Reporter(quiet=True))["taken"][first.name]
    assert 0 < taken < count / 2


def change(folder: Path, statement: str) -> None:
    with sqlite3.connect(schema.database(folder)) as db:
        db.execute(statement)


SPOILED = {
    "another environment": lambda folder: change(folder, "UPDATE runs SET environment = 'other'"),
    "another version": lambda folder: change(folder, "UPDATE meta SET value = '2' WHERE key = 'schema_version'"),
    "other data": lambda folder: change(
        folder, "UPDATE meta SET value = json_set(value, '$.fingerprint', 'x') WHERE key = 'data'"
    ),
    "other deciding metrics": lambda folder: change(
        folder, "UPDATE meta SET value = '\"error\"' WHERE key IN ('metric', 'search_metric')"
    ),
    "changed settings": lambda folder: change(
        folder,
        "INSERT OR REPLACE INTO meta SELECT 'changed_settings', json_group_object(run_id, json('[\"x\"]')) FROM runs",
    ),
    "failed runs": lambda folder: change(folder, "UPDATE runs SET state = 'failed', reason = 'x'"),
    "runs with a measurement that failed": lambda folder: change(folder, "UPDATE runs SET reason = 'x'"),
    "another recipe": lambda folder: change(folder, "UPDATE runs SET recipe = json_set(recipe, '$.l2', 7)"),
    "epochs that are gone": lambda folder: change(folder, "DELETE FROM epochs WHERE epoch = 1"),
    "a table that is gone": lambda folder: change(folder, "DROP TABLE epochs"),
    "runs of a baseline, which another machine made": lambda folder: change(
        folder, "INSERT OR REPLACE INTO meta SELECT 'baseline', json_object('names', json_group_array(arm)) FROM runs"
    ),
    "no database": lambda folder: schema.database(folder).write_bytes(b"SQLite format 3\0 and no more of it"),
    "a run under way": lambda folder: change(folder, "PRAGMA journal_mode = WAL"),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, leave_out_reports):
    """A finished run folder, and what its benchmark is."""
    place = tmp_path_factory.mktemp("whole")
    (place / "tiny.toml").write_text(ONE, encoding="utf-8")
    request = Request(place / "tiny.toml", out=place / "runs")
    with pytest.MonkeyPatch.context() as patch:
        leave_out_reports(patch)
        assert run(request, Reporter(quiet=True)) == 0
    setting = prepare(request, Reporter(quiet=True))
    return place / "runs" / setting.folder_name, setting


@pytest.fixture
def copied(whole, tmp_path):
    """A copy of the finished run folder, its run ids, and a function that returns which of them can be taken over."""
    folder = tmp_path / "copy"
    shutil.copytree(whole[0], folder)

    def usable():
        earlier = earlier_runs(whole[1], tmp_path / "own", [folder])
        runs = [SimpleNamespace(id=run_id) for run_id in origins(whole[0])]
        return {run.id for run in runs if earlier.find(run) is not None}

    return folder, set(origins(folder)), usable


@pytest.mark.parametrize("what", SPOILED)
def test_what_is_not_the_same_or_not_sound_is_passed_over(copied, what):
    folder, runs, usable = copied
    assert usable() == runs
    SPOILED[what](folder)
    assert usable() == set()


def test_equal_runs_that_are_not_taken_over_are_counted_with_the_reason(copied, whole, tmp_path):
    folder, runs, _ = copied
    setting = whole[1]

    def said():
        return not_taken_over(setting, tmp_path / "own", [folder], setting.plan.benchmark.compare.looks[-1])

    assert said() == []
    here = open_records(folder).meta.environment
    other = {**here, "versions": {**here["versions"], "training code": "other"}}
    change(folder, f"INSERT OR REPLACE INTO meta VALUES ('environments', '{json.dumps({'other': other})}')")
    change(folder, "UPDATE runs SET environment = 'other'")
    (line,) = said()
    count = int(line.split()[0])
    assert line == f"{count} equal runs in {folder.name} are not taken over: the training code differs"
    assert 0 < count <= len(runs)
    change(folder, f"UPDATE runs SET environment = '{here['hash']}'")
    assert said() == []
    text = "UPDATE runs SET run_id = 'x' || substr(run_id, 2), recipe = json_set(recipe, '$.plugins.optimizer', 'x')"
    change(folder, text)
    assert said() == [f"{count} equal runs in {folder.name} are not taken over: the source of the optimizer differs"]
    assert not_taken_over(setting, whole[0], [folder], 1) == []  # its own folder has them


UNUSABLE = {
    "another version": r"its records have version 2, and this release reads \d+",
    "other data": "it has other data",
    "other deciding metrics": "other metrics decide in it",
    "failed runs": "no run of it has ended that can be used",
    "a table that is gone": "no table 'epochs'",
    "no database": "its records are damaged",
    "a run under way": "a run is under way in it, or was killed",
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_named_folder_that_gives_nothing_is_named_with_the_reason(copied, whole, tmp_path, what):
    folder, _, _ = copied
    assert unusable(whole[1], tmp_path / "own", folder) == []
    assert unusable(whole[1], tmp_path / "own", None) == []
    SPOILED[what](folder)
    (line,) = unusable(whole[1], tmp_path / "own", folder)
    assert re.match(rf"nothing can be taken over from {folder.name}: .*{UNUSABLE[what]}", line)
    assert unusable(whole[1], folder, folder) == []  # its own folder goes on


def test_damaged_records_that_reuse_names_are_said_and_the_run_goes_on(
    whole, tmp_path, said, leave_out_reports, monkeypatch
):
    leave_out_reports(monkeypatch)
    others = [tmp_path / "others" / name for name in "abcd"]
    for folder in others:
        folder.mkdir(parents=True)
        schema.database(folder).write_bytes(b"garbage" * 50)
    request = Request(whole[0].parent.parent / "tiny.toml", out=tmp_path / "runs", reuse=tmp_path / "others")
    assert run(request, Reporter()) == 0
    assert "note: nothing can be taken over from a, b, c and 1 more: its records are damaged" in said


@pytest.mark.parametrize(("key", "phase"), [("metric", "compare"), ("search_metric", "search")])
def test_with_another_metric_of_a_phase_the_runs_of_that_phase_are_passed_over(copied, key, phase):
    folder, runs, usable = copied
    of_phase = set(open_records(folder).runs.query("phase == @phase")["run_id"])
    change(folder, f"UPDATE meta SET value = '\"error\"' WHERE key = '{key}'")
    assert usable() < runs
    assert usable()
    assert not usable() & of_phase


def test_a_run_with_a_damaged_file_is_passed_over_alone(copied):
    folder, runs, usable = copied
    solution = min((folder / "solutions").iterdir())
    content = bytearray(solution.read_bytes())
    content[-1] ^= 1
    solution.write_bytes(content)
    assert usable() == runs - {solution.stem}
    solution.unlink()
    assert usable() == runs - {solution.stem}


def test_a_folder_that_is_only_read_is_left_as_it_was(copied):
    folder, _, usable = copied
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    usable()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_file_that_changes_while_it_is_taken_over_is_not_used(copied, whole, tmp_path):
    folder, _, _ = copied
    row = next(row for row in sorted(origins(folder)) if schema.solution(folder, row).is_file())
    found = earlier_runs(whole[1], tmp_path / "own", [folder]).find(SimpleNamespace(id=row))
    schema.solution(folder, row).write_bytes(b"other")
    with Store(tmp_path / "own") as store, pytest.raises(RunFolderError, match="must be as it was written"):
        store.take_over(found)


# --- pruned searches

PRUNED = (
    (
        "epochs = [1, 2]",
        'epochs = [3]\nmetric = "accuracy"\npruner = "median"\npruner_options = { n_startup_trials = 1, n_warmup_steps = 0 }',
    ),
    ("trials = 2", "trials = 8"),
    ("seeds = 2", "seeds = 1\nuntuned = 0\ngate = false\nprobes = []"),
)


def test_a_pruned_search_is_taken_over_with_the_decisions_of_its_own_pruner(carry_out, trained):
    first = carry_out(("sgd",), *PRUNED)
    states = list(open_records(first).trials["state"])
    assert "stopped" in states
    trained.clear()
    folder = carry_out(("sgd", "adam"), *PRUNED)
    assert arm("sgd") not in trained
    scratch = carry_out(("sgd", "adam"), *PRUNED, out="scratch")
    assert tables(folder) == tables(scratch)
    with sqlite3.connect(schema.database(folder)) as one, sqlite3.connect(schema.database(scratch)) as two:
        query = "SELECT number, trial_attrs, run_id FROM asks ORDER BY study, number"
        assert one.execute(query).fetchall() == two.execute(query).fetchall()


def an_earlier_run(run, values, state, total=4):
    """Return a run as another folder has it, with these values after its epochs."""
    epochs = [
        {"epoch": n, "steps": n, "gradients": n, "lr": 0.1, "seconds": float(n), "metrics": {"tune_accuracy": value}}
        for n, value in enumerate(values, 1)
    ]
    row = {"run_id": run.id, "recipe": json.dumps(run.recipe()), "state": state, "reason": "", "taken_from": ""}
    end = {
        "metrics": epochs[-1]["metrics"],
        "seconds": float(len(epochs)),
        "started": "2026-01-01",
        "ended": "2026-01-01",
    }
    return EarlierRun(Path("elsewhere"), {**row, **end}, epochs, {})


@pytest.mark.parametrize(
    ("values", "state", "then"),
    [
        ((0.95, 0.95, 0.95, 0.95), "done", ("done", 4)),  # the pruner here lets it go on too
        ((0.1, 0.1, 0.1, 0.9), "done", ("stopped", 1)),  # the pruner here has seen better ones, and stops it at once
        ((0.1,), "stopped", ("stopped", 1)),
        ((0.1, 0.1), "stopped", ("stopped", 1)),
        ((0.95, 0.95), "stopped", None),  # the pruner here would let it go on: it must be trained
        ((0.95, None, 0.95, 0.95), "done", None),  # which number it was that is not finite is not recorded
        ((0.95,), "diverged", ("diverged", 1)),
    ],
)
def test_an_earlier_run_ends_as_the_pruner_here_decides(benchmark_file, tmp_path, values, state, then):
    options = 'pruner = "median"\npruner_options = { n_startup_trials = 2, n_warmup_steps = 0 }'
    trials = f'trials = 4\nmetric = "accuracy"\n{options}'
    file = benchmark_file(("trials = 3", trials), ("epochs = [1, 2]", "epochs = [4]"))
    setting = prepare(Request(file), Reporter(quiet=True))
    competitor = setting.plan.competitors[0]
    with Store(tmp_path / "run") as store:
        store.add_searches({competitor.name: (competitor.arm, 0)})
        search = Search(setting, competitor, store)
        for value in (0.8, 0.9):
            (first,) = search.ask(1)
            accepted = search.replay(an_earlier_run(first, [value] * 4, "done"))
            store.take_over(accepted)
            search.tell(first.id)
        (third,) = search.ask(1)
        accepted = search.replay(an_earlier_run(third, values, state))
        assert (accepted and (accepted.state, len(accepted.epochs))) == then
        if accepted:
            store.take_over(accepted)
            (trial,) = search.tell(third.id)
            assert (trial["state"], trial["trained"]) == then
            assert store.run(third.id)["taken_from"] == "elsewhere"
        elif None not in values:  # it is trained now, and the pruner is not asked about the same epochs again
            decisions = [search.ask_pruner(third.id, an_epoch(n, 0.95)) for n in (1, 2, 3)]
            assert not any(decision.stop for decision in decisions)


def an_epoch(number, value):
    return Epoch(number, number, float(number), 0.1, {"tune_accuracy": value}, lambda: State({}, {}))


def test_a_run_that_went_on_in_another_environment_is_of_neither(whole, tmp_path):
    """It was entered in one, begun in a second and ended in a third: what it came to is not known to be that of any."""
    setting = whole[1]
    competitor = setting.plan.competitors[0]
    one = setting.compare_run(competitor, ends(competitor, 0), seed=0)
    with Store(tmp_path / "run") as store:
        store.add_runs([one], "first")
        for number, environment in ((1, "second"), (2, "second"), (3, "third")):
            store.work_begins({"hash": environment}, [])
            store.append(one.id, an_epoch(number, 0.5))
            assert store.run(one.id)["environment"] == ("second+third" if number == 3 else "second")
