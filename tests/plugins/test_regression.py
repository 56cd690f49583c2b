"""Regression from end to end, against what is known in closed form; and nothing on the way that needs classes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from harness_plugins.probes.gradient_norm import gradient_norm

from harness.cli.show import show
from harness.console.progress import Reporter
from harness.errors import DataError, Diverged
from harness.plugin.contracts import Backbone, Data, DataRequest, Dataset, Optimizer, Scheduler, Split, Task
from harness.plugin.discovery import discover
from harness.plugin.runs import Arm, Run
from harness.records import open_records
from harness.results.document import show_lines
from harness.running.prepare import Request, prepare
from harness.running.start import run
from harness.training.batches import put_on_device
from harness.training.device import Device
from harness.training.ingredients import Ingredients
from harness.training.loop import train
from harness.training.parts import assemble

FOUND = discover()
TASK = FOUND.get("task", "regression", Task)
CPU = Device("cpu", "fp32", 1)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def opened(tune: float = 0.25, seed: int = 0, valid: float = 0.2) -> Data:
    dataset = FOUND.get("dataset", "diabetes", Dataset)
    return dataset.open(DataRequest(None, False, 32, tune, seed, "error", {}, valid=valid))


# --- the task ------------------------------------------------------------------------------------------------


CASES = {
    "rows": ([1.0, 2.0, 3.0, 4.0], [1.5, 2.0, 2.0, 5.0]),
    "one column": ([[3.0], [-0.5], [2.0], [7.0]], [[2.5], [0.0], [2.0], [8.0]]),
    "two columns": ([[0.5, 1.0], [-1.0, 1.0], [7.0, -6.0]], [[0.0, 2.0], [-1.0, 2.0], [8.0, -5.0]]),
    "worse than the mean": ([[1.0], [2.0], [3.0]], [[3.0], [2.0], [1.0]]),
    "equal targets": ([[1.0, 2.0], [1.0, 2.0]], [[1.0, 2.0], [1.0, 3.0]]),
}


@pytest.mark.parametrize(("targets", "predictions"), CASES.values(), ids=CASES)
def test_metrics_are_those_of_scikit_learn(targets, predictions):
    from sklearn import metrics

    right = np.array(targets, np.float32)
    predicted = np.array(predictions, np.float32).reshape(len(right), -1)  # what a network gives, [N, K]
    known = {
        "mse": metrics.mean_squared_error,
        "loss": metrics.mean_squared_error,
        "mae": metrics.mean_absolute_error,
        "r2": metrics.r2_score,
    }
    assert set(known) == set(TASK.metrics)
    for name, function in known.items():
        found = TASK.metrics[name].compute(predicted, right)
        assert type(found) is float
        assert found == pytest.approx(function(targets, predictions), rel=1e-6), name
    loss = TASK.loss(torch.from_numpy(predicted), torch.from_numpy(right))
    assert float(loss) == pytest.approx(metrics.mean_squared_error(targets, predictions), rel=1e-6)


def test_metrics_by_hand_and_the_first_decides():
    right, predicted = np.array([[0.0], [2.0]], np.float32), np.array([[1.0], [5.0]], np.float32)
    assert [TASK.metrics[name].compute(predicted, right) for name in ("mse", "mae", "r2")] == [5.0, 2.0, -4.0]
    assert {name: metric.goal for name, metric in TASK.metrics.items()} == {
        "mse": "min",
        "mae": "min",
        "r2": "max",
        "loss": "min",
    }
    assert next(iter(TASK.metrics)) == "mse"


def test_a_prediction_is_the_output_in_float32():
    outputs = torch.tensor([[1.0, -2.0]], dtype=torch.bfloat16)
    assert TASK.predict(outputs).dtype == torch.float32
    assert TASK.predict(outputs).tolist() == [[1.0, -2.0]]


def made_up(targets: np.ndarray) -> Data:
    split = Split(np.zeros((len(targets), 3), np.float32), targets, tuple(map(str, range(len(targets)))))
    return Data("made up", split, split, split, fingerprint="", source="")


def test_the_outputs_are_counted_from_the_targets_and_classes_are_refused():
    assert TASK.outputs(made_up(np.zeros(4, np.float32))) == 1
    assert TASK.outputs(made_up(np.zeros((4, 3), np.float32))) == 3
    with pytest.raises(DataError, match=r"train.task: .* real numbers, .*, got int64 \[4\] from 'made up'"):
        TASK.outputs(made_up(np.zeros(4, np.int64)))


# --- the dataset ---------------------------------------------------------------------------------------------


def test_diabetes_is_standardised_by_the_train_split_alone():
    from sklearn.datasets import load_diabetes

    data = opened()
    assert (len(data.train), len(data.tune), len(data.test)) == (266, 88, 88)
    assert (data.train.inputs.shape, data.train.targets.shape) == ((266, 10), (266, 1))
    assert data.classes == ()
    for values in (data.train.inputs, data.train.targets):
        assert values.dtype == np.float32
        exact = values.astype(np.float64)  # as stored, to the 6e-8 of float32
        np.testing.assert_allclose(exact.mean(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(exact.std(axis=0), 1, atol=1e-6)
    raw_inputs, raw_targets = load_diabetes(return_X_y=True, scaled=False)
    known = [int(name.removeprefix("patient ")) for name in data.train.names]
    for split in (data.tune, data.test):
        rows = [int(name.removeprefix("patient ")) for name in split.names]
        inputs = (raw_inputs[rows] - raw_inputs[known].mean(axis=0)) / raw_inputs[known].std(axis=0)
        targets = (raw_targets[rows] - raw_targets[known].mean()) / raw_targets[known].std()
        np.testing.assert_allclose(split.inputs, inputs, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(split.targets[:, 0], targets, rtol=1e-4, atol=1e-5)


def test_every_patient_is_in_one_split_and_the_seed_says_in_which():
    data, again, other, smaller = opened(), opened(), opened(seed=1), opened(valid=0.1)
    names = [*data.train.names, *data.tune.names, *data.test.names]
    assert sorted(names) == sorted(f"patient {row}" for row in range(442))
    assert again.fingerprint == data.fingerprint
    np.testing.assert_array_equal(again.test.inputs, data.test.inputs)
    assert len({data.fingerprint, other.fingerprint, smaller.fingerprint}) == 3
    assert set(other.test.names) != set(data.test.names)
    assert len(smaller.test) == 44


def test_an_empty_split_a_folder_and_a_missing_library_are_refused_in_one_line(monkeypatch, tmp_path):
    with pytest.raises(
        DataError, match=r"two or more examples of 'diabetes' in every split, got 440 in train, 1 in tune"
    ):
        opened(tune=1e-4, valid=1e-4)
    file = Path(__file__).parents[2] / "benchmarks" / "diabetes.toml"
    request = Request(file, data=tmp_path, out=tmp_path / "runs")
    with pytest.raises(DataError, match="'diabetes' looks in no folder and must be given none, got"):
        prepare(request, Reporter(quiet=True))
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(
        DataError, match=r"must have scikit-learn .*, got none installed; python -m pip install scikit-learn$"
    ):
        opened()


# --- the networks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["linear", "mlp"])
@pytest.mark.parametrize("shape", [(1,), (10,), (512,), (3, 8, 8), (1, 5, 7)])
def test_flat_networks_take_any_shape_and_begin_near_zero_but_not_alike(name, shape):
    backbone = FOUND.get("backbone", name, Backbone)
    inputs = torch.randn(64, *shape, generator=torch.Generator().manual_seed(0))
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        found.append(backbone.build(shape, 3)(inputs).detach())
    assert found[0].shape == (64, 3)
    assert 0 < found[0].std() < 0.3
    assert not torch.equal(*found)


def test_flat_networks_are_as_large_as_they_say():
    sizes = {
        name: sum(p.numel() for p in FOUND.get("backbone", name, Backbone).build((10,), 1).parameters())
        for name in ("linear", "mlp")
    }
    assert sizes == {"linear": 11, "mlp": 256 * 11 + 257}


# --- trained to what is known --------------------------------------------------------------------------------


L2 = 0.1


def ridge(split: Split) -> tuple[np.ndarray, float]:
    """Return the minimum of ``mse + L2/2 * |theta|^2``, theta [F + 1] with the bias last, and its value."""
    inputs = np.c_[split.inputs.astype(np.float64), np.ones(len(split))]
    hessian = 2 / len(inputs) * inputs.T @ inputs + L2 * np.eye(inputs.shape[1])
    theta = np.linalg.solve(hessian, 2 / len(inputs) * inputs.T @ split.targets[:, 0].astype(np.float64))
    return theta, objective(theta, split)


def objective(theta: np.ndarray, split: Split) -> float:
    residual = split.inputs.astype(np.float64) @ theta[:-1] + theta[-1] - split.targets[:, 0]
    return float((residual**2).mean() + L2 / 2 * (theta**2).sum())


def trained(data: Data, optimizer: Optimizer, settings: dict, epochs: int, batch_size: int):
    """Return the trained parts of a linear network, and its theta [F + 1]."""
    use = Ingredients(
        task=TASK,
        backbone=FOUND.get("backbone", "linear", Backbone),
        optimizer=optimizer,
        scheduler=FOUND.get("scheduler", "cosine", Scheduler),
        outputs=TASK.outputs(data),
        train=put_on_device(data.train, CPU),
        tune=put_on_device(data.tune, CPU),
        test=put_on_device(data.test, CPU),
    )
    described = Run(
        phase="compare", arm=Arm("linear", optimizer.name, "cosine"), optimizer=settings, scheduler={}, epochs=epochs,
        batch_size=batch_size, l2=L2, augment=(), precision="fp32", task="regression", init_seed=1, order_seed=1,
        data="", plugins={},
    )  # fmt: skip
    parts = assemble(described, use, CPU)
    for _ in train(described, parts):
        pass
    return parts, torch.cat([p.detach().flatten() for p in parts.model.parameters()]).double().numpy()


SETTINGS = {
    "sgd": {"lr": 0.1, "momentum": 0.9},
    "adam": {"lr": 0.03},
    "rmsprop": {"lr": 0.01},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_full_batches_end_at_the_closed_form_of_ridge_regression(name):
    data = opened()
    minimum, lowest = ridge(data.train)
    parts, theta = trained(data, FOUND.get("optimizer", name, Optimizer), SETTINGS[name], 500, len(data.train))
    np.testing.assert_allclose(theta, minimum, atol=1e-3)
    assert objective(theta, data.train) == pytest.approx(lowest, abs=1e-6)
    assert gradient_norm(parts, parts.model) < 1e-3
    metrics = parts.done().metrics
    assert metrics["train_mse"] + L2 / 2 * (minimum**2).sum() == pytest.approx(lowest, abs=1e-5)
    assert metrics["train_r2"] == pytest.approx(1 - metrics["train_mse"], abs=1e-5)  # train targets have variance 1


@pytest.mark.parametrize("name", SETTINGS)
def test_small_batches_end_near_it(name):
    data = opened()
    minimum, lowest = ridge(data.train)
    _, theta = trained(data, FOUND.get("optimizer", name, Optimizer), SETTINGS[name], 100, 32)
    assert objective(theta, data.train) - lowest < 1e-3
    np.testing.assert_allclose(theta, minimum, atol=0.05)


@pytest.mark.parametrize("offer", FOUND.all("optimizer"), ids=lambda offer: offer.name)
def test_every_optimizer_comes_near_it_somewhere_in_its_space(offer):
    data = opened()
    lowest = ridge(data.train)[1]
    start = objective(np.zeros(11), data.train) - lowest
    best = np.inf
    rates = np.geomspace(offer.space["lr"].low, offer.space["lr"].high, 7)[2:-1] if "lr" in offer.space else ()
    # One that evaluates the objective itself takes it for one function: it gets the same examples in every step.
    batch_size = len(data.train) if offer.closure else 32
    for settings in [{"lr": float(lr)} for lr in rates] or [{}]:  # some find their rate themselves
        try:
            _, theta = trained(data, offer, settings, 50, batch_size)  # 400 steps of 32 examples, or 50 of all
        except Diverged:
            continue
        best = min(best, objective(theta, data.train) - lowest)
        if best < 0.05 * start:
            break
    # At its best rate the slowest one, lion, ends at .003 of the start: the bound leaves more than a factor of ten.
    assert best < 0.05 * start


# --- a whole run ---------------------------------------------------------------------------------------------


TINY = """
name = "small-regression"
[data]
dataset = "diabetes"
tune = 0.25
[train]
executor = "inprocess"
task = "regression"
backbones = ["linear", "mlp"]
optimizers = ["adam"]
batch_size = 64
l2 = 0.1
precision = "fp32"
threads = 1
[search]
trials = 2
epochs = [2, 4]
sampler = "random"
space.adam.lr = { low = 1e-3, high = 3e-2, log = true }
[compare]
looks = [1]
seeds = 2
epochs = 10
[report]
formats = ["html", "md"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, undrawing):
    root = tmp_path_factory.mktemp("regression")
    file = root / "small.toml"
    file.write_text(TINY, encoding="utf-8")
    with undrawing():  # words are read, and no figure
        assert run(Request(file, out=root / "runs"), Reporter(quiet=True), ["harness", "run", "small.toml"]) == 0
    (found,) = (root / "runs").iterdir()
    return found


def test_a_regression_is_recorded_with_its_predictions(folder):
    records = open_records(folder)
    assert records.meta.data["classes"] == []
    assert records.targets.shape == (88, 1)
    assert len(records.compared()) == 4
    for seed in records.compared().to_dict("records"):
        predictions = records.predictions(seed["run_id"])
        assert (predictions.shape, predictions.dtype) == ((88, 1), np.float32)
        assert ((predictions - records.targets) ** 2).mean() == pytest.approx(seed["test_mse"], rel=1e-5)
        assert seed["test_mse"] == seed["test_loss"] < 1


def test_a_regression_is_shown_and_one_of_its_two_lowest_trials_is_the_tuned_one(folder):
    """The two are trained again, and the better one of these is chosen: search.confirm is 2."""
    found = show(folder)
    json.dumps(found, allow_nan=False)
    assert found["metric"] == "mse"
    for arm in found["arms"]:
        best, second = sorted(arm["trials"], key=lambda trial: trial["value"])[:2]
        assert arm["tuned"]["trial"] in (best["number"], second["number"])
        assert best["value"] == best["metrics"]["tune_mse"]
    assert "test mse" in "\n".join(show_lines(found))


def test_the_reports_of_a_regression_speak_of_nothing_it_has_not(folder):
    html, markdown = ((folder / f"report.{kind}").read_text() for kind in ("html", "md"))
    assert "lowest mean test mse" in html
    assert "10 numbers each" in html
    board = html[html.index('<caption class="sr">leaderboard</caption>') :]
    head = board[board.index("<thead>") : board.index("</thead>")]
    assert "test mse" in head
    assert "test r2" in head
    assert "loss" not in head  # the same numbers as mse
    assert "test mse" in markdown
    assert 'aria-label="test mse: every seed' in html
    assert 'aria-label="train mse: every seed' in html
    assert not re.search(
        'aria-label="t[a-z]+ loss: every seed', html
    )  # mse on test, on train, and not once more as loss
    body = html[html.index("<body") : html.index("Benchmark, resolved")].replace(
        "pixelated", ""
    )  # how a picture is drawn
    for word in ("classes", "photo", "accuracy", "nats", "pixel"):
        assert word not in body
        assert word not in markdown
