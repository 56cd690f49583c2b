"""What tests of searches begin with: a benchmark with one arm to search, and its search in a run folder."""

from __future__ import annotations

import pytest

from harness.benchmark.loading import load
from harness.benchmark.plan import Setting, resolve
from harness.plugin.contracts import Data, Split
from harness.records import Store
from harness.running.search import Search, study_name
from harness.training.device import Device

SPACE = """metric = "accuracy"

[search.space.sgd]
momentum = { choices = [0.0, 0.9] }
nesterov = false
"""


@pytest.fixture
def setting(benchmark_file, registry):
    import numpy as np

    empty = Split(np.zeros((2, 8, 8, 3), np.uint8), np.array([0, 1]), ("a", "b"))
    data = Data("none", empty, empty, empty, "0" * 64, "nowhere", ("a", "b"))

    def make(*replacements):
        benchmark, source = load(benchmark_file(("[compare]", SPACE + "[compare]"), *replacements))
        return Setting(resolve(benchmark, source, registry), data, Device("cpu", "fp32", 1))

    return make


@pytest.fixture
def start(tmp_path):
    """Return a function that opens the search of the first arm in a folder, and one that closes it as a kill would."""
    stores = []

    def begin(setting, folder="run", replicate=0, warn=lambda line: None):
        store = Store(tmp_path / folder, warn)
        stores.append(store)
        arm = setting.plan.competitors[0].arm
        store.add_searches({study_name(arm.name, replicate): (arm, replicate)})
        return Search(setting, setting.plan.competitors[0], store, replicate), store

    yield begin
    for store in stores:
        store.__exit__()
