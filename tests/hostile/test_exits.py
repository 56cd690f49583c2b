"""Plugins that raise what ends a program, change what is not theirs, or end the process: they harm only themselves."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness import Analysis, Executor, Report
from harness.cli.app import main
from harness.cli.show import show
from harness.cli.status import status
from harness.console import interruption
from harness.console.progress import Watch
from harness.errors import (
    DataError,
    DiskError,
    Diverged,
    PluginError,
    RunFolderError,
    message_of,
    one_line,
    traceback_of,
)
from harness.plugin.boundary import Boundary, PluginFailed, through
from harness.plugin.discovery import discover
from harness.records import Records, Store, open_records, store
from harness.records.attempts import MOST, Attempts, of_run
from harness.results.analysis import analyse, computed
from harness.results.reports import write_reports
from harness.running.executor import GuardedExecutor
from harness.training import loop

# --- what is raised ------------------------------------------------------------------------------------------


class Mute(Exception):
    """Cannot be printed."""

    def __str__(self) -> str:
        raise SystemExit(0)


class Numbered(Exception):
    """Prints as something else than text."""

    def __str__(self) -> str:
        return 5  # type: ignore[return-value]


class Nameless(type):
    """A class of exceptions without a name."""

    @property
    def __name__(cls) -> str:
        raise KeyError


ENDS = [
    SystemExit(0), SystemExit("bye"), KeyboardInterrupt(), GeneratorExit(), StopIteration(), BaseException("all"),
    RecursionError("deep"), MemoryError(), BaseExceptionGroup("two", [SystemExit(0), KeyboardInterrupt()]),
    Mute(), Numbered(), Nameless("Odd", (Exception,), {})("named"), OSError(28, "No space left on device"),
]  # fmt: skip


@pytest.mark.parametrize("error", ENDS, ids=lambda error: type.__dict__["__name__"].__get__(type(error)))
def test_whatever_is_raised_is_the_plugins_failure(error):
    with interruption.listening(), pytest.raises(PluginFailed) as failed, Boundary("optimizer", "evil", "step"):
        raise error
    assert str(failed.value).startswith("optimizer 'evil': must step, got ")
    assert "\n" not in str(failed.value)
    assert failed.value.raised is error


def test_errors_of_the_harness_pass_and_get_the_name_where_they_have_none():
    for error in (Diverged("nan"), DataError("x: must be"), PluginError("task 'mine': must")):
        with pytest.raises(type(error)) as passed, Boundary("optimizer", "evil", "step"):
            raise error
        assert passed.value is error
    with pytest.raises(PluginError, match="optimizer 'evil': no"), Boundary("optimizer", "evil", "step"):
        raise PluginError("no")
    with pytest.raises(PluginFailed, match="DataError: x"), Boundary("analysis", "evil", "compute", everything=True):
        raise DataError("x")
    with pytest.raises(DiskError), Boundary("analysis", "evil", "compute", everything=True):
        raise DiskError("full")


def test_an_iterator_that_ends_the_program_fails_alone():
    def items() -> Any:
        yield 1
        raise SystemExit(0)

    given = through(Boundary("executor", "evil", "give events"), items())
    assert next(given) == 1
    with pytest.raises(PluginFailed, match="executor 'evil': must give events, got SystemExit: 0"):
        next(given)
    assert [*through(Boundary("executor", "good", "give events"), iter([1, 2]))] == [1, 2]


LONG = "x" * 1_000_000


@pytest.mark.parametrize(
    "error", [*ENDS, ValueError(LONG), ValueError("a\n\tb \ud800"), SyntaxError("x", (1, 2, 3, 4))]
)
def test_every_exception_is_one_line_that_can_be_written(error):
    for text in (message_of(error), one_line(error)):
        assert len(text) < 1200
        assert "\n" not in text
        text.encode()
    traceback_of(error).encode()
    assert len(traceback_of(error)) < 50_000


# --- the user's own Ctrl-C -----------------------------------------------------------------------------------


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait(10)  # until the signal is here


def swallow() -> None:
    with suppress(KeyboardInterrupt):
        ctrl_c()


def turn() -> None:
    try:
        ctrl_c()
    except KeyboardInterrupt:
        raise ValueError("caught") from None


@pytest.mark.parametrize("plugin", [ctrl_c, swallow, turn])
def test_ctrl_c_passes_also_where_a_plugin_swallows_it_or_makes_something_else_of_it(plugin):
    with interruption.listening(), pytest.raises(KeyboardInterrupt), Boundary("optimizer", "evil", everything=True):
        plugin()


def test_what_listens_is_put_back():
    before = signal.getsignal(signal.SIGINT), sys.unraisablehook
    with interruption.listening():
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert (signal.getsignal(signal.SIGINT), sys.unraisablehook) == before
    with pytest.raises(KeyboardInterrupt), Boundary("optimizer", "evil", "step"):
        raise KeyboardInterrupt  # nobody listens, so it may be the user's


# --- a whole run among such plugins --------------------------------------------------------------------------

PLUGIN = """
import sys
import pandas as pd
from harness import *

class Mute(Exception):
    def __str__(self): raise SystemExit(0)

class Wide(Exception):
    def __str__(self): return "a\\nb \\ud800 " + "x" * 100_000

RAISED = {"exits": SystemExit(0), "stops": StopIteration(), "typed": KeyboardInterrupt(), "closes": GeneratorExit(),
          "mute": Mute(), "wide": Wide(), "base": BaseException("no")}

def build(raised, lr):
    def of(parameters, lr=lr):
        import torch

        class Evil(torch.optim.SGD):
            steps = saved = 0

            def step(self, closure=None):
                self.steps += 1
                if self.steps > 24 and raised is not None:  # past the rehearsal
                    raise raised
                return super().step()

            def state_dict(self):
                self.saved += 1
                if raised is None and self.saved > 1:
                    sys.exit(0)
                return super().state_dict()

        return Evil(parameters, lr=lr)
    return of

@hookimpl
def harness_optimizers():
    offers = {**RAISED, "unsaved": None}
    return [Optimizer(name, build(raised, 0.1), {"lr": Float(0.01, 0.1)}) for name, raised in offers.items()]

def leaves(*_, **__):
    sys.exit(0)

@hookimpl
def harness_probes():
    return [Probe("leaving", leaves)]

def spoils(records):
    for frame in (records.runs, records.trials, records.epochs, records.arms):
        frame.drop(frame.index[1:], inplace=True)
    records.arms["tuned_params"].iloc[0].clear()
    records.meta.benchmark["name"] = "spoiled"
    records.meta.arms.clear()
    return pd.DataFrame({"x": [[1, 2]]})

@hookimpl
def harness_analyses():
    return [Analysis("aaa_spoils", spoils), Analysis("aab_leaves", leaves)]

def spoils_results(results):
    for table in results.tables.values():
        table.drop(table.index, inplace=True)
    spoils(results.records)
    return "spoiled"

@hookimpl
def harness_reports():
    return [Report("aaa", "aaa", spoils_results), Report("bad", "bad", leaves)]
"""
EVIL = ("exits", "stops", "typed", "closes", "mute", "wide", "base", "unsaved")
FILE = """
name = "evil"
plugins = ["evil.py"]
[data]
size = 16
options = {{ train = 64, tune = 32, test = 64 }}
[train]
executor = "inprocess"
optimizers = [{optimizers}]
batch_size = 16
precision = "fp32"
threads = 1
[search]
trials = 1
epochs = [8]
objective = "free"
[compare]
looks = [1]
seeds = 1
epochs = 1
probes = [{probes}]
untuned = 0
[report]
paths = false
formats = [{formats}]
"""


def write_file(folder: Path, **lists: tuple[str, ...]) -> None:
    """Write the benchmark file with these optimizers, probes and formats."""
    quoted = {name: ", ".join(f'"{each}"' for each in names) for name, names in lists.items()}
    (folder / "evil.toml").write_text(FILE.format(**quoted), encoding="utf-8")


def command(folder: Path, *arguments: str, **lists: tuple[str, ...]) -> tuple[int, str, str]:
    """Carry a benchmark file out in this process; return (exit code, output, errors)."""
    write_file(folder, **lists)
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main(["run", str(folder / "evil.toml"), "--out", str(folder / "runs"), *arguments])
    return int(ended.value.code or 0), out.getvalue(), err.getvalue()


def run_folder(folder: Path) -> Path:
    """Return the run folder of the benchmark."""
    return next(each for each in (folder / "runs").iterdir() if each.is_dir())


@pytest.fixture(scope="module")
def survived(tmp_path_factory: Any) -> tuple[Path, int, str]:
    """A run among all of these plugins: its folder, exit code and output."""
    folder = tmp_path_factory.mktemp("evil")
    (folder / "evil.py").write_text(PLUGIN, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "SAVE_EVERY", 0.0)
        code, out, _ = command(folder, optimizers=(*EVIL, "sgd"), probes=("leaving",), formats=("aaa", "bad", "md"))
    return run_folder(folder), code, out


def test_a_run_among_them_names_each_and_keeps_the_others_results(survived):
    folder, code, out = survived
    assert code == 1
    *evil, honest = show(folder)["arms"]
    for name, arm in zip(EVIL, evil, strict=True):
        (trial,) = arm["trials"]
        assert trial["state"] == "failed"
        assert trial["reason"].startswith(f"optimizer '{name}': must ")
        assert f"lesson_cnn/{name}/cosine" in out
    (seed,) = honest["seeds"]
    assert seed["state"] == "done"
    assert "probe 'leaving' failed: lesson_cnn/sgd/cosine seed 0: SystemExit: 0" in out
    assert "analysis 'aab_leaves' failed: SystemExit: 0" in out
    assert "report 'bad': must render, got SystemExit: 0" in out
    assert (folder / "report.md").is_file()
    assert not (folder / "report.bad").exists()


def test_no_plugin_changes_what_the_others_and_the_tables_tell(survived):
    folder, _, _ = survived
    records = open_records(folder)
    written = {each.stem: pd.read_parquet(each) for each in (folder / "tables").glob("*.parquet")}
    honest = records.runs["arm"].str.contains("/sgd/")  # a trial and a seed
    assert list(records.runs["phase"][honest]).count("compare") == 1
    assert len(written["runs"]) == len(records.runs) == len(EVIL) + honest.sum() == len(EVIL) + 2
    assert len(written["epochs"]) == len(records.epochs)
    leaderboard = next(each for each in discover().all("analysis") if each.name == "leaderboard")
    assert isinstance(leaderboard, Analysis)
    pd.testing.assert_frame_equal(written["leaderboard"], computed(leaderboard, records), check_dtype=False)
    assert "evil" in (folder / "report.md").read_text()
    assert "spoiled" not in (folder / "report.md").read_text()


@pytest.mark.parametrize("told", ["report", "show"])
def test_commands_that_look_name_an_analysis_that_fails_too(survived, told, capsys):
    folder, _, _ = survived
    plugin = folder.parent.parent / "evil.py"
    more = ["--format", "md", "--out", str(folder.parent.parent / "again")] if told == "report" else []
    with pytest.raises(SystemExit) as ended:
        main([told, str(folder), "--plugin", str(plugin), *more])
    said = capsys.readouterr()
    assert ended.value.code == 1
    assert "warning: analysis 'aab_leaves' failed: SystemExit: 0" in said.out + said.err


def test_records_of_ones_own_share_nothing_and_cost_nothing_until_they_are_looked_at(survived):
    records = open_records(survived[0])
    before = {name: getattr(records, name).copy() for name in ("runs", "arms", "trials")}
    own = records.own()
    assert isinstance(own, Records)
    assert own.cache is records.cache
    for name, table in before.items():
        mine = getattr(own, name)
        pd.testing.assert_frame_equal(mine, table)
        mine[mine.columns] = 0
        assert getattr(own, name) is mine
        pd.testing.assert_frame_equal(getattr(records, name), table)
    own.meta.data["counts"]["train"] = -1
    assert records.meta.data["counts"]["train"] == 64
    own.targets[:] = 7
    assert set(np.unique(records.targets)) == {0, 1}
    with pytest.raises(AttributeError, match="no 'nothing'"):
        own.nothing  # noqa: B018


def test_an_analysis_that_keeps_its_table_cannot_change_it_later(survived):
    kept: list[pd.DataFrame] = []

    def keep(records: Records) -> pd.DataFrame:
        kept.append(pd.DataFrame({"x": [1], "y": [{"a": 1}]}))
        return kept[0]

    def later(records: Records) -> pd.DataFrame:
        kept[0].loc[0, "x"] = 2
        kept[0].loc[0, "y"]["a"] = 2
        return kept[0]

    results = analyse(open_records(survived[0]), [Analysis("keep", keep), Analysis("later", later)])
    assert results.tables["keep"].to_dict("records") == [{"x": 1, "y": {"a": 1}}]


def test_a_full_folder_without_its_records_is_one_line(survived, tmp_path):
    shutil.copytree(survived[0], tmp_path / "copy")
    (tmp_path / "copy" / "run.db").unlink()
    with pytest.raises(RunFolderError, match=r"run\.db: must be beside 'solutions.*put it back, or move the folder"):
        Store(tmp_path / "copy")


def test_a_look_at_a_run_in_its_first_moment_is_one_line(tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "run.db").touch()
    with pytest.raises(RunFolderError, match="must be a run with something recorded, got one in its first moment"):
        status(tmp_path / "new")
    with Store(tmp_path / "run") as folder:
        for key in ("", "benchmark", "data"):
            if key:
                folder.note(key, {})
                folder.note("schema_version", store.schema.VERSION)
            with pytest.raises(RunFolderError, match="got one in its first moment"):
                status(tmp_path / "run")


def test_an_executor_is_behind_the_boundary_too():
    class Evil:
        room = 1

        def submit(self, runs: Any) -> None:
            raise SystemExit(0)

        def stop(self, run_id: str) -> None:
            raise KeyError

        def events(self) -> Any:
            yield "not an event"

    evil = GuardedExecutor(Executor("evil", lambda workbench: Evil()), None)  # type: ignore[arg-type, return-value]
    for call in (lambda: evil.submit([]), lambda: evil.stop("x"), lambda: [*evil.events()]):
        with interruption.listening(), pytest.raises(PluginError, match="executor 'evil': must "):
            call()
    with pytest.raises(PluginFailed, match="executor 'evil': must build, got SystemExit"):
        GuardedExecutor(Executor("evil", lambda workbench: sys.exit(0)), None)  # type: ignore[arg-type]


# --- the process ends ----------------------------------------------------------------------------------------

DEATHS = {
    "os._exit": "os._exit(0)",
    "abort": "os.abort()",
    "segfault": "import ctypes; ctypes.string_at(0)",
    "alarm": "import signal; signal.setitimer(signal.ITIMER_REAL, 0.01); signal.pause()",
    "kill -9": "os.kill(os.getpid(), 9)",
}


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_a_work_that_the_process_died_in_three_times_in_a_row_is_given_up(death, tmp_path):
    file, lines = tmp_path / "run.attempts", []
    code = f"""if 1:
        import os, sys
        from pathlib import Path
        from harness.records.attempts import Attempts
        attempts = Attempts(Path(sys.argv[1]))
        with attempts.during("analysis good", "the analysis 'good'"):
            pass
        attempts.begin("run evil", "run evil of sgd")
        {death}
    """
    for attempt in range(1, MOST + 1):
        assert subprocess.run(
            [sys.executable, "-c", code, file], check=False, stderr=subprocess.DEVNULL
        ).returncode in (0, -6, -11, -14, -9)
        attempts = Attempts(file, lines.append)
        assert bool(attempts.given_up("run evil")) == (attempt == MOST)
        assert not attempts.given_up("analysis good")
        attempts.close()
    assert lines == [
        "the process died during run evil of sgd; attempt 2 of 3 begins",
        "the process died during run evil of sgd; attempt 3 of 3 begins",
        "the process died during run evil of sgd for the 3rd time in a row; it counts as failed; --retry tries it again",
    ]
    attempts = Attempts(file)
    assert "the process died in it 3 times in a row" in attempts.given_up("run evil")
    attempts.forget()
    assert not attempts.given_up("run evil")
    assert not file.exists()


def died(file: Path, *works: str, progress: int = 0) -> Attempts:
    """Let a process die in these works, the first of which had come to ``progress``; return the journal of the next one."""
    attempts = Attempts(file)
    for work in works:
        attempts.begin(work, work)
    attempts.come_to(works[0], progress)
    assert attempts._out is not None
    attempts._out.close()  # as the end of a process does, and nothing else
    return Attempts(file)


def test_a_run_that_comes_further_each_time_is_never_given_up(tmp_path):
    file = tmp_path / "run.attempts"
    for epoch in range(1, 10):
        died(file, of_run("slow"), progress=epoch).close()
    attempts = died(file, of_run("slow"), progress=9)
    assert not attempts.given_up(of_run("slow"))
    attempts.close()
    attempts = died(file, of_run("slow"))
    assert attempts.given_up(of_run("slow"))
    attempts.close()


def test_what_ends_in_any_other_way_is_no_death(tmp_path):
    file = tmp_path / "run.attempts"
    for error in (ValueError, KeyboardInterrupt, SystemExit) * 2:
        attempts = Attempts(file)
        with pytest.raises(error), attempts.during("analysis a", "a"):
            raise error
        attempts.begin(of_run("x"), "x")
        attempts.close()
        assert not file.exists()
    for _ in range(4):  # it may have been either
        died(file, of_run("x"), of_run("y")).close()
    assert not file.exists()
    one = Attempts(file)
    one.begin(of_run("x"), "x")
    other = Attempts(file)  # of a process beside it: what is under way there is alive
    other.begin(of_run("y"), "y")
    assert not other.given_up(of_run("x"))
    one.close()
    assert not file.exists()
    file.write_text('{"run x": 5}\n')
    broken = Attempts(file)
    assert not broken.given_up(of_run("x"))
    broken.close()


DEADLY = PLUGIN.replace("raise raised\n", "__import__('os')._exit(0)\n")
GONE_ON = 99  # the exit code of a process that nothing has ended


def code_of_child(work: Callable[[], object]) -> int:
    """Return the exit code of a process that does some work; it has imported everything already."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which later releases of Python fear here
        child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(GONE_ON)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.usefixtures("unreported")
def test_the_same_command_gets_on_after_a_run_has_ended_the_process_three_times(tmp_path):
    (tmp_path / "evil.py").write_text(DEADLY, encoding="utf-8")
    lists = {"optimizers": ("exits", "sgd"), "probes": (), "formats": ("text",)}
    assert code_of_child(lambda: command(tmp_path, **lists)) == 0  # the plugin's own
    (file,) = (tmp_path / "runs").glob("*.attempts")
    ((work, about),) = json.loads(file.read_text()).items()
    assert about["label"].startswith("lesson_cnn/exits/cosine, search run ")
    for _ in range(MOST - 1):
        died(file, work, progress=about["progress"]).close()
    code, out, _ = command(tmp_path, **lists)
    assert code == 1
    deadly, honest = show(run_folder(tmp_path))["arms"]
    assert deadly["trials"][0]["reason"] == "the process died in it 3 times in a row; --retry tries it again"
    assert re.search(r"exits +failed: the process died in it 3 times in a row", out)
    assert honest["seeds"][0]["state"] == "done"


def test_an_analysis_and_a_report_that_end_the_process_are_passed_over_the_third_time(survived, tmp_path):
    class Offers:
        """A registry of one analysis and one report."""

        blocked = frozenset[str]()
        offers: Mapping[str, Mapping[str, Any]] = {"optimizer": {}, "scheduler": {}}  # no references

        def all(self, kind: str) -> list[Any]:
            return [Analysis("deadly", lambda records: pd.DataFrame({"x": [1]}))]

        def get(self, kind: str, name: str, type_: type, where: str) -> Any:
            return Report("deadly", "txt", lambda results: f"{len(results.tables)} tables")

    file = tmp_path / "run.attempts"
    for _ in range(MOST):
        died(file, "analysis deadly").close()
    attempts = Attempts(file)
    written = write_reports(survived[0], ["deadly"], Offers(), tmp_path, attempts)  # type: ignore[arg-type]
    assert written.failures == (
        "analysis 'deadly' failed: the process died in it 3 times in a row; --retry tries it again",
    )
    assert (tmp_path / "report.txt").read_text() == "0 tables"
    attempts.close()
    for _ in range(MOST):
        died(file, "report deadly").close()
    attempts = Attempts(file)
    failure = write_reports(survived[0], ["deadly"], Offers(), tmp_path, attempts).failures[-1]  # type: ignore[arg-type]
    assert failure.startswith("report 'deadly': must render, got nothing: the process died in it 3 times")
    attempts.close()


def test_a_child_process_that_a_plugin_forks_ends_at_the_boundary():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with Boundary("optimizer", "evil", "step"), Boundary("task", "inner", "have a loss"):
            child = os.fork()
    if not child:
        os._exit(99)  # it has gone on
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def test_a_forked_child_does_not_keep_the_run_folder_locked(tmp_path):
    folder, (read, write), (here, there) = Store(tmp_path / "run"), os.pipe(), os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        os.write(there, b"x")
        os.close(write)  # of its own, so that it ends with its parent at the latest
        os.read(read, 1)  # it outlives the store
        os._exit(0)
    os.read(here, 1)
    folder.__exit__()
    try:
        Store(tmp_path / "run").__exit__()
    finally:
        os.write(write, b"x")
        os.waitpid(child, 0)


def test_a_thread_left_behind_does_not_keep_the_process_and_is_named():
    code = """if 1:
        import sys, threading
        from harness.console import ending
        from harness.cli.app import main
        ending.PATIENCE = 0.1
        threading.Thread(target=threading.Event().wait, name="left by evil").start()
        sys.argv = ["harness", "status", "nowhere"]
        main()
    """
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    error, note = ended.stderr.splitlines()
    assert error.startswith("error: nowhere: must be a run folder")
    assert note == "note: threads that a plugin has left behind are not waited for: left by evil"


def test_nothing_but_the_harness_decides_on_the_exit_code(monkeypatch, capsys):
    monkeypatch.setattr("harness.cli.status.status", lambda folder: sys.exit(0))
    with pytest.raises(SystemExit) as ended:
        main(["status", "x"])
    assert ended.value.code == 70
    assert "harness itself: SystemExit: 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("body", "must"),
    [
        ("import os\nos._exit(0)", ":2: must import"),
        (
            "import os\nfrom harness import hookimpl\n@hookimpl\ndef harness_tasks(): os._exit(0)",
            ":4: must offer its plugins",
        ),
    ],
)
def test_a_file_that_ends_the_process_when_it_is_imported_is_named(body, must, tmp_path, capsys):
    before = os._exit
    (tmp_path / "evil.py").write_text(body, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["list", "--plugin", str(tmp_path / "evil.py")])
    assert ended.value.code == 2
    assert f"evil.py{must}, got SystemExit: os._exit(0)" in capsys.readouterr().err
    assert os._exit is before


def test_what_does_not_come_on_is_named():
    said, heard, what = [], threading.Event(), "lesson_cnn/evil/cosine, seed 0, 3 epochs"

    class Listener:
        """Stands in for the reporter."""

        def say(self, text: str, style: str = "") -> None:
            said.append(text)
            if text.startswith(what):
                heard.set()

    with Watch(Listener(), first=0.01) as watch:  # type: ignore[arg-type]
        watch.happened(lambda: what)
        assert heard.wait(60)
    assert any("nothing has come of it for" in line for line in said)
