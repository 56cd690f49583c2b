"""A file of two tiny workloads from end to end: one folder, a run for each, one report; killed in the middle it goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
import warnings
from dataclasses import replace

import pytest

from harness.cli.app import main
from harness.console.progress import Reporter
from harness.errors import BenchmarkError, DataError, RunFolderError
from harness.plugin.discovery import discover
from harness.records import open_records
from harness.records.workloads import FILE, held, read_workbook, run_folders
from harness.results.workloads import open_workloads
from harness.running import workloads
from harness.running.prepare import Request
from harness.running.start import run as run_one
from harness.running.workloads import estimate_file, run_file

SMALL = """
[[workload]]
name = "{name}"
[workload.data]
dataset = "{dataset}"
options = {{ train = 32, tune = 32, test = 64 }}
[workload.train]
backbones = ["mlp"]
"""
DRAWN = SMALL.format(name="drawn", dataset="drawings")
MOONS = SMALL.format(name="points", dataset="moons")
PHOTOS = '\n[[workload]]\nname = "photos"\n[workload.data]\ndataset = "folder"\n'
TWO = DRAWN + MOONS


@pytest.fixture
def write(benchmark_file, smallest):
    def written(workloads=TWO, *replacements):
        file = benchmark_file(*smallest, *replacements)
        file.write_text(file.read_text() + workloads)
        return file

    return written


def start(file, out, **more):
    """Carry out a file; return the exit code, the common folder, and the lines that were said."""
    reporter = Said()
    code = run_file(Request(file, out=out, **more), reporter, ["harness", "run", str(file)])
    (folder,) = (folder for folder in out.iterdir() if (folder / FILE).is_file())
    return code, folder, reporter.lines


@pytest.fixture
def carry_out(tmp_path):
    return lambda file, out="runs", **more: start(file, tmp_path / out, **more)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_text, smallest):
    """The exit code, the common folder and the lines of the two workloads, carried out once for all who only read them."""
    folder = tmp_path_factory.mktemp("finished")
    file = folder / "tiny.toml"
    file.write_text(tiny_text(*smallest) + TWO)
    return start(file, folder / "runs")


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of the finished folder, which a test may change."""
    return shutil.copytree(finished[1], tmp_path / "runs" / finished[1].name)


class Said(Reporter):
    """A reporter that keeps what it was told."""

    def __init__(self):
        super().__init__(quiet=True)
        self.lines = []

    def say(self, text, style="", brief=False):
        self.lines.append(text)


def call(capsys, *words):
    """Return the exit code of a command, and what it printed."""
    with pytest.raises(SystemExit) as raised:
        main([str(word) for word in words])
    return raised.value.code, capsys.readouterr()


def outcomes(folder, *workloads):
    """Return every run of these workloads, or of all, with its score, whatever interrupted it."""
    found = {}
    for name, run in run_folders(folder).items():
        if name in (workloads or (name,)):
            found[name] = open_records(run).compared().set_index("run_id")["test_accuracy"].to_dict()
    return found


def test_two_workloads_become_two_runs_and_one_report(finished, write, tmp_path):
    code, folder, said = finished
    assert code == 0
    assert folder.name.startswith("tiny-")
    book = read_workbook(folder)
    assert [member.name for member in book.members] == ["drawn", "points"]
    assert all((folder / member.folder / "run.db").is_file() for member in book.members)
    assert [line for line in said if line.startswith("workload ")] == [
        "workload drawn (1 of 2)",
        "workload points (2 of 2)",
    ]
    assert "drawn: " in (folder / "report.txt").read_text()
    tables = {path.stem for path in (folder / "tables").glob("*.parquet")}
    assert tables >= {"workloads", "words", "pooled", "effects", "ranks", "rank_pairs", "profiles"}


@pytest.mark.usefixtures("unreported")
def test_a_workload_is_the_very_run_that_a_file_of_its_own_would_be(finished, write, tmp_path):
    """So a single run takes all of it over."""
    changes = {
        "[data]": '[data]\ndataset = "drawings"',
        "train = 64": "train = 32",
        "[train]": '[train]\nbackbones = ["mlp"]',
    }
    alone = write("", *changes.items())
    request = Request(alone, out=tmp_path / "alone", overrides=("name=drawn",), reuse=finished[1])
    assert run_file(request, Reporter(quiet=True)) == 0
    (single,) = (tmp_path / "alone").glob("drawn-*/")
    assert single.name == run_folders(finished[1])["drawn"].name
    runs = open_records(single).runs
    assert len(runs)
    assert (runs["taken_from"] != "").all()


def test_the_commands_that_read_a_run_read_several(copied, capsys):
    folder = copied
    code, said = call(capsys, "show", folder)
    assert code == 0
    assert said.out.startswith("tiny: finished; 2 workloads\n")
    assert "workload points (finished): " in said.out
    code, said = call(capsys, "show", folder, "--json")
    document = json.loads(said.out)
    assert [row["workload"] for row in document["workloads"]] == ["drawn", "points"]
    assert set(document["facets"]) == {"loss", "function", "representation", "connectivity", "geometry"}
    code, said = call(capsys, "status", folder, "--json")
    document = json.loads(said.out)
    assert (document["state"], len(document["workloads"][0]["arms"])) == ("finished", 2)
    code, said = call(capsys, "status", folder)
    assert "workload drawn: finished\n  " in said.out
    before = (folder / "report.txt").read_bytes()
    (folder / "report.txt").unlink()
    code, said = call(capsys, "report", folder, "--format", "text,md")
    assert code == 0
    assert (folder / "report.txt").read_bytes() == before
    assert len(said.out.splitlines()) == 6
    code, said = call(capsys, "report", folder, "--out", folder.parent / "elsewhere")
    assert (code, "must be left out for several workloads" in said.err) == (2, True)


@pytest.mark.parametrize("words", [["export"], ["predict", "x.jpg"], ["data", "suspects"], ["baseline", "export"]])
def test_a_command_on_one_run_names_the_runs_that_there_are(words, finished, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, *more = words
    words = [name, finished[1], *more] if name in ("export", "predict") else [*words, finished[1]]
    code, said = call(capsys, *words)
    assert code == 2
    assert "must be one run folder, got a folder of several workloads; it has" in said.err


@pytest.mark.usefixtures("unreported")
def test_the_same_command_has_nothing_left_to_do(write, copied, carry_out):
    before = outcomes(copied)
    code, again, said = carry_out(write())
    assert (code, again) == (0, copied)
    assert sum(line.startswith("nothing left to do") for line in said) == 2
    assert outcomes(copied) == before


@pytest.mark.usefixtures("unreported")
def test_one_workload_can_be_asked_for(write, carry_out):
    file = write()
    code, folder, _ = carry_out(file, workload="points")
    assert code == 0
    assert list(run_folders(folder)) == ["points"]
    with pytest.raises(BenchmarkError, match="--workload: must name a workload of the file, got 'none'"):
        carry_out(file, workload="none")


def test_the_first_look_of_every_workload_comes_before_the_second_of_any(write, carry_out, monkeypatch):
    """A workload whose run has ended is not asked again; what failed at one look has failed."""
    asked = []

    def carried_out(request, reporter, command, closing, opened):
        asked.append((request.workload, request.most_looks))
        return 1 if asked[-1] == ("points", 1) else 0

    monkeypatch.setattr(workloads, "run", carried_out)
    monkeypatch.setattr(workloads, "_goes_on", lambda folder, workload, outcome: workload.name == "points")
    code, _, said = carry_out(write(TWO, ("looks = [1]", "looks = [1, 2, 4]")))
    assert code == 1
    assert asked == [("drawn", 1), ("points", 1), ("points", 2), ("points", 3)]
    assert [line for line in said if line.startswith("workload ")][-1] == "workload points (2 of 2, look 3)"
    asked.clear()
    carry_out(write(TWO, ("looks = [1]", "looks = [1, 2, 4]")), only_search=True)
    assert asked == [("drawn", 1), ("points", 1)]


@pytest.mark.usefixtures("unreported")
def test_a_run_ends_at_the_looks_that_are_asked_for_and_goes_on_there(write, carry_out):
    file = write(MOONS, ("looks = [1]", "looks = [1, 2]"))
    one = Request(file, out=file.parent / "one", workload="points", most_looks=1)
    assert run_one(one, Reporter(quiet=True)) == 0
    (run,) = (folder for folder in one.out.iterdir() if folder.is_dir())
    records = open_records(run)
    assert set(records.compared()["seed"]) == {0}
    assert records.meta.looks["ended"] in ("", "settled")
    assert run_one(replace(one, most_looks=2), Reporter(quiet=True)) == 0
    records = open_records(run)
    assert records.meta.looks["ended"] in ("last look", "settled")
    assert set(records.compared()["seed"]) == ({0} if records.meta.looks["ended"] == "settled" else {0, 1})


@pytest.mark.usefixtures("unreported")
def test_a_workload_that_cannot_be_opened_is_named_and_the_others_go_on(write, carry_out, capsys):
    code, folder, said = carry_out(write(PHOTOS + MOONS))
    assert code == 1
    assert list(run_folders(folder)) == ["points"]
    (line,) = (line for line in said if line.startswith("workload photos:"))
    assert line.startswith("workload photos: warning: not carried out: data.dataset: must be given photos for 'folder'")
    assert "photos is left out: data.dataset: must be given photos" in (folder / "report.txt").read_text()
    optional = PHOTOS.replace("\n[workload.data]", "\noptional = true\n[workload.data]")
    code, folder, said = carry_out(write(optional + MOONS), out="optional")
    assert code == 0
    assert any(line.startswith("workload photos: left out: data.dataset: must be given photos") for line in said)
    assert call(capsys, "status", folder)[1].out.startswith(f"{folder}: finished, 2 workloads\n")


def test_where_none_can_be_opened_the_input_is_wrong(write, carry_out):
    with pytest.raises(DataError, match="must be given photos for 'folder'"):
        carry_out(write(PHOTOS))


@pytest.mark.usefixtures("unreported")
def test_a_folder_of_photos_is_for_the_workloads_that_take_one(write, carry_out, photos):
    code, folder, _ = carry_out(write(PHOTOS + MOONS), data=photos(train=16, valid=8))
    assert code == 0
    sources = {name: open_records(run).meta.data["name"] for name, run in run_folders(folder).items()}
    assert sources == {"photos": "folder", "points": "moons"}


def test_what_is_wrong_in_a_later_workload_is_said_before_anything_is_trained(write, carry_out, tmp_path):
    with pytest.raises(BenchmarkError, match=r"optimizers: .*'adamm'.*\(in the workload 'points'\)"):
        carry_out(write(DRAWN + MOONS.replace('["mlp"]', '["mlp"]\noptimizers = ["adamm"]')))
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("unreported")
def test_a_workload_that_is_added_is_the_only_one_to_be_trained(write, copied, tmp_path):
    file = write(TWO + MOONS.replace('"points"', '"more"').replace("train = 32", "train = 64"))
    run_file(Request(file, out=tmp_path / "runs"), Reporter(quiet=True))
    (second,) = (folder for folder in (tmp_path / "runs").iterdir() if folder != copied)
    for name, run in run_folders(second).items():
        taken = open_records(run).runs["taken_from"] != ""
        assert taken.all() if name != "more" else not taken.any()
    assert outcomes(copied).items() <= outcomes(second).items()


@pytest.mark.usefixtures("unreported")
def test_a_run_that_is_killed_in_its_second_workload_goes_on_there(finished, write, carry_out, tmp_path):
    file = write()
    process = forked(lambda: carry_out(file, out="killed"))
    try:
        wait_for(lambda: _second_has_begun(tmp_path / "killed"), process)
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    (folder,) = (tmp_path / "killed").iterdir()
    assert not (folder / "report.txt").exists()
    done = outcomes(folder, "drawn")
    code, again, said = carry_out(file, out="killed")
    assert (code, again) == (0, folder)
    assert sum(line.startswith("nothing left to do") for line in said) == 1  # of the first workload
    assert outcomes(folder, "drawn") == done
    assert outcomes(folder) == outcomes(finished[1])


def _second_has_begun(out):
    folders = list(out.iterdir()) if out.is_dir() else []
    if not folders or not (folders[0] / FILE).is_file():
        return False
    member = read_workbook(folders[0]).members[1]
    return bool(member.folder) and (folders[0] / member.folder / "run.db").is_file()


def forked(work):
    """Return the number of a process that does some work; it has imported everything already."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which later releases of Python fear here
        process = os.fork()
    if process:
        return process
    try:
        work()
    finally:
        os._exit(0)


def wait_for(condition, process):
    """Wait until something is so; a process that ends before it fails the test, and stays a zombie."""
    while not condition():
        ended = os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        assert ended is None, "the run was over before it could be killed"
        time.sleep(0.005)


def test_a_folder_that_another_process_works_in_and_a_damaged_file_are_refused(write, carry_out, copied, capsys):
    folder = copied
    with held(folder), pytest.raises(RunFolderError, match="must not be in use"):
        carry_out(write())
    for content in (
        "",
        "{}",
        '{"name": 3, "members": [], "command": []}',
        '{"name": "x", "members": [{"name": "a", "folder": "../b"}], "command": []}',
    ):
        (folder / FILE).write_text(content)
        code, said = call(capsys, "show", folder)
        assert code == 2
        assert said.err.startswith(f"error: {folder / FILE}: must be as it was written, got other contents")


def test_a_run_that_is_damaged_is_named_and_the_others_are_read(copied):
    (run_folders(copied)["drawn"] / "run.db").write_bytes(b"nonsense" * 1000)
    found = open_workloads(copied, discover())
    assert list(found.records) == ["points"]
    assert any(problem.startswith("drawn: ") for problem in found.problems)


def test_the_plan_of_several_workloads_is_that_of_each_and_their_sum(write, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("harness.running.forecast.timing.SECONDS_PER_ARM", 0.05)
    file = write(TWO + PHOTOS.replace("\n[workload.data]", "\noptional = true\n[workload.data]"))
    document = estimate_file(Request(file, out=tmp_path / "runs"), Reporter(quiet=True))
    drawn, points, photos = document["workloads"]
    assert photos["problem"].startswith("data.dataset: must be given photos")
    assert document["runs"] == drawn["runs"] + points["runs"]
    assert document["seconds_wall"] == pytest.approx(drawn["seconds_wall"] + points["seconds_wall"])
    assert not (tmp_path / "runs").exists()
    code, said = call(capsys, "plan", file, "--out", tmp_path / "runs", "--workload", "points")
    assert code == 0
    assert said.out.splitlines()[0].startswith("harness ")
    assert "workload points" in said.out.splitlines()
    assert said.out.splitlines()[-1].startswith("in all 1 workload, ")


def test_python_has_a_run_for_each_workload_and_the_tables_of_all(finished):
    import harness

    _, folder, _ = finished
    runs = harness.load(folder)
    assert list(runs) == ["drawn", "points"]
    assert runs["drawn"].folder.parent == folder
    assert runs.trials.groupby("workload").size().to_dict() == {name: len(run.trials) for name, run in runs.items()}
    assert runs.tables["workloads"]["workload"].tolist() == ["drawn", "points"]
    assert runs.headline[0].endswith("finished; 2 workloads")
    assert runs.report == folder / "report.html"
    assert "<table" in runs._repr_html_()
    assert repr(runs).startswith("<runs of 2 workloads: drawn, points; ")
    with pytest.raises(KeyError, match=r"runs: must be a workload, got 'point'; did you mean 'points'\?"):
        runs["point"]
    with pytest.raises(
        AttributeError, match=r"must be those of one workload for 'figures', got several; use runs\['drawn'\]"
    ):
        _ = runs.figures
    with pytest.raises(
        TypeError, match=r"model: must be the run of one workload, got those of drawn, points; give it runs"
    ):
        harness.predict(runs, "photos")


def test_python_carries_out_every_workload_of_a_file_or_the_one_that_is_named(finished, repository, capsys):
    """All of it has been done, so that the calls only go on with what is there."""
    import harness

    _, folder, _ = finished
    file = folder.parent.parent / "tiny.toml"
    runs = harness.run(file, out=folder.parent)
    assert runs.folder == folder
    assert any(
        line.startswith("do the optimizers reach the same minimum, over workloads?")
        for line in capsys.readouterr().out.splitlines()
    )
    one = harness.run(file, out=folder.parent, workload="points", quiet=True)
    assert one.folder == runs["points"].folder
