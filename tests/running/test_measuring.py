"""Numbers of a probe go to the records, arrays to a file beside them, and a corrected probe trains nothing again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from harness.console.progress import Reporter
from harness.plugin.process_settings import flushes_denormals
from harness.records import open_records, schema
from harness.running.after.measuring import Solutions, measure_networks, network_kept, numbers_and_arrays
from harness.running.prepare import Request
from harness.running.start import run


def test_numbers_and_arrays_are_told_apart():
    array = np.arange(6, dtype=np.int64).reshape(2, 3)
    measured = {"one": 1, "zero_d": np.float32(2.5), "tensor": torch.tensor(3.0), "array": array, "turned": array.T}
    numbers, arrays = numbers_and_arrays(measured)
    assert numbers == {"one": 1, "zero_d": 2.5, "tensor": 3}
    assert sorted(arrays) == ["array", "turned"]
    assert np.array_equal(arrays["turned"], array.T)
    assert arrays["turned"].flags["C_CONTIGUOUS"]


def test_an_array_of_words_is_refused():
    with pytest.raises(TypeError, match=r"text must be an array of numbers, got one of <U2"):
        numbers_and_arrays({"text": np.array(["no"]), "fine": 1.0})


def wreck(network, notes, fails):
    """Change a network as a probe would that is not careful."""
    with network_kept(network, "probe 'wreck'", notes.append):
        network.train()
        network.weight.data.zero_()
        if fails:
            raise ValueError("half way")


def test_a_probe_that_fails_in_the_middle_of_a_change_costs_no_weight():
    network = torch.nn.Linear(3, 2)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    notes = []
    with pytest.raises(ValueError, match="half way"):
        wreck(network, notes, fails=True)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert notes == []
    network.eval()
    wreck(network, notes, fails=False)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not network.training
    assert notes == ["probe 'wreck' changed the weights of the network that it measured; they were put back"]


class Holding:
    """A run's parts, of which there may be many."""

    def __init__(self, run):
        self.run, self.model, self.probe_cache = run, torch.nn.Linear(25, 10, bias=False), {}  # 1,000 bytes
        self.ingredients = SimpleNamespace(train=DATA, tune=DATA, test=None)


DATA = torch.zeros(10_000)


def test_networks_are_held_for_all_probes_within_a_limit_each_with_a_probe_s_own_notes():
    made = []
    solutions = Solutions(lambda run: made.append(run.id) or Holding(run), most=3500)
    a, b, c = (SimpleNamespace(id=name) for name in "abc")
    for each in (a, b, a):
        solutions.parts(each, "one").probe_cache["one.data"] = DATA  # all networks share it
        solutions.shrink()
    assert made == ["a", "b"]
    assert solutions.parts(b, "other").probe_cache == {}  # another probe sees nothing of it
    assert "one.data" in solutions.parts(a, "one").probe_cache
    solutions.parts(b, "other").probe_cache["other.deep"] = {
        "rows": [SimpleNamespace(each=np.zeros(125))]
    }  # 1,000 bytes
    solutions.parts(c, "one")
    solutions.shrink()  # a, b, c and the array are 4,000 bytes; a was used longest ago
    for each in (b, c, a):
        solutions.parts(each, "one")
    assert made == ["a", "b", "c", "a"]


def test_a_probe_measures_with_denormals_flushed_as_the_training_was():
    flushing = SimpleNamespace(
        name="flushing", options={}, measure=lambda parts: {"flushes": float(flushes_denormals())}
    )
    run = SimpleNamespace(id="a", order_seed=1, init_seed=0, arm=SimpleNamespace(name="mlp/sgd"))
    measured = measure_networks(flushing, (run,), Solutions(Holding, most=10**9))
    assert measured.numbers == {"flushes": 1}
    assert not flushes_denormals()


PLUGIN = """
import numpy as np
from harness import Probe, hookimpl

def measure(parts):
    arm = parts.run.arm.optimizer
    return {"one": 1, "square": np.eye(2)} if arm == "sgd" else {"one": 2}

@hookimpl
def harness_probes():
    return [Probe("odd", measure)]
"""
SGD, ADAM = "lesson_cnn/sgd/cosine", "lesson_cnn/adam/cosine"


@pytest.fixture
def carry_out(benchmark_file, tmp_path):
    """Return a function that runs a tiny benchmark with the probe "odd" in one folder, and returns its records."""
    plugin = tmp_path / "odd.py"
    file = benchmark_file(("seeds = 2\nepochs = 2\n", 'seeds = 1\nepochs = 1\nprobes = ["odd"]\n'))

    def carry_out(text, code=0):
        plugin.write_text(text)
        assert run(Request(file, out=tmp_path / "runs", plugins=(plugin,)), Reporter(quiet=True)) == code
        (folder,) = (path for path in (tmp_path / "runs").iterdir() if path.is_dir())
        return open_records(folder)

    return carry_out


def test_a_whole_run_keeps_what_its_probes_measured(carry_out):
    records = carry_out(PLUGIN)
    runs = records.compared().set_index("arm")
    assert (runs.loc[SGD, "odd.one"], runs.loc[ADAM, "odd.one"]) == (1, 2)
    fresh = records.comparison[records.comparison["role"] == "fresh"].set_index("arm")
    assert (fresh.loc[SGD, "odd.one"], fresh.loc[ADAM, "odd.one"]) == (1, 2)
    arrays = records.probed("odd", runs.loc[SGD, "run_id"])
    assert list(arrays) == ["square"]
    assert np.array_equal(arrays["square"], np.eye(2))
    assert records.probed("odd", runs.loc[ADAM, "run_id"]) == {}
    assert set(records.measured["one"]) == set(runs["run_id"])


def history(records):
    """Return what tells whether anything was trained again: every run with its times, and every epoch."""
    with closing(sqlite3.connect(schema.database(records.folder))) as db:
        runs = db.execute("SELECT run_id, started, ended, seconds, metrics FROM runs ORDER BY run_id").fetchall()
        return runs, db.execute("SELECT * FROM epochs ORDER BY run_id, epoch").fetchall()


@pytest.mark.usefixtures("unreported")
def test_a_corrected_probe_measures_again_and_trains_nothing(carry_out):
    first = carry_out(PLUGIN)
    corrected = carry_out(PLUGIN.replace('"one": 2', '"one": 3'))
    assert corrected.folder == first.folder
    assert history(corrected) == history(first)
    runs = corrected.compared().set_index("arm")
    assert (runs.loc[SGD, "odd.one"], runs.loc[ADAM, "odd.one"]) == (1, 3)
    assert np.array_equal(corrected.probed("odd", runs.loc[SGD, "run_id"])["square"], np.eye(2))
    assert first.meta.probes["odd"]["version"] != corrected.meta.probes["odd"]["version"]


@pytest.mark.usefixtures("unreported")
def test_a_probe_that_fails_is_named_and_the_runs_are_not_to_blame(carry_out):
    records = carry_out(PLUGIN.replace('{"one": 2}', '{"one": 1 / 0}'), code=1)
    assert set(records.compared()["state"]) == {"done"}
    assert set(records.compared()["reason"]) == {""}
    assert records.meta.probes["odd"]["problems"] == [f"{ADAM} seed 0: ZeroDivisionError: division by zero"]
    repaired = carry_out(PLUGIN)
    assert history(repaired) == history(records)
    assert repaired.compared()["odd.one"].notna().all()
