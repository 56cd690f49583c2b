"""The plugins for libraries on the page of data, on small data that the libraries themselves read."""

from __future__ import annotations

import re
import struct
import tomllib

import numpy as np
import pytest
from harness_plugins._timm import import_timm
from PIL import Image

from harness.cli.check import find_data, find_plugins, run_checks
from harness.cli.data_inspect import inspect
from harness.console.progress import Reporter
from harness.plugin.contracts import Backbone
from harness.records import open_records
from harness.running.prepare import Request
from harness.running.start import run

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def plugin(repository, tmp_path):
    """Return a function that writes the plugin of the page in which a text stands."""

    def write(part):
        (text,) = [block for block in BLOCK.findall((repository / "docs" / "data.md").read_text()) if part in block]
        assert len([line for line in text.splitlines() if line.strip()]) <= 20
        file = tmp_path / "mine.py"
        file.write_text(text)
        return file

    return write


def pixels(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def checked(file, root):
    """Return the outcomes of the dataset's checks on this folder."""
    plugins = find_plugins(str(file))
    return {result.check.name: result.outcome for result in run_checks(plugins, True, None, find_data(plugins, root))}


def test_a_torchvision_dataset(plugin, tmp_path):
    import_timm()  # which imports torchvision even where it was built for another torch
    pytest.importorskip("torchvision", reason="torchvision is not installed here; timm brings it")
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, count in (("train", 60), ("t10k", 20)):
        images, labels = pixels(count, seed=count), np.arange(count, dtype=np.uint8) % 10
        header = struct.pack(">I3i", 0x803, count, 28, 28)
        (raw / f"{name}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">Ii", 0x801, count) + labels.tobytes())
    file = plugin("torchvision.datasets")
    settings = ("data.dataset=mnist",)
    found = inspect(None, None, tmp_path / "data", [file], settings, Reporter(quiet=True))
    assert {split: sum(classes.values()) for split, classes in found["counts"].items()} == {
        "train": 50,
        "tune": 10,
        "test": 20,
    }
    assert "7 - seven" in found["counts"]["test"]
    outcomes = checked(file, tmp_path / "data")
    assert {name: outcome.status for name, outcome in outcomes.items()} == dict.fromkeys(outcomes, "ok")
    assert len(outcomes) == 4


@pytest.mark.filterwarnings("ignore")
def test_a_dataset_of_hugging_face(plugin, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    datasets = pytest.importorskip("datasets", reason="datasets is not installed here; tox installs it")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["crow", "heron"])})
    parts = {}
    for name, count in (("train", 20), ("validation", 6)):
        images = [Image.fromarray(square) for square in pixels(count, seed=count)]
        parts[name] = datasets.Dataset.from_dict({"image": images, "label": [i % 2 for i in range(count)]}, features)
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "data"))
    file = plugin("load_from_disk")
    found = inspect(None, None, tmp_path / "data", [file], ("data.dataset=saved",), Reporter(quiet=True))
    assert found["counts"] == {
        "train": {"crow": 8, "heron": 8},
        "tune": {"crow": 2, "heron": 2},
        "test": {"crow": 3, "heron": 3},
    }
    assert found["formats"] == {"PNG": 26}
    outcomes = checked(file, tmp_path / "data")
    assert {name: outcome.status for name, outcome in outcomes.items()} == dict.fromkeys(outcomes, "ok")


SMALL = (
    "data.size=32", "search.trials=1", "search.epochs=[1]", "compare.looks=[1]", "compare.seeds=1", "compare.epochs=1",
    "compare.untuned=0", "compare.probes=[]", "train.batch_size=4", "train.executor=inprocess", "train.threads=1",
    "train.precision=fp32", "report.formats=[]", "report.paths=false",
)  # fmt: skip
FIRST_TRIES = ("birds", "birds-offline")  # the page's benchmark files, by their names


@pytest.fixture
def birds(tmp_path, monkeypatch, registry):
    """Return a folder as the page describes it: one folder a class and a CSV file, and weights of a small network beside it."""
    import torch
    from safetensors.torch import save_file

    folder = tmp_path / "birds"
    for number, label in enumerate(("crow", "heron", "red kite")):
        (folder / label).mkdir(parents=True)
        for i, square in enumerate(pixels(8, seed=number)):
            Image.fromarray(square).save(folder / label / f"{i}.jpg")
    rows = [f"{file.relative_to(folder).as_posix()},{file.parent.name}" for file in sorted(folder.rglob("*.jpg"))]
    (folder / "labels.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    torch.manual_seed(0)
    model = registry.get("backbone", "test_resnet", Backbone).build((3, 32, 32), 1000)
    save_file(model.state_dict(), tmp_path / "test_resnet.safetensors")
    monkeypatch.setenv("HARNESS_WEIGHTS", str(tmp_path))
    return folder


@pytest.mark.parametrize("name", FIRST_TRIES)
def test_a_benchmark_file_of_the_first_try_runs(repository, birds, tmp_path, name):
    """Small, and with timm's tiny network, whose weights are random, in the place of resnet18, whose weights are downloaded."""
    (text,) = [
        block for block in TOML.findall((repository / "docs" / "data.md").read_text()) if f'name = "{name}"' in block
    ]
    file = tmp_path / f"{name}.toml"
    file.write_text(text.replace('"resnet18"', '"test_resnet"'))
    assert run(Request(file, data=birds, out=tmp_path / "runs", overrides=SMALL), Reporter(quiet=True)) == 0
    records = open_records(next((tmp_path / "runs").glob("birds*-????????")))
    assert set(records.runs["state"]) == {"done"}
    assert len(records.compared()) == 2
    assert records.meta.data["counts"] == {"train": 15, "tune": 3, "test": 6}


def test_every_benchmark_file_of_the_page_is_run(repository):
    page = (repository / "docs" / "data.md").read_text()
    assert [tomllib.loads(block)["name"] for block in TOML.findall(page)] == list(FIRST_TRIES)
