"""An exported model: it predicts alone what its run predicts, its card is true, and what is damaged is named."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from harness.cli.app import main
from harness.console.progress import Reporter
from harness.errors import BenchmarkError, DataError, HarnessError, RunFolderError
from harness.models.card import SECTIONS, model_card
from harness.models.choice import choose_model
from harness.models.export import ExportRequest, export, lines
from harness.models.predict import PredictionRequest, predict
from harness.plugin.contracts import Backbone
from harness.records import open_records, schema
from harness.records.reader import load_arrays
from harness.running.prepare import Request
from harness.running.start import run

WRITTEN = 5e-6  # how close a table comes: six digits are written, 5e-7, and float32 in other batches adds about as much
NETWORK = "test_resnet"  # timm's tiny one
QUIET = Reporter(quiet=True)


def predicted(folder, photos, out, **more):
    predict(PredictionRequest(folder, photos, out, **{"clip": (0.0, 1.0), **more}), QUIET)
    with out.open(newline="") as file:
        return np.array([float(row["label"]) for row in csv.DictReader(file)])


def moved(folder, tmp_path):
    """Return a copy of the folder and of nothing else, as another machine has it."""
    return shutil.copytree(folder, tmp_path / "elsewhere" / "model")


@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize("regime", ["scratch", "finetune", "features"])
def test_an_export_alone_predicts_what_its_run_predicts(finished, place, tmp_path, regime, ensemble):
    folder = finished(regime)
    out, about = export(ExportRequest(folder, tmp_path / "model", ensemble=ensemble), QUIET)
    assert (out / "backbone.safetensors").is_file() == (regime == "features")
    there = moved(out, tmp_path)
    shutil.rmtree(out)
    expected = predicted(folder, place / "photos", tmp_path / "run.csv", ensemble=ensemble, tta=True)
    found = predicted(there, place / "photos", tmp_path / "export.csv", tta=True, overrides=("train.threads=1",))
    np.testing.assert_allclose(found, expected, atol=WRITTEN)
    assert np.ptp(expected) > 10 * WRITTEN
    records = open_records(folder)
    choice = choose_model(records, ensemble=ensemble)
    assert [each["run_id"] for each in about["runs"]] == list(choice.run_ids)
    stored = [load_arrays(schema.prediction(folder, each))["predictions"][:, 1] for each in choice.run_ids]
    untouched = predicted(there, place / "photos", tmp_path / "plain.csv")
    np.testing.assert_allclose(untouched, np.mean(stored, axis=0), atol=WRITTEN)


def test_a_light_export_takes_the_same_weights_from_elsewhere_and_no_others(
    finished, place, tmp_path, registry, monkeypatch
):
    from safetensors.torch import save_file

    folder = finished("features")
    out, about = export(ExportRequest(folder, tmp_path / "model", light=True), QUIET)
    assert sorted(file.name for file in out.iterdir()) == ["README.md", "model.json", "network.safetensors"]
    assert about["pretrained"]["file"] == ""
    expected = predicted(folder, place / "photos", tmp_path / "run.csv")
    monkeypatch.setenv("HARNESS_WEIGHTS", str(place / "weights"))
    np.testing.assert_allclose(predicted(out, place / "photos", tmp_path / "a.csv"), expected, atol=WRITTEN)
    torch.manual_seed(1)
    other = tmp_path / f"{NETWORK}.safetensors"
    save_file(registry.get("backbone", NETWORK, Backbone).build((3, 32, 32), 1000).state_dict(), other)
    with pytest.raises(DataError, match="must be the weights the run was made with"):
        predicted(out, place / "photos", tmp_path / "b.csv", overrides=(f"train.pretrained={other}",))


def test_the_card_is_what_hubs_read_and_says_what_to_expect(finished, tmp_path):
    from harness.results.tables import winner

    folder = finished("scratch")
    out, about = export(ExportRequest(folder, tmp_path / "model"), QUIET)
    card = (out / "README.md").read_text()
    _, header, body = card.split("---\n", 2)
    data = yaml.safe_load(header)
    assert data["pipeline_tag"] == "image-classification"
    best = winner.compute(open_records(folder)).iloc[0]
    (result,) = data["model-index"][0]["results"]
    first, *own = result["metrics"]
    assert first["value"] == pytest.approx(best["expected"])
    records = open_records(folder)
    row = records.compared().set_index("run_id").loc[best["run_id"]]
    assert {each["type"]: each["value"] for each in own} == pytest.approx(
        {name: row[f"test_{name}"] for name in records.meta.metrics}, abs=1e-6
    )
    assert [line.removeprefix("## ") for line in body.splitlines() if line.startswith("## ")] == list(SECTIONS)
    assert f"{100 * best['expected']:.2f} %" in body
    assert f"{100 * best['optimism']:.2f} points better" in body
    assert json.loads((out / "model.json").read_text()) == about
    assert any("expected test accuracy of the choice" in line for line in lines(out, about))
    assert str(folder.parent) not in card + (out / "model.json").read_text()  # nothing of this machine


def test_the_own_score_of_a_model_has_the_exact_interval_over_test_photos_also_with_one_seed(finished, tmp_path):
    from scipy.stats import binomtest

    out, about = export(ExportRequest(finished("scratch"), tmp_path / "model"), QUIET)
    scores = about["scores"]
    photos = 80  # the test split of ``place``
    hits = round(scores["own"]["accuracy"] * photos)
    low, high = binomtest(hits, photos).proportion_ci(0.95, method="exact")
    assert scores["own_intervals"]["accuracy"] == pytest.approx({"low": low, "high": high, "examples": photos})
    assert "loss" not in scores["own_intervals"]  # it is no proportion
    expected = f"{100 * low:.2f} % to {100 * high:.2f} %"
    for arm in scores["arms"]:  # as in a run of one seed
        arm.pop("expected", None)
    card = model_card(about)
    (row,) = [line for line in card.splitlines() if line.startswith("| test accuracy of this model |")]
    assert row.split("|")[3].strip() == expected
    assert "a proportion of 80 test examples" in card
    assert "It does not cover another training." in card
    assert any(f"95 % interval {expected} over test examples" in line for line in lines(out, about))


# --- the card, followed by somebody who has timm and torch alone

FOLLOWED = """
name = "followed"
[data]
dataset = "folder"
size = 96
tune = 0.25
[train]
executor = "inprocess"
regime = "{regime}"
backbones = ["mobilenetv2_035"]
optimizers = ["adam"]
batch_size = 8
precision = "fp32"
device = "cpu"
threads = 1
[search]
trials = 1
epochs = [1]
[search.space.adam]
lr = 0.003
beta1 = {{ low = 0.8, high = 0.9 }}
[compare]
looks = [1]
seeds = 2
epochs = 2
probes = []
untuned = 0
gate = false
[report]
formats = []
paths = false
"""
HEAD = """
[heads.linear.train]
batch_size = 1000
l2 = 0.25
[heads.linear.search]
epochs = [3]
[heads.linear.compare]
epochs = 7
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory, registry):
    """A folder with weights for a network that wants 109 pixels of a short side for 96, and JPEGs large enough to be drafted."""
    from safetensors.torch import save_file

    root = tmp_path_factory.mktemp("large")
    torch.manual_seed(0)
    model = registry.get("backbone", "mobilenetv2_035", Backbone).build((3, 96, 96), 1000)
    save_file(model.state_dict(), root / "mobilenetv2_035.safetensors")
    (root / "photos").mkdir()
    for split, count in (("train", 8), ("valid", 4)):
        for number, label in enumerate(("cats", "dogs")):
            (root / "data" / split / label).mkdir(parents=True)
            for i in range(count):
                random = np.random.default_rng([number, i, count])
                coarse = random.integers(0, 200, (17 + i, 23 - number, 3), dtype=np.uint8)
                coarse[..., number] += 55
                file = root / "data" / split / label / f"{label}.{i}.jpg"
                Image.fromarray(coarse).resize((470 + 31 * i, 450 - 13 * i), Image.Resampling.BICUBIC).save(
                    file, quality=92
                )
                if split == "valid":
                    shutil.copy(file, root / "photos" / f"{number * count + i}.jpg")
    return root


@pytest.fixture(scope="module")
def followed(large, leave_out_reports):
    """Return a function that returns the finished run of a regime at 96 px, made once."""
    made = {}

    def make(regime):
        if regime not in made:
            with pytest.MonkeyPatch.context() as patched:
                patched.setenv("HARNESS_WEIGHTS", str(large))
                leave_out_reports(patched)
                file = large / f"{regime}.toml"
                file.write_text(FOLLOWED.format(regime=regime) + (HEAD if regime == "features" else ""))
                assert run(Request(file, data=large / "data", out=large / regime), QUIET) == 0
                (made[regime],) = (large / regime).iterdir()
        return made[regime]

    return make


def codes_of(out):
    """Return the blocks of code in a model's card."""
    return re.findall(r"```python\n(.*?)```", (out / "README.md").read_text(), re.DOTALL)


def test_the_card_s_code_for_the_onnx_file_takes_the_card_s_own_square(followed, large, tmp_path, monkeypatch, capsys):
    """``square`` gives pixels from 0 to 1, as the file wants them; normalised ones gave probabilities wrong by .8."""
    pytest.importorskip("onnxruntime")
    out, _ = export(ExportRequest(followed("features"), tmp_path / "model", formats=("onnx",)), QUIET)
    expected = predicted(out, large / "photos", tmp_path / "a.csv")
    monkeypatch.chdir(out)
    shutil.copy(large / "photos" / "0.jpg", "photo.jpg")
    names = {}
    for code in codes_of(out):
        capsys.readouterr()
        exec(code, names)
    assert re.fullmatch(rf"{names['classes'][int(expected[0] > 0.5)]} [\d.]+%\n", capsys.readouterr().out)
    np.testing.assert_allclose(names["answer"][0, 1], expected[0], atol=1e-4)


@pytest.mark.parametrize(("regime", "ensemble"), [("features", False), ("features", True), ("finetune", True)])
def test_the_code_in_the_card_predicts_what_harness_predict_writes(
    followed, large, tmp_path, monkeypatch, capsys, regime, ensemble
):
    out, _ = export(ExportRequest(followed(regime), tmp_path / "model", ensemble=ensemble), QUIET)
    expected = predicted(out, large / "photos", tmp_path / "a.csv")
    (code,) = codes_of(out)
    assert "harness" not in code
    monkeypatch.chdir(out)
    shutil.copy(large / "photos" / "0.jpg", "photo.jpg")
    names = {}
    capsys.readouterr()
    exec(code, names)
    chosen = names["classes"][int(expected[0] > 0.5)]
    assert re.fullmatch(rf"{chosen} [\d.]+%\n", capsys.readouterr().out)
    found = [float(names["probabilities"](large / "photos" / f"{i}.jpg")[1]) for i in range(len(expected))]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(expected) > 1e-4


MISMATCH = """
import torch
register = torch.library.register_fake
def refused(name, *rest, **more):  # as where torchvision was built for another torch
    if str(name).startswith("torchvision::"):
        raise RuntimeError(f"operator {name} does not exist")
    return register(name, *rest, **more)
torch.library.register_fake = refused
"""


@pytest.mark.parametrize("regime", ["features", "scratch"])
def test_the_card_s_code_works_in_a_process_of_its_own_where_torchvision_does_not_fit_torch(
    followed, finished, large, place, tmp_path, regime
):
    run_folder, photos = (finished(regime), place) if regime == "scratch" else (followed(regime), large)
    out, _ = export(ExportRequest(run_folder, tmp_path / "model"), QUIET)
    (dogs, *_) = predicted(out, photos / "photos", tmp_path / "a.csv")
    (code,) = codes_of(out)
    first = min((photos / "photos").iterdir(), key=lambda file: int(file.stem))
    shutil.copy(first, out / "photo.jpg")
    command = [sys.executable, "-I", "-W", "ignore", "-c", f"{MISMATCH}\n{code}"]
    made = subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    chosen, percent = made.stdout.split()
    assert chosen == ("dogs" if dogs > 0.5 else "cats")
    assert float(percent.removesuffix("%")) == pytest.approx(100 * max(dogs, 1 - dogs), abs=0.06)


def test_the_sentence_in_the_card_is_enough_for_the_same_labels(followed, large, tmp_path):
    """Scaled as a whole and cut then, in timm's way, with the numbers of the card; only rounding differs."""
    import timm
    from safetensors.torch import load_file

    out, _ = export(ExportRequest(followed("features"), tmp_path / "model"), QUIET)
    expected = predicted(out, large / "photos", tmp_path / "a.csv")
    card = (out / "README.md").read_text()
    sentence = re.search(r"short side is scaled to (\d+) pixels \((\w+), .* the central (\d+) x (\d+) are cut", card)
    assert sentence.groups() == ("109", "bicubic", "96", "96")
    scaled, size = int(sentence[1]), int(sentence[3])
    mean, std = (torch.tensor(json.loads(text)).view(3, 1, 1) for text in re.findall(r"(\[0\.[\d., ]+\])", card)[:2])
    body = timm.create_model("mobilenetv2_035", num_classes=0).eval()
    body.load_state_dict(load_file(out / "backbone.safetensors"), strict=False)
    head = load_file(out / "network.safetensors")
    found = []
    for i in range(len(expected)):
        with Image.open(large / "photos" / f"{i}.jpg") as photo:
            photo.draft("RGB", (2 * scaled, 2 * scaled))
            wide, high = (int(scaled * side / min(photo.size)) for side in photo.size)
            whole = photo.convert("RGB").resize((wide, high), Image.Resampling.BICUBIC)
        left, top = round((wide - size) / 2), round((high - size) / 2)
        pixels = torch.from_numpy(np.array(whole.crop((left, top, left + size, top + size)))).permute(2, 0, 1) / 255
        with torch.no_grad():
            features = body(((pixels - mean) / std)[None])
        found.append(float((features @ head["1.weight"].T + head["1.bias"]).softmax(dim=1)[0, 1]))
    np.testing.assert_allclose(found, expected, atol=0.01)
    assert [p > 0.5 for p in found] == [p > 0.5 for p in expected]


def test_the_recipe_in_the_card_is_the_one_that_trained_the_model(followed, tmp_path):
    penalised = "on all weights that are not scale-free"
    for regime, values in {
        "features": {"epochs": "7", "batch size": "full batch (12 examples)", "L2": f"0.25 {penalised}"},
        "finetune": {
            "epochs": "2",
            "batch size": "8",
            "L2": f"0.0005 {penalised}",
            "batch norm": "train",
        },
    }.items():
        out, about = export(ExportRequest(followed(regime), tmp_path / regime), QUIET)
        rows = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", (out / "README.md").read_text(), re.MULTILINE))
        assert {key: rows[key] for key in values} == values
        assert rows["set by the benchmark"] == "lr = 0.003"
        assert rows["tuned hyperparameters"] == "beta1 = 0.9"  # the first trial is the default
        recipe = open_records(followed(regime)).recipes[about["runs"][0]["run_id"]]
        assert {key: recipe[key] for key in about["recipe"]} == about["recipe"]
        assert about["benchmark"]["compare"]["epochs"] == recipe["epochs"]


def test_a_network_of_a_plugin_that_says_no_plain_way_gets_no_code(finished, tmp_path, registry, monkeypatch):
    backbone = registry.get("backbone", "lesson_cnn", Backbone)
    assert backbone.plain((3, 32, 32), 2).startswith("torch.nn.Sequential(torch.nn.Conv2d(3, 16, ")
    assert (
        "```python"
        in (export(ExportRequest(finished("scratch"), tmp_path / "with"), QUIET)[0] / "README.md").read_text()
    )
    monkeypatch.setattr("harness.models.export.registry_for", lambda *_: _Bare(registry))
    card = (export(ExportRequest(finished("scratch"), tmp_path / "without"), QUIET)[0] / "README.md").read_text()
    assert "```python" not in card
    assert "cannot be loaded without optimizer-harness" in card


class _Bare:
    """A registry whose backbones say of themselves only what they must."""

    def __init__(self, registry):
        self.registry = registry

    def find(self, *args):
        return self.registry.find(*args)

    def get(self, kind, name, *more):
        found = self.registry.get(kind, name, *more)
        return replace(found, plain=None) if kind == "backbone" else found


@pytest.mark.parametrize(
    ("ends", "expected", "covers"),
    [
        ({"low": 0.9487, "high": 1.0}, "94.87 % to 100.00 %", "test examples"),  # nothing spreads: it has one side only
        ({}, "", ""),
    ],
)
def test_card_and_console_say_the_interval_that_the_table_has(finished, tmp_path, ends, expected, covers):
    out, about = export(ExportRequest(finished("scratch"), tmp_path / "model"), QUIET)
    best = next(row for row in about["scores"]["arms"] if row["arm"] == about["arm"])
    for key in ("low", "high"):
        del best[key]
    best |= {"expected": 1.0, "covers": covers, **ends}
    (line,) = [line for line in lines(out, about) if line.startswith("expected")]
    card = model_card(about)
    (row,) = [line for line in card.splitlines() if line.startswith("| **expected**")]
    assert row.endswith(f"| 100.00 % | {expected or 'unknown'} |")
    assert (f"95 % interval {expected} over test examples;" in line) == bool(expected)
    assert ("the interval covers test examples." in card) == bool(expected)
    assert "nan" not in line + card.lower().partition("## data")[2]


def test_a_named_arm_gets_no_expected_score(finished, tmp_path):
    folder = finished("scratch")
    records = open_records(folder)
    other = next(arm for arm in records.meta.arms if arm != choose_model(records).arm)
    for arm in (other, choose_model(records).arm):
        out, about = export(ExportRequest(folder, tmp_path / arm.replace("/", "-"), arm=arm), QUIET)
        assert about["arm"] == arm
        card = (out / "README.md").read_text()
        assert "named by hand" in card
        assert "expected** test" not in card
        assert not any("expected" in line for line in lines(out, about))


def test_what_is_damaged_is_named_in_one_line(finished, place, tmp_path):
    out, _ = export(ExportRequest(finished("scratch"), tmp_path / "model"), QUIET)
    text = (out / "model.json").read_text()
    said = json.loads(text)

    def refused(error, match, content=None, **more):
        if content is not None:
            (out / "model.json").write_text(content)
        with pytest.raises(error, match=match) as caught:
            predicted(out, place / "photos", tmp_path / "a.csv", **more)
        assert "\n" not in str(caught.value)

    refused(RunFolderError, "must be an exported model", "{")
    refused(RunFolderError, "and version 1, got .* and 2", json.dumps({**said, "version": 2}))
    refused(RunFolderError, "must be whole, got KeyError", json.dumps({k: v for k, v in said.items() if k != "input"}))
    elsewhere = [{**said["networks"][0], "file": "../network.safetensors"}]
    refused(RunFolderError, "must name files of its own folder", json.dumps({**said, "networks": elsewhere}))
    refused(BenchmarkError, "--arm: must be left out for an exported model", text, arm="lesson_cnn/sgd/cosine")
    refused(BenchmarkError, "--set: train.precision: must be .* got 'int4'", overrides=("train.precision=int4",))
    refused(BenchmarkError, "--set: must be one of .* got 'train.l2'", overrides=("train.l2=1",))
    with (out / "network.safetensors").open("ab") as file:
        file.write(b"more")
    refused(RunFolderError, "must be the exported weights .* export the model again")
    (out / "network.safetensors").unlink()
    refused(RunFolderError, "must be there, as model.json says, got nothing")


def test_no_folder_is_overwritten_and_missing_weights_are_said(finished, tmp_path):
    folder = finished("scratch")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine").write_text("")
    with pytest.raises(DataError, match="--out: must be a new folder"):
        export(ExportRequest(folder, tmp_path / "model"), QUIET)
    copy = shutil.copytree(folder, tmp_path / "run")
    shutil.rmtree(copy / "solutions")
    with pytest.raises(RunFolderError, match=r"must have its files whole: the records promise .* not there"):
        export(ExportRequest(copy, tmp_path / "new"), QUIET)
    assert not (tmp_path / "new").exists()
    assert [file.name for file in tmp_path.iterdir() if ".tmp" in file.name] == []


def test_a_model_is_replaced_where_that_is_asked_for_and_another_folder_never(finished, tmp_path):
    folder, out = finished("scratch"), tmp_path / "model"
    export(ExportRequest(folder, out), QUIET)
    with pytest.raises(DataError, match=r"which has an exported model; name another, or replace it with --force$"):
        export(ExportRequest(folder, out, ensemble=True), QUIET)
    export(ExportRequest(folder, out, ensemble=True, force=True), QUIET)
    assert sorted(file.name for file in out.iterdir()) == [
        "README.md", "model.json", "network-0.safetensors", "network-1.safetensors",
    ]  # fmt: skip
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.json").write_text('{"format": "mine"}')
    with pytest.raises(DataError, match=r"--out: must be a new folder, got .*mine', which is there"):
        export(ExportRequest(folder, tmp_path / "mine", force=True), QUIET)
    assert (tmp_path / "mine" / "model.json").read_text() == '{"format": "mine"}'


def test_python_exports_what_the_command_exports_and_reads_of_arguments(finished, tmp_path, capsys):
    import harness

    folder = finished("scratch")
    _, about = export(ExportRequest(folder, tmp_path / "typed"), QUIET)
    assert harness.export(harness.load(folder), tmp_path / "called") == tmp_path / "called"
    assert "test accuracy of this model: " in capsys.readouterr().out
    assert json.loads((tmp_path / "called" / "model.json").read_text()) == about
    with pytest.raises(DataError, match=r"^out: must be a new folder, got .*, or replace it with force=True$"):
        harness.export(folder, tmp_path / "called", quiet=True)
    with pytest.raises(HarnessError, match=r"^formats: must be onnx, torchscript, timm, or several .* got 'onyx'"):
        harness.export(folder, tmp_path / "other", formats=["onyx"], quiet=True)
    with pytest.raises(HarnessError, match=r"^arm: must be an arm of the run, got 'nobody'"):
        harness.export(folder, tmp_path / "other", arm="nobody", quiet=True)
    assert capsys.readouterr().out == ""


def test_the_command_says_what_to_expect_and_how_to_predict(finished, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["export", str(finished("scratch")), "--out", str(tmp_path / "model"), "--ensemble"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "seed 0, 1, into" in said
    assert f"harness predict {tmp_path / 'model'} FOLDER_OR_ZIP" in said


# --- further formats


def squares_of(folder, size):
    """Return the photos of a folder, ``uint8 [N, size, size, 3]`` in the order of their numbers, cut as the model cuts them."""
    from harness.data.images import stream_photos
    from harness.data.photos import Skipped, open_photos
    from harness.models.exported import read_model

    model, _ = read_model(folder)
    with open_photos(size, Skipped(size), "number") as photos:
        pieces = [pixels for pixels, _ in stream_photos([photo.photo for photo in photos], model.cut)]
    return np.concatenate(pieces)[:, 0]


def checked_formats(out, about, photos, tmp_path, readers):
    """Compare what each format gives for photos with what ``harness predict`` writes, and what the card says of it."""
    from harness.models.formats.whole import as_pixels

    expected = predicted(out, photos, tmp_path / "formats.csv")
    pixels = as_pixels(squares_of(out, photos))
    for run_format in readers:
        np.testing.assert_allclose(run_format(out, pixels)[:, 1], expected, atol=1e-4)
        np.testing.assert_allclose(run_format(out, pixels[:1])[:, 1], expected[:1], atol=1e-4)  # a batch of any size
    assert np.ptp(expected) > 1e-3
    assert [written["format"] for written in about["formats"]] == [reader.__name__[4:] for reader in readers]
    assert all(written["largest_difference"] <= 1e-4 for written in about["formats"])
    card = (out / "README.md").read_text()
    for written in about["formats"]:
        assert f"`{written['file']}`" in card
        assert any(written["file"] in line and written["read_by"] in line for line in lines(out, about))


@pytest.mark.parametrize("regime", ["features", "finetune"])
def test_torchscript_and_timm_give_the_probabilities_of_harness_predict(followed, large, tmp_path, regime):
    from harness.models.formats.timm_folder import run_timm
    from harness.models.formats.torchscript_file import run_torchscript

    out, about = export(ExportRequest(followed(regime), tmp_path / "model", formats=("torchscript", "timm")), QUIET)
    checked_formats(out, about, large / "photos", tmp_path, (run_torchscript, run_timm))


def test_onnx_gives_the_probabilities_of_harness_predict_for_several_networks_on_frozen_features(
    finished, place, tmp_path
):
    pytest.importorskip("onnxruntime")
    from harness.models.formats.onnx_file import run_onnx

    request = ExportRequest(finished("features"), tmp_path / "model", ensemble=True, formats=("onnx",))
    out, about = export(request, QUIET)
    checked_formats(out, about, place / "photos", tmp_path, (run_onnx,))


def test_a_format_that_cannot_be_written_is_one_line_and_leaves_nothing(finished, followed, tmp_path, monkeypatch):
    from harness.models.formats import onnx_file, torchscript_file

    def refused(folder, match, **more):
        with pytest.raises(HarnessError, match=match):
            export(ExportRequest(folder, tmp_path / "model", **more), QUIET)
        assert not (tmp_path / "model").exists()

    scratch = finished("scratch")
    refused(scratch, "--format: must be onnx, torchscript, timm.*, got 'onx'; did you mean 'onnx'", formats=("onx",))
    refused(scratch, "--format timm: must be for a network that timm builds", formats=("timm",))
    refused(followed("finetune"), "--format timm: must be one network, got 2", formats=("timm",), ensemble=True)
    monkeypatch.setattr(torchscript_file, "run_torchscript", lambda folder, pixels: np.zeros((16, 2)))
    refused(scratch, "--format torchscript: must give the probabilities of 'harness predict'", formats=("torchscript",))
    monkeypatch.setattr(onnx_file.importlib.util, "find_spec", lambda name: None)
    refused(scratch, r"--format onnx: must have onnx and onnxscript, .*optimizer-harness\[onnx\]", formats=("onnx",))
