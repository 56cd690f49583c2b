"""Pretrained weights: found where the user said, part of a run's identity, and refused in one line, soon."""

from __future__ import annotations

import socket
import threading

import numpy as np
import pytest
import torch

from harness.cli.show import show
from harness.console.progress import Reporter
from harness.errors import BenchmarkError, DataError, HarnessError, PluginError
from harness.plugin.contracts import Backbone, Weights
from harness.records import open_records
from harness.running.prepare import Request, prepare
from harness.running.start import run
from harness.training.pretrained import Fit, check_fit, find_weights, read_weights

NAME = "test_resnet"  # timm's tiny one


@pytest.fixture(scope="module")
def weights_folder(tmp_path_factory, registry):
    """A folder with weights for test_resnet: random ones, but the same in every test."""
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = registry.get("backbone", NAME, Backbone).build((3, 32, 32), 1000)
    folder = tmp_path_factory.mktemp("weights")
    save_file(model.state_dict(), folder / f"{NAME}.mine.safetensors")
    return folder


@pytest.fixture
def backbone(registry):
    return registry.get("backbone", NAME, Backbone)


def test_the_folder_of_the_environment_comes_first(backbone, weights_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_WEIGHTS", str(weights_folder))
    found = find_weights(backbone, True, tmp_path, "here")
    assert found.file == weights_folder / f"{NAME}.mine.safetensors"
    assert len(found.sha256) == 64
    assert found.mean == (0.5, 0.5, 0.5)
    assert 0.8 < found.crop <= 1


@pytest.mark.parametrize("said", ["weights", f"weights/{NAME}.mine.safetensors"])
def test_a_file_or_folder_is_relative_to_the_benchmark(backbone, weights_folder, said, tmp_path):
    (tmp_path / "weights").symlink_to(weights_folder)
    assert find_weights(backbone, said, tmp_path, "here").file.name == f"{NAME}.mine.safetensors"


def test_another_models_weights_are_not_taken(weights_folder, tmp_path, registry):
    longer = registry.get("backbone", "test_resnet", Backbone)
    (tmp_path / f"{NAME}2.safetensors").write_bytes(b"")
    with pytest.raises(DataError, match=r"must be a folder with test_resnet\*\.safetensors, got none"):
        find_weights(longer, ".", tmp_path, "here")


def test_what_is_not_there_is_one_line(backbone, tmp_path, monkeypatch):
    with pytest.raises(
        DataError,
        match=r"here: must be a file or a folder with weights, got '.*none', which is not there; check the path",
    ):
        find_weights(backbone, "none", tmp_path, "here")
    with pytest.raises(BenchmarkError, match="must be true, a file or a folder in this regime, got false"):
        find_weights(backbone, False, tmp_path, "here")
    monkeypatch.setenv("HARNESS_WEIGHTS", str(tmp_path / "none"))
    with pytest.raises(DataError, match="HARNESS_WEIGHTS: must be a folder"):
        find_weights(backbone, True, tmp_path, "here")
    for i in "ab":
        (tmp_path / f"{NAME}.{i}.safetensors").write_bytes(b"")
    with pytest.raises(DataError, match=r"must find one file .* got test_resnet\.a\.safetensors, test_resnet\.b"):
        find_weights(backbone, ".", tmp_path, "here")


def test_a_backbone_without_weights_is_refused(registry, tmp_path):
    with pytest.raises(BenchmarkError, match="must name backbones that have pretrained weights, got 'lesson_cnn'"):
        find_weights(registry.get("backbone", "lesson_cnn", Backbone), True, tmp_path, "here")


@pytest.fixture
def no_hub(monkeypatch, tmp_path):
    monkeypatch.delenv("HARNESS_WEIGHTS", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *a: None)


def test_an_unreachable_hub_is_said_within_seconds_even_when_it_hangs(backbone, tmp_path, monkeypatch, no_hub):
    from harness_plugins import _hub

    forever = threading.Event()
    monkeypatch.setattr(_hub, "PATIENCE", 0.2)

    def hang(*a):
        forever.wait(60)  # whoever waits for this one gets another message
        raise OSError("the connection's own error")

    monkeypatch.setattr(socket, "create_connection", hang)
    with pytest.raises(
        DataError, match=r"here: must get the weights of 'test_resnet' from its hub, got no connection: no answer"
    ):
        find_weights(backbone, True, tmp_path, "here")
    forever.set()


def test_a_refused_connection_and_an_offline_switch_are_named(backbone, tmp_path, monkeypatch, no_hub):
    def refuse(*a):
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(DataError, match="no connection: refused; put a file"):
        find_weights(backbone, True, tmp_path, "here")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="switched off"):
        find_weights(backbone, True, tmp_path, "here")


def test_a_folder_without_the_file_is_named_where_the_hub_does_not_help(backbone, tmp_path, monkeypatch, no_hub):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HARNESS_WEIGHTS", str(tmp_path))
    (tmp_path / "other.safetensors").touch()
    expected = rf"^here: must get the weights of 'test_resnet' .*; HARNESS_WEIGHTS, '{tmp_path}', has no test_resnet\*\.safetensors$"
    with pytest.raises(DataError, match=expected):
        find_weights(backbone, True, tmp_path, "here")


def test_a_model_without_published_weights_says_so(registry, tmp_path, no_hub):
    with pytest.raises(DataError, match="must be a model with published weights, got 'mobilenetv2_035'"):
        find_weights(registry.get("backbone", "mobilenetv2_035", Backbone), True, tmp_path, "here")


# --- whether a network really starts from them

SHAPE = (3, 32, 32)


@pytest.fixture
def state(weights_folder):
    from safetensors.torch import load_file

    return load_file(weights_folder / f"{NAME}.mine.safetensors")


@pytest.fixture
def saved(tmp_path):
    """Return a function that writes tensors into a file: safetensors, or whatever torch.save writes for ``.pth``."""
    from safetensors.torch import save_file

    def write(content, name="weights.safetensors"):
        file = tmp_path / name
        if file.suffix == ".pth":
            torch.save(content, file)
        else:
            save_file({key: tensor.clone() for key, tensor in content.items()}, file)
        return file

    return write


def own(state):
    """Return the names of a network's floating-point tensors without its head, which is what must be loaded."""
    return [name for name, tensor in state.items() if tensor.is_floating_point() and not name.startswith("fc.")]


def behind(prefix, state):
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


WHOLE = {
    "as it is": lambda s: s,
    "without its head": lambda s: {k: v for k, v in s.items() if not k.startswith("fc.")},
    "without counters": lambda s: {k: v for k, v in s.items() if v.is_floating_point()},
    "in half precision": lambda s: {k: v.half() if v.is_floating_point() else v for k, v in s.items()},
    "with another head": lambda s: {**s, "fc.weight": torch.ones(7, 3), "criterion.weight": torch.ones(7)},
    "with NaN in the head": lambda s: {**s, "fc.weight": s["fc.weight"] * torch.nan},
    **{f"behind {p}": lambda s, p=p: behind(p, s) for p in ("module.", "_orig_mod.", "model.", "backbone.", "encoder.", "module.model.")},
    "beside an average": lambda s: behind("model.", s) | behind("average.", s) | {"loss.weight": torch.ones(2)},
}  # fmt: skip


@pytest.mark.parametrize("kind", WHOLE)
def test_weights_that_fit_are_loaded_to_the_last_tensor(backbone, state, saved, kind):
    weights = backbone.weights(saved(WHOLE[kind](state)))
    assert check_fit(backbone, weights, SHAPE, "here") == Fit(len(own(state)), len(own(state)))
    built = backbone.build(SHAPE, 2, weights).state_dict()
    for name in own(state):
        torch.testing.assert_close(built[name], state[name], rtol=1e-3, atol=1e-3 if "half" in kind else 0)
    assert built["fc.weight"].shape[0] == 2
    assert built["fc.weight"].isfinite().all()


@pytest.mark.parametrize(
    "wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model": behind("module.", s)}]
)
def test_checkpoints_of_torch_save_are_opened(backbone, state, saved, wrap):
    fit = check_fit(backbone, backbone.weights(saved(wrap(state), "weights.pth")), SHAPE, "here")
    assert fit == Fit(len(own(state)), len(own(state)))


def test_a_network_of_a_thousand_classes_gets_a_new_head_too(backbone, state, saved):
    weights = backbone.weights(saved(WHOLE["without its head"](state)))
    assert backbone.build(SHAPE, 1000, weights).state_dict()["fc.weight"].shape[0] == 1000


def without(name):
    return lambda s: {k: v for k, v in s.items() if k != name}


MISFITS = {
    "another prefix": (lambda s: behind("student.", s), "got 0 of them in 'FILE', the first missing is 'FIRST' (there is a 'student.FIRST'); use"),
    "unrelated": (lambda s: {"a.b": torch.ones(2)}, "got 0 of them in 'FILE', the first missing is 'FIRST'; use"),
    "a convolution less": (without("layer1.0.conv1.weight"), "got LESS of them in 'FILE', the first missing is 'layer1.0.conv1.weight'"),
    "a normalisation less": (without("layer1.0.bn1.running_var"), "got LESS of them in 'FILE', the first missing is 'layer1.0.bn1.running_var'"),
    "another shape": (
        lambda s: {**s, "layer1.0.bn1.bias": torch.ones(5)},
        "got LESS of them in 'FILE', the first that does not fit is 'layer1.0.bn1.bias', [5] instead of [",
    ),
    "twice": (lambda s: behind("model.", s) | behind("encoder.", s), "must have the network's tensors once, got"),
    "not a number": (lambda s: {**s, "layer1.0.bn1.bias": s["layer1.0.bn1.bias"] * torch.nan}, "got NaN or infinity in 'layer1.0.bn1.bias' of 'FILE'"),
    "nothing": (lambda s: {}, "must hold a network's tensors by name, got none"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MISFITS)
def test_weights_that_do_not_fit_are_refused_in_one_line(backbone, state, saved, kind, caplog):
    content, message = MISFITS[kind]
    file = saved(content(state))
    with pytest.raises(DataError, match=r"^here: ") as caught:
        check_fit(backbone, backbone.weights(file), SHAPE, "here")
    line = str(caught.value)
    expected = (
        message.replace("FILE", str(file)).replace("FIRST", "conv1.0.weight").replace("LESS", str(len(own(state)) - 1))
    )
    assert expected in line
    assert str(file) in line
    assert "\n" not in line
    if "of them in" in message:
        assert f"must be all {len(own(state))} tensors of '{NAME}'" in line
    assert not caplog.records  # nothing of timm's own


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pth", "weights.bin"])
@pytest.mark.parametrize("length", [0, 7, 5000])
def test_a_file_cut_short_is_one_line(backbone, state, saved, name, length):
    whole = saved(
        {"state_dict": state} if name != "weights.safetensors" else state, name if "bin" not in name else "w.pth"
    )
    file = whole.with_name(name)
    file.write_bytes(whole.read_bytes()[:length])
    with pytest.raises(DataError, match=r"must be whole weights, .*; get the file again$") as caught:
        check_fit(backbone, backbone.weights(file), SHAPE, "here")
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_with_code_in_it_is_not_run(backbone, saved):
    with pytest.raises(DataError, match="must be whole weights"):
        check_fit(backbone, backbone.weights(saved(torch.nn.Linear(2, 2), "weights.pth")), SHAPE, "here")


@pytest.mark.parametrize("regime", ["features", "finetune"])
@pytest.mark.parametrize("fault", ["prefix", "cut"])
def test_a_run_from_weights_that_do_not_fit_ends_before_it_begins(
    request_of, state, weights_folder, saved, regime, fault, capfd
):
    from harness.cli.app import main

    file = saved(behind("student.", state))
    if fault == "cut":
        file.write_bytes((weights_folder / f"{NAME}.mine.safetensors").read_bytes()[:100_000])
    request = request_of(regime, ("batch_size = 16", f'batch_size = 16\npretrained = "{file}"'))
    with pytest.raises(SystemExit) as ended:
        main(["run", str(request.file), "--data", str(request.data), "--out", str(request.out)])
    assert ended.value.code == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"error: {request.file}:")
    assert "train.pretrained: " in line
    assert str(file) in line
    assert not request.out.exists()


@pytest.mark.usefixtures("unreported")
def test_what_was_loaded_is_said_and_recorded(request_of, state):
    said = []
    reporter = Reporter(quiet=True)
    reporter.say = lambda line, **_: said.append(line)
    request = request_of("features", ("trials = 3", "trials = 1"), ('"sgd", "adam"', '"sgd"'))
    assert run(request, reporter) == 0
    count = len(own(state))
    (line,) = [line for line in said if line.startswith("weights of")]
    assert line.startswith(f"weights of {NAME}: {count} of {count} tensors, from ")
    (folder,) = request.out.iterdir()
    about = open_records(folder).meta.weights[NAME]
    assert (about["loaded"], about["tensors"]) == (count, count)


def test_a_backbone_that_fails_on_these_images_is_one_line(request_of, backbone):
    from harness.training import features

    setting = prepare(request_of("features"), Reporter(quiet=True))

    def small(shape, outputs, weights=None):
        return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 64), torch.nn.Flatten())

    def none(shape, outputs, weights=None):
        raise ValueError("no images of this size")

    for build, reason in ((small, "RuntimeError"), (none, "ValueError: no images of this size")):
        bad = Backbone("bad", build, weights=backbone.weights)
        with pytest.raises(
            PluginError, match=f"backbone 'bad': must give features of these images, got {reason}"
        ) as caught:
            features.extract(bad, setting.plan.weights[NAME], setting.data, setting.device, lambda *_: None)
        assert "\n" not in str(caught.value)


def net(read):
    """Return a backbone of somebody's own: a linear body with a normalisation, and a head; ``read`` loads its weights."""
    from harness_plugins.backbones.timm import weights

    def build(shape, outputs, weights=None):
        body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 4), torch.nn.BatchNorm1d(4))
        if weights:
            read(body, weights.file)
        return torch.nn.Sequential(body, torch.nn.Linear(4, outputs)) if outputs else torch.nn.Sequential(body)

    return Backbone("net", build, weights=lambda file: weights(NAME, file))


def strictly(body, file):
    body.load_state_dict(read_weights(file, body.state_dict()))


def in_part(body, file):
    body.load_state_dict(torch.load(file), strict=False)


def by_its_own_format(body, file):
    values = torch.tensor(np.frombuffer(file.read_bytes(), np.float32))
    torch.nn.utils.vector_to_parameters(values, body.parameters())


def body_state():
    """Return the tensors of such a body as if it had been trained: none is where it begins."""
    body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 4), torch.nn.BatchNorm1d(4))
    return {name: t + 0.5 if t.is_floating_point() else t for name, t in body.state_dict().items()}


def test_the_weights_of_ones_own_backbone_are_checked_as_well(saved, tmp_path):
    whole = body_state()
    lacking = {name: tensor for name, tensor in whole.items() if name != "2.running_mean"}
    strict, lax, deaf = net(strictly), net(in_part), net(lambda body, file: None)

    def check(backbone, content):
        return check_fit(backbone, backbone.weights(saved(content, "own.pth")), SHAPE, "here")

    assert check(strict, whole) == check(lax, whole) == Fit(6, 6)
    assert check(strict, behind("model.", whole)) == Fit(6, 6)
    with pytest.raises(DataError, match=r"got 5 of them in '.*own\.pth', the first missing is '0\.2\.running_mean'"):
        check(lax, lacking)
    with pytest.raises(DataError, match=r"got 0 of them .* first missing is '0\.1\.weight'"):
        check(lax, behind("model.", whole))
    with pytest.raises(DataError, match=r"the first missing is '0\.1\.weight'"):
        check(deaf, whole)
    with pytest.raises(
        DataError, match=r"must be weights that 'net' can be built from, got RuntimeError: .*2\.running_mean"
    ):
        check(strict, lacking)
    other = net(by_its_own_format)
    (tmp_path / "own.raw").write_bytes(np.arange(4 * 3072 + 12, dtype=np.float32).tobytes())
    assert check_fit(other, other.weights(tmp_path / "own.raw"), SHAPE, "here") == Fit(6, 6)


# --- the regimes ---------------------------------------------------------------------------------------------

DATA = ("[data]\nsize = 16\noptions = { train = 64, tune = 32, test = 64 }", "[data]\nsize = 32")
ARMS = 'optimizers = ["sgd", "adam"]'


@pytest.fixture
def request_of(benchmark_file, photos, tmp_path, weights_folder, monkeypatch):
    monkeypatch.setenv("HARNESS_WEIGHTS", str(weights_folder))

    def make(regime, *replacements, **more):
        text = f'regime = "{regime}"\nbackbones = ["{NAME}"]\n{ARMS}'
        file = benchmark_file(DATA, (ARMS, text), *replacements)
        return Request(file, data=photos(train=24, valid=8), out=tmp_path / "runs", **more)

    return make


def test_finetuning_starts_from_the_file_and_trains_all_of_it(request_of, weights_folder):
    from safetensors.torch import load_file

    from harness.running.workbench import Bench

    setting = prepare(request_of("finetune"), Reporter(quiet=True))
    competitor = setting.plan.competitors[0]
    made = setting.compare_run(competitor, {"lr": 0.1, "momentum": 0.9, "nesterov": False, "epochs": 1}, 0)
    parts = Bench(setting, lambda _: None).parts(made)
    saved = load_file(weights_folder / f"{NAME}.mine.safetensors")
    own = parts.model.state_dict()
    shared = [name for name in saved if saved[name].shape == own[name].shape]
    assert len(shared) >= len(saved) - 2  # all but the classifier
    assert all(torch.equal(saved[name], own[name]) for name in shared)
    assert len(parts.parameters) == len(list(parts.model.parameters()))
    assert made.weights == competitor.weights.sha256


def test_the_lessons_stages_go_from_the_file_to_the_report(request_of):
    stages = ("batch_size = 16", 'batch_size = 16\nhead_epochs = 1\nbatch_norm = "frozen"\naugment = ["flip"]')
    epochs = ("epochs = [1, 2]", "epochs = [2]\nlayer_factor = [0.1, 0.5]")
    request = request_of("finetune", stages, epochs, ("trials = 3", "trials = 1"), ('"sgd", "adam"', '"sgd"'))
    assert run(request, Reporter(quiet=True)) == 0
    (folder,) = request.out.iterdir()
    (arm,) = show(folder)["arms"]
    assert {seed["state"] for seed in arm["seeds"]} == {"done"}
    assert 0.1 <= arm["tuned"]["params"]["layer_factor"] <= 0.5


def test_the_features_are_the_frozen_networks_and_are_extracted_once(request_of, backbone, monkeypatch, weights_folder):
    from harness.training import features

    setting = prepare(request_of("features"), Reporter(quiet=True))
    arm = setting.plan.competitors[0].arm
    data, images = setting.data_of(arm), setting.data
    weights = setting.plan.weights[NAME]
    model = backbone.build((3, 32, 32), 0, weights).eval()
    pixels = torch.from_numpy(np.array(images.test.inputs)).float() / 255
    normal = (pixels - torch.tensor(weights.mean)) / torch.tensor(weights.std)
    with torch.no_grad():
        expected = model(normal.permute(0, 3, 1, 2))
    torch.testing.assert_close(torch.from_numpy(np.array(data.test.inputs)), expected, rtol=1e-3, atol=1e-4)
    assert np.array_equal(data.train.targets, images.train.targets)
    assert data.fingerprint != images.fingerprint

    monkeypatch.setattr(features, "_compute_features", lambda *a: pytest.fail("extracted again"))
    source = setting.plan.sources[NAME]
    again = features.extract(backbone, weights, images, setting.device, lambda *a: None, source)
    assert again.fingerprint == data.fingerprint
    assert np.array_equal(again.train.inputs, data.train.inputs)
    with pytest.raises(pytest.fail.Exception, match="extracted again"):  # a corrected backbone has other features
        features.extract(backbone, weights, images, setting.device, lambda *a: None, "another source")


def test_a_features_run_compares_heads(request_of):
    heads = (f'backbones = ["{NAME}"]', f'backbones = ["{NAME}"]\nheads = ["linear", "mlp"]')
    request = request_of("features", heads, ('"sgd", "adam"', '"adam"'), ("epochs = 2\n", "epochs = 15\n"))
    assert run(request, Reporter(quiet=True)) == 0
    (folder,) = request.out.iterdir()
    arms = show(folder)["arms"]
    assert [arm["arm"] for arm in arms] == [f"{NAME}+linear/adam/cosine", f"{NAME}+mlp/adam/cosine"]
    records = open_records(folder)
    assert set(records.compared()["arm"]) == {arm["arm"] for arm in arms}
    assert set(records.compared()["state"]) == {"done"}


def test_the_weights_are_part_of_a_runs_identity(request_of, tmp_path):
    request = request_of("finetune")
    setting = prepare(request, Reporter(quiet=True))
    competitor = setting.plan.competitors[0]
    params = {"lr": 0.1, "epochs": 1}
    before = setting.compare_run(competitor, params, 0)
    other = Weights(competitor.weights.file, "0" * 64, competitor.weights.mean, competitor.weights.std)
    object.__setattr__(competitor, "weights", other)
    assert setting.compare_run(competitor, params, 0).id != before.id


@pytest.mark.parametrize(
    ("regime", "replacement", "message"),
    [
        (
            "features",
            ("batch_size = 16", 'batch_size = 16\naugment = ["flip"]'),
            "must be empty in the regime 'features'",
        ),
        ("features", (f'"{NAME}"', '"lesson_cnn"'), "got 'lesson_cnn'; use regime = \"scratch\""),
        (
            "features",
            ("batch_size = 16", 'batch_size = 16\nheads = ["liner"]'),
            "train.heads: must name a backbone, got 'liner'",
        ),
        ("finetune", ("batch_size = 16", "batch_size = 16\npretrained = false"), "must be true, a file or a folder"),
        (
            "finetune",
            ('"sgd", "adam"', '"sgd", "torch:LBFGS"]\nlayer_factor = 0.1\nschedulers = ["constant"'),
            r"tiny\.toml:9: train\.layer_factor: must be left out for the arm test_resnet/torch:LBFGS/constant, got ",
        ),
    ],
)
def test_a_regime_that_cannot_be_is_refused(request_of, regime, replacement, message):
    with pytest.raises(HarnessError, match=message):
        prepare(request_of(regime, replacement), Reporter(quiet=True))


@pytest.mark.usefixtures("unreported")
def test_the_batch_size_can_be_searched(benchmark_file, tmp_path):
    file = benchmark_file(
        ("trials = 3", 'trials = 6\nsampler = "random"\nbatch_size = [8, 32]'),
        ("sampler_options = { n_startup_trials = 2 }", ""),
    )
    assert run(Request(file, out=tmp_path / "runs", only_search=True), Reporter(quiet=True)) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    trials = show(folder)["arms"][0]["trials"]
    assert {trial["params"]["batch_size"] for trial in trials} == {8, 32}
    records = open_records(folder)
    steps = records.epochs.merge(records.trials[["run_id", "params"]].assign(
        batch=[p["batch_size"] for p in records.trials["params"]]), on="run_id")  # fmt: skip
    assert (steps["steps"] == steps["epoch"] * (64 // steps["batch"])).all()
