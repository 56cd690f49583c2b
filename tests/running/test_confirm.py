"""The whole network confirms what cached features gave, once, and finds a feature that is wrong."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from harness_reports._page._confirmations import confirmations
from PIL import Image

from harness.console.progress import Reporter
from harness.plugin.contracts import Backbone
from harness.records import open_records
from harness.records.files import checksum
from harness.running.after import confirm as module
from harness.running.forecast import timing
from harness.running.forecast.estimate import estimate
from harness.running.forecast.lines import estimate_lines
from harness.running.prepare import Request
from harness.running.start import run

NETWORK = "test_resnet"  # timm's tiny one
BENCHMARK = """
name = "small"
[data]
dataset = "folder"
size = 32
tune = 0.25
[train]
executor = "inprocess"
regime = "features"
backbones = ["test_resnet"]
heads = ["linear", "mlp"]
optimizers = ["sgd"]
batch_size = 8
precision = "fp32"
device = "cpu"
threads = 1
[search]
trials = 1
epochs = [1]
[search.space.sgd]
lr = 0.1
[compare]
looks = [1]
seeds = 2
epochs = 3
probes = []
untuned = 0
[report]
formats = ["text"]
paths = false
"""
PAGE = 'report.formats=["html"]'
SUMMARY = "The whole network, from pixels to probabilities</summary>"
PHOTOS = 75  # of each class in the test split: more than a batch


@pytest.fixture(scope="module")
def place(tmp_path_factory, registry):
    """A folder with photos, random weights for the tiny network, and the benchmark."""
    from safetensors.torch import save_file

    root = tmp_path_factory.mktemp("place")
    for split, count in (("train", 12), ("valid", PHOTOS)):
        for number, label in enumerate(("cats", "dogs")):
            (root / "data" / split / label).mkdir(parents=True)
            for i in range(count):
                random = np.random.default_rng([number, i, count])
                pixels = random.integers(0, 200, (40, 40, 3), dtype=np.uint8)
                pixels[..., number] += 55
                Image.fromarray(pixels).save(root / "data" / split / label / f"{label}.{i}.jpg", quality=90)
    torch.manual_seed(0)
    model = registry.get("backbone", NETWORK, Backbone).build((3, 32, 32), 1000)
    save_file(model.state_dict(), root / f"{NETWORK}.safetensors")
    (root / "b.toml").write_text(BENCHMARK)
    return root


def carried_out(place, out, *overrides):
    """Carry the benchmark out in a folder; return the exit code, the records, and what was said."""
    said: list[str] = []
    reporter = Reporter(quiet=True)
    reporter.say = lambda text, style="", brief=False: said.append(text)
    code = run(Request(place / "b.toml", data=place / "data", out=out, overrides=overrides), reporter)
    return code, open_records(next(out.iterdir())), said


@pytest.fixture(scope="module")
def left_out(place, tmp_path_factory, leave_out_reports):
    """A folder with a run that confirmed nothing, and the cached features."""
    folder = tmp_path_factory.mktemp("left-out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_WEIGHTS", str(place))
        patch.setenv("HARNESS_CACHE", str(folder / "cache"))
        leave_out_reports(patch)
        code, records, _ = carried_out(place, folder / "runs", "compare.confirm=false")
    assert (code, records.meta.confirmations) == (0, {})
    return folder


@pytest.fixture
def carry_out(place, left_out, tmp_path, monkeypatch):
    """Return a function that carries the benchmark out; in the folder ``runs`` it goes on with a copy of the run."""
    shutil.copytree(left_out, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("HARNESS_WEIGHTS", str(place))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return lambda *overrides, out="runs": carried_out(place, tmp_path / out, *overrides)


def spoil(cache: Path, row: int) -> None:
    """Write wrong numbers over one row of the cached features."""
    (file,) = (cache / "features").glob("*.npy")
    rows = np.load(file)
    rows[row] = -10 * rows[row] + 5
    np.save(file, rows)
    notes = file.with_suffix(".json")  # they are wrong, and whole
    notes.write_text(json.dumps({**json.loads(notes.read_text()), "sha256": checksum(file)}))


@pytest.mark.usefixtures("undrawn")
def test_every_arm_is_confirmed_by_its_first_seed_and_never_again(carry_out, monkeypatch, request):
    code, records, said = carry_out(PAGE)
    assert code == 0
    found = records.meta.confirmations
    assert set(found) == set(records.meta.arms)
    first = records.compared().query("seed == 0").set_index("arm")
    for arm, each in found.items():
        assert each["run_id"] == first["run_id"][arm]
        assert (each["examples"], each["all"], each["same"]) == (2 * PHOTOS, 2 * PHOTOS, 2 * PHOTOS)
        assert each["whole"] == each["cached"] == first["test_accuracy"][arm]
        assert each["largest"] < 1e-5
        assert each["agrees"]
    assert any(line.startswith(f"{NETWORK}: the whole network was run on 150 test photos for 2 arms") for line in said)
    page = (records.folder / "report.html").read_text()
    assert SUMMARY in page
    assert "150 of 150" in page
    monkeypatch.setattr(module, "load_frozen", lambda *_: pytest.fail("must not run again"))
    request.getfixturevalue("unreported")  # from here on
    assert carry_out()[1].meta.confirmations == found


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("most", [150, 31])
def test_a_wrong_feature_of_a_test_photo_is_found_and_said_loudly(carry_out, tmp_path, monkeypatch, request, most):
    monkeypatch.setattr(module, "MOST", most)
    row = 24 + 149  # after train and tune: the last test photo, which an even choice has too
    spoil(tmp_path / "cache", row)
    with_page = [PAGE] if most == 150 else []
    if not with_page:
        request.getfixturevalue("unreported")
    code, records, said = carry_out(*with_page, out="trained on it")
    assert code == 1
    found = records.meta.confirmations
    assert {each["examples"] for each in found.values()} == {most}
    linear = found[f"{NETWORK}+linear/sgd/cosine"]
    assert not linear["agrees"]
    assert linear["largest"] > 0.01
    assert any("warning" in line and "the whole network disagrees with the cached features" in line for line in said)
    if with_page:
        page = (records.folder / "report.html").read_text()
        assert "disagrees with the cached features" in page
        assert '<li class="bad">' in page
    request.getfixturevalue("unreported")  # from here on
    again = carry_out(out="trained on it")
    assert again[0] == 1  # it stays said
    assert any("disagrees" in line for line in again[2])


@pytest.mark.usefixtures("unreported")
def test_what_is_missing_is_confirmed_and_what_cannot_be_is_named(carry_out, monkeypatch):
    _, records, _ = carry_out()
    found = records.meta.confirmations
    linear, _ = found
    with sqlite3.connect(records.folder / "run.db") as db:  # as after a kill between the two
        db.execute("UPDATE meta SET value = ? WHERE key = 'confirmations'", (json.dumps({linear: found[linear]}),))
    db.close()

    def fails(*_):
        raise ValueError("no such layer")

    monkeypatch.setattr(module, "load_frozen", fails)
    code, records, said = carry_out()
    assert code == 1
    assert set(records.meta.confirmations) == {linear}
    line = next(line for line in said if "could not be run" in line)
    assert line.endswith("could not be run to confirm its features: ValueError: no such layer")


@pytest.mark.usefixtures("unreported")
def test_it_can_be_left_out_and_turned_on_later_in_the_same_folder(carry_out, left_out):
    (before,) = (left_out / "runs").iterdir()
    records = open_records(before)
    assert (
        confirmations(SimpleNamespace(records=records, looks=records.meta.arms)) is None
    )  # the page says nothing of it
    _, after, _ = carry_out()
    assert after.folder.name == before.name
    assert len(after.meta.confirmations) == 2


@pytest.mark.usefixtures("unreported")
def test_run_and_plan_say_in_which_precision_features_and_heads_are_computed(carry_out, place, tmp_path, monkeypatch):
    monkeypatch.setattr(timing, "SECONDS_PER_ARM", 0.02)
    code, _, said = carry_out("train.precision=bf16", "compare.confirm=false", out="others")
    assert code == 0
    machine = "(features in bf16, heads in fp32, 1 thread)"
    (begin,) = [line for line in said if machine in line]
    assert re.match(r"\d+ runs to do on ", begin)
    request = Request(place / "b.toml", data=place / "data", out=tmp_path / "new", overrides=("train.precision=bf16",))
    document = estimate(request, Reporter(quiet=True))
    assert document["precisions"] == {"features": "bf16", "heads": "fp32"}
    assert estimate_lines(document)[0].endswith(machine)
