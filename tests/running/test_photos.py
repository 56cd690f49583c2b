"""From a run on drawings to suspects, to a run without them: what is recorded, written, left out and shown."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from harness.cli.data_suspects import as_csv, list_suspects, write_csv
from harness.console.progress import Reporter
from harness.data.likeness import likeness
from harness.errors import BenchmarkError, DataError, RunFolderError
from harness.plugin.contracts import Analysis, Data, Split
from harness.records import FolderRecords, open_records
from harness.running.after.thumbnails import SIDE, small, write_thumbnails
from harness.running.fold_data import assign
from harness.running.prepare import Request
from harness.running.start import run

QUIET = Reporter(quiet=True)


@pytest.fixture
def carry_out(tmp_path):
    """Return a function that runs a benchmark and returns the folder it made, or the one that was there."""

    def start(file):
        before = set((tmp_path / "runs").glob("*"))
        assert run(Request(file, out=tmp_path / "runs"), QUIET, ["harness", "run", str(file)]) == 0
        made = set((tmp_path / "runs").glob("*")) - before or before
        return made.pop()

    return start


@pytest.mark.usefixtures("undrawn")
def test_from_suspects_to_a_run_without_them(benchmark_file, page, carry_out, registry, tmp_path):
    small = (("trials = 3", "trials = 1"), page)
    folder = carry_out(benchmark_file(("[compare]", "[compare]\nfolds = 4"), *small))
    records = open_records(folder)
    assert records.examples.groupby("split").size().to_dict() == {"test": 64, "train": 64, "tune": 32}
    assert not records.examples["excluded"].any()
    assert records.out_of_fold.shape == (64, 2)
    first = records.compared()["run_id"].iloc[0]
    tuned = records.predictions(first, "tune")
    labels = records.examples.query("split == 'tune'")["target"].to_numpy()
    assert (tuned.argmax(axis=1) == labels).mean() == pytest.approx(records.compared()["tune_accuracy"].iloc[0])
    assert len(records.compared()) == 4  # the folds take no part in it
    html = (folder / "report.html").read_text()
    shown = set(re.findall(r"photo-(test|tune|train)-(\d+)\"", html))
    kept = {tuple(file.stem.split("-")) for file in (folder / "thumbnails").iterdir()}
    assert shown
    assert shown <= kept
    assert 'class="thumb none"' not in html

    table = list_suspects(folder)
    assert list_suspects(folder, limit=1).groupby("reason").size().max() == 1
    write_csv(table, tmp_path / "suspects.csv")
    with (tmp_path / "suspects.csv").open(newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == table["file"].tolist()
    with pytest.raises(DataError, match="must be a new file"):
        write_csv(table, tmp_path / "suspects.csv")

    names = [
        f"{split}/{kind}.{number}"
        for split, kind, number in (("train", "cat", 0), ("tune", "dog", 1_000_000), ("test", "cat", 2_000_001))
    ]
    (tmp_path / "out.csv").write_text("file\n" + "\n".join(names))
    other = carry_out(benchmark_file(("[data]", '[data]\nexclude = "out.csv"'), *small))
    assert other != folder
    again = open_records(other)
    assert again.meta.data["counts"] == {"train": 63, "tune": 31, "test": 64}
    assert again.examples.query("excluded")["name"].tolist() == [names[2]]
    assert set(again.examples["name"]) & set(names) == {names[2]}
    html = (other / "report.html").read_text()
    assert "3 examples excluded by out.csv: 1 of train, 1 of tune and 1 of test" in html
    assert "without the 1 excluded" in html
    row = int(again.examples.query("excluded")["row"].iloc[0])
    for run_id in again.compared()["run_id"]:
        assert len(again.predictions(run_id)) == 64  # the original test split is predicted whole
        right = again.predictions(run_id).argmax(axis=1) == again.targets
        assert again.scores[run_id].mean() == pytest.approx(right.mean())
    cleaned = pd.read_parquet(other / "tables" / "cleaned.parquet")
    for arm, pair in cleaned.groupby("arm"):
        runs = again.compared().loc[again.compared()["arm"] == arm, "run_id"]
        rights = [again.predictions(each).argmax(axis=1) == again.targets for each in runs]
        assert pair["mean"].tolist() == pytest.approx(
            [np.mean([each.mean() for each in rights]), np.mean([np.delete(each, row).mean() for each in rights])]
        )


@pytest.mark.usefixtures("unreported")
def test_folds_are_trained_once_and_in_the_same_folder(benchmark_file, carry_out):
    one = (('"sgd", "adam"', '"sgd"'), ("trials = 3", "trials = 1"))
    folder = carry_out(benchmark_file(*one))
    assert open_records(folder).out_of_fold is None
    assert carry_out(benchmark_file(*one, ("[compare]", "[compare]\nfolds = 2"))) == folder
    records = open_records(folder)
    found = (folder / "predictions" / "out_of_fold.safetensors").stat().st_mtime_ns
    ran = records.meta.folds["runs"]
    assert len(ran) == 2
    assert not any((folder / "solutions" / f"{each}.safetensors").is_file() for each in ran)
    carry_out(benchmark_file(*one, ("[compare]", "[compare]\nfolds = 2")))
    assert (folder / "predictions" / "out_of_fold.safetensors").stat().st_mtime_ns == found


@pytest.fixture
def photos_of():
    """Return a function from (train, tune, test) pixels to data of two classes in turn."""

    def make(*pixels):
        def split(which, images):
            return Split(images, np.arange(len(images)) % 2, tuple(f"{which}/{i}" for i in range(len(images))))

        return Data("d", *map(split, ("train", "tune", "test"), pixels), "f" * 8, "here", ("a", "b"))

    return make


def test_folds_part_the_train_split_evenly_by_class(photos_of):
    data = photos_of(*(np.zeros((count, 8, 8, 3), np.uint8) for count in (41, 2, 2)))
    folds = assign(data, 4)
    assert sorted(np.concatenate(folds).tolist()) == list(range(41))
    for rows in folds:
        assert np.bincount(rows % 2).tolist() in ([5, 5], [6, 5], [5, 6])
    assert [rows.tolist() for rows in assign(data, 4)] == [rows.tolist() for rows in folds]


def test_equal_photos_are_found_in_decoded_data(photos_of):
    random = np.random.default_rng(0)
    train, tune, test = (random.integers(0, 255, (6, 24, 24, 3), dtype=np.uint8) for _ in range(3))
    train[2] = test[4]
    tune[1] = tune[3]
    train[5] = np.clip(train[1].astype(int) + 3, 0, 255)  # a little brighter
    found = likeness(photos_of(train, tune, test), QUIET)
    names = [sorted(each["name"] for each in group) for group in found["duplicates"]]
    assert sorted(names) == [["test/4", "train/2"], ["tune/1", "tune/3"]]
    assert [sorted(each["name"] for each in group) for group in found["leaks"]] == [["test/4", "train/2"]]
    assert [[each["name"] for each in pair["photos"]] for pair in found["near_duplicates"]] == [["train/1", "train/5"]]
    assert found["label_conflicts"] == []


def test_thumbnails_are_small_jpegs_of_what_the_analyses_name(tmp_path, photos_of):
    data = photos_of(*(np.full((count, 300, 300, 3), 90, np.uint8) for count in (2, 2, 4)))
    names = {split: getattr(data, split).names for split in ("train", "tune", "test")}
    rows = [(split, row, name, row % 2, False) for split in names for row, name in enumerate(names[split])]
    examples = pd.DataFrame(rows, columns=["split", "row", "name", "target", "excluded"])
    none = pd.DataFrame()
    records = FolderRecords(tmp_path, {}, none, none, none, none, examples=examples)
    (tmp_path / "thumbnails").mkdir()
    (tmp_path / "thumbnails" / "test-2.jpg").write_bytes(b"of an earlier comparison")

    def broken(records):
        raise ValueError

    named = pd.DataFrame({"split": ["test", "tune", "test", "nowhere"], "row": [3, 1, 999, 0]})
    offers = [Analysis("named", lambda _: named, thumbnails=True), Analysis("broken", broken, thumbnails=True)]
    assert len(write_thumbnails(records, data, offers)) == 2
    assert {file.name for file in (tmp_path / "thumbnails").iterdir()} == {"test-3.jpg", "tune-1.jpg"}
    picture = Image.open(io.BytesIO(records.thumbnail("test", 3)))
    assert (picture.format, picture.size) == ("JPEG", (SIDE, SIDE))
    assert records.thumbnail("test", 2) is None
    assert Image.open(io.BytesIO(small(np.zeros((16, 16, 3), np.uint8)))).size == (16, 16)


def test_a_csv_keeps_what_is_in_a_name():
    table = pd.DataFrame(
        [['a,"b"\n.jpg', "test", "x", "wrong label", 0.5, "y", ""]],
        columns=["file", "split", "label", "reason", "score", "suggested", "other"],
    )
    (row,) = csv.DictReader(as_csv(table).splitlines(keepends=True))
    assert row["file"] == 'a,"b"\n.jpg'


@pytest.mark.usefixtures("undrawn")
def test_other_data_have_no_suspects(benchmark_file, page, carry_out, registry):
    changes = [
        ("[data]\nsize = 16\noptions = { train = 64, tune = 32, test = 64 }", '[data]\ndataset = "diabetes"'),
        ('optimizers = ["sgd", "adam"]', 'optimizers = ["adam"]\ntask = "regression"\nbackbones = ["mlp"]'),
    ]
    folder = carry_out(benchmark_file(*changes, page))
    assert not (folder / "thumbnails").exists()
    assert 'id="looking"' not in (folder / "report.html").read_text()
    with pytest.raises(RunFolderError, match="must be a finished run on photos of classes"):
        list_suspects(folder)
    with pytest.raises(BenchmarkError, match=r"tiny\.toml:\d+: compare\.folds: must be 0 for data that are not photos"):
        carry_out(benchmark_file(*changes, ("[compare]", "[compare]\nfolds = 3")))


@pytest.mark.usefixtures("unreported")
def test_planted_wrong_labels_and_leaks_are_found_and_nothing_else(benchmark_file, registry, tmp_path):
    root, random, planted = tmp_path / "photos", np.random.default_rng(0), set()
    for split, count in (("train", 30), ("valid", 10)):
        for label, other, channel in (("cats", "dogs", 0), ("dogs", "cats", 2)):
            for i in range(count):
                wrong = i in (3, 4) if split == "train" else i == 5
                pixels = random.integers(0, 100, (20, 30, 3), dtype=np.uint8)
                pixels[..., channel] += 100  # a class is a colour
                name = f"{split}/{other if wrong else label}/{label}.{i}.png"
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(root / name)
                planted |= {name} if wrong else set()
    (root / "train/cats/copy.png").write_bytes((root / "valid/cats/cats.1.png").read_bytes())
    file = benchmark_file(
        ("options = { train = 64, tune = 32, test = 64 }", ""),
        ('"sgd", "adam"', '"adam"'),
        ("[search]", "[search.space.adam]\nlr = 1e-2\n[search]"),
        ("[compare]\nseeds = 2\nepochs = 2", "[compare]\nseeds = 2\nepochs = 12\nfolds = 3"),
    )
    assert run(Request(file, data=root, out=tmp_path / "runs"), QUIET) == 0
    table = list_suspects(next((tmp_path / "runs").iterdir()))
    wrong = table[table["reason"] == "wrong label"]
    assert set(wrong["file"]) == planted
    assert (wrong["suggested"] != wrong["label"]).all()
    leaks = table[table["reason"] == "leak"]
    assert leaks[["file", "other"]].to_numpy().tolist() == [["train/cats/copy.png", "valid/cats/cats.1.png"]]


def test_the_pages_script_writes_dirty_drawings(repository, tmp_path):
    (block,) = re.findall(r"```python\n(.*?)```", (repository / "docs" / "looking.md").read_text(), re.DOTALL)
    (tmp_path / "dirty.py").write_text(block)
    done = subprocess.run(
        [sys.executable, "dirty.py", "out", "100", "102"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    names = [file.relative_to(tmp_path / "out").as_posix() for file in (tmp_path / "out").rglob("*.jpg")]
    assert len(names) == 204
    assert sum("WRONG" in name for name in names) == 4
    assert sum("COPY" in name for name in names) == 2
