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
CHANGES = (
    ('name = "tiny"', 'name = "small"'),
    ("size = 16\noptions = { train = 64, tune = 32, test = 64 }", 'dataset = "folder"\nsize = 32\ntune = 0.25'),
    ("[train]", '[train]\nregime = "{regime}"\nbackbones = ["{backbone}"]\ndevice = "cpu"'),
    ("batch_size = 16", "batch_size = 8"),
    ("trials = 3", "trials = 1"),
    ("looks = [1]", "looks = [1]\nprobes = []"),
    ('formats = ["text"]', "formats = []"),
)  # of the tiny benchmark


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
def benchmark_text(tiny_text):
    """Return a function that returns the text of the benchmark file of these runs, for a regime and a backbone."""
    text = tiny_text(*CHANGES)

    def written(regime, backbone):
        return text.replace("{regime}", regime).replace("{backbone}", backbone)

    return written


@pytest.fixture(scope="session")
def finished(place, benchmark_text, leave_out_reports):
    """Return a function that returns the finished run of a regime, made once."""
    made = {}

    def make(regime):
        if regime not in made:
            with pytest.MonkeyPatch.context() as patched:
                patched.setenv("HARNESS_WEIGHTS", str(place / "weights"))
                leave_out_reports(patched)
                file = place / f"{regime}.toml"
                file.write_text(benchmark_text(regime, "lesson_cnn" if regime == "scratch" else NETWORK))
                request = Request(file, data=place / "data", out=place / regime)
                assert run(request, Reporter(quiet=True)) == 0
                (made[regime],) = (place / regime).iterdir()
        return made[regime]

    return make
