"""Predicting photos: the same numbers as in the run, in any number of batches, and every fault named."""

from __future__ import annotations

import csv
import hashlib
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from harness.console.progress import Reporter
from harness.errors import BenchmarkError, DataError, HarnessError, PluginError, RunFolderError
from harness.models import predict as module
from harness.models.choice import choose_model, model_line
from harness.models.predict import PredictionRequest, predict
from harness.plugin.contracts import Backbone
from harness.records import open_records
from harness.results.tables import winner
from harness.running.prepare import Request
from harness.running.start import run

WRITTEN = 5e-6  # how close a table comes: six digits are written, 5e-7, and float32 in other batches adds about as much
NETWORK = "test_resnet"  # timm's tiny one


@pytest.fixture
def weights(place):
    """The folder with random weights for the tiny network."""
    return place / "weights"


@pytest.fixture
def unlabelled(place):
    """The photos of the test split, numbered in its order."""
    return place / "photos"


@pytest.fixture
def said(monkeypatch):
    """What the user is told."""
    lines = []
    monkeypatch.setattr(Reporter, "say", lambda self, text, style="", brief=False: lines.append(text))
    return lines


def table(file: Path) -> tuple[list[str], list[list[str]]]:
    head, *rows = csv.reader(file.read_text().splitlines())
    return head, rows


def values(file: Path) -> np.ndarray:
    return np.array([[float(cell) for cell in row[1:]] for row in table(file)[1]])


def go(folder, photos, out, **more):
    return predict(PredictionRequest(folder, photos, out, **{"clip": (0.0, 1.0), **more}), Reporter(quiet=True))


@pytest.mark.parametrize("regime", ["scratch", "finetune", "features"])
def test_the_runs_own_test_photos_get_the_recorded_predictions(finished, unlabelled, tmp_path, regime):
    folder = finished(regime)
    records = open_records(folder)
    go(folder, unlabelled, tmp_path / "a.csv")
    (run_id,) = choose_model(records).run_ids
    recorded = records.predictions(run_id)[:, 1:]
    np.testing.assert_allclose(values(tmp_path / "a.csv"), recorded, atol=WRITTEN)
    assert [row[0] for row in table(tmp_path / "a.csv")[1]] == [str(i) for i in range(1, 81)]
    go(folder, unlabelled, tmp_path / "e.csv", ensemble=True, arm=choose_model(records).arm)
    both = np.mean(
        [records.predictions(run_id)[:, 1:] for run_id in choose_model(records, ensemble=True).run_ids], axis=0
    )
    np.testing.assert_allclose(values(tmp_path / "e.csv"), both, atol=WRITTEN)
    assert np.abs(recorded - both).max() > 10 * WRITTEN


def test_tune_chooses_and_test_has_no_say(finished):
    records = open_records(finished("scratch"))
    a, b = records.meta.arms
    metric = records.deciding.tune_column
    of = {
        arm: records.runs.index[(records.runs["arm"] == arm) & (records.runs["phase"] == "compare")] for arm in (a, b)
    }
    records.runs.loc[of[a], [metric, "test_accuracy"]] = [[0.9, 0.0], [0.6, 0.0]]  # mean 0.75, the best seed
    records.runs.loc[of[b], [metric, "test_accuracy"]] = [[0.8, 1.0], [0.8, 1.0]]
    assert choose_model(records).arm == b
    assert choose_model(records).run_ids == (records.runs.loc[of[b][0], "run_id"],)  # of equals, the first
    assert model_line(records) == (
        f"'harness predict' and 'harness export' take {b.split('/')[1]}, seed 0: the best arm on tune, and its best seed there "
        "(tune accuracy 80.00 %, test accuracy 100.00 %)"
    )
    records.runs.loc[of[b], metric] = [0.7, 0.8]  # equal means: the first arm
    assert choose_model(records).arm == a
    assert choose_model(records, arm=b).run_ids == (records.runs.loc[of[b][1], "run_id"],)
    records.meta.metrics["accuracy"]["goal"] = "min"
    records.runs.loc[of[b], metric] = [0.1, 0.2]
    assert choose_model(records).run_ids == (records.runs.loc[of[b][0], "run_id"],)
    records.runs.loc[of[b], "state"] = "diverged"
    assert choose_model(records).arm == a
    assert choose_model(records, ensemble=True).run_ids == tuple(records.runs.loc[of[a], "run_id"])
    records.runs.loc[of[a], "state"] = "failed"
    with pytest.raises(RunFolderError, match="must have a finished comparison run with a tune accuracy, got none"):
        choose_model(records)
    assert model_line(records) == ""
    with pytest.raises(BenchmarkError, match="--arm: must be an arm of the run, got 'lesson_cnn/sgd'; did you mean"):
        choose_model(records, arm="lesson_cnn/sgd")


def test_the_model_is_that_of_the_table_winner(finished):
    """One rule chooses the arm and the seed: of the runs that have a finite tune score."""
    records = open_records(finished("scratch"))
    a, b = records.meta.arms
    metric = records.deciding.tune_column
    of = {
        arm: records.runs.index[(records.runs["arm"] == arm) & (records.runs["phase"] == "compare")] for arm in (a, b)
    }
    records.runs.loc[of[a], metric] = [np.nan, 0.7]
    records.runs.loc[of[b], metric] = [0.8, 0.6]  # equal means, up to what rounding makes of them
    row = winner.compute(records).iloc[0]
    choice = choose_model(records)
    assert (
        (choice.arm, choice.run_ids) == (row["arm"], (row["run_id"],)) == (a, (records.runs.loc[of[a][1], "run_id"],))
    )
    assert choose_model(records, ensemble=True).run_ids == choice.run_ids
    records.runs.loc[[*of[a], *of[b]], metric] = np.nan
    with pytest.raises(RunFolderError, match="must have a finished comparison run with a tune accuracy, got none"):
        choose_model(records)


@pytest.mark.parametrize("regime", ["scratch", "features"])
def test_views_are_the_photo_its_mirror_and_corners_where_the_cut_leaves_some(
    finished, unlabelled, tmp_path, regime, said
):
    """The mean of what the views get one by one, each cut by hand out of a photo that needs no scaling."""
    folder = finished(regime)
    crop = open_records(folder).meta.data["crop"]
    side = int(32 / crop)
    pixels = np.random.default_rng(0).integers(0, 255, (side, side, 3), dtype=np.uint8)
    low, mid, high = 0, round((side - 32) / 2), side - 32
    corners = [(low, low), (low, high), (high, low), (high, high)]
    views = [pixels[y : y + 32, x : x + 32] for y, x in [(mid, mid), *(corners if regime == "features" else [])]]
    views.append(views[0][:, ::-1])
    (tmp_path / "whole").mkdir()
    (tmp_path / "views").mkdir()
    Image.fromarray(pixels).save(tmp_path / "whole" / "1.png")
    for i, view in enumerate(views):  # framed, so that the cut of the run gives the view back
        frame = np.zeros((side, side, 3), np.uint8)
        frame[mid : mid + 32, mid : mid + 32] = view
        Image.fromarray(frame).save(tmp_path / "views" / f"{i}.png")
    go(folder, tmp_path / "whole", tmp_path / "a.csv", tta=True)
    go(folder, tmp_path / "views", tmp_path / "b.csv")
    assert values(tmp_path / "a.csv")[0, 0] == pytest.approx(values(tmp_path / "b.csv").mean(), abs=WRITTEN)
    assert len(views) == (6 if regime == "features" else 2)
    assert any(f"mean over {len(views)} views of each photo" in line for line in said)


def test_a_zip_gives_the_same_bytes_and_batches_change_nothing(finished, unlabelled, tmp_path, monkeypatch):
    folder = finished("features")
    with zipfile.ZipFile(tmp_path / "test1.zip", "w") as archive:
        for file in unlabelled.iterdir():
            archive.write(file, f"test1/{file.name}")
    go(folder, unlabelled, tmp_path / "a.csv")
    go(folder, tmp_path / "test1.zip", tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    monkeypatch.setattr(module, "BATCH", 7)
    go(folder, unlabelled, tmp_path / "c.csv")
    np.testing.assert_allclose(values(tmp_path / "c.csv"), values(tmp_path / "a.csv"), atol=WRITTEN)


def test_unreadable_photos_get_a_half_and_are_named(finished, unlabelled, tmp_path, said):
    shutil.copytree(unlabelled, tmp_path / "mixed")
    for number in (2, 70, 71, 72, 73, 74, 75):
        (tmp_path / "mixed" / f"{number}.jpg").write_bytes(b"no photo")
    (tmp_path / "mixed" / "71.jpg").unlink()
    (tmp_path / "mixed" / "71.jpg").symlink_to("nowhere.jpg")
    go(finished("scratch"), unlabelled, tmp_path / "a.csv")
    assert go(finished("scratch"), tmp_path / "mixed", tmp_path / "b.csv") == 7
    whole, mixed = values(tmp_path / "a.csv")[:, 0], values(tmp_path / "b.csv")[:, 0]
    bad = np.isin(np.arange(1, 81), [2, 70, 71, 72, 73, 74, 75])
    assert (mixed[bad] == 0.5).all()
    assert (mixed[~bad] == whole[~bad]).all()
    text = "\n".join(said)
    assert "warning: 7 of 80 photos could not be read and got 0.5:" in text
    assert "  2.jpg: cannot identify image file" in said
    assert "  71.jpg: No such file or directory" in said
    assert said[-1] == "  ... and 2 more"


def test_every_file_that_could_be_a_photo_has_a_row_and_the_others_are_counted(finished, unlabelled, tmp_path, said):
    go(finished("scratch"), unlabelled, tmp_path / "a.csv")
    mixed = tmp_path / "mixed"
    shutil.copytree(unlabelled, mixed)
    for name, other in (("3.jpg", "3.jfif"), ("4.jpg", "4"), ("5.jpg", "5.dat")):
        (mixed / name).rename(mixed / other)
    (mixed / "6.jpg").unlink()
    (mixed / "6.avif").write_bytes(b"\0\0\0\x20ftypavif\0\0\0\0")
    (mixed / "notes.txt").write_text("notes")
    (mixed / ".DS_Store").write_text("rubbish")
    assert go(finished("scratch"), mixed, tmp_path / "b.csv") == 1
    (head, rows), (_, expected) = table(tmp_path / "b.csv"), table(tmp_path / "a.csv")
    expected[5][1:] = ["0.5"]
    assert [rows, head] == [expected, ["id", "label"]]
    assert "note: 1 file is passed over, 1 not a photo (.txt): notes.txt" in said
    assert "  6.avif: AVIF images are not read; save it as JPEG or PNG" in said


def test_probabilities_are_of_dogs_and_clipped(finished, unlabelled, tmp_path):
    go(finished("scratch"), unlabelled, tmp_path / "a.csv")
    low, high = np.quantile(values(tmp_path / "a.csv"), [0.3, 0.7])
    go(finished("scratch"), unlabelled, tmp_path / "b.csv", clip=(float(low), float(high)))
    np.testing.assert_allclose(values(tmp_path / "b.csv"), values(tmp_path / "a.csv").clip(low, high), atol=WRITTEN)
    with pytest.raises(BenchmarkError, match="--clip: must be LOW HIGH"):
        go(finished("scratch"), unlabelled, tmp_path / "c.csv", clip=(0.5, 0.5))


@pytest.mark.parametrize(
    ("classes", "columns"),
    [
        (["cats", "dogs"], {"label": 1}),
        (["Dog", "cat"], {"label": 0}),
        (["a", "b"], {"label": 1}),
        (["a", "dog", "c"], {"a": 0, "dog": 1, "c": 2}),
        (["id", "label", "z"], {"class id": 0, "label": 1, "z": 2}),
        (["a", "class id", "id"], {"a": 0, "class id": 1, "class class id": 2}),
        (["id", "label"], {"label": 1}),
    ],
)
def test_the_columns_are_the_classes(classes, columns):
    assert module._name_columns(classes) == columns


def test_rows_of_more_than_two_classes_sum_to_1_unless_they_are_clipped():
    probabilities = np.array([0.9990, 0.0007, 0.0003])
    classes = ("a", "predicted", "id")
    whole = module.Table(classes, predicted=True)
    assert whole.head == ["id", "a", "predicted", "class id", "class predicted"]
    photo, *values, named = whole.row(7, probabilities, readable=True)
    assert (photo, named) == (7, "a")
    assert sum(map(float, values)) == pytest.approx(1, abs=3 * 5e-7)
    clipped = module.Table(classes, (0.005, 0.995)).row(7, probabilities, readable=True)
    assert clipped == [7, "0.995", "0.005", "0.005"]
    assert whole.row(8, np.full(3, 1 / 3), readable=False)[-1] == ""
    assert PredictionRequest(Path("run"), Path("photos")).clip == (0.0, 1.0)


def test_ids_keep_their_zeros_where_they_are_names(finished, unlabelled, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("00001.jpg", "c0ffee.jpg"):
        shutil.copy(next(unlabelled.iterdir()), tmp_path / "photos" / name)
    for ids, expected in {"number": ["1", "c0ffee.jpg"], "name": ["00001", "c0ffee"]}.items():
        go(finished("scratch"), tmp_path / "photos", tmp_path / "a.csv", ids=ids)
        assert [row[0] for row in table(tmp_path / "a.csv")[1]] == expected
    with pytest.raises(BenchmarkError, match="--ids: must be number or name, got 'names'; did you mean 'name'"):
        go(finished("scratch"), unlabelled, tmp_path / "b.csv", ids="names")


def test_other_weights_than_the_runs_are_refused(finished, unlabelled, weights, tmp_path, registry):
    from safetensors.torch import save_file

    torch.manual_seed(1)
    model = registry.get("backbone", NETWORK, Backbone).build((3, 32, 32), 1000)
    save_file(model.state_dict(), tmp_path / f"{NETWORK}.safetensors")
    folder = finished("features")
    with pytest.raises(DataError, match=r"must be the weights the run was made with .* --set train.pretrained=FILE"):
        go(folder, unlabelled, tmp_path / "a.csv", overrides=(f"train.pretrained={tmp_path}",))
    assert not (tmp_path / "a.csv").exists()
    go(folder, unlabelled, tmp_path / "a.csv", overrides=(f"train.pretrained={weights / NETWORK}.safetensors",))
    with pytest.raises(BenchmarkError, match=r"--set: must be one of .*, got 'train\.l2'"):
        go(folder, unlabelled, tmp_path / "a.csv", overrides=("train.l2=1",))


def test_what_is_no_run_or_no_place_is_one_line(finished, unlabelled, tmp_path):
    with pytest.raises(RunFolderError, match="must be a run folder"):
        go(tmp_path, unlabelled, tmp_path / "a.csv")
    with pytest.raises(DataError, match="--out: must be a file that can be written"):
        go(finished("scratch"), unlabelled, tmp_path / "none" / "a.csv")
    folder = shutil.copytree(finished("scratch"), tmp_path / "run")
    for file in (folder / "solutions").iterdir():
        file.unlink()
    with pytest.raises(HarnessError, match=r"must have its files whole: the records promise .* is not there"):
        go(folder, unlabelled, tmp_path / "a.csv")
    assert not list(tmp_path.glob("a.csv*"))


def test_the_command_writes_the_table_and_ends_well_though_photos_are_unreadable(
    finished, unlabelled, tmp_path, monkeypatch, capsys
):
    from harness.cli.app import main

    monkeypatch.chdir(tmp_path)
    shutil.copytree(unlabelled, tmp_path / "mixed")
    (tmp_path / "mixed" / "5.jpg").write_bytes(b"no photo")
    with pytest.raises(SystemExit) as ended:
        main(
            ["predict", str(finished("scratch")), "mixed", "--clip", "0.1", "0.9", "--tta", "--ensemble", "--predicted"]
        )
    assert not ended.value.code
    head, rows = table(tmp_path / "submission.csv")
    assert head == ["id", "label", "predicted"]
    assert rows[4] == ["5", "0.5", ""]
    for number, (_, probability, named) in enumerate(rows, 1):
        assert number == 5 or named == ("dogs" if float(probability) > 0.5 else "cats")
    assert all(0.1 <= float(row[1]) <= 0.9 for row in rows)
    printed = capsys.readouterr().out
    assert "the column label has the probability of dogs\n" in printed
    assert "warning: 1 of 80 photos could not be read and got 0.5:" in printed


def test_the_command_prints_what_the_page_shows(finished, unlabelled, tmp_path, monkeypatch, capsys, shown):
    from harness.cli.app import main

    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(finished("features")), str(unlabelled), "--ensemble", "--tta"])
    assert not ended.value.code
    printed = capsys.readouterr().out.splitlines()
    patterns = shown("docs/predict.md", "harness predict")
    assert len(printed) == len(patterns) >= 5
    assert [line for line, pattern in zip(printed, patterns, strict=True) if not pattern.fullmatch(line)] == []


def test_a_table_is_written_again_and_another_file_only_where_that_is_asked_for(finished, unlabelled, tmp_path):
    folder, out = finished("scratch"), tmp_path / "a.csv"
    go(folder, unlabelled, out)
    first = out.read_bytes()
    go(folder, unlabelled, out)
    assert out.read_bytes() == first
    with pytest.raises(
        DataError, match=r"got .*a\.csv', a table with other columns; name another, or replace it with --force$"
    ):
        go(folder, unlabelled, out, predicted=True)
    assert out.read_bytes() == first
    go(folder, unlabelled, out, predicted=True, force=True)
    assert table(out)[0] == ["id", "label", "predicted"]


def test_a_loose_plugin_of_the_run_has_to_be_named_and_is_compared_with_the_recorded_one(
    unlabelled, place, benchmark_text, tmp_path, said
):
    plugin = tmp_path / "pixels.py"
    plugin.write_text(
        """from harness import Backbone, hookimpl


def build(input_shape, outputs):
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, outputs))


@hookimpl
def harness_backbones():
    return [Backbone(name="pixels", build=build)]
"""
    )
    text = benchmark_text("scratch", "pixels").replace(', "adam"', "").replace("seeds = 2", "seeds = 1")
    (tmp_path / "b.toml").write_text(text)
    request = Request(tmp_path / "b.toml", data=place / "data", out=tmp_path / "runs", plugins=(plugin,))
    assert run(request, Reporter(quiet=True)) == 0
    assert f"plugin files that are run: {plugin}" in said
    (folder,) = (tmp_path / "runs").iterdir()
    recorded = hashlib.sha256(plugin.read_bytes()).hexdigest()
    with pytest.raises(PluginError) as wrong:  # although it still is where and what it was
        go(folder, unlabelled, tmp_path / "a.csv")
    assert "must have the plugin of the backbone 'pixels', got none of that name" in str(wrong.value)
    assert f"--plugin FILE (pixels.py, SHA-256 {recorded[:12]}...)" in str(wrong.value)
    go(folder, unlabelled, tmp_path / "a.csv", plugins=(plugin,))
    moved = plugin.rename(tmp_path / "elsewhere.py")
    go(folder, unlabelled, tmp_path / "b.csv", plugins=(moved,))
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert not [line for line in said if "has changed" in line]
    moved.write_text(moved.read_text().replace("nn.Flatten()", "nn.Flatten(), nn.Identity()"))
    with pytest.raises(HarnessError, match="must fit the network, got RuntimeError"):
        go(folder, unlabelled, tmp_path / "b.csv", plugins=(moved,))
    now = hashlib.sha256(moved.read_bytes()).hexdigest()
    assert (
        f"warning: plugin elsewhere has changed since the run was made (SHA-256 {recorded[:12]}... then, {now[:12]}... now)"
    ) in said
