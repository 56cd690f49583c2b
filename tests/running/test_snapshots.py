"""Snapshots in a whole benchmark: recorded, on disk, predicted with, reported; and no kill loses or doubles one."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.console.progress import Reporter
from harness.errors import RunFolderError
from harness.models.choice import choose_model
from harness.models.predict import PredictionRequest, predict
from harness.records import open_records, schema, store
from harness.records.reader import load_arrays
from harness.running.prepare import Request
from harness.running.start import run
from harness.training import loop

ASKED = ("epochs = 2\n", "epochs = 7\nsnapshots = true\nprobes = []\n")
QUICK = (
    ("trials = 3", "trials = 1"), ("epochs = [1, 2]", "epochs = [1]"), ('"sgd", "adam"', '"sgd"'),
    ("[train]", '[train]\nschedulers = ["sgdr", "cosine"]'),
)  # fmt: skip


class Killed(BaseException):
    """No code of ours catches this."""


@pytest.fixture
def carry_out(benchmark_file, tmp_path):
    """Return a function that carries a small benchmark out and returns its records."""

    def start(*replacements, out="runs", **more):
        file = benchmark_file(*QUICK, *(replacements or [ASKED]))
        assert run(Request(file, out=tmp_path / out, **more), Reporter(quiet=True)) == 0
        return open_records(next((tmp_path / out).iterdir()))

    return start


def kept(records) -> dict[str, bytes]:
    """Return every snapshot's bytes."""
    return {file.name: file.read_bytes() for file in (records.folder / "solutions").glob("*.epoch*")}


@pytest.mark.usefixtures("undrawn")
def test_runs_with_cycles_keep_them_others_do_not(carry_out, page):
    records = carry_out(ASKED, page)
    compared = records.compared().set_index("arm")
    sgdr, cosine = compared.loc["lesson_cnn/sgd/sgdr"], compared.loc["lesson_cnn/sgd/cosine"]
    assert set(kept(records)) == {f"{run}.epoch{epoch}.safetensors" for run in sgdr["run_id"] for epoch in (1, 3)}
    for _, seed in sgdr.iterrows():
        stored = load_arrays(schema.prediction(records.folder, seed["run_id"]))
        assert stored["snapshots"].shape == (2, 64, 2)
        every = [*stored["snapshots"], stored["predictions"]]
        right = [(each.argmax(axis=1) == records.targets).mean() for each in (*every, np.mean(every, axis=0))]
        names = ("snapshot1_test_accuracy", "snapshot2_test_accuracy", "test_accuracy", "snapshots_test_accuracy")
        assert [seed[name] for name in names] == pytest.approx(right)
    assert cosine["snapshots_test_accuracy"].isna().all()
    assert records.meta.schedules["lesson_cnn/sgd/sgdr"]["kept"] == [1, 3, 7]
    assert list(records.meta.schedules["lesson_cnn/sgd/sgdr"]["cycle_ends"]) == [4, 12, 28]
    html = (records.folder / "report.html").read_text()
    assert "Snapshots</summary>" in html
    assert "cycles end after epoch 1, 3 and 7, where the weights are kept" in html


@pytest.mark.usefixtures("unreported")
def test_asked_for_later_only_arms_with_cycles_are_trained_again(carry_out):
    before = carry_out((ASKED[0], ASKED[1].replace("snapshots = true\n", "")))
    assert not kept(before)
    after = carry_out()
    assert after.folder == before.folder
    old, new = (records.compared().set_index(["arm", "seed"]) for records in (before, after))
    assert (old["run_id"] == new["run_id"]).groupby("arm").all().to_dict() == {
        "lesson_cnn/sgd/cosine": True,
        "lesson_cnn/sgd/sgdr": False,
    }
    np.testing.assert_array_equal(old["test_accuracy"], new["test_accuracy"])


@pytest.mark.usefixtures("unreported")
def test_killed_after_every_save_the_snapshots_are_those_of_an_undisturbed_run(carry_out, monkeypatch):
    save, left, fatal = store.save_tensors, 0, []

    def then_killed(path, *rest):
        nonlocal left
        save(path, *rest)
        left -= 1
        if left == 0:
            fatal.append(path.name)
            raise Killed

    one_seed = (ASKED, ("seeds = 2", "seeds = 1"))
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(store, "save_tensors", then_killed)
    whole = carry_out(*one_seed, out="whole")
    for saves in (2, 2, 2, 3, 3, 5, 1, 1):
        left = saves
        with pytest.raises(Killed):
            carry_out(*one_seed, out="killed")
    assert len(fatal) == 8
    assert any(".epoch" in name for name in fatal)  # after a snapshot, before the state that goes past it
    left = 0
    killed = carry_out(*one_seed, out="killed")
    assert kept(killed) == kept(whole)
    (run_id,) = whole.compared().query("arm == 'lesson_cnn/sgd/sgdr'")["run_id"]
    stored = [load_arrays(schema.prediction(records.folder, run_id))["snapshots"] for records in (killed, whole)]
    np.testing.assert_array_equal(*stored)
    same = [name for name in whole.runs if name.startswith(("snapshot", "test_"))]
    assert len(same) > 9
    assert killed.compared()[same].equals(whole.compared()[same])


def test_snapshots_of_a_run_that_fails_are_not_left_behind(tmp_path, benchmark_file):
    from harness.plugin.runs import Arm, Epoch, Failed, Run, State

    folder = tmp_path / "run"
    arm = Arm("lesson_cnn", "sgd", "cosine")
    run = Run("compare", arm, {}, {}, 1, 8, 0.0, (), "fp32", "classification", 0, 0, "0", {})
    with store.Store(folder) as opened:
        weights = {"w": torch.zeros(1)}
        opened.add_runs([run], "here")
        opened.append(run.id, Epoch(1, 1, 1.0, 0.1, {}, lambda: State({}, {}), lambda: weights))
        assert schema.snapshot(folder, run.id, 1).is_file()
        opened.append(run.id, Failed("diverged", "too far"))
    assert schema.snapshots(folder, run.id) == []


def write_photos(records, request_file, tmp_path) -> Path:
    from PIL import Image

    from harness.running.prepare import prepare

    test = prepare(Request(request_file), Reporter(quiet=True)).data.test
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, pixels in enumerate(test.inputs, 1):
        Image.fromarray(np.ascontiguousarray(pixels)).save(folder / f"{number}.png")
    return folder


@pytest.mark.usefixtures("unreported")
def test_predicting_with_snapshots_is_the_mean_of_what_was_recorded(carry_out, benchmark_file, tmp_path):
    records = carry_out()
    photos = write_photos(records, tmp_path / "tiny.toml", tmp_path)
    runs = records.compared().query("arm == 'lesson_cnn/sgd/sgdr'")["run_id"]
    stored = {run_id: load_arrays(schema.prediction(records.folder, run_id)) for run_id in runs}
    means = {
        run_id: np.mean([*each["snapshots"], each["predictions"]], axis=0)[:, 1] for run_id, each in stored.items()
    }

    def values(**more):
        out = tmp_path / "out.csv"
        wanted = PredictionRequest(records.folder, photos, out, clip=(0.0, 1.0), overrides=("train.threads=1",), **more)
        predict(wanted, Reporter(quiet=True))
        with out.open(newline="") as file:
            return [float(row["label"]) for row in csv.DictReader(file)]

    (best,) = choose_model(records, snapshots=True).run_ids
    np.testing.assert_allclose(values(snapshots=True), means[best], atol=2e-5)
    np.testing.assert_allclose(values(snapshots=True, ensemble=True), np.mean(list(means.values()), axis=0), atol=2e-5)
    assert "the snapshots of" in choose_model(records, snapshots=True).why
    with pytest.raises(RunFolderError, match=r"must have snapshots of lesson_cnn/sgd/cosine, got none; .* \(sgdr\)"):
        choose_model(records, "lesson_cnn/sgd/cosine", snapshots=True)
