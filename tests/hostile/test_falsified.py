"""No plugin changes what another one computes: data, arguments and settings of the process are as if it were not there."""

from __future__ import annotations

import builtins
import gc
import locale
import os
import random
import resource
import signal
import sys
import time
import warnings

import numpy as np
import pytest
import torch
import torch._dynamo  # at home here, and not while a plugin is watched
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from harness.console.progress import Reporter
from harness.plugin import process_settings
from harness.plugin.contracts import Metric, Split
from harness.plugin.discovery import discover
from harness.plugin.process_settings import kept, kept_apart, take_notes
from harness.plugin.registry import Registry
from harness.records import open_records
from harness.running.prepare import Request
from harness.running.start import run
from harness.training.batches import put_on_device
from harness.training.device import Device
from harness.training.rehearsal import Rehearsal, no_loss

OPTIMIZER = sys.modules["torch.optim.optimizer"]  # torch hides it
CPU = Device("cpu", "fp32", 1)


# --- every setting by itself ---------------------------------------------------------------------------------


class Functions(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {}))


class Dispatches(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {}))


def hook(*_):
    return None


def replace_member(owner, name):
    original = getattr(owner, name)
    setattr(owner, name, lambda *args, **kwargs: original(*args, **kwargs))


def shadow(owner, name):
    """Put a method before the one that the class inherits."""
    assert name not in vars(owner)
    setattr(owner, name, lambda *args, **kwargs: None)


_entered = []  # what is entered and never left is held here, as a plugin that forgets would


def enter(context):
    context.__enter__()
    _entered.append(context)


OTHER_CORES = sorted(os.sched_getaffinity(0))[:1]
CHANGES = {
    "torch's default dtype": lambda: torch.set_default_dtype(torch.float64),
    "torch's default device": lambda: torch.set_default_device("meta"),
    "torch's function modes": lambda: enter(Functions()),
    "torch's dispatch modes": lambda: enter(Dispatches()),
    "torch's gradients enabled": lambda: torch.set_grad_enabled(False),
    "torch's inference mode": lambda: enter(torch.inference_mode()),
    "torch's autocast on cpu": lambda: enter(torch.autocast("cpu", torch.bfloat16)),
    "torch's autocast on cuda": lambda: torch.set_autocast_enabled("cuda", True),
    "torch's cache of autocast": lambda: torch.set_autocast_cache_enabled(False),
    "torch's depth of autocast": torch.autocast_increment_nesting,
    "torch's number of threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "torch's deterministic algorithms": lambda: torch.use_deterministic_algorithms(True, warn_only=True),
    "torch's anomaly detection": lambda: torch.set_anomaly_enabled(True, False),
    "torch's hooks of saved tensors": lambda: torch._C._autograd._push_saved_tensors_default_hooks(hook, hook),
    "torch's threads of autograd": lambda: torch._C._set_multithreading_enabled(False),
    "torch's flushing of denormal numbers": lambda: torch.set_flush_denormal(True),
    "torch's float32 matmul precision": lambda: torch.set_float32_matmul_precision("medium"),
    "torch.backends.cudnn.benchmark": lambda: setattr(torch.backends.cudnn, "benchmark", True),
    "torch.backends.cudnn.deterministic": lambda: setattr(torch.backends.cudnn, "deterministic", True),
    "torch's math attention": lambda: torch.backends.cuda.enable_math_sdp(False),
    "torch's use of mkldnn": lambda: torch._C._set_mkldnn_enabled(False),
    "torch's fast path of attention": lambda: torch.backends.mha.set_fastpath_enabled(False),
    "torch's global forward hooks of modules": lambda: torch.nn.modules.module.register_module_forward_hook(hook),
    "torch's global forward pre hooks of modules": lambda: torch.nn.modules.module.register_module_forward_pre_hook(hook),
    "torch's global backward hooks of modules": lambda: torch.nn.modules.module.register_module_full_backward_hook(hook),
    "torch's global parameter registration hooks of modules": (
        lambda: torch.nn.modules.module.register_module_parameter_registration_hook(hook)
    ),
    "torch's global optimizer pre hooks of optimizers": (
        lambda: OPTIMIZER.register_optimizer_step_pre_hook(hook)
    ),
    "torch's global optimizer post hooks of optimizers": (
        lambda: OPTIMIZER.register_optimizer_step_post_hook(hook)
    ),
    "torch.optim.adam.Adam.step": lambda: replace_member(torch.optim.Adam, "step"),
    "torch.optim.adam.adam": lambda: replace_member(sys.modules["torch.optim.adam"], "adam"),
    "torch.optim.rmsprop.RMSprop.zero_grad": lambda: shadow(torch.optim.RMSprop, "zero_grad"),
    "torch.nn.modules.module.Module.__call__": lambda: replace_member(torch.nn.Module, "__call__"),
    "torch.nn.modules.linear.Linear.forward": lambda: replace_member(torch.nn.Linear, "forward"),
    "torch.Tensor.backward": lambda: replace_member(torch.Tensor, "backward"),
    "torch.Tensor.relu": lambda: shadow(torch.Tensor, "relu"),
    "torch.nn.functional.relu": lambda: setattr(torch.nn.functional, "relu", torch.nn.functional.gelu),
    "torch.manual_seed": lambda: replace_member(torch, "manual_seed"),
    "numpy.mean": lambda: replace_member(np, "mean"),
    "builtins.sorted": lambda: replace_member(builtins, "sorted"),
    "time.perf_counter": lambda: replace_member(time, "perf_counter"),
    "random.shuffle": lambda: replace_member(random, "shuffle"),
    "harness.plugin.process_settings.take_notes": lambda: replace_member(process_settings, "take_notes"),
    "harness.training.batches.Resident.batch": lambda: replace_member(sys.modules["harness.training.batches"].Resident, "batch"),
    "numpy's error state": lambda: np.seterr(all="raise"),
    "Python's warnings as errors": lambda: warnings.filterwarnings("error", message="mine"),
    "Python's recursion limit": lambda: sys.setrecursionlimit(sys.getrecursionlimit() - 7),
    "Python's garbage collection": gc.disable,
    "the thresholds of garbage collection": lambda: gc.set_threshold(1, 2, 3),
    "Python's trace function": lambda: sys.settrace(hook),
    "Python's profile function": lambda: sys.setprofile(hook),
    "sys.stdout": lambda: setattr(sys, "stdout", None),
    "sys.stderr": lambda: setattr(sys, "stderr", None),
    "the working directory": lambda: os.chdir("/"),
    "the environment variable MINE": lambda: os.environ.update(MINE="1"),
    "the environment variable PATH": lambda: os.environ.pop("PATH"),
    "the handler of SIGINT": lambda: signal.signal(  # a process in the background begins with SIG_IGN
        signal.SIGINT, signal.SIG_DFL if signal.getsignal(signal.SIGINT) is signal.SIG_IGN else signal.SIG_IGN
    ),
    "the handler of SIGTERM": lambda: signal.signal(signal.SIGTERM, hook),
    "the timer ITIMER_REAL, running": lambda: signal.setitimer(signal.ITIMER_REAL, 3600),
    "the locale": lambda: locale.setlocale(locale.LC_ALL, "C.UTF-8" if locale.setlocale(locale.LC_ALL) == "C" else "C"),
    "the limit RLIMIT_NOFILE": lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    ),
    "the cores in use": lambda: os.sched_setaffinity(0, OTHER_CORES),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_setting_of_the_process_is_put_back_and_named(name):
    if name == "the cores in use" and len(os.sched_getaffinity(0)) == 1:
        pytest.skip("one core")
    before, members = process_settings.taken(), process_settings.members_taken()
    lines: list[str] = []
    with kept("plugin 'mine'", lines.append):
        CHANGES[name]()
    assert not process_settings.changed(before)
    assert not process_settings.changed_members(members)
    said = [line for line in lines if f", {name} from " in line]
    assert len(said) == 1
    assert said[0].startswith("plugin 'mine' changed a setting that all share")
    assert said[0].endswith("it was put back")


def test_what_a_plugin_changes_is_put_back_where_it_raises():
    lines: list[str] = []

    def fails():
        with kept("x", lines.append):
            torch.set_default_dtype(torch.float64)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert torch.get_default_dtype() is torch.float32
    assert lines == [
        "x changed a setting that all share, torch's default dtype from torch.float32 to torch.float64; it was put back"
    ]


def test_a_setting_that_cannot_be_put_back_is_named_with_the_reason(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    lines: list[str] = []
    with kept("x", lines.append):
        os.chdir("/")
        gone.rmdir()
    (line,) = lines
    assert "it could not be put back: FileNotFoundError" in line


def test_settings_of_a_run_are_its_own_while_it_runs_and_nobody_elses_in_between():
    def works():
        for _ in range(3):
            yield torch.get_default_dtype()
            torch.set_default_dtype(torch.float64)

    found = [(dtype, lines, torch.get_default_dtype()) for dtype, lines in kept_apart(works(), "arm a")]
    assert [dtype for dtype, _, _ in found] == [torch.float32, torch.float64, torch.float64]
    assert [len(lines) for _, lines, _ in found] == [0, 1, 0]  # it is named once
    assert {outside for _, _, outside in found} == {torch.float32}
    assert torch.get_default_dtype() is torch.float32


def test_a_function_that_a_run_replaced_is_put_back_before_its_last_event_and_where_it_is_stopped():
    step = torch.optim.Adam.step

    class Last:
        ends_run = True

    def works(last):
        replace_member(torch.optim.Adam, "step")
        yield last

    (_, lines), *_ = kept_apart(works(Last()), "arm a")
    assert "torch.optim.adam.Adam.step" in lines[0]
    assert torch.optim.Adam.step is step
    events = kept_apart(works("an epoch"), "arm b")
    assert next(events)[1] == []
    events.close()
    assert torch.optim.Adam.step is step
    assert [line.partition(" changed")[0] for line in take_notes()] == ["arm b"]


def test_what_a_plugin_changes_while_it_is_loaded_is_put_back_and_named(tmp_path):
    take_notes()
    step = torch.optim.SGD.step
    (tmp_path / "greedy.py").write_text(
        "import torch\nfrom harness import Optimizer, hookimpl\n"
        "torch.set_default_dtype(torch.float64)\ntorch.optim.SGD.step = lambda self, closure=None: None\n"
        "@hookimpl\ndef harness_optimizers():\n    return [Optimizer('greedy', torch.optim.SGD, {}, {'lr': 0.1})]\n"
    )
    discover([tmp_path / "greedy.py"])
    assert torch.get_default_dtype() is torch.float32
    assert torch.optim.SGD.step is step
    lines = take_notes()
    assert len(lines) == 2
    assert all(line.startswith("plugin greedy, while it was loaded, changed") for line in lines)


# --- no false alarm ------------------------------------------------------------------------------------------


def test_torchs_own_wrappers_are_no_plugins_change():
    class Fresh(torch.optim.Adam):
        pass

    lines: list[str] = []
    weight = torch.nn.Parameter(torch.zeros(2))
    with kept("x", lines.append):
        del torch.optim.Rprop.step  # wrapped by torch when the first one is built
        torch.optim.Rprop.step = ORIGINAL
        for build in (torch.optim.Rprop, Fresh):
            optimizer = build([weight])
            weight.grad = torch.ones(2)
            optimizer.step()
        assert torch.optim.Rprop.step is not ORIGINAL
    assert lines == []


STEP = torch.optim.Rprop.step
ORIGINAL = STEP.__wrapped__ if getattr(STEP, "hooked", False) else STEP


def test_building_and_stepping_every_optimizer_and_backbone_of_ours_names_nothing(registry: Registry):
    lines: list[str] = []
    for name in registry.offers["optimizer"]:
        offer = registry.find("optimizer", name, "").offer
        with kept(name, lines.append):
            settings = {
                n: getattr(s, "low", None) or s.choices[0] for n, s in offer.space.items() if n not in offer.defaults
            }
            Rehearsal(offer, settings).step(no_loss)
    for name in registry.offers["backbone"]:
        offer = registry.find("backbone", name, "").offer
        with kept(name, lines.append):
            offer.build((3, 32, 32), 2)(torch.zeros(2, 3, 32, 32)).sum().backward()
    assert lines == []


def test_transforms_of_functions_name_nothing():
    lines: list[str] = []
    with kept("x", lines.append):
        torch.func.vmap(torch.func.grad(lambda x: (x**2).sum()))(torch.ones(3, 2))
        torch.func.functional_call(torch.nn.Linear(2, 1), {}, torch.ones(1, 2))
        with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
            torch.nn.Linear(2, 1)(torch.ones(1, 2))
    assert lines == []


# --- data and arguments ---------------------------------------------------------------------------------------


def test_nothing_that_a_split_gives_out_is_the_stored_rows():
    rows = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    kept_rows, targets = rows.copy(), np.arange(9)
    split = put_on_device(Split(rows, targets, tuple("abcdefghi")), CPU)
    for part in (slice(0, 5), torch.tensor([2, 3])):
        inputs, labels = split.batch(part)
        np.testing.assert_array_equal(inputs.numpy(), kept_rows[part])
        inputs.zero_()
        labels.data.zero_()
        inputs.numpy()[:] = 7
    split.inputs.zero_()
    split.targets.numpy()[:] = 7
    np.testing.assert_array_equal(split.stored_inputs.numpy(), kept_rows)
    np.testing.assert_array_equal(split.stored_targets.numpy(), np.arange(9))


def test_a_metric_works_on_copies():
    def compute(predictions, targets):
        targets.sort()
        predictions[:] = 0
        return 0.0

    metric = Metric(compute, "max", each=lambda predictions, targets: predictions.fill(9) or targets)
    predictions, targets = np.ones((3, 2), np.float32), np.array([2, 1, 0])
    metric.compute(predictions, targets=targets)
    metric.each(predictions, targets)
    assert predictions.tolist() == np.ones((3, 2)).tolist()
    assert targets.tolist() == [2, 1, 0]


# --- whole runs ----------------------------------------------------------------------------------------------

PLUGINS = '''
import os
import warnings

import numpy as np
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from harness import Backbone, Data, Dataset, Float, Metric, Optimizer, Probe, Split, Task, hookimpl


class Evil(torch.optim.SGD):
    """Takes honest steps, and does something else beside them."""

    def __init__(self, parameters, deed, lr=0.1):
        super().__init__(parameters, lr=lr)
        self.deed = deed

    def step(self, closure=None):
        DEEDS[self.deed]()
        super().step()


def nothing(*_, **__):
    return None


def double(module, inputs, output):
    return 2 * output


def wrong_step(self, closure=None):
    return None


held = []


def autocast():
    if not held:
        held.append(torch.autocast("cpu", torch.bfloat16))
        held[0].__enter__()


DEEDS = {
    "autocast": autocast,
    "hooks": lambda: torch.nn.modules.module.register_module_forward_hook(double),
    "optimizer_hooks": lambda: register_optimizer_step_pre_hook(
        lambda optimizer, args, kwargs: [p.grad.zero_() for group in optimizer.param_groups for p in group["params"]]
    ),
    "patched": lambda: setattr(torch.optim.Adam, "step", wrong_step),
    "threads": lambda: torch.set_num_threads(2),
    "dtype": lambda: torch.set_default_dtype(torch.float64),
    "no_grad": lambda: torch.set_grad_enabled(False),
    "meta": lambda: torch.set_default_device("meta"),
    "errors": lambda: (np.seterr(all="raise"), warnings.simplefilter("error")),
    "seeds": lambda: (np.random.seed(0), torch.manual_seed(0)),
    "elsewhere": lambda: (os.chdir("/"), os.environ.update(HARNESS_CACHE="/nowhere")),
}


@hookimpl
def harness_optimizers():
    evil = [
        Optimizer(name, lambda p, lr=0.1, name=name: Evil(p, name, lr), {"lr": Float(0.01, 0.1, log=True)})
        for name in DEEDS
    ]
    return [*evil, Optimizer("drawing", Drawing, {"lr": Float(0.01, 0.1, log=True)})]


class Drawing(torch.optim.SGD):
    """Draws from numpy's generator, as honest plugins may."""

    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.grad += 0.01 * float(np.random.normal())
        super().step()


class Spoiling(torch.nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.head = torch.nn.Linear(4, outputs)

    def forward(self, inputs):
        return self.head(torch.nn.functional.relu(inputs, inplace=True).sub_(1))


class Honest(torch.nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.head = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(8, outputs))

    def forward(self, inputs):
        return self.head(inputs)


@hookimpl
def harness_backbones():
    return [
        Backbone("spoiling", lambda shape, outputs: Spoiling(outputs)),
        Backbone("honest", lambda shape, outputs: Honest(outputs)),
    ]


def accuracy(predictions, targets):
    return float((predictions.argmax(1) == targets).mean())


def sorting(predictions, targets):
    targets.sort()
    predictions[:] = 0
    return 0.5


def loss(outputs, targets):
    value = torch.nn.functional.cross_entropy(outputs, targets.clone())
    targets.zero_()
    return value


def spoiled_predict(outputs):
    return outputs.softmax(1)


@hookimpl
def harness_tasks():
    honest = {"accuracy": Metric(accuracy, "max", "%")}
    plain = torch.nn.functional.cross_entropy
    return [
        Task("plain", lambda data: 2, plain, spoiled_predict, honest),
        Task("sorted", outputs_of, loss, lambda o: o.sub_(o.logsumexp(1, keepdim=True)).exp_(), {"sorting": Metric(sorting, "max"), **honest}),
    ]


def outputs_of(data):
    for split in (data.train, data.tune, data.test):
        try:
            split.targets.sort()
        except ValueError:  # it is read-only
            pass
    return 2


def blobs(request):
    random = np.random.default_rng(request.seed)

    def split(count):
        targets = random.permutation(np.arange(count) % 2)
        inputs = random.normal(size=(count, 4)) + targets[:, None]
        return Split(inputs.astype(np.float32), targets, tuple(f"{count}.{i}" for i in range(count)))

    return Data("blobs", split(64), split(32), split(48), "blobs", "drawn", classes=("a", "b"))


@hookimpl
def harness_datasets():
    return [Dataset("blobs", blobs)]


def spoil(parts):
    for split in (parts.ingredients.train, parts.ingredients.tune, parts.ingredients.test):
        split.inputs.zero_()
        split.targets.numpy()[:] = 0
        for tensor in split.batch(slice(0, 9)):
            tensor.zero_()
    for parameter in parts.model.parameters():
        parameter.data.zero_()
    parts.model.train()
    torch.set_default_dtype(torch.float64)
    return {"value": 1.0}


def draw(parts):
    """Measure the network, and draw."""
    weights = torch.cat([p.detach().flatten() for p in parts.model.parameters()]).norm()
    return {"value": float(np.random.normal()) + float(torch.rand(())) + float(weights) + parts.model.training}


@hookimpl
def harness_probes():
    return [
        Probe("spoil", spoil),
        Probe("spoil_late", lambda parts: spoil(parts), costly=True),
        Probe("draw", draw),
        Probe("draw_late", draw, costly=True),
    ]
'''

BENCHMARK = """
block = {block}
name = "{name}"
[data]
dataset = "blobs"
[train]
executor = "inprocess"
task = "{task}"
backbones = {backbones}
optimizers = {optimizers}
schedulers = ["constant"]
batch_size = 16
precision = "fp32"
threads = 1
device = "cpu"
[search]
trials = 1
epochs = [2]
metric = "accuracy"
[compare]
looks = [1]
seeds = 1
epochs = 2
untuned = 0
gate = false
probes = {probes}
[report]
paths = false
formats = ["{report}"]
"""
EVIL = [
    "autocast",
    "hooks",
    "optimizer_hooks",
    "patched",
    "threads",
    "dtype",
    "no_grad",
    "meta",
    "errors",
    "seeds",
    "elsewhere",
]
HONEST = ["adam", "lbfgs", "drawing"]


@pytest.fixture(scope="module")
def carry_out(tmp_path_factory, every_analysis):
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "strange.py").write_text(PLUGINS)

    def start(
        name, optimizers=HONEST, task="plain", backbones=("honest",), probes=("draw", "draw_late"), report="text"
    ):
        file = folder / f"{name}.toml"
        lists = {"optimizers": optimizers, "backbones": backbones, "probes": probes, "block": every_analysis}
        text = BENCHMARK.format(
            name=name, task=task, report=report, **{key: list(value) for key, value in lists.items()}
        )
        file.write_text(text.replace("'", '"'))
        out = folder / name
        before, members = process_settings.taken(), process_settings.members_taken()
        code = run(Request(file, out=out, plugins=(folder / "strange.py",)), Reporter(quiet=True), ["harness"])
        assert not process_settings.changed(before)
        assert not process_settings.changed_members(members)
        return code, open_records(next(out.iterdir())), next(out.iterdir())

    return start


@pytest.fixture(scope="module")
def clean(carry_out):
    code, records, _ = carry_out("clean")
    assert code == 0
    assert records.changes == []  # no false alarm
    return records


def numbers(records, backbone="honest"):
    """Return all numbers of the honest arms, bit by bit: of epochs, runs, predictions and late probes."""
    arms = {f"{backbone}/{optimizer}/constant" for optimizer in HONEST}
    epochs = records.epochs[records.epochs["arm"].isin(arms)]
    by = ["arm", "phase", "seed", "epoch"]
    metrics = [column for column in ("running_loss", "tune_accuracy", "tune_loss") if column in epochs]
    table = epochs.sort_values(by)[by + metrics].to_csv(index=False)
    runs = records.compared()
    runs = runs[runs["arm"].isin(arms)].sort_values(["arm", "seed"])
    scores = [column for column in ("train_loss", "test_loss", "test_accuracy", "draw.value") if column in runs]
    predictions = [records.predictions(run_id).tobytes().hex() for run_id in runs["run_id"]]
    late = records.measured[records.measured["probe"] == "draw_late"]
    late = late.merge(runs[["run_id", "arm", "seed"]], left_on="one", right_on="run_id").sort_values(["arm", "seed"])
    return table, runs[["arm", "seed", "state", *scores]].to_csv(index=False), predictions, late["value"].tolist()


def lines_of(lines, who):
    return [line for line in lines if line.startswith(who)]


def test_settings_that_optimizers_leave_behind_change_no_other_arm_and_are_named(carry_out, clean):
    code, records, folder = carry_out("settings", optimizers=[*EVIL, *HONEST], report="md")
    assert numbers(records) == numbers(clean)
    assert code == 1
    named = {deed: lines_of(records.changes, f"arm honest/{deed}/") for deed in EVIL}
    assert {deed for deed, lines in named.items() if not lines} == {"seeds"}  # which harms nobody
    for deed, setting in {
        "autocast": "torch's autocast on cpu from",
        "hooks": "torch's global forward hooks of modules",
        "optimizer_hooks": "torch's global optimizer pre hooks",
        "patched": "torch.optim.adam.Adam.step",
        "threads": "torch's number of threads from 1 to 2",
        "dtype": "torch's default dtype from torch.float32 to torch.float64",
        "no_grad": "torch's gradients enabled from True to False",
        "meta": "torch's default device from none to meta",
        "errors": "numpy's error state",
        "elsewhere": "the working directory",
    }.items():
        assert any(setting in line for line in named[deed]), deed
    assert not [line for name in HONEST for line in lines_of(records.changes, f"arm honest/{name}/")]
    assert "torch's default device from none to meta" in (folder / "report.md").read_text()


def test_it_is_still_named_where_the_run_was_finished_before(carry_out):
    first = carry_out("again", optimizers=["dtype", "adam"])
    second = carry_out("again", optimizers=["dtype", "adam"])
    assert first[0] == second[0] == 1
    assert lines_of(second[1].changes, "arm honest/dtype/")


def test_a_network_and_probes_that_work_in_place_change_no_row(carry_out, clean):
    code, records, _ = carry_out(
        "rows", backbones=["spoiling", "honest"], probes=["spoil", "spoil_late", "draw", "draw_late"]
    )
    assert code == 1
    assert not records.runs["state"].eq("failed").any()
    assert numbers(records) == numbers(clean)
    assert lines_of(records.changes, "probe 'spoil_late' changed the weights of the network that it measured")
    assert lines_of(records.changes, "probe 'spoil_late' changed a setting that all share, torch's default dtype")
    assert lines_of(records.changes, "probe 'spoil' changed a setting that all share, torch's default dtype")
    assert lines_of(records.changes, "probe 'spoil' changed the weights of the network that it measured")


def test_a_metric_and_a_loss_that_work_in_place_change_no_number(carry_out, clean):
    code, records, _ = carry_out("metrics", task="sorted")
    assert code == 0
    columns = ["tune_accuracy", "running_loss", "tune_loss"]
    by = ["arm", "phase", "seed", "epoch"]
    one, other = (each.epochs.sort_values(by)[columns].to_numpy() for each in (records, clean))
    np.testing.assert_allclose(one, other, rtol=1e-6)
