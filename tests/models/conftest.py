"""Finished runs that both the tests of predicting and those of exporting use, made once."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from harness.console.progress import Reporter
from harness.plugin.contracts import Backbone
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
regime = "{regime}"
backbones = ["{backbone}"]
optimizers = ["sgd", "adam"]
batch_size = 8
precision = "fp32"
device = "cpu"
threads = 1
[search]
trials = 1
epochs = [1, 2]
[compare]
looks = [1]
seeds = 2
epochs = 2
probes = []
[report]
formats = []
paths = false
"""


@pytest.fixture(scope="session")
def place(tmp_path_factory, registry):
    """A folder with random weights, ``data`` in fast.ai's layout (reddish cats, greenish dogs, all noisy), and its test photos."""
    from safetensors.torch import save_file

    root = tmp_path_factory.mktemp("place")
    torch.manual_seed(0)
    (root / "weights").mkdir()
    model = registry.get("backbone", NETWORK, Backbone).build((3, 32, 32), 1000)
    save_file(model.state_dict(), root / "weights" / f"{NETWORK}.safetensors")
    for split, count in (("train", 12), ("valid", 40)):
        for number, label in enumerate(("cats", "dogs")):
            (root / "data" / split / label).mkdir(parents=True)
            for i in range(count):
                random = np.random.default_rng([number, i, count])
                pixels = random.integers(0, 200, (40 + i, 60 + number * 9, 3), dtype=np.uint8)
                pixels[..., number] += 55
                Image.fromarray(pixels).save(root / "data" / split / label / f"{label}.{i}.jpg", quality=90)
    (root / "photos").mkdir()
    files = [file for label in ("cats", "dogs") for file in sorted((root / "data" / "valid" / label).iterdir())]
    for number, file in enumerate(files, 1):
        shutil.copy(file, root / "photos" / f"{number}.jpg")
    return root


@pytest.fixture(scope="session")
def benchmark_text():
    """The text of the benchmark file of these runs, with places for a regime and a backbone."""
    return BENCHMARK


@pytest.fixture(scope="session")
def finished(place, every_analysis):
    """Return a function that returns the finished run of a regime, made once."""
    made = {}

    def make(regime):
        if regime not in made:
            with pytest.MonkeyPatch.context() as patched:
                patched.setenv("HARNESS_WEIGHTS", str(place / "weights"))
                file = place / f"{regime}.toml"
                file.write_text(
                    BENCHMARK.format(regime=regime, backbone="lesson_cnn" if regime == "scratch" else NETWORK)
                )
                request = Request(file, data=place / "data", out=place / regime, block=every_analysis)
                assert run(request, Reporter(quiet=True)) == 0
                (made[regime],) = (place / regime).iterdir()
        return made[regime]

    return make
