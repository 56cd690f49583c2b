"""The live page: what it says of a run, and that its server answers nobody else and nothing else."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import sqlite3
import threading
import time
import urllib.request
from types import SimpleNamespace
from urllib.error import HTTPError

import pytest

from harness.cli import watch
from harness.cli.status import status
from harness.records import open_records
from harness.results.live import progress
from harness.results.live.page import POLICY, SCRIPT, render_page, render_part
from harness.results.live.progress import RunProgress, epochs_left, progress_of, seconds_an_epoch, whole_is_over
from harness.results.live.server import HOST, LiveRun, LiveServer
from harness.results.pictures.plain_svg import Dots, curves, dot_plot


@pytest.fixture(scope="module")
def written(written_records, tmp_path_factory):
    """A run of two arms with eight trials and two seeds each, whose records say that it is over; do not change it."""
    made = tmp_path_factory.mktemp("written") / "run"
    written_records(made, trials=16, epochs=4, arms=2, seeds=2, tested=8)
    with contextlib.closing(sqlite3.connect(made / "run.db")) as db, db:
        benchmark = json.loads(db.execute("SELECT value FROM meta WHERE key = 'benchmark'").fetchone()[0])
        benchmark["search"] |= {"trials": 8, "confirm": 0}
        benchmark["compare"] |= {"looks": [1], "seeds": 2, "epochs": 4, "untuned": 1}
        db.execute("UPDATE meta SET value = ? WHERE key = 'benchmark'", (json.dumps(benchmark),))
    return made


@pytest.fixture
def folder(written, tmp_path):
    """A copy of that run, which a test may change."""
    return shutil.copytree(written, tmp_path / "run")


def change(folder, *commands):
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as db, db:
        for command in commands:
            db.execute(command)


@pytest.fixture
def half(folder):
    """The same run while its second seed is under way: two of four epochs are recorded."""
    records = open_records(folder)
    late = records.compared().query("seed == 1")["run_id"].tolist()
    names = ", ".join(f"'{run_id}'" for run_id in late)
    change(
        folder,
        f"UPDATE runs SET state = 'waiting', ended = NULL WHERE run_id IN ({names})",
        f"DELETE FROM epochs WHERE run_id IN ({names}) AND epoch > 2",
    )
    return folder


def test_what_is_done_is_counted(folder):
    (run,) = progress_of(folder)
    assert [(arm.trials, arm.trials_wanted, arm.seeds, arm.seeds_wanted) for arm in run.arms] == [(8, 8, 2, 2)] * 2
    trials = open_records(folder).trials
    for arm in run.arms:
        values = trials[trials["arm"] == arm.arm].sort_values("number")["value"].dropna()
        best = values.max() if open_records(folder).searched.sign > 0 else values.min()
        assert arm.best == best
        assert arm.best_so_far[-1][1] == best


def test_a_run_under_way_has_its_curves_and_the_time_that_is_left(half):
    (run,) = progress_of(half)
    assert not run.is_over
    assert [arm.seeds for arm in run.arms] == [1, 1]
    assert {len(points) for points in run.curves.values()} >= {2, 4}
    records = open_records(half)
    seeds, recorded, untuned = 2 * 4, 2 * 2, 2 * 4
    assert epochs_left(records) == seeds - recorded + untuned
    assert run.left.startswith("about ")


def test_measurements_that_a_limit_left_out_are_not_waited_for(half):
    """The page, the time that is left and ``harness status`` count the same."""
    note = {"version": "1", "over": False, "planned": 0, "done": 0, "costly": False, "minimum": False}
    notes = {"distance": {**note, "over": True}, "barrier": note}
    totals = {"distance": 40, "barrier": 3}
    with contextlib.closing(sqlite3.connect(half / "run.db")) as db, db:
        for key, value in (("probes", notes), ("measurements", totals)):
            db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, json.dumps(value)))
    (run,) = progress_of(half)
    assert run.measurements == {"distance": (0, 0), "barrier": (0, 3)}
    assert {probe: (n["done"], n["total"]) for probe, n in status(half)["measurements"].items()} == run.measurements
    assert "3 measurements" in run.left
    assert "43 measurements" not in run.left


def test_time_left_goes_by_the_seconds_that_passed_without_pauses():
    import pandas as pd

    def at(minute):
        return f"2026-01-01T00:{minute:02d}:00+00:00"

    runs = pd.DataFrame(
        {
            "run_id": ["a", "b", "c", "d"], "state": ["done", "done", "diverged", "waiting"], "taken_from": "",
            "seconds": [60.0, 60.0, 60.0, 0.0],
            "started": [at(0), at(1), at(30), at(40)], "ended": [at(2), at(3), at(31), None],
        }
    )  # fmt: skip
    epochs = pd.DataFrame({"run_id": ["a"] * 3 + ["b"] * 3 + ["c"] * 2 + ["d"]})
    records = SimpleNamespace(runs=runs, epochs=epochs)
    assert seconds_an_epoch(records) == (180 + 60) / 8  # the 27 minutes between two calls are none of them
    runs["ended"] = runs["started"]  # times that say nothing: the seconds of training are taken
    assert seconds_an_epoch(records) == 180 / 8
    runs["state"] = "waiting"
    assert seconds_an_epoch(records) is None


def test_a_run_that_has_just_begun_says_so(tmp_path):
    (tmp_path / "run").mkdir()
    (run,) = progress_of(tmp_path / "run")
    assert "must be a run folder" in run.problem
    assert not whole_is_over([run])
    assert "must be a run folder" in render_part([run])


def test_several_workloads_stand_on_one_page(folder):
    from harness.records.workloads import Member, Workbook, write_workbook

    common = folder.parent
    members = (Member("one", "run"), Member("two", problem="no <data>"), Member("three"))
    write_workbook(common, Workbook("suite", members))
    runs = progress_of(common)
    assert [run.name for run in runs] == ["many-trials", "two", "three"]
    page = render_page(runs)
    assert "no &lt;data&gt;" in page
    assert "it has not begun" in page


def test_names_of_strangers_stay_text():
    run = RunProgress("<script>alert(1)</script>", None, "<img src=x>")
    page = render_page([run])
    assert page.count("<script>") == 1
    assert "<img" not in page


def test_steps_are_drawn_as_steps():
    assert progress._steps(((1.0, 3.0), (2.0, 2.0))) == ((1.0, 3.0), (2.0, 3.0), (2.0, 2.0))
    assert progress._steps(()) == ()


def test_small_pictures_leave_out_what_is_no_number():
    nan = float("nan")
    plot = dot_plot([Dots("a <b>", [0.5, nan], [0.25]), Dots("b", [])], "scores", "%")
    assert plot.count("<circle") == 2
    assert "a &lt;b&gt;" in plot
    assert dot_plot([Dots("a", [nan])], "scores", "%") == ""
    assert curves({"a": [(1, nan), (2, 0.5)]}, "curve", {}).count("polyline") == 1
    assert curves({"a": []}, "curve", {}) == ""


# --- the server


@pytest.fixture
def server(half, registry):
    with LiveServer(LiveRun(half, registry)) as server:
        yield server


def get(address):
    with urllib.request.urlopen(address) as answer:
        return answer.headers, answer.read().decode()


def test_the_page_asks_for_its_content_and_lets_only_its_own_script_run(server):
    headers, page = get(server.address)
    assert headers["Content-Security-Policy"] == POLICY
    assert f"<script>{SCRIPT}</script>" in page
    assert not re.search(r"(?:src|href)=\W?https?:", page)
    headers, part = get(f"{server.address}part")
    assert headers["X-Over"] == "no"
    assert "under way; about " in part
    assert part in page


def test_it_listens_on_the_loopback_address_alone(server):
    assert HOST == "127.0.0.1"
    assert server._server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "path", ["", "part", "report.html", "WORD/run.db", "WORD/../run.db", "WORD/nope", "WORD/report.html/x"]
)
def test_nothing_else_is_answered(server, path):
    address = server.address
    root = address[: address.index("/", 8) + 1]
    with pytest.raises(HTTPError, match="404"):
        get(root + path.replace("WORD", address.removeprefix(root).rstrip("/")))


def test_a_page_of_another_name_cannot_read_along(server):
    """A stranger's page whose name points to this machine sends that name as the host."""
    connection = http.client.HTTPConnection(HOST, server.port)
    path = server.address.partition(f":{server.port}")[2]
    connection.request("GET", path, headers={"Host": f"evil.example:{server.port}"})
    assert connection.getresponse().status == 404
    connection.request("POST", path)
    assert connection.getresponse().status == 501
    connection.close()


def test_records_are_read_again_only_after_a_rest(half, registry, monkeypatch):
    reads = []
    monkeypatch.setattr("harness.results.live.server.progress_of", lambda folder: reads.append(folder) or [])
    live = LiveRun(half, registry)
    for _ in range(3):
        assert live.runs == []
    live._cost = 1e6
    before = len(reads)
    assert live.runs == []
    assert len(reads) == before


def test_the_report_of_a_run_that_is_over_is_the_file(folder, registry):
    (folder / "report.html").write_text("the report")
    live = LiveRun(folder, registry)
    live._runs = [RunProgress("a", folder, is_over=True)]
    live._read_at, live._cost = time.monotonic(), 1e6
    with LiveServer(live) as server:
        assert get(f"{server.address}part")[0]["X-Over"] == "yes"
        assert not server.delivered.is_set()
        assert get(f"{server.address}report.html")[1] == "the report"
        assert server.delivered.wait(5)


def test_the_report_of_a_run_under_way_is_made_elsewhere(half, registry, monkeypatch):
    def write(folder, formats, plugins, out):
        out.mkdir()
        (out / "report.html").write_text(f"{folder.name}, {formats}")
        return SimpleNamespace(files=[out / "report.html"])

    monkeypatch.setattr("harness.results.live.server.write_reports", write)
    with LiveServer(LiveRun(half, registry)) as server:
        assert get(f"{server.address}report.html")[1] == "run, ['html']"
    assert not (half / "report.html").exists()


# --- the command


def test_watch_ends_when_the_report_was_delivered_or_nobody_asks_any_more():
    server = SimpleNamespace(delivered=threading.Event())
    over, not_over = SimpleNamespace(is_over=True), SimpleNamespace(is_over=False)
    now = time.monotonic()
    assert not watch._is_done(server, over, float("inf"))
    assert not watch._is_done(server, over, now - watch.SHORT_PATIENCE - 1)
    assert watch._is_done(server, not_over, now - watch.SHORT_PATIENCE - 1)
    assert watch._is_done(server, over, now - watch.PATIENCE - 1)
    server.delivered.set()
    assert watch._is_done(server, over, now)


def test_a_browser_is_opened_only_where_there_is_a_screen(monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    watch.open_page("http://127.0.0.1:1/a/")
    assert opened == []
    monkeypatch.setenv("DISPLAY", ":0")
    watch.open_page("http://127.0.0.1:1/a/")
    assert opened == ["http://127.0.0.1:1/a/"]


def test_watch_beside_a_run_says_its_address_and_ends_with_the_run(half, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    said = []
    came = threading.Event()
    reporter = SimpleNamespace(say=lambda line: (said.append(line), came.set()))
    process = watch.watch_beside(SimpleNamespace(plugins=(), block=()), reporter, half)
    try:
        assert came.wait(120)
        assert re.fullmatch(rf"live: http://{HOST}:\d+/[\w-]+/", said[0])
        assert "under way" in get(f"{said[0].removeprefix('live: ')}part")[1]
    finally:
        process.kill()
        process.stdin.close()
        process.wait()
        process.stdout.close()


def test_a_page_that_does_not_start_beside_a_run_is_said_with_the_reason(tmp_path):
    said = []
    came = threading.Event()
    reporter = SimpleNamespace(say=lambda line: (said.append(line), came.set()))
    request = SimpleNamespace(plugins=(tmp_path / "mine.py",), block=())
    process = watch.watch_beside(request, reporter, tmp_path / "run")
    with process:
        assert came.wait(120)
    assert re.fullmatch(r"note: the live page did not start: .*mine\.py.*", said[0])


def test_a_folder_that_is_no_run_is_refused(tmp_path, capsys):
    from harness.cli.app import main

    lonely = tmp_path / "with" / "nothing" / "beside it"  # the folders of other tests have runs
    lonely.mkdir(parents=True)
    with pytest.raises(SystemExit) as ended:
        main(["watch", str(lonely)])
    assert ended.value.code == 2
    assert "must be a run folder, got no run.db in it; check the path" in capsys.readouterr().err
    run_folder = tmp_path / "runs" / "tiny-1"
    run_folder.mkdir(parents=True)
    (run_folder / "run.db").touch()
    with pytest.raises(SystemExit):
        main(["watch", str(run_folder.parent)])
    assert f"there is {run_folder}" in capsys.readouterr().err
