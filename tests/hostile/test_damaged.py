"""Damaged run folders: what cannot be read is put aside and made again, is never held against an optimizer, and is named.

A finished run, and two that were killed in the search and in the comparison, are made once and copied for every case.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from itertools import cycle
from pathlib import Path

import pandas as pd
import pytest

from harness.cli.app import main
from harness.console.progress import Reporter
from harness.errors import RunFolderError
from harness.records import Store, database, open_records, schema, store
from harness.running.prepare import Request
from harness.running.start import run
from harness.training import loop


def _campaign():
    spec = importlib.util.spec_from_file_location("campaign", Path(__file__).with_name("campaign.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["campaign"] = module
    spec.loader.exec_module(module)
    return module


campaign = _campaign()
DAMAGE: dict[str, Callable[[Path], object]] = campaign.DAMAGE


class Killed(BaseException):
    """Nothing catches it, as nothing does signal 9."""


def carry_out(file, out, kill_at=0):
    """Carry the benchmark out, and return the run folder and what was said; killed at that save of a state or solution."""
    lines, saved = [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reporter, "say", lambda self, text, style="", brief=False: lines.append(text))
        patch.setattr(loop, "SAVE_EVERY", 0.0)
        keep = store.save_tensors

        def then_killed(place, *tensors):
            keep(place, *tensors)
            saved.append(place)
            if len(saved) == kill_at:
                raise Killed

        patch.setattr(store, "save_tensors", then_killed)
        try:
            assert run(Request(file, out=out), Reporter(quiet=True), ["harness", "run", str(file)]) == 0
        except Killed:
            assert kill_at
    return next(out.iterdir()), lines


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    file = tmp_path_factory.mktemp("benchmark") / "campaign.toml"
    text = campaign.BENCHMARK
    for old, new in (
        ('optimizers = ["sgd", "adam"]', 'optimizers = ["sgd"]'),
        ("epochs = [1, 2]", "epochs = [2]"),
        ("looks = [1, 2]", "looks = [1]"),
        ("seeds = 1", "seeds = 3"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def finished(benchmark, tmp_path_factory):
    return carry_out(benchmark, tmp_path_factory.mktemp("finished"))[0]


@pytest.fixture(scope="module")
def expected(finished):
    return campaign.contents(finished)


@pytest.fixture(scope="module")
def killed(benchmark, tmp_path_factory):
    """Runs that were killed after a state was saved: of the second trial, and of the second seed."""
    places = {"in the search": 3, "in the comparison": 8}
    folders = {name: carry_out(benchmark, tmp_path_factory.mktemp("killed"), at)[0] for name, at in places.items()}
    assert [len(list(folder.glob("states/*"))) for folder in folders.values()] == [1, 1]
    assert [len(list(folder.glob("solutions/*"))) for folder in folders.values()] == [0, 1]
    return folders


@pytest.fixture
def copied(tmp_path):
    """Return a function that copies a run folder."""
    return lambda folder: shutil.copytree(folder, tmp_path / "runs" / folder.name)


def snapshot(folder):
    """Return every file of a folder with its contents, but for what SQLite lays beside a database while it is read."""
    return {
        path.relative_to(folder): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if not path.name.startswith("run.db-")
    }


PROMISED = {
    "weights": "solutions/*.safetensors",
    "predictions": "predictions/????????????????.safetensors",
    "arrays of a probe": "probes/*/*.safetensors",
    "targets": "predictions/targets.safetensors",
    "scores": "predictions/scores.safetensors",
    "a thumbnail": "thumbnails/*.jpg",
}
MADE_AGAIN = {"a table": "tables/runs.parquet", "the report": "report.txt", "the benchmark": "benchmark.toml"}


def one_of(folder, pattern):
    return min(folder.glob(pattern))


# --- looking ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", DAMAGE)
def test_whoever_looks_names_what_is_damaged_or_gone_and_changes_nothing(finished, copied, damage, registry):
    folder = copied(finished)
    files = [one_of(folder, pattern) for pattern in PROMISED.values()]
    assert len(set(files)) == len(PROMISED)
    assert open_records(folder).lacking == ()
    for file in files:
        DAMAGE[damage](file)
    before = snapshot(folder)
    lacking = open_records(folder).lacking
    assert {lack.file for lack in lacking} == {file.relative_to(folder).as_posix() for file in files}
    assert {str(lack).partition(" is ")[2] for lack in lacking} == {
        "not there" if damage == "gone" else "not as it was written"
    }
    assert snapshot(folder) == before


def test_every_command_that_looks_says_so_in_a_line(finished, copied, capsys, tmp_path):
    """Weights, predictions and a thumbnail are gone; what needs them is refused, and what does not names them."""
    folder = copied(finished)
    for name in ("weights", "predictions", "a thumbnail"):
        for file in folder.glob(PROMISED[name]):
            file.unlink()
    other = shutil.copytree(finished, tmp_path / "other")
    before = snapshot(folder)
    line = "the records promise"
    again = "the same 'harness run' makes them again"

    def said(*command):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in command])
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    for command, ended in ((["status", folder], 0), (["show", folder], 1)):
        code, out, err = said(*command)
        assert (code, out.count(line), out.count(again), err) == (ended, 1, 1, "")
    code, out, err = said("report", folder, "--format", "md", "--out", tmp_path / "md")
    assert (code, err.count(line), err.count(again), len(err.splitlines())) == (1, 1, 1, 1)
    assert (tmp_path / "md" / "report.md").read_text().count(line) == 1
    code, out, err = said("compare", other, folder)
    assert code == 0
    assert f"files, gone or damaged: {chr(0x2013)} | {line}" in out
    for command in (
        ["predict", folder, tmp_path, "--out", tmp_path / "new.csv"],
        ["export", folder, "--out", tmp_path / "model"],
        ["baseline", "export", folder, "--out", tmp_path / "new.zip"],
    ):
        code, out, err = said(*command)
        assert (code, len(err.splitlines())) == (2, 1)
        assert not out or out.startswith("harness ")  # the line that says what was asked for, and no other
        assert len(out.splitlines()) <= 1
        assert f"must have its files whole: {line}" in err
        assert again in err
    assert snapshot(folder) == before


# --- going on --------------------------------------------------------------------------------------------------


def go_on(benchmark, folder, damaged, expected):
    """Go on with a run; what was damaged is put aside or was gone, and all tables are those of an undisturbed run."""
    _, lines = carry_out(benchmark, folder.parent)
    warnings = [line for line in lines if line.startswith("warning: ")]
    for file, damage in damaged.items():
        aside = file.with_name(f"{file.name}.damaged")
        (line,) = [line for line in warnings if file.relative_to(folder).as_posix() in line]
        assert aside.exists() == (damage != "gone")
        assert damage == "gone" or line.startswith(f"warning: {file}: must be ")
        assert f"put aside as {aside.name}" in line or damage == "gone"
    assert campaign.contents(folder) == expected
    assert open_records(folder).lacking == ()


@pytest.mark.parametrize("first", [0, 3])
def test_a_finished_run_is_made_whole(benchmark, finished, copied, expected, first):
    """Every kind of file is damaged in one way, another one each time."""
    folder = copied(finished)
    ways = list(DAMAGE)[first:] + list(DAMAGE)[:first]
    damaged = dict(zip((one_of(folder, pattern) for pattern in PROMISED.values()), cycle(ways), strict=False))
    for file, damage in damaged.items():
        DAMAGE[damage](file)
    for pattern, damage in zip(MADE_AGAIN.values(), cycle(ways), strict=False):
        DAMAGE[damage](folder / pattern)
    go_on(benchmark, folder, damaged, expected)
    for name in ("the report", "the benchmark"):
        assert (folder / MADE_AGAIN[name]).read_bytes() == (finished / MADE_AGAIN[name]).read_bytes()
    table = pd.read_parquet(folder / MADE_AGAIN["a table"])
    assert table["run_id"].tolist() == open_records(finished).runs["run_id"].tolist()


def test_a_folder_in_the_place_of_a_file_of_a_run_that_is_done_again_is_put_aside(
    benchmark, finished, copied, expected
):
    """As after a kill between the two: the run's files are no promise any more, and not yet one again."""
    folder = copied(finished)
    prediction = one_of(folder, "predictions/[0-9a-f]*.safetensors")
    prediction.unlink()
    with Store(folder) as records:
        assert records.restore() == [prediction.stem]
    prediction.mkdir()
    go_on(benchmark, folder, {prediction: "a folder"}, expected)


@pytest.mark.parametrize("damage", ["two bits flipped", "empty", "a folder"])
def test_a_damaged_state_is_not_held_against_the_trial(benchmark, killed, copied, expected, damage):
    folder = copied(killed["in the search"])
    state = one_of(folder, "states/*.safetensors")
    DAMAGE[damage](state)
    go_on(benchmark, folder, {state: damage}, expected)


def test_weights_that_are_damaged_while_the_process_runs_are_trained_again(benchmark, killed, copied, expected):
    """The last seed ends, the first one's weights are gone by then, and the restart follows them."""
    folder = copied(killed["in the comparison"])
    (solution,) = folder.glob("solutions/*")
    appended = Store.append

    def append(self, run_id, event, *verdict):
        appended(self, run_id, event, *verdict)
        if event.ends_run and len(list(folder.glob("solutions/*.safetensors"))) == 3 and not lost:
            lost.append(solution.unlink())

    lost = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "append", append)
        go_on(benchmark, folder, {solution: "gone"}, expected)
    assert lost


def test_a_run_that_comes_out_otherwise_takes_what_was_made_of_it_along(finished, copied):
    """Another machine may round otherwise: what was measured on the former weights, and went on from them, is done again."""
    folder = copied(finished)
    meta = open_records(folder).meta
    cells = {(cell["role"], cell["init_seed"]): cell["run_id"] for cell in meta.comparison}
    first, restart = cells["fresh", 0], cells["restart", 0]
    with Store(folder) as store:
        assert store.restore() == []
        (folder / "solutions" / f"{first}.safetensors").unlink()
        assert store.restore() == [first]
        assert store.run(first)["state"] == schema.WAITING
        assert store.epochs(first) == []
        solution = store.solution(restart)
        from harness.plugin.runs import Done

        store.append(first, Done({"test_accuracy": 0.5}, solution))
        assert store.run(restart)["state"] == schema.WAITING
        measured = store.db.execute("SELECT count(*) FROM measured WHERE ? IN (one, other, third)", (first,))
        assert measured.fetchone()[0] == 0
        assert store.noted("probes")["surface"]["over"] is False


def test_folders_where_files_must_be_and_files_where_folders_must_be_are_put_aside(finished, copied):
    folder = copied(finished)
    shutil.rmtree(folder / "states")
    (folder / "states").write_text("a")
    (folder / "report.txt").unlink()
    (folder / "report.txt").mkdir()
    (folder / "half.tmp").mkdir()
    lines = []
    Store(folder, lines.append).__exit__()
    assert (folder / "states").is_dir()
    assert [line.partition(": ")[2] for line in lines] == [
        "must be a folder, got a file; it is put aside as states.damaged",
        "must be a file, got a folder; it is put aside as report.txt.damaged",
    ]


# --- the records themselves ------------------------------------------------------------------------------------


def changed(*statements):
    def change(folder):
        with closing(sqlite3.connect(schema.database(folder))) as db:
            for statement in ("PRAGMA writable_schema = ON", *statements):
                db.execute(statement)
            db.commit()

    return change


def replaced(content):
    return lambda folder: schema.database(folder).write_bytes(content)


def made_a_folder(folder):
    schema.database(folder).unlink()
    schema.database(folder).mkdir()


def without_index(folder):
    """Take an entry out of an index, which then says something else than its table."""
    with closing(sqlite3.connect(schema.database(folder))) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_runs_1'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    content = bytearray(schema.database(folder).read_bytes())
    start = (page - 1) * size
    assert content[start] == 10  # a leaf of an index
    content[start + 4] -= 1  # how many entries it has, in its low byte
    schema.database(folder).write_bytes(content)


RECORDS = {
    "a folder": (made_a_folder, r"run folder, got|must be the records of a run, got"),
    "empty": (replaced(b""), "must be a run with something recorded, got one in its first moment"),
    "garbage": (replaced(b"\xa5" * 5000), "must be the records of a run, got file is not a database"),
    "no table": (changed("DROP TABLE runs"), "got no table 'runs'"),
    "no column": (changed("ALTER TABLE epochs DROP COLUMN steps"), "got no column 'steps' in the table 'epochs'"),
    "another database": (
        lambda folder: (replaced(b"")(folder), changed("CREATE TABLE notes (text)")(folder)),
        "got no tables of the harness",
    ),
    "meta that is not JSON": (
        changed("UPDATE meta SET value = '{' WHERE key = 'data'"),
        "got '{' in 'value' of the table 'meta'",
    ),
    "meta of another kind": (
        changed("UPDATE meta SET value = '3' WHERE key = 'data'"),
        "as 'data' in the table 'meta'",
    ),
    "a recipe without a field": (
        changed("UPDATE runs SET recipe = json_remove(recipe, '$.precision')"),
        r"in 'recipe' of the table 'runs'",
    ),
    "a recipe that is not JSON": (changed("UPDATE runs SET recipe = 'a'"), "got 'a' in 'recipe' of the table 'runs'"),
    "metrics that are a list": (changed("UPDATE epochs SET metrics = '[]'"), "in 'metrics' of the table 'epochs'"),
    "a word for a number": (changed("UPDATE epochs SET seconds = 'a'"), "got 'a' in 'seconds' of the table 'epochs'"),
    "bytes for a name": (changed("UPDATE runs SET arm = x'ff'"), r"in 'arm' of the table 'runs'"),
    "an index": (without_index, r"got \*\*\* in database|wrong # of entries in index|malformed"),
    "another version": (
        changed("UPDATE meta SET value = '99' WHERE key = 'schema_version'"),
        f"must have records of version {schema.VERSION}, got 99; use the release that wrote it",
    ),
}


@pytest.mark.parametrize("damage", RECORDS)
def test_damaged_records_are_one_line_of_every_command_and_nothing_is_changed(
    benchmark, finished, copied, damage, capsys, tmp_path
):
    change, line = RECORDS[damage]
    folder = copied(finished)
    change(folder)
    before = snapshot(folder)
    with pytest.raises(RunFolderError, match=line):
        open_records(folder)
    if damage != "meta of another kind":  # which a run writes anew
        with pytest.raises(RunFolderError, match=r"must be|must have"):
            Store(folder)
    for command in (["status", folder], ["predict", folder, tmp_path]):
        with pytest.raises(SystemExit) as ended:
            main([*map(str, command)])
        assert ended.value.code == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert snapshot(folder) == before


def test_run_refuses_damaged_records_too(benchmark, finished, copied, capsys):
    folder = copied(finished)
    changed("UPDATE asks SET params = 'a'")(folder)
    before = snapshot(folder)
    with pytest.raises(SystemExit) as ended:
        main(["run", str(benchmark), "--out", str(folder.parent)])
    assert ended.value.code == 2
    assert "got 'a' in 'params' of the table 'asks'; move the folder away" in capsys.readouterr().err
    assert snapshot(folder) == before


def test_a_kill_while_the_tables_are_made_leaves_all_of_them_or_none(tmp_path):
    with closing(sqlite3.connect(schema.database(tmp_path))) as db:
        db.execute("PRAGMA journal_mode = WAL")
    Store(tmp_path).__exit__()
    with closing(sqlite3.connect(schema.database(tmp_path))) as db:
        assert set(database._columns(db)) == set(database._ours())


# --- kills -----------------------------------------------------------------------------------------------------


def test_killed_again_and_again_and_damaged_in_between_the_tables_are_those_of_an_undisturbed_run(monkeypatch, capsys):
    """A short one of the campaign, which says what it does. Its runs are forked from this process."""
    monkeypatch.setattr(sys, "argv", ["campaign", "--kills", "4", "--quiet"])
    monkeypatch.setenv("HARNESS_CACHE", os.environ["HARNESS_CACHE"])  # which it changes
    before = signal.getsignal(signal.SIGINT)
    try:
        campaign.main()
    finally:
        signal.signal(signal.SIGINT, before)
    said = capsys.readouterr().out
    assert said.startswith("4 kills: ")
    assert "all tables equal to those of the undisturbed run" in said


def test_the_campaign_would_see_a_difference(finished, copied):
    folder = copied(finished)
    before = campaign.contents(folder)
    changed("UPDATE runs SET seconds = 7, environment = 'another'")(folder)
    assert campaign.contents(folder) == before
    changed("UPDATE epochs SET lr = lr + 1e-9 WHERE epoch = 1")(folder)
    assert campaign.contents(folder) != before
    assert json.loads(before["files"][0])["sha256"]
