"""Listeners: told everything once, in this call or a later one; whatever they do, the run and its tables are the same."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter

import pandas as pd
import pytest

from harness.console.progress import Reporter
from harness.plugin.contracts import HAPPENINGS, Listener
from harness.plugin.discovery import discover
from harness.records import open_records
from harness.results.reports import results_of
from harness.running.listening import audience as audience_module
from harness.running.listening.audience import Audience
from harness.running.listening.heard import Heard
from harness.running.listening.occurrences import Reading
from harness.running.prepare import Request
from harness.running.start import run

PLUGINS = """
import json, os, time
from harness import Listener, hookimpl

def writes(request):
    file = (request.folder / "lines.jsonl").open("a")
    return lambda told: print(json.dumps([told.kind, told.key, told.run, told.arm, told.values]), file=file, flush=True)

def after(count, act):
    def opened(request):
        hear, left = writes(request), [count]
        def heard(told):
            if not left[0]:
                act()
            left[0] -= 1
            hear(told)
        return heard
    return opened

def fail():
    raise RuntimeError("the tracker is down")

@hookimpl
def harness_listeners():
    return [
        Listener("lines", writes),
        Listener("fails", after(3, fail)),
        Listener("leaves", after(5, lambda: os._exit(3))),
        Listener("exits", after(0, lambda: exit(0))),
        Listener("sleeps", after(4, lambda: time.sleep(1000))),
        Listener("refuses", lambda request: fail()),
    ]
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    file = tmp_path_factory.mktemp("plugins") / "told.py"
    file.write_text(PLUGINS)
    return discover([file])


@pytest.fixture
def folder(written_records, tmp_path):
    """A small run folder full of made-up records."""
    folder = tmp_path / "made-up"
    written_records(folder, trials=4, epochs=3, arms=2, seeds=2, tested=16)
    return folder


def told(registry, folder, *names, last=()):
    """Tell these listeners what is in a run folder; return the audience and what it said."""
    said = []
    listeners = [registry.get("listener", name, Listener) for name in names]
    audience = Audience(listeners, folder, {"name": "made-up"}, registry, said.append)
    audience.open()
    audience.catch_up()
    audience.finish(last)
    return audience, said


def lines(folder, name="lines"):
    file = folder / "listeners" / name / "lines.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


REPORT = {"kind": "report", "key": "report 0", "values": {"files": ["report.html"]}}


def test_a_listener_is_told_all_that_is_written_down_and_only_once(registry, folder):
    audience, said = told(registry, folder, "lines", last=[REPORT])
    assert (audience.left_out, said) == ({}, [])
    first = lines(folder)
    records = open_records(folder)
    kinds = Counter(kind for kind, *_ in first)
    assert kinds["epoch"] == len(records.epochs)
    assert kinds["trial"] == len(records.trials)
    ended = records.runs[records.runs["state"] != "waiting"]
    assert kinds["ended"] == kinds["began"] == len(ended)
    assert kinds["report"] == 1
    assert set(kinds) <= set(HAPPENINGS)
    keys = [key for _, key, *_ in first]
    assert len(set(keys)) == len(keys)
    for run_id, group in records.epochs.groupby("run_id"):
        heard = [(kind, values.get("epoch")) for kind, _, run, _, values in first if run == run_id and kind != "trial"]
        assert [number for kind, number in heard if kind == "epoch"] == group["epoch"].tolist()
        assert [kind for kind, _ in heard] == ["began", *["epoch"] * len(group), "ended"]
    told(registry, folder, "lines", last=[REPORT])
    assert lines(folder) == first


def test_what_is_new_is_told_while_a_run_goes_on(folder):
    reading = Reading(folder)
    before = [occurrence.key for occurrence in reading.new()]
    assert list(reading.new()) == []
    with sqlite3.connect(folder / "run.db") as db:
        (run_id,) = db.execute("SELECT run_id FROM runs WHERE state = 'done' LIMIT 1").fetchone()
        db.execute("INSERT INTO epochs VALUES (?, 99, 1, 1, 0.1, 1.0, '{}')", (run_id,))
        db.execute("UPDATE runs SET state = 'failed', reason = 'later' WHERE run_id = ?", (run_id,))
    db.close()
    after = [(occurrence.kind, occurrence.key) for occurrence in reading.new()]
    assert after == [("epoch", f"epoch {run_id} 99"), ("ended", f"ended {run_id} failed")]
    assert f"ended {run_id} done" in before


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("fails", "listener 'fails': must hear, got RuntimeError: the tracker is down; it is left out from here on"),
        (
            "leaves",
            "listener 'leaves': must hear until the end, got exit code 3; listeners/leaves.log has what it printed",
        ),
        ("exits", "listener 'exits': must hear, got SystemExit: 0"),
        ("refuses", "listener 'refuses': must open, got RuntimeError: the tracker is down"),
    ],
)
def test_a_listener_that_fails_is_named_once_and_the_next_call_goes_on(registry, folder, name, why):
    audience, said = told(registry, folder, name)
    assert list(audience.failures) == [name]
    assert [line.startswith(f"warning: {why}") for line in said] == [True]
    first = lines(folder, name)
    audience, _ = told(registry, folder, name)
    keys = [key for _, key, *_ in lines(folder, name)]
    assert len(set(keys)) == len(keys)
    assert lines(folder, name)[: len(first)] == first
    assert len(keys) == 2 * len(first)  # in between, the one at which it failed is not told again


def test_a_listener_that_hangs_is_waited_for_no_longer_than_that(registry, folder, monkeypatch):
    monkeypatch.setattr(audience_module, "GRACE", 3.0)
    audience, said = told(registry, folder, "sleeps", "lines", last=[REPORT])
    assert audience.failures == {}
    assert list(audience.late) == ["sleeps"]
    assert said == [
        "note: listener 'sleeps': must keep up, got no progress for 3 s; it is left out from here on, and the next call goes on"
    ]
    assert lines(folder)[-1][0] == "report"


def test_a_line_that_was_cut_short_is_written_again(tmp_path):
    heard = Heard(tmp_path, "any")
    assert [heard.note("a"), heard.note("b"), heard.note("a")] == [True, True, False]
    file = tmp_path / "listeners" / "any.heard"
    file.write_bytes(file.read_bytes() + b"epoch 0f")
    heard = Heard(tmp_path, "any")
    assert len(heard) == 2
    assert [heard.note("epoch 0f1e 1"), heard.note("b")] == [True, False]
    assert file.read_text() == "a\nb\nepoch 0f1e 1\n"


def test_links_in_the_place_of_the_journal_are_not_followed(registry, folder, tmp_path):
    (folder / "listeners").mkdir()
    (tmp_path / "elsewhere").write_text("")
    (folder / "listeners" / "lines.heard").symlink_to(tmp_path / "elsewhere")
    audience, _ = told(registry, folder, "lines")
    assert "got a link; nothing is written there" in audience.failures["lines"]
    assert (tmp_path / "elsewhere").read_text() == ""


def test_a_run_is_the_same_with_listeners_that_fail_and_names_them(benchmark_file, tmp_path, registry, capsys):
    """Exit code 1 as for every plugin that fails, a line in console and report, and not one other number in the records."""
    (tmp_path / "told.py").write_text(PLUGINS)
    small = (
        "search.trials=2", "search.epochs=[1]", 'train.optimizers=["sgd"]', "compare.seeds=1", "compare.epochs=1",
        "compare.untuned=0", "compare.probes=[]",
    )  # fmt: skip
    file = benchmark_file()
    codes, frames = [], []
    for out, names in (("plain", []), ("told", ["fails", "leaves", "lines"])):
        settings = (*small, f"report.listeners={json.dumps(names)}")
        request = Request(file, out=tmp_path / out, plugins=(tmp_path / "told.py",), overrides=settings, no_reuse=True)
        with Reporter() as reporter:
            codes.append(run(request, reporter))
        (folder,) = (tmp_path / out).glob("tiny-????????")
        records = open_records(folder)
        frames.append((records.runs, records.epochs, records.trials, records.comparison))
        said = capsys.readouterr().out
    assert codes == [0, 1]
    for plain, heard in zip(*frames, strict=True):
        kept = [name for name in plain.columns if name not in ("seconds", "started", "ended", "environment")]
        pd.testing.assert_frame_equal(plain[kept], heard[kept])
    problems = results_of(folder, registry).problems  # which every report names
    for name in ("fails", "leaves"):
        assert said.count(f"listener '{name}': must hear") == 1
        (problem,) = [line for line in problems if f"listener '{name}'" in line]
        assert "must hear" in problem
    assert {"verdict", "report", "look"} <= {kind for kind, *_ in lines(folder)}
    assert records.meta.listeners.keys() == {"fails", "leaves"}
