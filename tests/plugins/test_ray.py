"""The executor ``ray``: a cluster of two nodes on this machine, of which one is killed and a third joins.

All that is of Ray runs in processes of its own, marked by an environment variable, so that none can be left behind.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from contextlib import closing
from pathlib import Path

import pytest

from harness.cli.app import main
from harness.console.progress import Reporter
from harness.records import open_records
from harness.running.prepare import Request
from harness.running.start import run

HERE = Path(__file__).parent
TINY = (HERE.parent / "tiny.toml").read_text(encoding="utf-8")
CAMPAIGN = HERE.parent / "hostile" / "campaign.py"
MARK = "HARNESS_TEST_OF_RAY"  # the environment variable that all processes of the cluster have
PATIENCE = 1800  # seconds after which a test that waits gives up
INSTALLED = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not INSTALLED, reason="ray is not installed")


@pytest.fixture
def benchmark(benchmark_file):
    """Return a function that writes a tiny benchmark for the executor ray, with these options."""

    def write(**options):
        entries = ", ".join(f"{name} = {json.dumps(value)}" for name, value in options.items())
        executor = f'executor = "ray"\nexecutor_options = {{ {entries} }}'
        return benchmark_file(('executor = "inprocess"', executor))

    return write


def refusal(file, tmp_path, capsys):
    """Return the line with which a run is refused; nothing was made for it."""
    with pytest.raises(SystemExit) as ended:
        main(["run", str(file), "--out", str(tmp_path / "runs")])
    assert ended.value.code == 2
    assert not (tmp_path / "runs").exists()
    said = capsys.readouterr()
    (line,) = [line for line in said.err.splitlines() if not line.startswith("note: ")]
    return line


# --- before anything is spent ------------------------------------------------------------------------------------


def test_where_ray_is_not_installed_one_line_says_what_to_install(benchmark, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert refusal(benchmark(), tmp_path, capsys) == (
        "error: executor 'ray': must have the library ray, got none here; install it with python -m pip install "
        "'optimizer-harness[ray]'"
    )


@needs_ray
@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_an_address_that_does_not_answer_is_refused_at_once(benchmark, tmp_path, capsys, form):
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    place = form.format(port)
    assert refusal(benchmark(address=place), tmp_path, capsys) == (
        f"error: executor 'ray': train.executor_options.address: must be the address of a running cluster, got '{place}', which does not "
        "answer (Connection refused)"
    )


@needs_ray
def test_the_address_in_the_environment_goes_before_what_auto_would_find(benchmark, tmp_path, capsys, monkeypatch):
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free.getsockname()[1]}")
    assert "got '127.0.0.1:" in refusal(benchmark(address="auto"), tmp_path, capsys)


@needs_ray
@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1", "127.0.0.1:many", "127.0.0.1:65536", ":6379"])
def test_what_is_no_address_is_refused(benchmark, tmp_path, capsys, address):
    assert refusal(benchmark(address=address), tmp_path, capsys).startswith(
        "error: executor 'ray': train.executor_options.address: must be 'auto', HOST:PORT or ray://HOST:PORT, got "
    )


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"adress": "auto"}, "adress: must be an option of executor 'ray', got 'adress'; did you mean 'address'?"),
        ({"gpus": -0.5}, "gpus: must be a number >= 0 and <= 64, got -0.5"),
        ({"cpus": "two"}, "cpus: must be a number >= 0 and <= 4096, got 'two'"),
        ({"address": 6379}, "address: must be a string, got 6379"),
    ],
)
def test_wrong_options_are_refused_with_their_line(benchmark, tmp_path, capsys, options, line):
    assert refusal(benchmark(**options), tmp_path, capsys).endswith(f": train.executor_options.{line}")


# --- how much a machine has room for -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cpus", "gpus", "resources", "room"),
    [
        (1, 0, {"CPU": 8}, 8),
        (3, 0, {"CPU": 8}, 2),
        (1, 1, {"CPU": 8, "GPU": 2}, 2),
        (1, 0.5, {"CPU": 8, "GPU": 2}, 4),
        (1, 0.1, {"CPU": 64, "GPU": 1}, 10),
        (1, 0.7, {"CPU": 8, "GPU": 2}, 2),  # no worker has parts of two GPUs
        (1, 2, {"CPU": 8, "GPU": 5}, 2),
        (4, 0.5, {"CPU": 8, "GPU": 4}, 2),
        (1, 1, {"CPU": 8}, 0),
    ],
)
def test_a_machine_has_room_for_what_fits_its_cores_and_its_gpus(cpus, gpus, resources, room):
    from harness_plugins.executors._ray.cluster import room_of

    assert room_of(resources, cpus, gpus) == room


# --- a cluster ---------------------------------------------------------------------------------------------------


class Nodes:
    """A cluster, reached by the lines of its process."""

    def __init__(self, folder):
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.environ = {
            **os.environ, MARK: self.mark, "WATCHED": str(folder), "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_raylet_start_wait_time_s": str(PATIENCE), "RAY_health_check_period_ms": "300",  # a node that has gone is missed soon
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "HARNESS_CACHE": str(folder / "cache of nodes"),
        }  # fmt: skip
        self.environ.pop("RAY_ADDRESS", None)
        self._errors = (folder / "nodes.err").open("w")
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "ray_nodes.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._errors, text=True, env=self.environ, start_new_session=True,
        )  # fmt: skip

    def tell(self, line):
        """Have a node added, where it is not there, or removed; return the address of the cluster."""
        print(line, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline().strip()
        assert answer, (self.folder / "nodes.err").read_text()
        return answer

    def living(self):
        """Return the command lines of the processes that came from here, by process."""
        found = {}
        for place in Path("/proc").glob("[0-9]*"):
            try:
                environ, words = (place / "environ").read_bytes(), (place / "cmdline").read_bytes()
                ended = ") Z " in (place / "stat").read_text()
            except OSError:  # it has ended meanwhile
                continue
            if f"{MARK}={self.mark}".encode() in environ and not ended:
                found[int(place.name)] = words.replace(b"\0", b" ").decode(errors="replace").strip()
        return found

    def close(self):
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._process.stdout.close()
        self._errors.close()


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """A cluster without nodes yet; none of its processes is left at the end."""
    if not INSTALLED:
        pytest.skip("ray is not installed")
    if sys.platform != "linux":
        pytest.skip("needs Linux, which tells whose processes are left")
    nodes = Nodes(tmp_path_factory.mktemp("nodes"))
    try:
        yield nodes
    finally:
        nodes.close()
        left = nodes.living()
        for process in left:
            os.kill(process, signal.SIGKILL)
    assert left == {}


def until(what, *about):
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE
    while not (answer := what()):
        assert time.monotonic() < end, (what.__doc__, *about)
        time.sleep(0.1)
    return answer


def watched_file(folder, executor, block):
    """Write a benchmark of two arms of the optimizer whose steps are watched, without analyses, which do not run on Ray."""
    text = f"block = {json.dumps(block)}\n{TINY}"
    for old, new in {
        'executor = "inprocess"': executor,
        'optimizers = ["sgd", "adam"]': 'optimizers = ["watched", "again"]\naliases = { again = "watched" }',
        "epochs = [1, 2]": "epochs = [2]",
        "[compare]": '[compare]\nuntuned = 0\nprobes = ["gradient_norm", "distance"]',
    }.items():
        assert old in text, old
        text = text.replace(old, new)
    file = folder / "tiny.toml"
    file.write_text(text, encoding="utf-8")
    return file


DRIVER = """
import sys
from harness.cli.app import main
from harness.training import loop
loop.SAVE_EVERY = 0.0  # every epoch's state is saved
main(sys.argv[1:])
"""


def driver(nodes, hold, file, out):
    """Start a driver beside the cluster, of which one node is to be held; its output goes to files in ``out``."""
    for name in ("held", "late"):
        (nodes.folder / name).unlink(missing_ok=True)
    (nodes.folder / "hold").write_text(hold)
    out.mkdir()
    environ = {name: value for name, value in nodes.environ.items() if name != "HARNESS_CACHE"}
    environ["HARNESS_CACHE"] = os.environ["HARNESS_CACHE"]
    command = ["run", str(file), "--out", str(out / "runs"), "--plugin", str(HERE / "watched.py")]
    with (out / "out").open("w") as said, (out / "err").open("w") as complained:
        return subprocess.Popen(
            [sys.executable, "-c", DRIVER, *command],
            stdout=said,
            stderr=complained,
            env=environ,
            start_new_session=True,
        )


@pytest.fixture(scope="module")
def contents():
    """The rows of every table of a run folder, without times and surroundings."""
    spec = importlib.util.spec_from_file_location("campaign", CAMPAIGN)
    module = importlib.util.module_from_spec(spec)
    sys.modules["campaign"] = module
    spec.loader.exec_module(module)
    return module.contents


def epochs_written(out):
    """Return how many epochs a driver has written down."""
    (file,) = (out / "runs").glob("*/run.db")
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        return db.execute("SELECT count(*) FROM epochs").fetchone()[0]


def steps(nodes):
    """Return the nodes that took the steps so far, one after the other."""
    return [line.split()[0] for line in (nodes.folder / "steps").read_text().splitlines()]


def without_traces(tables):
    """Return tables without the traces of failed runs, which name the files of the process that they are from."""
    return {name: [re.sub(r'"traceback": "(\\.|[^"\\])*"', "", row) for row in rows] for name, rows in tables.items()}


def test_a_node_that_is_killed_and_one_that_joins_change_no_table(nodes, contents, tmp_path, every_analysis):
    """One node is killed in the middle of a run, a third one joins; the tables are those of one process, failed trials among them."""
    address = nodes.tell("add head")
    nodes.tell("add doomed")
    out = tmp_path / "on ray"
    options = f'executor = "ray"\nexecutor_options = {{ address = "{address}" }}'
    process = driver(nodes, "doomed", watched_file(tmp_path, options, every_analysis), out)
    held = nodes.folder / "held"
    until(lambda: held.exists() or process.poll() is not None)
    assert process.poll() is None, (out / "err").read_text()
    # 4 steps are an epoch; the doomed node has finished one, and the head goes no further
    until(lambda: epochs_written(out) == steps(nodes).count("head") // 4 + 1, "the epochs are not all written down")
    nodes.tell("remove doomed")
    nodes.tell("add late")
    assert process.wait(PATIENCE) == 1, (out / "err").read_text()  # a trial has failed

    taken, said = steps(nodes), (out / "out").read_text() + (out / "err").read_text()
    assert "its machine, or Ray's process there, has gone; it goes on elsewhere" in said
    assert taken.count("doomed") == 6
    assert taken.count("late") > 0
    (made,) = (out / "runs").iterdir()
    with closing(sqlite3.connect(made / "run.db")) as db:
        needed = db.execute("SELECT sum(most) FROM (SELECT max(steps) AS most FROM epochs GROUP BY run_id)").fetchone()[
            0
        ]
        follow = db.execute('SELECT count(*) FROM runs WHERE recipe NOT LIKE \'%"follows": ""%\'').fetchone()[0]
    assert follow == 2  # runs that began with the weights of others, which travelled
    assert len(taken) == needed + 2  # of the killed run, the steps of the epoch it was in; nothing else was repeated

    plain = tmp_path / "plain"
    request = Request(
        watched_file(tmp_path, 'executor = "inprocess"', every_analysis), out=plain, plugins=(HERE / "watched.py",)
    )
    assert run(request, Reporter(quiet=True), ["harness", "run"]) == 1
    (alone,) = plain.iterdir()
    assert without_traces(contents(made)) == without_traces(contents(alone))
    states = open_records(made).trials["state"].value_counts()
    assert states["done"] > states["failed"] > 0
    assert [*(nodes.folder / "cache of nodes").glob("shipped/*.bin")]  # what the nodes did not have was kept there
    assert "raylet" not in said


def test_a_driver_that_is_killed_leaves_no_worker_behind(nodes, tmp_path, every_analysis):
    nodes.tell("add head")
    address = nodes.tell("add late")
    out = tmp_path / "killed"
    options = f'executor = "ray"\nexecutor_options = {{ address = "{address}" }}'
    process = driver(nodes, "late", watched_file(tmp_path, options, every_analysis), out)
    until(lambda: (nodes.folder / "held").exists() or process.poll() is not None)
    assert process.poll() is None, (out / "err").read_text()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: not any("run.workers" in words for words in nodes.living().values()), nodes.living())


def test_it_stops_a_run_as_every_executor_must(nodes):
    """The check of every executor, on one worker. What the other checks look at, the run with the killed node has shown."""
    address = nodes.tell("add head")
    code = f"""
import json
from dataclasses import replace
from harness.plugin.contracts import Executor, Staffing
from harness.plugin.discovery import discover
from harness.testing import checks, executors
executors.Desk.staffing = Staffing(workers=1)
offer = discover().get("executor", "ray", Executor)
offer = replace(offer, options={{**offer.options, "address": "{address}"}})
(check,) = [check for check in checks(offer) if check.name == "stops"]
outcome = check.outcome()
print(json.dumps([outcome.status, outcome.text]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=nodes.environ, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()  # Ray itself says nothing
    status, text = json.loads(line)
    assert status == "ok", text
