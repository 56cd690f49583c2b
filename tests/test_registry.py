"""Plugins come in by one door, and nothing fails quietly."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint

import pytest

from harness import registry as module
from harness.contracts import Backbone, Optimizer
from harness.errors import PluginError, UnknownName
from harness.registry import discover

PLUGIN = """
from harness import Float, Optimizer, hookimpl

@hookimpl
def harness_optimizers():
    return [Optimizer(name="{name}", build=dict, space={{"lr": Float(1e-3, 1)}})]
"""


@pytest.fixture
def plugin(tmp_path):
    def write(text, name="mine.py"):
        file = tmp_path / name
        file.write_text(text)
        return file

    return write


def test_the_built_ins_come_through_the_entry_points(registry):
    assert {"sgd", "adam", "rmsprop"} <= set(registry.found["optimizer"])
    assert registry.found["optimizer"]["sgd"].origin.startswith("optimizer-harness ")
    assert registry.found["optimizer"]["sgd"].plugin == "harness_plugins.optimizers.sgd"
    assert len(registry.found["optimizer"]["sgd"].sha256) == 64
    assert registry.broken == {}


def test_every_kind_has_a_built_in(registry):
    assert [kind for kind, found in registry.found.items() if not found] == []


def test_a_loose_file_is_found(plugin):
    found = discover([plugin(PLUGIN.format(name="mine"))])
    assert found.get("optimizer", "mine", Optimizer).name == "mine"


def test_two_plugins_of_one_name_are_refused_naming_both(plugin):
    with pytest.raises(
        PluginError, match=r"optimizer 'sgd' twice: from harness_plugins\.optimizers\.sgd .* from mine \(.*mine\.py\)"
    ):
        discover([plugin(PLUGIN.format(name="sgd"))])


def test_of_two_plugins_of_one_name_either_can_be_blocked(plugin):
    file = plugin(PLUGIN.format(name="sgd"))
    assert discover([file], ["harness_plugins.optimizers.sgd"]).found["optimizer"]["sgd"].plugin == "mine"
    assert discover([file], ["mine"]).found["optimizer"]["sgd"].plugin == "harness_plugins.optimizers.sgd"


def test_blocking_what_is_not_there_is_refused():
    with pytest.raises(PluginError, match="block: must name a plugin, got 'nobody'"):
        discover(block=["nobody"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:", r"mine\.py:1: must be valid Python, got SyntaxError"),
        ("x = 1\nraise ValueError('no\\nluck')", r"mine\.py:2: must import, got ValueError: no luck"),
        ("import nowhere_to_be_found", r"mine\.py:1: must import, got ModuleNotFoundError"),
        (PLUGIN.replace("return [", "raise KeyError('x')\n    return [").format(name="a"), r"mine\.py:6: must offer"),
        (
            PLUGIN.replace("return [", "return 5 #[").format(name="a"),
            r"harness_optimizers\(\) must return a list of Optimizer, got 5",
        ),
    ],
)
def test_a_broken_loose_file_is_one_line_with_its_place(plugin, text, message):
    with pytest.raises(PluginError, match=message) as caught:
        discover([plugin(text)])
    assert "\n" not in str(caught.value)


def test_a_missing_loose_file_is_named(tmp_path):
    with pytest.raises(PluginError, match=r"none\.py: must be a plugin file, got nothing there"):
        discover([tmp_path / "none.py"])


def test_an_installed_plugin_that_cannot_be_imported_is_named_and_stops_nobody(tmp_path, monkeypatch):
    (tmp_path / "rotten_plugin.py").write_text("raise RuntimeError('rotten')")
    monkeypatch.syspath_prepend(tmp_path)
    points = [*module._entry_points(), EntryPoint("rotten", "rotten_plugin", "harness")]
    monkeypatch.setattr(module, "_entry_points", lambda: points)
    found = discover()
    assert found.broken == {"rotten_plugin": "RuntimeError: rotten"}
    assert "sgd" in found.found["optimizer"]
    with pytest.raises(UnknownName, match="could not be loaded: rotten_plugin"):
        found.find("optimizer", "sdg", "here")
    assert "rotten_plugin" not in discover(block=["rotten"]).broken


def test_two_entry_points_of_one_name_are_refused_naming_both(monkeypatch):
    points = [EntryPoint("same", "one", "harness"), EntryPoint("same", "two", "harness")]
    monkeypatch.setattr(module, "entry_points", lambda group: points)
    with pytest.raises(PluginError, match=r"two entry points 'same': .*\(one\) and .*\(two\)"):
        discover()


def test_an_unknown_name_is_answered_with_the_nearest(registry):
    with pytest.raises(UnknownName, match=r"b\.toml:3: must name an optimizer, got 'adm'; did you mean 'adam'"):
        registry.find("optimizer", "adm", "b.toml:3")


@pytest.mark.parametrize("name", ["resnet18", "timm:resnet18"])
def test_a_catalogue_is_looked_up_by_name(registry, name):
    assert registry.get("backbone", name, Backbone).name == "resnet18"


def test_a_wrong_timm_name_gets_a_hint_from_timms_own_names(registry):
    with pytest.raises(UnknownName, match="did you mean 'resnet18'"):
        registry.find("backbone", "resnet_18", "x")


def test_discovery_imports_no_heavy_library():
    import subprocess

    code = "from harness.registry import discover; discover(); import sys; print({'torch', 'timm', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
