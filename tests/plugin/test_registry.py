"""Plugins come in by one door, and nothing fails quietly."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from harness.errors import PluginError, UnknownName
from harness.plugin import discovery as module
from harness.plugin.contracts import Backbone, Optimizer
from harness.plugin.discovery import discover

PLUGIN = """
from harness import Float, Optimizer, hookimpl

@hookimpl
def harness_optimizers():
    return [Optimizer(name="{name}", build=dict, space={{"lr": Float(1e-3, 1)}})]
"""

MISSPELT = PLUGIN.replace("optimizers()", "optimisers()")


@pytest.fixture
def plugin(tmp_path):
    def write(text, name="mine.py"):
        file = tmp_path / name
        file.write_text(text)
        return file

    return write


def test_the_built_ins_come_through_the_entry_points(registry):
    assert {"sgd", "adam", "rmsprop"} <= set(registry.offers["optimizer"])
    assert registry.offers["optimizer"]["sgd"].origin.startswith("optimizer-harness ")
    assert registry.offers["optimizer"]["sgd"].plugin == "harness_plugins.optimizers.sgd"
    assert len(registry.offers["optimizer"]["sgd"].sha256) == 64
    assert registry.broken == {}


def test_every_kind_has_a_built_in(registry):
    assert [kind for kind, found in registry.offers.items() if not found] == []


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
    assert discover([file], ["harness_plugins.optimizers.sgd"]).offers["optimizer"]["sgd"].plugin == "mine"
    assert discover([file], ["mine"]).offers["optimizer"]["sgd"].plugin == "harness_plugins.optimizers.sgd"


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
        (
            MISSPELT.format(name="a"),
            r"mine\.py:4: must implement a hook that there is, got harness_optimisers\(\); did you",
        ),
        (
            "x = 1",
            r"mine\.py: must offer a plugin, got none; return one from a hook marked @hookimpl: harness_datasets",
        ),
        (
            PLUGIN.replace("@hookimpl", "").format(name="a"),
            r"mine\.py: must offer a plugin, got none; write @hookimpl above harness_optimizers$",
        ),
        (
            PLUGIN.replace("return [", "return [] #").format(name="a"),
            r"mine\.py: must offer a plugin, got none; harness_optimizers must return a list with a plugin in it$",
        ),
        ("import sys\nsys.exit(0)", r"mine\.py:2: must import, got SystemExit: 0"),
        (
            PLUGIN.replace("return [", "exit(0) #").format(name="a"),
            r"mine\.py:6: must offer its plugins, got SystemExit",
        ),
        (
            PLUGIN.replace("()", "(config)").format(name="a"),
            r"mine\.py:4: harness_optimizers\(\) must take no arguments, got \(config\); take them out",
        ),
        (
            PLUGIN.replace("@hookimpl", "@hookimpl(wrapper=True)").format(name="a"),
            r"mine\.py:4: harness_optimizers\(\) must be a plain hook, got a wrapper of other hooks; take wrapper=True out",
        ),
        ("x = '\0'", r"mine\.py: must be valid Python, got "),
        (PLUGIN.format(name="<script>"), r"mine\.py:4: optimizer '<script>': name must be up to 100 letters"),
    ],
)
def test_a_broken_loose_file_is_one_line_with_its_place(plugin, text, message):
    with pytest.raises(PluginError, match=message) as caught:
        discover([plugin(text)])
    assert "\n" not in str(caught.value)


def test_a_loose_file_given_by_a_relative_path_is_refused_too(plugin, monkeypatch):
    monkeypatch.chdir(plugin(PLUGIN.replace("return [", "return 5 #[")).parent)
    with pytest.raises(PluginError, match=r"^mine\.py:4: harness_optimizers\(\) must return a list"):
        discover([Path("mine.py")])


@pytest.mark.parametrize(("first", "second"), [("mine.py", "mine.py"), ("mine.py", "deeper/mine.py")])
def test_two_loose_files_of_one_name_are_refused_naming_both(plugin, tmp_path, first, second):
    (tmp_path / "deeper").mkdir()
    files = [plugin(PLUGIN.format(name=f"mine{i}"), name) for i, name in enumerate((first, second))]
    with pytest.raises(PluginError) as caught:
        discover(files)
    assert str(caught.value) == (
        f"{files[1]}: must be a plugin with a name of its own, got 'mine', which {files[0]} has; "
        "rename one or leave one out"
    )


def test_a_missing_loose_file_is_named(tmp_path):
    with pytest.raises(PluginError, match=r"none\.py: must be a plugin file, got nothing there"):
        discover([tmp_path / "none.py"])


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return a function that discovers with one more installed module, of that text."""

    def find(name, text, **how):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        points = [*entry_points(group="harness"), EntryPoint("rotten", name, "harness")]
        monkeypatch.setattr(module, "_entry_points", lambda: points)
        return discover(**how)

    return find


def test_an_installed_plugin_that_cannot_be_imported_is_named_and_stops_nobody(installed):
    found = installed("rotten_plugin", "raise RuntimeError('rotten')")
    assert found.broken == {"rotten_plugin": "must import, got RuntimeError: rotten"}
    assert "sgd" in found.offers["optimizer"]
    with pytest.raises(UnknownName, match="could not be loaded: rotten_plugin"):
        found.find("optimizer", "sdg", "here")
    assert "rotten_plugin" not in discover(block=["rotten"]).broken
    by_its_module = discover(block=["rotten_plugin"])
    assert by_its_module.blocked == {"rotten_plugin"}
    assert "rotten_plugin" not in by_its_module.broken


INSTALLED = {
    "leaves": ("import sys\nsys.exit(0)", "must import, got SystemExit: 0"),
    "misspelt": (MISSPELT, "must implement a hook that there is, got harness_optimisers(); did you mean"),
    "arguments": (PLUGIN.replace("()", "(config)"), "harness_optimizers() must take no arguments, got (config)"),
    "raises": (PLUGIN.replace("return", "raise KeyError(1) #"), "must offer its plugins, got KeyError: 1"),
    "hostile": (PLUGIN.replace("{name}", "<script>"), "optimizer '<script>': name must be up to 100 letters"),
}


@pytest.mark.parametrize("case", INSTALLED)
def test_an_installed_plugin_that_does_not_keep_its_contract_is_named_and_offers_nothing(installed, case):
    text, why = INSTALLED[case]
    found = installed(f"installed_{case}", text.format(name="mine"))
    assert found.broken[f"installed_{case}"].startswith(why)
    assert "mine" not in found.offers["optimizer"]


def test_an_installed_module_without_hooks_is_a_helper(installed):
    assert installed("installed_helper", "x = 1").broken == {}


def test_a_package_inside_a_package_that_leaves_is_named(tmp_path, installed):
    (tmp_path / "outer_plugins" / "inner").mkdir(parents=True)
    (tmp_path / "outer_plugins" / "inner" / "__init__.py").write_text("raise SystemExit(3)")
    (tmp_path / "outer_plugins" / "__init__.py").touch()
    assert installed("outer_plugins", "").broken == {"outer_plugins.inner": "must import, got SystemExit: 3"}


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


CATALOGUE = """
from harness import Catalogue, Optimizer, hookimpl

def find(name):
    if name == "raises":
        raise ValueError("no luck")
    return {"good": Optimizer("odd:good", dict, {}), "bad": Optimizer("bad", 5, {}), "other": 5}.get(name)

@hookimpl
def harness_catalogues():
    return [Catalogue("optimizer", "odd", find, lambda: ["good"], qualified=True)]
"""


def test_what_a_catalogue_finds_is_checked_too(plugin):
    found = discover([plugin(CATALOGUE)])
    assert found.get("optimizer", "odd:good", Optimizer).name == "odd:good"
    for name, why in {
        "bad": "optimizer 'bad': build must be a function, got 5",
        "other": "catalogue 'odd' must return an optimizer, got 5",
        "raises": "catalogue 'odd': must find it or return None, got ValueError: no luck",
    }.items():
        with pytest.raises(UnknownName, match=f"x: must name an optimizer that works here, got 'odd:{name}': {why}"):
            found.find("optimizer", f"odd:{name}", "x")


def test_discovery_imports_no_heavy_library():
    import subprocess

    code = "from harness.plugin.discovery import discover; discover(); import sys; print({'torch', 'timm', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


WRAPPER = """
from dataclasses import replace

from harness import Catalogue, Float, Optimizer, hookimpl


def around(inner):
    return replace(inner, space={**inner.space, "rho": Float(0.01, 1)})


@hookimpl
def harness_optimizers():
    return [Optimizer(name="outer", build=dict, space={}, around=around)]


@hookimpl
def harness_catalogues():
    return [Catalogue("optimizer", "torch", find=dict, names=list)] if TWICE else []
"""


def test_an_optimizer_goes_around_another(plugin):
    registry = discover([plugin("TWICE = False\n" + WRAPPER)])
    found = registry.find("optimizer", "outer(outer(adam))", "here")
    assert found.offer.name == "outer(outer(adam))"
    assert set(found.offer.space) == {"lr", "beta1", "rho"}
    assert (
        found.sha256 != registry.find("optimizer", "outer(outer(sgd))", "here").sha256
    )  # the inner one's source counts


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "adam(sgd)",
            r"here: must name an optimizer that goes around another, got 'adam' in 'adam\(sgd\)'; these do: ",
        ),
        ("outer(adm)", "here: must name an optimizer, got 'adm'; did you mean 'adam'"),
        ("outr(adam)", "here: must name an optimizer, got 'outr'; did you mean 'outer'"),
    ],
)
def test_what_cannot_go_around_is_named(plugin, name, message):
    with pytest.raises(UnknownName, match=message):
        discover([plugin("TWICE = False\n" + WRAPPER)]).find("optimizer", name, "here")


def test_two_catalogues_of_one_name_are_refused(plugin):
    with pytest.raises(
        PluginError, match=r"a catalogue of optimizers 'torch' twice: from harness_plugins\..*torch_optim"
    ):
        discover([plugin("TWICE = True\n" + WRAPPER)])
