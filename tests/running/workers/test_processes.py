"""Workers as processes of this machine: one pool for all tests, because a worker takes seconds to start."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import Done, Epoch, Failed, Interrupted, Measured, Measurement, Staffing
from harness.running.workers import processes
from harness.running.workers.pool import WorkerPool
from harness.running.workers.processes import Processes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes inherit open files")


@pytest.fixture(scope="module")
def states():
    return {}


@pytest.fixture(scope="module")
def pool(rig, states):
    bench = rig.Rig(Staffing(max_memory=0.8), states.get)
    pool = WorkerPool(Processes(bench.opening()), bench, workers=2)
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def harmed(rig, pool, states, guarded, carried_out, tmp_path_factory):
    """The events of runs that do all kinds of harm, beside one that does none, by the name of the run."""
    folder = tmp_path_factory.mktemp("once")
    runs = [
        rig.run_of("well", epochs=5),
        rig.run_of("segfault", epochs=4, what="segfault", at=3, once=str(folder / "segfault")),
        rig.run_of("exits", what="exit", at=2, once=str(folder / "exits")),
        rig.run_of("raises", what="raise", at=2),
        rig.run_of("little room", what="little room"),
        rig.run_of("greedy", what="greedy", at=2),
        rig.run_of("closes", what="close one"),
        rig.run_of("prints", what="print"),
        rig.run_of("after", epochs=2),
    ]
    events = carried_out(guarded(pool), runs, states)
    return {run.arm.optimizer: events[run.id] for run in runs}


def kinds(events):
    return [type(event).__name__ for event in events]


def test_a_run_is_carried_out_by_another_process(harmed):
    *epochs, done = harmed["well"]
    assert [event.number for event in epochs] == [1, 2, 3, 4, 5]
    assert isinstance(done, Done)
    assert done.metrics["process"] != os.getpid()


def test_a_run_whose_process_died_goes_on_from_its_last_state(harmed):
    events = harmed["segfault"]
    assert kinds(events) == ["Epoch", "Epoch", "Interrupted", "Epoch", "Epoch", "Done"]
    assert [event.number for event in events if isinstance(event, Epoch)] == [1, 2, 3, 4]
    died = events[2]
    assert died.reason == "signal 11"
    assert died.alone
    assert "do" in died.last_words  # the function in which it died
    assert "Extension modules" not in died.last_words
    assert events[0].metrics["process"] != events[-1].metrics["process"]


def test_last_words_that_come_in_pieces_are_lines():
    """A crash is told piece by piece, and a driver that waits for it reads each piece by itself."""
    end, begin = os.pipe()
    os.set_blocking(end, False)
    one = processes._Process(None, None, end, "")
    for piece in ("Fatal", " error\n", '  File "', "held.py", '", line ', "3", " in ", "do", "\n", "last"):
        os.write(begin, piece.encode())
        processes._pass_on(one)
    os.close(end)
    os.close(begin)
    assert list(one.last_lines) == ["Fatal error", '  File "held.py", line 3 in do', "last"]


def test_a_process_that_has_ended_with_an_exit_code_has_died_too(harmed):
    """After three deaths in a row the run has failed: ``test_pool.py``, and tests/hostile/test_workers.py with processes."""
    events = harmed["exits"]
    assert kinds(events) == ["Epoch", "Interrupted", "Epoch", "Epoch", "Done"]
    assert events[1].reason == "exit code 3"


def test_what_a_plugin_raises_ends_its_run_alone(harmed):
    assert kinds(harmed["raises"]) == ["Epoch", "Failed"]
    assert "MemoryError: too large" in harmed["raises"][-1].reason


def test_a_limit_that_a_plugin_sets_for_its_process_ends_with_its_process(harmed):
    assert "MemoryError" in harmed["little room"][-1].reason
    assert harmed["little room"][-1].changed
    assert isinstance(harmed["after"][-1], Done)


def test_a_run_over_its_limit_of_memory_has_failed(harmed):
    assert kinds(harmed["greedy"]) == ["Epoch", "Failed"]
    assert harmed["greedy"][-1].reason == "over its limit of 0.8 GB (train.max_memory)"


def test_a_process_whose_descriptors_were_closed_carries_out_nothing_more(harmed):
    assert isinstance(harmed["closes"][-1], Done)
    used = harmed["closes"][-1].metrics["process"]
    assert used not in {harmed["prints"][-1].metrics["process"], harmed["after"][-1].metrics["process"]}


def test_what_a_plugin_prints_goes_to_the_standard_error(rig, pool, guarded, carried_out, capfd):
    run = rig.run_of("prints again", what="print")
    carried_out(guarded(pool), [run])
    out, error = capfd.readouterr()
    assert out == ""
    assert error == "hello from a plugin\n"


def test_measurements_are_jobs_too(rig, pool, guarded, carried_out):
    run = rig.run_of("measured")
    measured, refused = Measurement("lengths", "0", (run, run)), Measurement("unable", "0", (run,))
    events = carried_out(guarded(pool), [measured, refused])
    (event,) = events[measured.id]
    assert isinstance(event, Measured)
    assert event.numbers == {"runs": 2.0}
    (event,) = events[refused.id]
    assert event == Failed("error", "probe 'unable': it cannot", event.traceback)


def test_a_stopped_run_ends_with_the_metrics_of_the_epoch_that_was_decided_on(rig, pool, guarded, carried_out):
    run = rig.run_of("long", epochs=100_000)
    executor = guarded(pool)

    def stop(job_id, event):
        if isinstance(event, Epoch) and event.number == 2:
            executor.stop(job_id)

    events = carried_out(executor, [run], on_event=stop)[run.id]
    assert kinds(events) == ["Epoch", "Epoch", "Done"]
    assert events[-1].stopped
    assert events[-1].metrics["tune_accuracy"] == 0.2


def test_a_stopped_run_is_left_in_the_middle_of_its_epoch(rig, pool, guarded, carried_out):
    long = [rig.run_of(f"long {i}", what="long") for i in range(2)]
    after = [rig.run_of(f"then {i}") for i in range(2)]
    executor = guarded(pool)

    def stop(job_id, event):
        if isinstance(event, Epoch) and job_id in {run.id for run in long}:
            executor.stop(job_id)

    events = carried_out(executor, [*long, *after], on_event=stop)
    assert [kinds(events[run.id]) for run in long] == [["Epoch", "Done"]] * 2
    used = {events[run.id][0].metrics["process"] for run in long}  # one, where the second worker came late
    used |= {events[run.id][-1].metrics["process"] for run in after}
    assert len(used) <= 2  # the pool's workers: none had to be replaced


def test_a_worker_that_is_killed_from_outside_costs_no_run(rig, pool, states, guarded, carried_out):
    run = rig.run_of("killed", epochs=6)
    killed = []

    def kill(job_id, event):
        if isinstance(event, Epoch) and event.number == 3 and not killed:
            killed.append(int(event.metrics["process"]))
            os.kill(killed[0], signal.SIGKILL)

    events = carried_out(guarded(pool), [run], states, on_event=kill)[run.id]
    assert isinstance(events[-1], Done)
    assert {event.number for event in events if isinstance(event, Epoch)} == {1, 2, 3, 4, 5, 6}
    assert [event.reason for event in events if isinstance(event, Interrupted)] in ([], ["signal 9"])


DRIVERS = """
import os, sys
sys.path[:0] = {path!r}
import rig, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background begins without it
from harness.running.workers.pool import WorkerPool
from harness.running.workers.processes import Processes


def drive():
    bench = rig.Rig(state=lambda run_id: None)
    pool = WorkerPool(Processes(bench.opening()), bench, workers=1)
    pool.submit([rig.run_of("sleeper", what="sleep", at=2)])
    for _, event in pool.events():
        print(os.getpid(), int(event.metrics["process"]), flush=True)


for _ in range({count}):
    if not os.fork():
        drive()
        break
else:
    for _ in range({count}):
        os.wait()
"""


def test_no_worker_outlives_its_driver(rig):
    """The drivers are forked from one process, which has imported everything; their workers are started as users' are."""
    signals = (signal.SIGKILL, signal.SIGINT)
    code = DRIVERS.format(path=[rig.HERE, *sys.path], count=len(signals))
    started = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with started:
        pairs = [tuple(map(int, started.stdout.readline().split())) for _ in signals]
        for (driver, worker), number in zip(pairs, signals, strict=True):
            assert Path(f"/proc/{worker}").exists() or sys.platform != "linux"
            os.kill(driver, number)
        started.wait()  # for both drivers
    assert [worker for _, worker in pairs if outlives(worker)] == []


def outlives(worker):
    """Return whether a process is still there after a minute."""
    for _ in range(600):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return False
        if (stat := Path(f"/proc/{worker}/stat")).exists() and ") Z " in stat.read_text():
            return False  # ended, and nobody has asked how
        time.sleep(0.1)
    return True
