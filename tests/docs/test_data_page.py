"""The plugins for libraries on the page of data, on small data that the libraries themselves read."""

from __future__ import annotations

import re
import struct

import numpy as np
import pytest
from harness_plugins._timm import import_timm

from harness.cli.check import find_data, find_plugins, run_checks
from harness.cli.data_inspect import inspect
from harness.console.progress import Reporter

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


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
    from PIL import Image

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
