"""The scripts of ``benchmarks/science``: each is there with its options, and the core of each keeps an invariant.

``operating_characteristics.py`` has its worlds in ``tests/verdict/test_operating_characteristics.py``.
"""

from __future__ import annotations

import importlib
import sys
from functools import partial

import numpy as np
import pytest
import torch
from harness_plugins.backbones import mlp
from harness_plugins.optimizers import _ranges

from harness import Float, Optimizer, Split
from harness.plugin.registry import Offered, Registry
from harness.training.parts import Parts

SCRIPTS = (
    "edge_of_stability", "fork_epochs", "operating_characteristics", "optimizer_ranges", "rebasin_by_width", "repair_midpoints",
)  # fmt: skip


@pytest.fixture(scope="module")
def science(repository):
    """Return a function to a module of the folder; its own modules are taken out again."""
    folder, before = str(repository / "benchmarks" / "science"), {*sys.modules}
    sys.path.insert(0, folder)
    yield importlib.import_module
    sys.path.remove(folder)
    for name in {*sys.modules} - before:
        if getattr(sys.modules[name], "__file__", None) and str(sys.modules[name].__file__).startswith(folder):
            del sys.modules[name]


def test_every_script_is_tried_here(repository):
    folder = repository / "benchmarks" / "science"
    assert {file.stem for file in folder.glob("[!_]*.py")} == set(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_tells_its_options(science, name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit, match="0"):
        science(name).main()
    assert f"benchmarks/science/{name}.py" in capsys.readouterr().out


# --- networks that part later (fork_epochs, and what rebasin_by_width trains) ---------------------------------


def test_two_children_are_one_network_until_they_part(science):
    """With all epochs shared, their orders do not matter; with none, they do."""
    networks = science("_networks")
    digits = networks.digits()
    rows = Split(digits.inputs[:64], digits.targets[:64], digits.names[:64])
    child = partial(
        networks.trained, partial(mlp.build, (64,), 10, widths=(4,)), rows, settings={"lr": 0.05}, epochs=2, seed=0
    )

    def weights(parts: Parts) -> list[torch.Tensor]:
        return [weight.detach() for weight in parts.parameters]

    first, second = (weights(child(order=order, shared=2)) for order in (100, 200))
    assert all(map(torch.equal, first, second))
    first, second = (weights(child(order=order, shared=0)) for order in (100, 200))
    assert not all(map(torch.equal, first, second))


# --- midpoints ------------------------------------------------------------------------------------------------


def test_without_batch_norm_every_convolution_has_a_bias_in_its_place(science):
    from harness_plugins.backbones import lesson_cnn

    layers = list(science("repair_midpoints").without_batch_norm(4))
    kinds = [type(layer) for layer in lesson_cnn.build((3, 32, 32), 2, width=4)]
    assert [type(layer) for layer in layers] == [kind for kind in kinds if kind is not torch.nn.BatchNorm2d]
    assert torch.nn.BatchNorm2d in kinds
    assert all(layer.bias is not None for layer in layers if isinstance(layer, torch.nn.Conv2d))
    assert torch.nn.Sequential(*layers)(torch.zeros(2, 3, 32, 32)).shape == (2, 2)


# --- the edge of stability ------------------------------------------------------------------------------------


def test_the_ratio_is_the_rate_times_the_largest_curvature_over_the_limit(science, monkeypatch):
    """Of a linear network with squared error the Hessian is the inputs' second moment, once for each output."""
    edge = science("edge_of_stability")
    monkeypatch.setattr(edge, "perceptron", lambda: torch.nn.Linear(64, 10, bias=False))
    parts = edge.begin(edge.Case(torch.optim.SGD, {"lr": 0.01}, 1))
    inputs = edge.digits().inputs.astype(float)
    largest = np.linalg.eigvalsh(inputs.T @ inputs / len(inputs))[-1]
    assert edge.own_ratio(parts, edge.rule_of(parts.optimizer), 0.01) == pytest.approx(0.01 * largest / 2, rel=1e-4)


# --- the ranges of the libraries ------------------------------------------------------------------------------


def fake(name):
    return Optimizer(name, torch.optim.SGD, {"lr": Float(1e-5, 1.0, log=True)}, {"lr": 0.1})


@pytest.fixture
def ranges(science, monkeypatch, tmp_path):
    """Return the script with a table of its own, losses with a best rate of 0.03, and no checks."""
    script = science("optimizer_ranges")
    table = tmp_path / "_ranges.py"
    text = 'RANGES: dict[str, Range] = {\n    "a:old": Range(0.001, 10.0, 1.0, 0.5, ""),\n}\n\nWITHOUT: dict[str, str] = {}\n'
    text += "UNMEASURED: dict[str, str] = {}\nPLAIN: dict[str, str] = {}\n"
    table.write_text(text)
    monkeypatch.setattr(script, "TABLE", table)
    tried = []

    def losses_at(offer, rates):
        tried.extend((offer.name, rate) for rate in rates)
        return {rate: 0.1 + abs(np.log10(rate / 10**-1.5)) for rate in rates}

    monkeypatch.setattr(script, "losses_at", losses_at)
    monkeypatch.setattr(
        script, "state_of", lambda offer, quick: f"{'quick' if quick else 'all'} {offer.space['lr'].high:g}"
    )
    registry = Registry()
    for name in ("a:old", "a:new"):
        registry.offers["optimizer"][name] = Offered(fake(name), "a", "here", "0")
    monkeypatch.setattr(script, "discover", lambda: registry)
    monkeypatch.setattr(script, "names_of", lambda registry: ["a:old", "a:new"])
    monkeypatch.setattr(_ranges, "RANGES", {"a:old": _ranges.Range(0.001, 10.0, 1.0, 0.5, "")})
    for other in ("WITHOUT", "UNMEASURED", "PLAIN"):
        monkeypatch.setattr(_ranges, other, {})
    return script, table, tried


def run(script, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["optimizer_ranges.py", *arguments])
    return script.main()


def read(table):
    names = {"Range": _ranges.Range}
    exec(table.read_text(), names)
    return names["RANGES"], names["WITHOUT"]


def read_others(table):
    names = {"Range": _ranges.Range}
    exec(table.read_text(), names)
    return names["UNMEASURED"], names["PLAIN"]


def test_a_pass_over_the_libraries_measures_what_the_table_lacks_and_keeps_the_rest(ranges, monkeypatch):
    script, table, tried = ranges
    assert run(script, monkeypatch) == 0
    rows, _ = read(table)
    assert {name for name, _ in tried} == {"a:new"}
    assert rows["a:old"] == (0.001, 10.0, 1.0, 0.5, "")
    assert rows["a:new"] == (3.2e-05, 0.32, 0.032, 0.1, "")  # a thousandth of the best rate to ten times that


def test_a_pass_with_checks_checks_what_has_no_state_in_the_range_of_its_table(ranges, monkeypatch):
    script, table, tried = ranges
    assert run(script, monkeypatch, "--check", "quick", "--names", "a:old") == 0
    assert read(table)[0]["a:old"] == (0.001, 10.0, 1.0, 0.5, "quick 10")
    assert tried == []


def test_one_that_no_rate_trains_stands_in_the_other_table(ranges, monkeypatch):
    script, table, _ = ranges
    monkeypatch.setattr(script, "losses_at", lambda offer, rates: dict.fromkeys(rates, float("inf")))
    assert run(script, monkeypatch, "--names", "a:new", "--check", "all") == 0
    assert read(table)[1]["a:new"] == "all 1"
    assert "a:new" not in read(table)[0]


def test_one_that_trains_too_slowly_is_left_out_and_the_table_says_why(ranges, monkeypatch):
    script, table, tried = ranges
    clock = iter((0.0, 25.0))
    monkeypatch.setattr(script.time, "process_time", lambda: next(clock))
    assert run(script, monkeypatch, "--names", "a:new", "--longest", "20", "--check", "quick") == 0
    assert len(tried) == 1
    assert read_others(table)[0] == {"a:new": "too slow to measure: the training at one rate takes 25 s of a processor"}
    assert read(table)[1] == {"a:new": "quick 1"}  # it is checked in the range that its catalogue has


def test_a_pass_without_ranges_looks_only_at_what_the_tables_have(ranges, monkeypatch):
    script, table, tried = ranges
    assert run(script, monkeypatch, "--check", "quick", "--no-ranges") == 0
    assert read(table) == ({"a:old": (0.001, 10.0, 1.0, 0.5, "quick 10")}, {})
    assert tried == []


def test_a_pass_for_plain_methods_writes_whose_steps_they_take_and_nothing_else(ranges, monkeypatch):
    script, table, tried = ranges
    before = read(table)
    assert run(script, monkeypatch, "--plain") == 0
    assert read_others(table)[1] == dict.fromkeys(("a:old", "a:new"), "SGD without momentum")
    assert (read(table), tried) == (before, [])


def test_a_name_that_is_none_is_refused_before_anything_is_measured(ranges, monkeypatch, capsys):
    script, table, tried = ranges
    before = table.read_text()
    with pytest.raises(SystemExit, match="2"):
        run(script, monkeypatch, "--names", "a:new", "a:gone")
    assert "--names: must name an optimizer, got 'a:gone'; did you mean 'a:new'?" in capsys.readouterr().err
    assert (tried, table.read_text()) == ([], before)


def test_names_of_timm_that_differ_in_their_decay_alone_share_a_range():
    from harness_plugins.optimizers import timm_optim

    assert timm_optim.same_steps("lambw") == "timm:lamb"
    assert timm_optim.same_steps("clambw") == "timm:clamb"
    assert timm_optim.same_steps("adamw") == "torch:AdamW"
    assert timm_optim.same_steps("sgd") == "timm:sgd"  # it has a momentum
    spaces = [timm_optim.find(name).space for name in ("lamb", "lambw")]
    assert spaces[0] == spaces[1] == {"lr": Float(*_ranges.of("timm:lamb"), log=True)}
