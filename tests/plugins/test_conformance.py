"""Every registered plugin passes its quick checks; a new one is tested by being there, without an edit here."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from harness.plugin.contracts import KINDS, Analysis, Backbone, Catalogue, Scheduler, Task
from harness.plugin.discovery import discover
from harness.running.workers import processes
from harness.testing import checks

FOUND = discover()
OFFERED = [(kind, found.offer) for kind in KINDS for found in FOUND.offers[kind].values()]
STARTS_SERVICES = ("ray", "mlflow", "wandb")  # for seconds: test_ray.py and test_listeners.py have their checks
CHECKS = [
    check
    for _, offer in OFFERED
    if not isinstance(offer, Catalogue) and offer.name not in STARTS_SERVICES
    for check in checks(offer, quick=True)
]


@pytest.fixture
def forked(monkeypatch):
    """Fork the workers of an executor: started as users' are, each would import torch. ``test_processes`` starts them so."""
    place = Path(__file__).parents[1] / "hostile" / "disturbing.py"
    spec = importlib.util.spec_from_file_location("disturbing", place)
    disturbing = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "disturbing", disturbing)
    spec.loader.exec_module(disturbing)
    popen = partial(disturbing.Forked, lambda: None)
    monkeypatch.setattr(processes, "subprocess", SimpleNamespace(Popen=popen, DEVNULL=subprocess.DEVNULL))


def file_of(offer):
    """Return the file of an analysis or a report."""
    function = offer.compute if isinstance(offer, Analysis) else offer.render
    return function.__code__.co_filename


@pytest.fixture(scope="module")
def imported():
    """Which of torch and timm are there after each file of an analysis or a report, by file: all are loaded by one process.

    The check ``without_torch`` starts one for each file, and each of them imports pandas. ``tests/testing`` has it so.
    """
    files = sorted({file_of(check.offer) for check in CHECKS if check.name == "without_torch"})
    code = (
        "import importlib.util, json, sys\n"
        "found = {}\n"
        "for number, file in enumerate(sys.argv[1:]):\n"
        "    spec = importlib.util.spec_from_file_location(f'looked_at_{number}', file)\n"
        "    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)\n"
        "    spec.loader.exec_module(module)\n"
        "    found[file] = sorted({'torch', 'timm'} & set(sys.modules))\n"
        "print(json.dumps(found))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.offer.name}-{check}")
def test_a_plugin_passes_its_check(check, forked, request):
    if check.name == "without_torch":
        assert request.getfixturevalue("imported")[file_of(check.offer)] == []
    else:
        check()


@pytest.mark.parametrize("kind", list(FOUND.offers))
def test_names_are_plain_words(kind):
    for name in FOUND.offers[kind]:
        assert name
        assert name == name.strip().lower()
        assert not set(name) & set("/: ")


def test_cosine_is_half_a_cosine_after_its_warm_up():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = FOUND.get("scheduler", "cosine", Scheduler).build(optimizer, 100, warmup=0.1)
    seen = []
    for _ in range(100):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert seen[:10] == pytest.approx([(i + 1) / 11 for i in range(10)])
    assert seen[10:] == pytest.approx([(1 + math.cos(math.pi * i / 90)) / 2 for i in range(90)])


@pytest.mark.parametrize("name", [*FOUND.offers["backbone"], "test_resnet", "test_vit", "test_mambaout"])
@pytest.mark.parametrize("outputs", [2, 5])
def test_a_backbone_maps_images_to_outputs(name: str, outputs: int):
    backbone = FOUND.get("backbone", name, Backbone)
    size = 32 if name == "lesson_cnn" else 64
    model = backbone.build((3, size, size), outputs).eval()
    with torch.no_grad():
        assert model(torch.randn(2, 3, size, size)).shape == (2, outputs)


def test_lesson_cnn_is_small():
    model = FOUND.get("backbone", "lesson_cnn", Backbone).build((3, 32, 32), 2)
    assert 18_000 <= sum(p.numel() for p in model.parameters()) <= 70_000


def test_classification_against_hand_made_numbers():
    task = FOUND.get("task", "classification", Task)
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]])
    targets = torch.tensor([0, 1, 1])
    predictions = task.predict(logits)
    torch.testing.assert_close(predictions, logits.softmax(1))
    array, right = predictions.numpy(), targets.numpy()
    assert task.metrics["accuracy"].compute(array, right) == pytest.approx(2 / 3)
    assert task.metrics["error"].compute(array, right) == pytest.approx(1 / 3)
    assert task.metrics["loss"].compute(array, right) == pytest.approx(float(task.loss(logits, targets)), rel=1e-5)
    assert task.metrics["loss"].compute(np.array([[1.0, 0.0]], np.float32), np.array([1])) == pytest.approx(
        -math.log(1e-12)
    )
