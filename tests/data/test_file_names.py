"""Names that are not UTF-8, and files of every kind, from the data folder to the report and the predictions."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.cli.app import main
from harness.console.progress import Reporter
from harness.errors import DataError, printable
from harness.plugin.contracts import Data, Photo, Split
from harness.records import open_records
from harness.records.store import Store
from harness.running.prepare import Request, _printable
from harness.running.start import run

BENCHMARK = """
name = "names"
[data]
dataset = "folder"
size = 16
tune = 0.25
[train]
executor = "inprocess"
backbones = ["lesson_cnn"]
optimizers = ["sgd"]
batch_size = 8
precision = "fp32"
device = "cpu"
threads = 1
[search]
trials = 1
epochs = [1]
[compare]
looks = [1]
seeds = 1
epochs = 1
untuned = 0
probes = []
"""


def test_text_is_printable_and_what_was_so_is_unchanged():
    assert printable(os.fsdecode(b"caf\xe9/no\xebl.jpg")) == r"caf\xe9/no\xebl.jpg"
    assert printable("caf\u00e9 \u732b \U0001f431") == "caf\u00e9 \u732b \U0001f431"
    assert printable("\ud800 of Windows") == r"\ud800 of Windows"


def test_names_are_made_printable_where_they_enter():
    odd, clean = os.fsdecode(b"caf\xe9"), r"caf\xe9"
    photo = Photo(odd, odd, bytes)
    assert (photo.name, photo.label) == (clean, clean)
    assert str(DataError(odd)) == clean
    one = Split(np.zeros((1, 1), np.float32), np.zeros(1), (odd,))
    data = _printable(Data("a", one, one, one, "f", source=odd, classes=(odd,), notice=odd, left_out=(odd,)))
    assert data.train.names == data.tune.names == data.test.names == data.classes == data.left_out == (clean,)
    assert (data.source, data.notice) == (clean, clean)


@pytest.fixture(scope="module")
def latin(tmp_path_factory):
    """A folder of photos whose names, and its own, have bytes that are not UTF-8; and one text file."""
    root = tmp_path_factory.mktemp("photos") / os.fsdecode(b"caf\xe9")
    try:
        root.mkdir()
    except OSError:  # as on macOS
        pytest.skip("this file system takes no such name")
    for split, count in (("train", 8), ("valid", 4)):
        for number, label in enumerate((b"ch\xe2ts", b"chiens")):
            folder = root / split / os.fsdecode(label)
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = np.random.default_rng([number, i, count]).integers(0, 255, (20, 30, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / os.fsdecode(b"no\xebl%d.jpg" % i))
    (root / "train" / "chiens" / os.fsdecode(b"\xe9.txt")).write_text("text")
    return root


@pytest.fixture(scope="module")
def finished(latin, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    (folder / "names.toml").write_text(BENCHMARK)
    command = ["harness", "run", "names.toml", "--data", str(latin)]
    assert run(Request(folder / "names.toml", data=latin, out=folder), Reporter(quiet=True), command) == 0
    return next(folder.glob("names-*/"))


def test_a_run_on_such_names_ends_well_and_shows_them_escaped(finished):
    records = open_records(finished)
    assert records.meta.data["classes"] == [r"ch\xe2ts", "chiens"]
    assert records.meta.data["source"].endswith(r"caf\xe9")
    assert records.meta.command[-1].endswith(r"caf\xe9")
    assert r"train/ch\xe2ts/no\xebl0.jpg" in set(records.examples["name"])
    page = (finished / "report.html").read_text(encoding="utf-8")
    assert r"ch\xe2ts" in page
    assert "1 file of the data passed over: 1 not a photo (.txt)." in page


def ended(arguments):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code


def test_the_other_commands_take_them_too(finished, latin, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert ended(["predict", str(finished), str(latin / "valid" / "chiens"), "--out", "a.csv"]) == 0
    rows = Path("a.csv").read_text(encoding="utf-8").splitlines()
    assert [row.partition(",")[0] for row in rows] == ["id", *(rf"no\xebl{i}.jpg" for i in range(4))]
    assert ended(["data", "suspects", str(finished)]) == 0
    assert ended(["data", "inspect", str(finished / "benchmark.toml"), "--data", str(latin)]) == 0
    assert r"passed over: 1 (not a photo (.txt) 1)" in capsys.readouterr().out
    assert ended(["data", "inspect", str(finished / "benchmark.toml"), "--data", str(latin), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["source"].endswith(r"caf\xe9")
    assert ended(["data", "inspect", "--data", str(latin / "none")]) == 2
    assert r"caf\xe9/none', which is not there" in capsys.readouterr().err


def test_a_run_folder_of_such_a_name_is_refused_in_one_line(latin):
    with pytest.raises(Exception, match=r"caf\\xe9/out: must be a path in UTF-8, got other bytes; see --out$"):
        Store(latin / "out")
    assert not (latin / "out").exists()


def test_a_setting_of_such_a_name_is_refused_in_one_line(finished, latin, capsys):
    file = str(finished / "benchmark.toml")
    assert ended(["plan", file, "--set", f"train.pretrained={latin}"]) == 2
    assert "--set: must be UTF-8, got 'train.pretrained=" in capsys.readouterr().err
