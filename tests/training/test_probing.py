"""Numbers of a probe go to the metrics, arrays to a file beside the records, and a probe that fails is named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from harness.console.progress import Reporter
from harness.plugin.contracts import Probe
from harness.plugin.runs import Done
from harness.records import FolderRecords, Store, open_records
from harness.records.schema import probed
from harness.run.prepare import Request
from harness.run.start import run


def probe(name, **found):
    return Probe(name, lambda parts: found)


def test_numbers_and_arrays_go_their_ways_and_others_are_kept_when_one_fails(parts_of):
    kept = np.arange(6, dtype=np.int64).reshape(2, 3)
    probes = (
        probe("good", one=1, zero_d=np.float32(2.5), tensor=torch.tensor(3.0), array=kept, turned=kept.T),
        Probe("broken", lambda parts: {"fine": kept, "bad": 1 / 0}),
        probe("words", text=np.array(["no"]), fine=1.0),
    )
    done = parts_of(probes=probes).done()
    assert {n: v for n, v in done.metrics.items() if "." in n} == {"good.one": 1, "good.zero_d": 2.5, "good.tensor": 3}
    assert sorted(done.arrays) == ["good.array", "good.turned"]
    assert np.array_equal(done.arrays["good.turned"], kept.T)
    assert done.problems == (
        "probe 'broken' failed: ZeroDivisionError: division by zero",
        "probe 'words' failed: TypeError: words.text must be an array of numbers, got one of <U2",
    )


def test_arrays_come_back_from_the_run_folder_by_probe(tmp_path):
    arrays = {"a.x": np.arange(6.0).reshape(2, 3).T, "a.b.y": np.array([True]), "ab.x": np.array([1], np.uint8)}
    with Store(tmp_path) as store:
        store.append("run", Done(arrays={name: np.ascontiguousarray(each) for name, each in arrays.items()}))
        store.append("none", Done())
    assert not probed(tmp_path, "none").exists()
    empty = pd.DataFrame()
    records = FolderRecords(tmp_path, {}, empty, empty, empty, empty)
    found = records.probed("run", "a")
    assert sorted(found) == ["b.y", "x"]
    assert np.array_equal(found["x"], arrays["a.x"])
    assert records.probed("run", "ab")["x"].dtype == np.uint8
    assert records.probed("none", "a") == {}


def test_the_beginning_is_what_training_began_with_and_uses_no_random_number(parts_of):
    parts = parts_of()
    first = {name: tensor.clone() for name, tensor in parts.model.state_dict().items()}
    for epoch in parts.resume(None, 1):
        for inputs, targets in parts.batches.of(epoch):
            parts.step(inputs, targets)
    before = torch.random.get_rng_state()
    begun = parts.beginning().state_dict()
    assert torch.equal(before, torch.random.get_rng_state())
    assert begun.keys() == first.keys()
    assert all(torch.equal(begun[name], first[name]) for name in first)
    assert not torch.equal(parts.model.state_dict()["0.weight"], first["0.weight"])


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


def test_a_whole_run_keeps_what_its_probes_kept(benchmark_file, tmp_path):
    plugin = tmp_path / "odd.py"
    plugin.write_text(PLUGIN)
    file = benchmark_file(("seeds = 2\nepochs = 2\n", 'seeds = 1\nepochs = 1\nprobes = ["odd"]\n'))
    assert run(Request(file, out=tmp_path / "runs", plugins=(plugin,)), Reporter(quiet=True)) == 0
    records = open_records(next((tmp_path / "runs").iterdir()))
    runs = records.compared().set_index("arm")
    with_one, without = runs.loc["lesson_cnn/sgd/cosine"], runs.loc["lesson_cnn/adam/cosine"]
    assert (with_one["odd.one"], without["odd.one"]) == (1, 2)
    found = records.probed(with_one["run_id"], "odd")
    assert list(found) == ["square"]
    assert np.array_equal(found["square"], np.eye(2))
    assert records.probed(without["run_id"], "odd") == {}


def test_a_probe_that_fails_in_the_middle_of_a_change_costs_no_weight(parts_of):
    def wreck(parts):
        for parameter in parts.model.parameters():
            parameter.data.zero_()
        raise ValueError("half way")

    seen = {}

    def look(parts):
        seen.update({name: each.clone() for name, each in parts.model.state_dict().items()})
        return {"value": 1.0}

    parts = parts_of(probes=(Probe("wreck", wreck), Probe("look", look)))
    before = {name: each.clone() for name, each in parts.model.state_dict().items()}
    done = parts.done()
    assert done.problems == ("probe 'wreck' failed: ValueError: half way",)
    for name, each in before.items():
        assert torch.equal(done.weights[name], each)
        assert torch.equal(seen[name], each)
