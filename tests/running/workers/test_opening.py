"""What a worker opens: the same benchmark, from plain values, whatever has become of the user's files."""

import pickle
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness import Done, Epoch, Failed, Measured, Measurement, Staffing
from harness.console.progress import Reporter
from harness.errors import HarnessError
from harness.plugin.contracts import Split
from harness.running import fold_data
from harness.running.prepare import Request, prepare
from harness.running.workbench import Bench
from harness.running.workers.opening import opening_of
from harness.running.workers.stored import Spool, StoredArray, open_stored
from harness.running.workers.worker import Worker
from harness.training import loop
from harness.training.loop import execute

OWN = '''
"""own: SGD with a step of another size."""
import torch
from harness import Float, Optimizer, hookimpl

@hookimpl
def harness_optimizers():
    build = lambda parameters, lr: torch.optim.SGD(parameters, lr=lr)
    return [Optimizer("own", build, {"lr": Float(0.01, 0.1, log=True)})]
'''


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A benchmark with a plugin file of the user's, prepared; the file is then another one."""
    folder, tiny = tmp_path_factory.mktemp("opened"), Path(__file__).parents[2] / "tiny.toml"
    plugin, file = folder / "own.py", folder / "tiny.toml"
    plugin.write_text(OWN, encoding="utf-8")
    text = tiny.read_text(encoding="utf-8").replace(
        'optimizers = ["sgd", "adam"]', 'optimizers = ["sgd", "sam(own)"]\nbackbones = ["mlp"]'
    )
    text = text.replace("[compare]", '[compare]\nfolds = 2\nprobes = ["distance"]')
    file.write_text('plugins = ["own.py"]\n' + text, encoding="utf-8")
    setting = prepare(Request(file), Reporter(quiet=True))
    opening = opening_of(setting, setting.registry, Staffing(), sys.path)
    plugin.write_text("raise SystemExit", encoding="utf-8")
    return setting, pickle.loads(pickle.dumps(opening))


def run_of(setting, which=0, phase="compare"):
    competitor = setting.plan.competitors[which]
    settings = {"lr": 0.05, "momentum": 0.5, "nesterov": False} if which == 0 else {"lr": 0.05, "rho": 0.05}
    make = setting.compare_run if phase == "compare" else setting.search_run
    return make(competitor, {**settings, "epochs": 2}, seed=0)


def metrics(events):
    return [event.metrics for event in events if isinstance(event, Epoch | Done)]


@pytest.mark.parametrize("which", [0, 1])
def test_a_worker_trains_as_the_driver_does(opened, which):
    setting, opening = opened
    run = run_of(setting, which)
    own = list(execute(run, Bench(setting, lambda run_id: None)))
    worker = Worker(opening)
    events = list(worker.carry_out(run, None, {}))
    assert metrics(events) == metrics(own)
    assert len(metrics(own)) == 3
    assert np.array_equal(events[-1].predictions, own[-1].predictions)


def test_a_worker_loads_the_plugins_that_take_part_and_no_other(opened):
    _, opening = opened
    assert {name.rpartition(".")[2] for name in opening.modules} == {
        "classification", "mlp", "sgd", "sam", "cosine", "distance",
    }  # fmt: skip
    assert [file.name for file in opening.files] == ["own.py"]


def test_a_run_of_another_release_of_a_plugin_is_refused_in_a_line(opened):
    setting, opening = opened
    run = run_of(setting)
    other = replace(run, plugins={**run.plugins, "optimizer": "0" * 64})
    (failed,) = Worker(opening).carry_out(other, None, {})
    assert isinstance(failed, Failed)
    assert failed.reason.startswith(
        "the optimizer of mlp/sgd/cosine: must have the source that the driver has (00000000)"
    )


def test_a_measurement_of_another_version_of_a_probe_is_refused(opened):
    setting, opening = opened
    (failed,) = Worker(opening).carry_out(Measurement("distance", "other", (run_of(setting),)), None, {})
    assert failed.reason.startswith("probe 'distance': must have the source that the driver has (other)")


def test_a_worker_measures_as_the_driver_does(opened):
    setting, opening = opened
    run = run_of(setting)
    solutions = {run.id: list(execute(run, Bench(setting, lambda run_id: None)))[-1].weights}
    job = Measurement("distance", setting.plan.probe_versions["distance"][:16], (run,))
    (own,) = execute(job, Bench(setting, lambda run_id: None, solutions.__getitem__))
    (event,) = Worker(opening).carry_out(job, None, solutions)
    assert isinstance(event, Measured)
    assert event.numbers == own.numbers
    assert event.numbers


@pytest.mark.parametrize("fold", [0, 1])
def test_a_worker_cuts_the_data_of_a_fold_by_its_fingerprint(opened, fold):
    setting, opening = opened
    rows = fold_data.assign(setting.data, 2)[fold]
    run = replace(run_of(setting), data=fold_data.fold_fingerprint(setting.data, rows, 2))
    *_, done = Worker(opening).carry_out(run, None, {})
    assert done.predictions.shape == (len(rows), 2)
    whole = Bench(setting, lambda run_id: None)
    cut = Bench(replace(setting, data=fold_data.cut(setting.data, rows, 2)), lambda run_id: None)
    assert np.array_equal(done.predictions, list(execute(run, cut))[-1].predictions)
    assert np.array_equal(done.predictions, list(execute(run, whole))[-1].predictions)


def test_data_that_is_neither_the_benchmarks_nor_a_fold_is_refused(opened):
    setting, opening = opened
    (failed,) = Worker(opening).carry_out(replace(run_of(setting), data="elsewhere"), None, {})
    assert "its data must be this benchmark's or a fold of it, got elsewhere" in failed.reason


def test_seconds_between_states_are_the_drivers(opened, monkeypatch):
    setting, _ = opened
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    opening = opening_of(setting, setting.registry, Staffing(), sys.path)
    monkeypatch.setattr(loop, "SAVE_EVERY", 10.0)
    epochs = [event for event in Worker(opening).carry_out(run_of(setting), None, {}) if isinstance(event, Epoch)]
    assert all(epoch.state is not None for epoch in epochs)


def test_a_run_goes_on_from_the_state_that_came_with_it(opened, monkeypatch):
    setting, opening = opened
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    worker, run = Worker(replace(opening, save_every=0.0)), run_of(setting)
    whole = list(worker.carry_out(run, None, {}))
    rest = list(worker.carry_out(run, whole[0].state(), {}))
    assert [event.number for event in rest if isinstance(event, Epoch)] == [2]
    assert metrics(rest) == metrics(whole)[1:]


# --- arrays


def test_an_array_of_a_file_stays_there_and_any_other_is_written_once(tmp_path):
    stored = np.arange(60, dtype=np.uint8).reshape(5, 4, 3)
    np.save(tmp_path / "stored.npy", stored)
    mapped = np.load(tmp_path / "stored.npy", mmap_mode="c")
    spool = Spool()
    places = [spool.store(array) for array in (mapped, mapped[2:4], mapped[::2], stored, stored[:0])]
    assert [place.file == str(tmp_path / "stored.npy") for place in places] == [True, True, False, False, False]
    for place, array in zip(places, (mapped, mapped[2:4], mapped[::2], stored, stored[:0]), strict=True):
        back = open_stored(place)
        assert np.array_equal(back, array)
        assert back.dtype == array.dtype
    spool.close()


def test_what_is_written_to_a_mapped_array_stays_in_its_process(tmp_path):
    np.save(tmp_path / "stored.npy", np.zeros(4))
    spool = Spool()
    place = spool.store(np.load(tmp_path / "stored.npy", mmap_mode="r"))
    spool.close()
    assert isinstance(place, StoredArray)
    open_stored(place)[:] = 1
    assert np.load(tmp_path / "stored.npy").sum() == 0


def test_every_array_of_the_data_can_be_replaced_and_put_back(opened):
    setting, opening = opened
    seen = []
    split = Split(np.zeros((2, 3), np.float32), np.zeros(2), ("a", "b"))
    mirrored = replace(opening, mirrored={"mlp": split}, features={"mlp": setting.data})
    emptied = mirrored.with_arrays(lambda array: seen.append(array) or len(seen) - 1)
    assert len(seen) == 6 + 6 + 2
    back = emptied.with_arrays(seen.__getitem__)
    assert back.data.train.inputs is opening.data.train.inputs
    assert back.mirrored["mlp"].targets is split.targets


def test_a_benchmark_that_is_opened_without_its_plugins_has_no_workers(opened):
    with pytest.raises(
        HarnessError, match=r'^train\.executor: must train in this process .*; use executor = "inprocess"'
    ):
        Bench(opened[0], lambda run_id: None).opening()
