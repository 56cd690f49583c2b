"""``harness.fit``: one training with one setting, and what can be done with the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import harness
from harness import DataError, Diverged, HarnessError
from harness.console.progress import Reporter
from harness.models.formats.torchscript_file import run_torchscript
from harness.running.prepare import Request, prepare
from harness.running.workbench import Bench

DRAWN = {
    "data.size": 16, "data.options": {"train": 32, "tune": 16, "test": 32}, "train.threads": 1, "train.precision": "fp32",
    "train.batch_size": 16,
}  # fmt: skip


@pytest.fixture(scope="module")
def fitted():
    """A network after two epochs on drawings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HARNESS_DATA", raising=False)
        return harness.fit(
            "lesson_cnn", "sgd", lr=0.05, epochs=2, schedule="sgdr", params={"momentum": 0.5}, set=DRAWN, quiet=True
        )


def test_the_epochs_and_the_scores_are_there(fitted):
    assert fitted.epochs["epoch"].tolist() == [1, 2]
    assert fitted.epochs["steps"].tolist() == [2, 4]
    assert fitted.epochs["lr"].iloc[0] == pytest.approx(0.05)  # of the epoch's first step
    with pytest.raises(KeyError, match=r"metrics: must be a score, got 'accuracy'; did you mean 'tune_accuracy'\?"):
        fitted.metrics["accuracy"]
    assert {"lr", "running_loss", "tune_accuracy"} <= set(fitted.epochs.columns)
    assert fitted.run.optimizer == {"lr": 0.05, "momentum": 0.5}
    assert fitted.run.arm.name == "lesson_cnn/sgd/sgdr"
    right = fitted.predictions.argmax(axis=1) == fitted.targets
    assert fitted.metrics["test_accuracy"] == pytest.approx(right.mean())
    assert "test accuracy" in repr(fitted)
    assert fitted._repr_html_().count("<svg") == 3


def test_equal_calls_give_equal_weights_and_another_seed_gives_others(fitted):
    def again(seed):
        return harness.fit(
            "lesson_cnn",
            "sgd",
            lr=0.05,
            epochs=2,
            schedule="sgdr",
            params={"momentum": 0.5},
            seed=seed,
            set=DRAWN,
            quiet=True,
        )

    same, other = again(0), again(1)
    assert all(torch.equal(value, same.weights[name]) for name, value in fitted.weights.items())
    assert not all(torch.equal(value, other.weights[name]) for name, value in fitted.weights.items())


def test_it_is_the_training_of_a_comparison_run(fitted, benchmark_file):
    """What a benchmark trains with this setting has the same weights."""
    text = """
        name = "same"
        data = { size = 16, options = { train = 32, tune = 16, test = 32 } }
        train = { optimizers = ["sgd"], schedulers = ["sgdr"], threads = 1, precision = "fp32", batch_size = 16 }
        compare = { epochs = 2, seeds = 1, looks = [1], untuned = 0 }
        search.space.sgd = { lr = 0.05, momentum = 0.5 }
        """
    setting = prepare(Request(benchmark_file(text=text)), Reporter(quiet=True))
    run = setting.compare_run(setting.plan.competitors[0], {}, 0)
    done = [*harness.execute(run, Bench(setting, lambda run_id: None))][-1]
    assert run.id == fitted.run.id
    assert all(torch.equal(value, done.weights[name]) for name, value in fitted.weights.items())


def test_confusion_and_most_wrong_photos_are_those_of_the_predictions(fitted):
    confusion = fitted.confusion
    assert confusion.to_numpy().sum() == 32
    assert np.trace(confusion.to_numpy()) == round(32 * fitted.metrics["test_accuracy"])
    top = fitted.top_losses(4)
    given = fitted.predictions[np.arange(32), fitted.targets]
    assert top.table["given"].tolist() == sorted(given.tolist())[:4]
    assert all(photo and photo.startswith(b"\xff\xd8") for photo in top.photos)
    assert top._repr_html_().count("data:image/jpeg;base64,") == 4


def test_it_predicts_its_own_test_photos_again(fitted, photos, tmp_path):
    folder = photos(train=2, valid=1) / "valid"
    table = fitted.predict(folder / "cats")
    assert table.columns.tolist()[:1] == ["id"]
    saved = fitted.save(tmp_path / "model")
    again = harness.predict(saved, folder / "cats", quiet=True)
    assert table.equals(again)
    assert fitted.predict(folder / "cats", tta=True).shape == table.shape
    with pytest.raises(HarnessError, match=r"^folder: must be a new folder, got .*, or replace it with force=True$"):
        fitted.save(tmp_path / "model")
    again = fitted.save(tmp_path / "model", formats=["torchscript"], force=True)
    probabilities = run_torchscript(again, np.zeros((2, 3, 16, 16), np.float32))
    assert probabilities.sum(axis=1) == pytest.approx([1, 1])


def test_its_weights_start_another_training(fitted, tmp_path):
    from safetensors.torch import load_file

    file = fitted.save_weights(tmp_path / "weights.safetensors")
    assert all(torch.equal(value, fitted.weights[name]) for name, value in load_file(file).items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": "sdg"}, r"optimizer: must name an optimizer, got 'sdg'; did you mean 'sgd'\?"),
        ({"schedule": "cosin"}, r"schedule: must name a scheduler, got 'cosin'; did you mean 'cosine'\?"),
        ({"backbone": "lesson"}, "backbone: must name a backbone, got 'lesson'"),
        ({"lr": -1.0}, "lr: must be a number from 0 to 1e"),
        ({"epochs": 0}, "epochs: must be a whole number, 1 or more, got 0"),
        ({"params": {"momentum": 3}}, "^momentum: must be .*, got 3"),
        ({"set": {"data.sise": 8}}, "set: data.sise: must be a known key, got 'sise'; did you mean 'size'"),
        (
            {"set": {"data.size": object()}},
            "set: must have texts, numbers, flags, lists and mappings as values, got <object",
        ),
        ({"data": "nowhere"}, "nowhere"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_the_argument(arguments, message):
    with pytest.raises((HarnessError, TypeError, ValueError), match=message) as error:
        harness.fit(**{"optimizer": "sgd", "set": DRAWN, "quiet": True, **arguments})
    assert "\n" not in str(error.value)


def test_a_training_that_diverges_says_so():
    with pytest.raises(Diverged, match=r"^lesson_cnn/sgd/constant: must train to its end, got .*must be finite"):
        harness.fit("lesson_cnn", "sgd", lr=1000.0, epochs=6, schedule="constant", set=DRAWN, quiet=True)


def test_a_network_on_points_has_no_photos():
    points = {"data.options": {"train": 32, "tune": 32, "test": 64}, "train.threads": 1}
    fitted = harness.fit("mlp", "adam", epochs=1, dataset="moons", set=points, quiet=True)
    assert len(fitted.top_losses(3).photos) == 3
    assert fitted.top_losses(3).photos[0] is None
    with pytest.raises(DataError, match="must be trained on photos of two or more classes, got"):
        fitted.save("anywhere")
